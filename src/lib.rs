//! `jail` runs connectors so that they cannot hurt the person who runs them.
//!
//! ```text
//! argv ─► cli ─► policy ─┐
//!         host facts ────┴─► plan ──► (explain and --dry-run print it and stop)
//!                              │
//!                              ▼
//!  supervisor   spawn::parent ── supervise ── report ─► exit code, audit
//!    │ clone3          ▲ spawn::wire
//!    └─► spawn::init (pid 1 of the jail) ─► spawn::payload ─► the connector
//! ```

pub mod api;
pub mod approvals;
pub mod audit;
mod calendar;
pub mod cli;
pub mod compose;
pub mod confine;
pub mod console;
pub mod container;
pub mod docs;
pub mod doctor;
mod edit;
pub mod egress;
pub mod exit;
pub mod failure;
pub mod firewall;
pub mod host;
pub mod plan;
pub mod planted;
pub mod policy;
pub mod ports;
pub mod resolve;
pub mod runs;
pub mod seccomp;
pub mod session;
pub mod spawn;
pub mod state;
pub mod supervise;
pub mod sys;
pub mod why;
