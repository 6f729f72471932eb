//! What runs now, and what lately ran, without a daemon: a folder for each run.
//!
//! ```text
//! $XDG_RUNTIME_DIR/cloned/jail/         else /run/user/UID/…, else /tmp/cloned-UID/jail; mode 0700
//!   runs/RUN-WORKSPACE/                 of runs whose supervisor lives
//!     run.json                          what it is; its supervisor holds a lock (flock) on it for life
//!     stderr.log, stderr.log.1          what the connector and jail said, the newest 128 to 256 KiB
//!   ended/RUN-WORKSPACE/                of runs that have ended: the last 20 of a workspace, a week
//! ```
//!
//! A run is alive as long as its lock is held: the kernel lets go of it when the supervisor ends, however
//! that is, and no number can be reused meanwhile. What a killed supervisor left among the living is
//! moved by whoever looks next. An entry is made under a name with a dot, and appears by rename(2) when it
//! is complete and locked.
//!
//! No folder of it is ever shown to a connector: it is in no mount of a jail, Landlock has no rule for it,
//! and a grant that would hold it is refused (`plan/mounts/grants.rs`). A run without an entry takes place all
//! the same: this is for people, not a control.

mod clean;
mod entry;
mod find;
mod frame;
mod here;
mod list;
mod log;
mod now;
mod record;
mod stop;
mod text;

pub use clean::{KEPT, KEPT_IN_ALL};
pub use entry::{Held, bucket};
pub use find::{found, newest, top};
pub use frame::{Frame, Source};
pub use here::{Here, here};
pub use list::{Kept, New, Run, ended, living};
pub use log::{Log, PART};
#[cfg(test)]
pub(crate) use now::of_log;
pub use now::{Now, Running, now, now_of};
pub use record::{Confinement, End, Kind, Record};
pub use stop::{Outcome, Stopping, stop};
pub use text::{Line, Lines, shown};

/// Of living runs.
const RUNS: &str = "runs";
/// Of runs that have ended.
const ENDED: &str = "ended";
/// In the user's folder ([`crate::host::runtime`]).
const PARTS: [&str; 2] = [RUNS, ENDED];

/// Ends the connector at once, in order: its supervisor kills it, records the end and cleans up. The last of
/// the real-time signals; its number is the same for every C library.
pub const STOP_NOW: i32 = 64;
