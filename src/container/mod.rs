//! `--sandbox=container`: the same policy, kept by docker or podman.
//!
//! ```text
//! supervisor ──docker|podman run──► engine ──► entry (pid 1 of the container: this program, bound in)
//!    │  ▲                                        │ connects to the door, a unix socket of the run
//!    │  └── door: what it sees of itself ────────┤
//!    │      what the kernel says of its cgroup   │
//!    ├── verify: every control, or no run        │
//!    └── door: stdin, stdout, stderr, order, gate, signals
//!                                                └─► the connector, as its child
//! ```
//!
//! The engine makes the walls; jail says which ([`translate`]), and before the connector starts it looks at
//! what the kernel says of them ([`verify`]): an engine that leaves an option out in silence is found out.
//! The connector's streams are the supervisor's own descriptors, handed in through the door, so that no
//! engine stores or changes a byte of them. Secrets come the same way: they are in no command line, in no
//! file and in nothing that `inspect` shows.
//!
//! The container has no network but its own loopback. A way out is two listening sockets that the entry
//! makes there and hands out to the egress process of the host, as a jail's init does.

pub mod attacks;
pub mod backend;
pub mod cgroup;
pub mod engine;
pub mod entry;
pub mod explain;
pub mod knobs;
pub mod mountinfo;
pub mod own;
pub mod seccomp;
pub mod sweep;
pub mod translate;
pub mod verify;
pub mod wire;
