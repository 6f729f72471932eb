//! `jail doctor ports`: who listens where, and is that what the registry says?
//!
//! [`look`] reads, [`judge()`] decides (pure), [`report`] shows.

pub mod engines;
pub mod facts;
pub mod judge;
pub mod look;
pub mod observed;
pub mod report;
pub mod rules;

pub use facts::Facts;
pub use judge::judge;
pub use look::{Seen, look};
pub use observed::{Holder, Observed, Open};
pub use report::Report;
