//! Which stage a call of init or of the payload belongs to: what its failure must name.
//!
//! Read off the recorded run by the call with which each stage begins, and not asked of jail.

use super::call::Seen;
use super::tracer::Role;

/// Per call, in the order of the recording; empty for the supervisor and the egress process, whose
/// failures name what they were about.
pub fn of(seen: &[Seen]) -> Vec<&'static str> {
    let mut init = Init::Lifeline;
    let mut payload = Payload::Limits;
    seen.iter()
        .map(|seen| match seen.spot.role {
            Role::Init => {
                init = init.next(&seen.name, &seen.object);
                init.name()
            }
            Role::Payload => {
                payload = payload.next(&seen.name);
                payload.name()
            }
            _ => "",
        })
        .collect()
}

#[derive(Clone, Copy)]
enum Init {
    Lifeline,
    IdMap,
    Mapped,
    Network,
    Process,
    Mounts,
    Pivot,
    Capabilities,
    NoNewPrivs,
    Landlock,
    Landlocked,
    Payload,
}

impl Init {
    fn next(self, name: &str, object: &str) -> Self {
        match (self, name) {
            (Self::Lifeline, "openat") => Self::IdMap,
            (Self::IdMap, "getresgid") => Self::Mapped,
            (Self::Mapped, "openat" | "socket") => Self::Network,
            (Self::Network, "keyctl") => Self::Process,
            (Self::Process, "umask") => Self::Mounts,
            (Self::Mounts, "fchdir") => Self::Pivot,
            (Self::Pivot, "prctl") => Self::Capabilities,
            // PR_SET_NO_NEW_PRIVS
            (Self::Capabilities, "prctl") if object == "38" => Self::NoNewPrivs,
            (Self::NoNewPrivs, "landlock_create_ruleset") => Self::Landlock,
            (Self::Landlock, "landlock_restrict_self") => Self::Landlocked,
            (Self::Landlocked, "mmap" | "clone" | "clone3") => Self::Payload,
            _ => self,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Lifeline => "lifeline",
            Self::IdMap | Self::Mapped => "id-map",
            Self::Network => "network",
            Self::Process => "process",
            Self::Mounts => "mounts",
            Self::Pivot => "pivot",
            Self::Capabilities => "capabilities",
            Self::NoNewPrivs => "no-new-privs",
            Self::Landlock | Self::Landlocked => "landlock",
            Self::Payload => "payload",
        }
    }
}

#[derive(Clone, Copy)]
enum Payload {
    Limits,
    Placed,
    Proof,
    Seccomp,
    ProofAfter,
    Heard,
    Gate,
    Exec,
}

impl Payload {
    fn next(self, name: &str) -> Self {
        match (self, name) {
            // The last step of the limits.
            (Self::Limits, "chdir") => Self::Placed,
            (Self::Placed, _) => Self::Proof,
            (Self::Proof, "seccomp") => Self::Seccomp,
            (Self::Seccomp, _) => Self::ProofAfter,
            (Self::ProofAfter, "write") => Self::Heard,
            (Self::Heard, "write" | "read") => Self::Gate,
            (Self::Gate | Self::Heard, "execve") => Self::Exec,
            _ => self,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Limits | Self::Placed => "limits",
            Self::Proof | Self::ProofAfter | Self::Heard => "proof",
            Self::Seccomp => "seccomp",
            Self::Gate => "payload",
            Self::Exec => "exec",
        }
    }
}
