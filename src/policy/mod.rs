//! What a connector may do: validated values, each with the place that set it.
//!
//! Text becomes a policy in four steps, all but the first pure:
//!
//! ```text
//! load (files) ─► yaml (subset, places) ─► raw (shape) ─► decode (values) ─► layer (merge) ─► rules
//! ```
//!
//! `load` is the only file that reads. Sizes are bytes, shares of processors thousandths, times
//! `Duration`s, paths absolute.

pub(crate) mod decode;
mod either;
pub(crate) mod expect;
pub(crate) mod fields;
mod forms;
mod layer;
pub mod load;
mod network;
mod origin;
mod overrides;
mod package;
pub(crate) mod parse;
pub(crate) mod path;
pub(crate) mod problem;
pub(crate) mod raw;
mod rules;
pub(crate) mod text;
mod types;
pub(crate) mod yaml;

pub use decode::{Places, manifest};
pub use expect::Malformed;
pub use layer::WORKSPACE_SIZE;
pub use origin::{Origin, Setting};
pub use overrides::{Overrides, WorkspaceArg};
pub use package::{Package, Registry};
pub use parse::endpoint;
pub use problem::Problem;
pub use raw::schema;
pub use types::{
    Backend, Bytes, ConnectorName, Container, Control, Cpus, EngineKind, EnvEntry, EnvValue,
    EofGrace, Filesystem, ImageName, IoLimit, Limits, Network, NetworkMode, PathRule, Period,
    PortGrant, Rpc, SeccompChoice, Secret, SecretSource, SecretTarget, SystemTree, ToolId,
    Workspace,
};

/// Everything that a run of one connector is decided by.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    pub name: ConnectorName,
    /// The tool of the host application that this connector stands behind.
    pub tool: Option<Setting<ToolId>>,
    /// The package that `command` starts, where the manifest names one instead of a command.
    pub package: Option<Setting<Package>>,
    /// Program and arguments; never empty.
    pub command: Setting<Vec<std::ffi::OsString>>,
    pub env: Vec<Setting<EnvEntry>>,
    pub secrets: Vec<Setting<Secret>>,
    pub filesystem: Filesystem,
    pub network: Network,
    pub ports: Vec<Setting<PortGrant>>,
    pub limits: Limits,
    pub seccomp: Setting<SeccompChoice>,
    pub rpc: Option<Setting<Rpc>>,
    pub sandbox: Setting<Backend>,
    /// Where the sandbox is a container.
    pub container: Container,
    /// Controls that the owner allows to be missing, by name.
    pub allow_missing: Vec<Setting<Control>>,
    /// How long a connector may live on after its standard input ended; `None`: as long as it likes.
    pub eof_grace: Setting<Option<std::time::Duration>>,
}

impl Policy {
    /// True for a command that has no manifest.
    pub fn is_ad_hoc(&self) -> bool {
        matches!(self.command.origin, Origin::Flag(_))
    }
}
