//! One cgroup (version 2) per run: limits, usage, and the end of everything in it.
//!
//! ```text
//!  Support::probe(needs) ──► how and where a leaf can be made, or why not     (reads only)
//!        │ Leaf::create(support, run, limits)
//!        │     UserManagerScope: systemd's user manager gives us a delegated scope first
//!        ▼
//!  parent (no process in it; controllers enabled for its children)
//!    ├─ jail-<run>          the leaf: limits are written, then read back and compared
//!    └─ jail-supervisors    us, only where we sat in `parent` ourselves
//! ```
//!
//! **Who enters the leaf and how.** The connector is born in it: `clone3(CLONE_INTO_CGROUP)` with
//! [`Leaf::dir_fd`]. Nothing is written to its `cgroup.procs`: that write takes the kernel's
//! thread-group lock for writing and waits for an RCU grace period (measured: 9 ms, more than all
//! the rest of a start).
//!
//! **The "no internal processes" rule.** A cgroup that hands controllers to its children may hold no
//! process itself (the root of the hierarchy excepted). So a parent is chosen that is empty; where
//! the only one on offer holds us and nobody else, we move into a child of it, once, before the
//! controllers are enabled. That is the one `cgroup.procs` write here, and a set-up where the parent
//! is empty (a service with a delegated sub-group, or root) never pays for it.
//!
//! **Nothing is left.** [`Leaf`] removes its directory when dropped. For a supervisor that was killed:
//! it holds an flock on the directory, which dies with it, so [`sweep_stale`] knows what is orphaned
//! without comparing process ids (which are reused, and differ between pid namespaces).
//!
//! See cgroups(7) and the kernel's admin-guide/cgroup-v2.

mod bus;
mod error;
mod files;
mod leaf;
mod limits;
mod parse;
mod scope;
mod support;
#[cfg(test)]
mod tests;
mod usage;

pub use error::CgroupError;
pub use leaf::{Leaf, stale, sweep_stale};
pub use limits::{IoMax, Limits};
pub use parse::{Controller, Controllers};
pub use scope::BusAddress;
pub use support::{How, Support, View};
pub use usage::Usage;
