//! From a plan to processes.
//!
//! ```text
//! supervisor ──clone3(all namespaces, into the cgroup)──► init (pid 1 of the jail)
//!    │  ▲                                                   │ maps its user, builds the root, pivots,
//!    │  └── report pipe: Failed · Noted · Refused ·         │ empties its capabilities, Landlock
//!    │      Escaped · Confined · Ended                      │
//!    │                                                      └─clone──► payload
//!    └── pidfd: signals in, end out                        (vfork)     session, rlimits, proof,
//!                                                                      seccomp, proof, exec
//! ```
//!
//! | who | waits for | before |
//! |---|---|---|
//! | init | nothing: it maps its own ids | – |
//! | payload | the gate: the supervisor has recorded the run | exec |
//! | init | the payload's end (SIGCHLD) | reports `Ended`, leaves; the kernel ends the rest |
//! | supervisor | `Failed` or `Confined`, then init's end (pidfd) | exit |
//!
//! The supervisor's death ends init (PR_SET_PDEATHSIG), init's death ends everything in its pid
//! namespace, and the namespaces take mounts and network with them: nothing is left to clean but the
//! cgroup directory, which the next run sweeps.

pub mod egress;
pub mod handover;
pub mod hints;
pub mod init;
pub mod parent;
pub mod payload;
pub mod secrets;
pub mod telling;
pub mod tree;
pub mod wire;

use crate::plan::Plan;
use crate::sys::exec::CArray;
use crate::sys::seccomp::Pass;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// Tells an init without a pid namespace to end every process of the run, as SIGKILL for one with a pid
/// namespace does. No signal that the supervisor passes on.
pub const END: i32 = libc::SIGPWR;

/// A plan with everything that the children need, made before the clone so that they allocate nothing.
pub struct Prepared<'a> {
    pub plan: &'a Plan,
    pub secrets: Vec<secrets::SecretValue>,
    pub program: CString,
    pub argv: CArray,
    pub envp: CArray,
    pub cwd: CString,
    /// init's own filter.
    pub init_filter: &'static [u8],
    /// Write end of the stderr relay; `None`: stderr is inherited.
    pub stderr: Option<OwnedFd>,
    /// Read end of the gate: a byte comes when the run is recorded, and only then exec follows. Before it
    /// comes one for init, where the run is traced.
    pub gate: OwnedFd,
    /// Where the sockets of a proxied network are handed out; the egress process has the other end.
    pub egress: Option<OwnedFd>,
    /// The jail's end of a pseudo-terminal.
    pub terminal: Option<OwnedFd>,
    /// Our own pid.
    pub supervisor: i32,
    /// Where the proof tries to make a file that no rule allows.
    pub beside: PathBuf,
    /// How the supervisor is to hear what the connector's filter refuses.
    pub telling: Option<telling::Telling>,
}

impl Prepared<'_> {
    pub fn pass(&self) -> Pass {
        self.telling.as_ref().map(|telling| telling.pass).unwrap_or_default()
    }
}
