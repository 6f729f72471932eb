//! The validated types of a policy: parsed once, used as parsed.

use super::Setting;
use crate::firewall::{Rule, Unlisted};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A time span that is more than nothing and at most a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

/// How long a connector may live on after its standard input ended; `None`: as long as it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EofGrace(pub Option<Duration>);

/// `[a-z0-9][a-z0-9._-]{0,63}`: safe as a file name, a host name part and in a log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConnectorName(pub(super) String);

/// A tool id of the host application: `cloned.mcp.web.search@v1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ToolId(pub(super) String);

impl ConnectorName {
    /// A name for a command that has no manifest: the program's base name, made to fit.
    pub fn of_command(program: &std::ffi::OsStr) -> Self {
        let base = std::path::Path::new(program).file_name().unwrap_or_default();
        let name: String = base
            .to_string_lossy()
            .to_lowercase()
            .chars()
            .map(|c| if matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-') { c } else { '-' })
            .skip_while(|c| !c.is_ascii_alphanumeric())
            .take(64)
            .collect();
        Self(if name.is_empty() { "command".to_owned() } else { name })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ToolId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// A share of processors in thousandths: 1500 is one and a half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpus(pub u32);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvEntry {
    pub name: String,
    pub value: EnvValue,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvValue {
    Literal(String),
    /// The value that the variable has for `jail` itself; absent there means absent here.
    FromHost,
}

/// A secret: a reference, never the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    pub name: String,
    pub source: SecretSource,
    pub target: SecretTarget,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    File(PathBuf),
    Fd(i32),
    Env(String),
    Command(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretTarget {
    Env(String),
    /// A file name under `/run/secrets` in the jail.
    File(String),
    /// Not into the jail: to the proxy, for the rules that inject it.
    Egress,
}

/// A host path that the jail sees at the same absolute path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathRule {
    pub path: PathBuf,
}

/// What `/workspace` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Workspace {
    /// Empty and gone afterwards.
    Tmpfs { size: Bytes },
    /// This folder of the host, writable.
    Host { path: PathBuf },
    /// A copy of this folder of the host, thrown away afterwards.
    Copy { path: PathBuf, size: Bytes },
}

/// Which of the system's own programs the jail sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemTree {
    /// `/usr` (and `/bin`, `/lib…`), read-only.
    Usr,
    /// Only the command, its loader and its libraries.
    Minimal,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Filesystem {
    pub read: Vec<Setting<PathRule>>,
    pub write: Vec<Setting<PathRule>>,
    pub workspace: Setting<Workspace>,
    pub system: Setting<SystemTree>,
    /// Size of each private `/tmp` and HOME.
    pub scratch: Setting<Bytes>,
    /// Names that are writable though they act later outside the jail (`.git/hooks`, `.envrc`, …).
    pub unprotect: Vec<Setting<String>>,
}

impl Filesystem {
    /// The host folders (and files) that the connector may write, as the policy names them.
    pub fn writable_folders(&self) -> impl Iterator<Item = &Path> {
        let workspace = match &self.workspace.value {
            Workspace::Host { path } => Some(path.as_path()),
            Workspace::Tmpfs { .. } | Workspace::Copy { .. } => None,
        };
        self.write.iter().map(|rule| rule.value.path.as_path()).chain(workspace)
    }
}

/// Whether there is a way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkMode {
    /// Through the proxy, where the rules allow it.
    Proxy,
    None,
    /// For commands without a manifest, where nobody said: `Proxy` if there is any rule, on the command
    /// line or in the workspace's firewall. The plan decides it. It cannot be written.
    Auto,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub mode: Setting<NetworkMode>,
    /// What happens to hosts that no rule names; `None`: as the workspace's firewall says.
    pub unlisted: Option<Setting<Unlisted>>,
    /// How long a connection is held while its owner is asked.
    pub hold: Setting<Duration>,
    /// What the manifest and the command line allow and deny; each rule knows where it stands. Those of
    /// the workspace's firewall are not here.
    pub rules: Vec<Rule>,
    /// At one time.
    pub connections: Setting<u32>,
    /// Bytes per second in each direction, all connections together.
    pub bandwidth: Option<Setting<Bytes>>,
    /// May processes of the jail talk TCP to each other on the jail's own loopback?
    pub loopback: Setting<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortGrant {
    pub listen: u16,
    pub publish: Option<SocketAddr>,
}

/// Bytes per second, per direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IoLimit {
    pub read: Option<Bytes>,
    pub write: Option<Bytes>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    pub memory: Setting<Bytes>,
    pub cpus: Setting<Cpus>,
    pub pids: Setting<u32>,
    pub io: Option<Setting<IoLimit>>,
    /// Open files per process (RLIMIT_NOFILE).
    pub files: Setting<u32>,
    /// Largest file that may be written (RLIMIT_FSIZE).
    pub file_size: Option<Setting<Bytes>>,
    /// Wall clock.
    pub timeout: Option<Setting<Duration>>,
    pub nice: Setting<u8>,
}

/// A built-in profile by name, or an OCI seccomp profile of the user's by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeccompChoice {
    BuiltIn(String),
    File(PathBuf),
}

/// The JSON-RPC guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rpc {
    pub methods: Option<Vec<String>>,
    pub tools: Option<Vec<String>>,
    pub max_frame: Option<Bytes>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Namespace,
    /// The weaker tier, for hosts that forbid user namespaces: Landlock, seccomp and limits.
    Landlock,
    Container,
    None,
}

/// What runs containers, with `--sandbox=container`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    Docker,
    Podman,
}

/// The name of a local image: never an option, never fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName(pub(super) String);

/// What `--sandbox=container` runs in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Container {
    pub image: Option<Setting<ImageName>>,
    /// The one to use; any that is there where nobody says.
    pub engine: Option<Setting<EngineKind>>,
}

/// A control that an owner may allow to be missing (`--allow-missing`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Control {
    Memory,
    Cpus,
    Pids,
    Io,
    Landlock,
    /// Only with `--sandbox=landlock`: signals to other processes of the user.
    Signals,
    /// Only with `--sandbox=landlock`: a user that is not root of the machine.
    User,
}

impl SystemTree {
    pub const ALL: &'static [Self] = &[Self::Usr, Self::Minimal];

    pub fn name(self) -> &'static str {
        match self {
            Self::Usr => "usr",
            Self::Minimal => "minimal",
        }
    }
}

impl NetworkMode {
    /// Those that can be written.
    pub const ALL: &'static [Self] = &[Self::Proxy, Self::None];

    pub fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::None => "none",
            Self::Auto => "auto",
        }
    }
}

impl Backend {
    pub const ALL: &'static [Self] =
        &[Self::Namespace, Self::Landlock, Self::Container, Self::None];

    pub fn name(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Landlock => "landlock",
            Self::Container => "container",
            Self::None => "none",
        }
    }
}

impl EngineKind {
    pub const ALL: &'static [Self] = &[Self::Podman, Self::Docker];

    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}

impl ImageName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Control {
    pub const ALL: &'static [Self] = &[
        Self::Memory,
        Self::Cpus,
        Self::Pids,
        Self::Io,
        Self::Landlock,
        Self::Signals,
        Self::User,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpus => "cpus",
            Self::Pids => "pids",
            Self::Io => "io",
            Self::Landlock => "landlock",
            Self::Signals => "signals",
            Self::User => "user",
        }
    }
}

impl fmt::Display for ConnectorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ToolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
