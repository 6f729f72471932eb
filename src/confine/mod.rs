//! One file per mechanism. Each applies its part of the plan, verifies it, and hands back a witness.
//!
//! `exec` takes a [`Confined`], which has one witness per mechanism and cannot be made otherwise: a
//! control that is forgotten does not compile. Everything here runs between clone and exec and
//! therefore neither allocates nor locks.

pub mod capabilities;
pub mod cgroup;
pub mod identity;
pub mod landlock;
pub mod limits;
pub mod mounts;
pub mod network;
pub mod no_new_privs;
pub mod pivot;
pub mod process;
pub mod proof;
pub mod seccomp;

/// A view of its own: all that namespaces hold, and Landlock behind them.
pub struct OwnView {
    pub identity: identity::Enforced,
    pub network: network::Enforced,
    pub pivot: pivot::Enforced,
    pub landlock: landlock::Enforced,
}

/// What init has done before it forks the payload; the payload inherits all of it.
pub struct Walled {
    pub process: process::Enforced,
    pub capabilities: capabilities::Enforced,
    pub no_new_privs: no_new_privs::Enforced,
    /// `None` in a run without namespaces, whose payload has Landlock still to come: init must stay
    /// out of its domain, or the connector could signal it.
    pub view: Option<OwnView>,
}

/// What hides the host from the connector.
pub enum View {
    Own(OwnView),
    /// Landlock alone, which may not be missing then.
    Host(landlock::Enforced),
}

/// Everything that must be true before the connector starts.
pub struct Confined {
    pub process: process::Enforced,
    pub capabilities: capabilities::Enforced,
    pub no_new_privs: no_new_privs::Enforced,
    pub view: View,
    pub limits: limits::Enforced,
    pub seccomp: seccomp::Enforced,
    pub proof: proof::Enforced,
}
