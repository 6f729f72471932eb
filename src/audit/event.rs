//! What the log tells: the vocabulary of events, version [`VERSION`].
//!
//! An event is a JSON object with a `kind`; a reader must ignore fields that it does not know. No
//! event holds an argument, an environment value or a secret: only the name of the program is kept.

use super::act::Act;
use super::asked::{Asked, Decided};
use super::text::{Digest, RunId, Text};
use crate::plan::Stage;
use crate::policy::Backend;
use crate::seccomp::refusal::Seen;
use serde::{Deserialize, Serialize};

/// Counts changes of meaning in this file. The line around an event (see [`super`]) never changes,
/// so that any version of `jail` can continue and verify any log.
pub const VERSION: u32 = 1;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    RunStart(RunStart),
    Applied(Applied),
    Denial(Denial),
    RunEnd(RunEnd),
    Firewall(Firewall),
    Asked(Asked),
    Decision(Decided),
    Act(Act),
}

impl Event {
    /// The run that it belongs to.
    pub fn run(&self) -> &RunId {
        match self {
            Self::RunStart(event) => &event.run,
            Self::Applied(event) => &event.run,
            Self::Denial(event) => &event.run,
            Self::RunEnd(event) => &event.run,
            Self::Firewall(event) => &event.run,
            Self::Asked(event) => &event.run,
            Self::Decision(event) => &event.run,
            Self::Act(event) => &event.run,
        }
    }

    /// Its `kind` as it stands in the log.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RunStart(_) => "run-start",
            Self::Applied(_) => "applied",
            Self::Denial(_) => "denial",
            Self::RunEnd(_) => "run-end",
            Self::Firewall(_) => "firewall",
            Self::Asked(_) => "asked",
            Self::Decision(_) => "decision",
            Self::Act(_) => "act",
        }
    }
}

/// A run is about to start; written before any process of it exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStart {
    pub run: RunId,
    pub connector: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<Text>,
    pub backend: Sandbox,
    /// SHA-256 of the plan as `jail explain --json` prints it.
    pub plan_sha256: Digest,
    pub jail_version: Text,
    /// The kernel release, as uname(2) gives it.
    pub kernel: Text,
    /// The supervisor's.
    pub pid: u32,
    /// With the pid it names one process: another one may have the number later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub born: Option<Born>,
    /// Whether there is a way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// The real user id of the supervisor.
    pub uid: u32,
    /// The program alone (`argv[0]`): arguments can hold secrets.
    pub command: Text,
    /// Controls that the owner allowed to be missing and that are missing.
    #[serde(default)]
    pub gaps: Vec<Text>,
    /// Calls that fail are recorded (`--trace`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub traced: bool,
}

/// When a process began, as the kernel tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Born {
    /// Which start of the machine (`/proc/sys/kernel/random/boot_id`).
    pub boot: Text,
    /// Clock ticks after that: field 22 of `/proc/PID/stat`.
    pub ticks: u64,
}

/// What the connector can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// Its own loopback at most.
    None,
    /// What the rules allow, through the egress process.
    Proxy,
    /// Everything: it is not confined.
    Host,
}

/// What the connector is kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sandbox {
    Namespace,
    /// The weaker tier without namespaces.
    Landlock,
    Container,
    None,
}

impl Sandbox {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Landlock => "landlock",
            Self::Container => "container",
            Self::None => "none",
        }
    }
}

impl From<Backend> for Sandbox {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Namespace => Self::Namespace,
            Backend::Landlock => Self::Landlock,
            Backend::Container => Self::Container,
            Backend::None => Self::None,
        }
    }
}

/// The jail is built and its proof passed; the connector's program starts after this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Applied {
    pub run: RunId,
    /// The stages that were done, in order, by [`Stage::name`].
    pub stages: Vec<Text>,
    /// What was tried from inside.
    pub proof: Vec<Probe>,
    /// Whether what seccomp refuses is recorded; none in records of versions that did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hears_seccomp: Option<bool>,
}

impl Applied {
    pub fn new(run: RunId, stages: &[Stage], proof: Vec<Probe>) -> Self {
        Self {
            run,
            stages: stages.iter().map(|stage| stage.name().into()).collect(),
            proof,
            hears_seccomp: None,
        }
    }
}

/// One attempt at something that must fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Probe {
    /// What was tried (`open /etc/shadow`).
    pub probe: Text,
    pub verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = ProbeVerdict)]
pub enum Verdict {
    /// The attempt failed, as it must.
    Held,
    /// The attempt worked: the control is not there.
    Broken,
    /// It could not be tried here, or its control is one of the gaps.
    Skipped,
}

/// Something that the connector wanted and did not get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    pub run: RunId,
    pub mechanism: Mechanism,
    /// What was asked for (`evil.example:443`, `ptrace`, `/etc/shadow`).
    pub object: Text,
    /// The rule that refused it, or why.
    pub reason: Text,
    /// How its owner can allow it, where that can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Text>,
    /// How often it happened since it was last written; a caller joins repeats, so that a loop in
    /// a connector does not fill the disk.
    #[serde(default = "once")]
    pub times: u32,
    /// What else is known, for programs.
    #[serde(flatten)]
    pub detail: Detail,
}

/// What is known of a denial besides its words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// By which way it came to the proxy, by [`crate::firewall::Door::name`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<Text>,
    /// The stable name of the reason, by [`crate::firewall::Reason::code`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Text>,
    /// The address that was refused, where a name stood for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Text>,
    /// The limit that was reached: bytes, processes, or milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Of a system call: the arguments that the filter looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Seen>,
    /// The system call that failed, in a traced run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Text>,
    /// What it failed with: `EACCES`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<Text>,
    /// What of the host could be granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
}

/// A path of the host that is not granted, or not as far as the connector wants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub path: Text,
    /// For writing, else for reading.
    #[serde(default)]
    pub write: bool,
    /// Why one should think twice, by a stable name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Text>,
}

fn once() -> u32 {
    1
}

/// What refused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    Proxy,
    Seccomp,
    Landlock,
    Cgroup,
    Rlimit,
    Policy,
    /// It is not in the jail, or read-only there.
    Mounts,
    /// Modes and owners of files.
    Permissions,
    /// The namespace has no way out.
    Network,
    /// A limit of the machine itself.
    Kernel,
}

impl Mechanism {
    pub fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Seccomp => "seccomp",
            Self::Landlock => "landlock",
            Self::Cgroup => "cgroup",
            Self::Rlimit => "rlimit",
            Self::Policy => "policy",
            Self::Mounts => "mounts",
            Self::Permissions => "permissions",
            Self::Network => "network",
            Self::Kernel => "kernel",
        }
    }
}

/// The run is over, or was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunEnd {
    pub run: RunId,
    pub how: How,
    /// Wall-clock time from start to end, in milliseconds.
    pub wall_ms: u64,
    /// User and system time of all its processes, in milliseconds.
    pub cpu_ms: u64,
    /// The most memory it held at once, in bytes, where the cgroup tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<u64>,
    /// The most processes it had at once, where the cgroup tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_pids: Option<u64>,
    /// Bytes that it received through the proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_in: Option<u64>,
    /// Bytes that it sent through the proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_out: Option<u64>,
    /// Connections and requests that the proxy let out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<u64>,
    /// Those that it refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied: Option<u64>,
    /// System calls that seccomp refused, where that was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_calls: Option<u64>,
    /// Who asked for the end last, where the kernel told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<StoppedBy>,
}

/// A signal to the supervisor that asks for the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StoppedBy {
    /// `SIGTERM`; `stop-now` where `jail stop` had the connector killed.
    pub signal: Text,
    /// The real user id of the process that sent it.
    pub uid: u32,
    /// Its number, which it may have no more.
    pub pid: u32,
}

/// The host's own firewall was changed: rules of the registry of ports were loaded or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firewall {
    /// Names this change: it belongs to no run.
    pub run: RunId,
    pub change: Change,
    /// What loaded them (`nftables`).
    pub by: Text,
    /// The registry's file, where there is a workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<Text>,
    /// SHA-256 of what `jail firewall export --host` prints.
    pub rules_sha256: Digest,
    /// What is closed (`tcp 8080 (localai)`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<Text>,
    /// The users whose way out is narrowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<u32>,
    pub jail_version: Text,
    /// Why it did not take place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Text>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    Applied,
    Removed,
}

/// What ended a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum How {
    Exited {
        code: i32,
    },
    Signal {
        signal: i32,
    },
    /// The wall-clock limit.
    Timeout,
    /// The memory limit.
    Oom,
    /// jail itself: nothing of the connector was started.
    Refused {
        /// The stage that failed, by [`Stage::name`]; none before the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stage: Option<Text>,
        what: Text,
        /// What can be done about it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hints: Vec<Text>,
    },
}
