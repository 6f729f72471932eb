//! The order of a run: one word for the executor, errors, `jail explain`, the docs and the audit.

use std::fmt;

/// A stage of the set-up. Declaration order is execution order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Stage {
    /// Find the command and what it needs (supervisor).
    Resolve,
    /// Read secrets from where the manifest says (supervisor).
    Secrets,
    /// Create the cgroup, write its limits, read them back (supervisor).
    Cgroup,
    /// clone3 with every namespace at once (supervisor).
    Namespaces,
    /// Die with the supervisor (init).
    Lifeline,
    /// Map the single user; deny setgroups (init).
    IdMap,
    /// The network namespace, or two and the pair between them (init).
    Network,
    /// Keyring, scheduling, OOM score, host name, namespace sysctls (init).
    Process,
    /// Build the new root (init).
    Mounts,
    /// pivot_root into it and drop the old one (init).
    Pivot,
    /// Empty every capability set (init).
    Capabilities,
    /// no_new_privs (init).
    NoNewPrivs,
    /// Landlock (init).
    Landlock,
    /// Fork the payload; init stays to reap (init).
    Payload,
    /// Session, resource limits, signals, descriptors (payload).
    Limits,
    /// The seccomp filter (payload).
    Seccomp,
    /// Try what must fail (payload).
    Proof,
    /// execve (payload).
    Exec,
}

impl Stage {
    pub const ALL: &'static [Self] = &[
        Self::Resolve,
        Self::Secrets,
        Self::Cgroup,
        Self::Namespaces,
        Self::Lifeline,
        Self::IdMap,
        Self::Network,
        Self::Process,
        Self::Mounts,
        Self::Pivot,
        Self::Capabilities,
        Self::NoNewPrivs,
        Self::Landlock,
        Self::Payload,
        Self::Limits,
        Self::Seccomp,
        Self::Proof,
        Self::Exec,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Secrets => "secrets",
            Self::Cgroup => "cgroup",
            Self::Namespaces => "namespaces",
            Self::Lifeline => "lifeline",
            Self::IdMap => "id-map",
            Self::Process => "process",
            Self::Network => "network",
            Self::Mounts => "mounts",
            Self::Pivot => "pivot",
            Self::Capabilities => "capabilities",
            Self::NoNewPrivs => "no-new-privs",
            Self::Landlock => "landlock",
            Self::Payload => "payload",
            Self::Limits => "limits",
            Self::Seccomp => "seccomp",
            Self::Proof => "proof",
            Self::Exec => "exec",
        }
    }

    /// The stage with this number on the wire.
    pub fn from_wire(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
