//! Policy and host facts become a plan; a plan is a pure value.
//!
//! After the plan nothing reads configuration, environment or host facts again: the child is handed
//! decisions. `jail explain` and `--dry-run` print exactly what the executor is given.

mod about;
mod build;
mod env;
pub mod explain;
mod facts;
mod gap;
pub mod host_view;
mod landlock;
pub mod mounts;
pub mod network;
pub mod probe;
mod protect;
pub mod publish;
mod stage;
mod step;
mod wall;

pub use about::About;
pub use build::{CANARIES, build, unlisted};
pub use env::PASSED as PASSED_ENV;
pub use facts::{CgroupFacts, Facts, FirewallFacts, PathFact};
pub use gap::Gap;
pub use host_view::HostView;
pub use landlock::{LandlockPlan, PathAccess, Seen};
pub use network::{NetworkPlan, Proxied};
pub use probe::{Moment, Probe};
pub use protect::{OWN, PROTECTED, Protection};
pub use publish::{PortFacts, Published};
pub use stage::Stage;
pub use step::{Bind, Kind, MountStep, human};

use crate::policy::{Bytes, Cpus, IoLimit, Policy};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// The user and group inside every jail, whoever runs it.
pub const INSIDE_ID: u32 = 1000;
/// The user's name inside.
pub const INSIDE_USER: &str = "jail";
/// The private home inside.
pub const INSIDE_HOME: &str = "/home/jail";
/// The workspace inside.
pub const INSIDE_WORKSPACE: &str = "/workspace";

/// One user and one group of the host, mapped to [`INSIDE_ID`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdMap {
    pub host_uid: u32,
    pub host_gid: u32,
    /// Real root can leave its supplementary groups; nobody else can (setgroups is denied).
    pub drop_groups: bool,
}

/// What init sets on itself before it builds the root; everything is inherited by the connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessPlan {
    /// Where there is a uts namespace to set it in.
    pub hostname: Option<String>,
    pub oom_score_adj: i32,
    pub nice: u8,
    /// Sysctls of the new namespaces: path below /proc/sys, value, and whether the run depends on it.
    pub sysctls: Vec<Sysctl>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sysctl {
    pub path: &'static std::ffi::CStr,
    pub value: &'static str,
    pub why: &'static str,
    /// False where another control closes the same hole (read-only /proc/sys in containers).
    pub required: bool,
}

/// cgroup v2 limits; `None` is "not limited by the cgroup".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CgroupPlan {
    pub memory: Option<Bytes>,
    pub cpus: Option<Cpus>,
    pub pids: Option<u32>,
    /// The limit, and the path whose disk it is for.
    pub io: Option<(IoLimit, PathBuf)>,
}

impl CgroupPlan {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A resource limit: number, name, value for both soft and hard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rlimit {
    pub resource: nix::sys::resource::Resource,
    pub name: &'static str,
    pub value: u64,
}

/// What is executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecPlan {
    pub program: PathBuf,
    pub argv: Vec<OsString>,
    /// Without the secrets, which are added after the plan.
    pub env: Vec<(OsString, OsString)>,
    pub cwd: PathBuf,
    pub terminal: bool,
    /// The supervisor looks at its system calls (`--trace`).
    pub traced: bool,
}

/// The seccomp profile: its name for people, its program for the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeccompPlan {
    pub name: String,
    pub program: std::borrow::Cow<'static, [u8]>,
    /// The same program, telling what it refuses (`crate::seccomp::notify`), where it can.
    pub telling: Option<std::borrow::Cow<'static, [u8]>>,
}

impl Plan {
    /// All that this run does without, by its backend or because it cannot be had here.
    pub fn missing(&self) -> impl Iterator<Item = &Gap> {
        self.host_view.iter().flat_map(|view| &view.lost).chain(&self.gaps)
    }
}

/// Everything a run does, decided.
#[derive(Debug, Clone)]
pub struct Plan {
    pub run_id: String,
    pub policy: Policy,
    /// `CLONE_NEW*` flags.
    pub namespaces: u64,
    /// What takes their place where there are none.
    pub host_view: Option<HostView>,
    pub ids: IdMap,
    pub network: NetworkPlan,
    /// What it offers on the host, and what grants that.
    pub published: Vec<Published>,
    pub process: ProcessPlan,
    pub mounts: Vec<MountStep>,
    pub landlock: Option<LandlockPlan>,
    pub cgroup: CgroupPlan,
    pub rlimits: Vec<Rlimit>,
    pub seccomp: SeccompPlan,
    pub probes: Vec<Probe>,
    /// A host file that the policy does not grant, for the proof.
    pub canary: PathBuf,
    pub exec: ExecPlan,
    pub timeout: Option<Duration>,
    pub eof_grace: Option<Duration>,
    pub gaps: Vec<Gap>,
    /// Names that are kept from being created in writable host folders.
    pub protections: Vec<Protection>,
}
