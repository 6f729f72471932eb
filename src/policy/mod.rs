//! What a connector may do: validated values, each with the place that set it.
//!
//! Everything here is pure. `load` is the only file that reads; `raw` is the shape of the YAML.

mod origin;
mod types;

pub use origin::{Origin, Setting};
pub use types::{
    Backend, Bytes, ConnectorName, Control, Cpus, EnvEntry, EnvValue, Filesystem, HostPort,
    IoLimit, Limits, Network, PathRule, PortGrant, Rpc, SeccompChoice, Secret, SecretSource,
    SecretTarget, SystemTree, ToolId, Workspace,
};

/// Everything that a run of one connector is decided by.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    pub name: ConnectorName,
    /// The tool of the host application that this connector stands behind.
    pub tool: Option<Setting<ToolId>>,
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
    /// Controls that the owner allows to be missing, by name.
    pub allow_missing: Vec<Setting<Control>>,
    /// How long a connector may live on after its standard input ended; `None`: as long as it likes.
    pub eof_grace: Setting<Option<std::time::Duration>>,
}
