//! Controls that a test build can leave out, one at a time, to see that a test notices.
//!
//! Without the feature `planted-breaks` nothing of this is in the binary: [`broken`] is a constant
//! `false`. With it, `JAIL_PLANTED` names the controls that are left out (`landlock,proof`), and
//! `jail --version` and every run say so. `scripts/planted.sh` leaves out each in turn.

macro_rules! controls {
    ($($variant:ident = $name:literal),* $(,)?) => {
        /// Something that keeps a connector in.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Control { $($variant),* }

        impl Control {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

controls! {
    AddressVetting = "address-vetting",
    AuditChain = "audit-chain",
    AuditGate = "audit-gate",
    Capabilities = "capabilities",
    Cgroup = "cgroup",
    CloseOnExec = "close-on-exec",
    DefaultDeny = "default-deny",
    DenyRules = "deny-rules",
    Ech = "ech",
    EgressCapabilities = "egress-capabilities",
    EgressDeath = "egress-death",
    EgressLandlock = "egress-landlock",
    EgressSeccomp = "egress-seccomp",
    Environment = "environment",
    Framing = "framing",
    HeaderFields = "header-fields",
    HeadLimit = "head-limit",
    HideOwn = "hide-own",
    Hidepid = "hidepid",
    HostCompare = "host-compare",
    HostMeant = "host-meant",
    Hostname = "hostname",
    Identity = "identity",
    InitSeccomp = "init-seccomp",
    Keyring = "keyring",
    Landlock = "landlock",
    Lifeline = "lifeline",
    Links = "links",
    Metadata = "metadata",
    NamespaceCgroup = "namespace-cgroup",
    NamespaceIpc = "namespace-ipc",
    NamespaceMount = "namespace-mount",
    NamespaceNet = "namespace-net",
    NamespacePid = "namespace-pid",
    NamespaceTime = "namespace-time",
    NamespaceUser = "namespace-user",
    NamespaceUts = "namespace-uts",
    NoNewPrivs = "no-new-privs",
    Nodev = "nodev",
    Nosuid = "nosuid",
    NotDumpable = "not-dumpable",
    OldRoot = "old-root",
    OomScore = "oom-score",
    OtherTools = "other-tools",
    OwnNull = "own-null",
    Ports = "ports",
    ProcMasks = "proc-masks",
    ProcReadOnly = "proc-read-only",
    Proof = "proof",
    Protections = "protections",
    Quarantine = "quarantine",
    ReadOnly = "read-only",
    ResolveOnce = "resolve-once",
    Revocation = "revocation",
    Rlimits = "rlimits",
    RootSeal = "root-seal",
    Seccomp = "seccomp",
    Session = "session",
    Signals = "signals",
    Sni = "sni",
    Streams = "streams",
    Sysctls = "sysctls",
    Timeout = "timeout",
    Writable = "writable",
}

/// Is this control left out?
#[cfg(not(feature = "planted-breaks"))]
#[inline(always)]
pub const fn broken(_: Control) -> bool {
    false
}

#[cfg(feature = "planted-breaks")]
pub use planted::{broken, chosen};

#[cfg(feature = "planted-breaks")]
mod planted {
    use super::Control;
    use std::sync::OnceLock;

    #[cfg(not(debug_assertions))]
    compile_error!("planted-breaks is for tests: a release must have all of its controls");

    static CHOSEN: OnceLock<Vec<Control>> = OnceLock::new();

    /// Is this control left out? `main` has asked once before anything is cloned, so that nothing is
    /// allocated here later.
    pub fn broken(control: Control) -> bool {
        chosen().contains(&control)
    }

    /// What the environment names. A name that is none would make a test pass for nothing.
    pub fn chosen() -> &'static [Control] {
        CHOSEN.get_or_init(|| {
            let names = std::env::var("JAIL_PLANTED").unwrap_or_default();
            let find =
                |name: &str| Control::ALL.iter().copied().find(|control| control.name() == name);
            names
                .split(',')
                .filter(|name| !name.is_empty())
                .map(|name| {
                    find(name).unwrap_or_else(|| panic!("JAIL_PLANTED: there is no control {name}"))
                })
                .collect()
        })
    }
}
