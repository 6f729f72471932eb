//! What a connector, an agent or a run asked for and only its owner can grant.
//!
//! ```text
//!   egress ──Event::Asked──► supervisor ─┐                      ┌─► firewall's files ──inotify──► egress
//!   jail mcp ────────────────────────────┼─► record ─ state.db ─┤
//!   a run that publishes ────────────────┘      answer ─────────┴─► registry of ports
//! ```
//!
//! A request grants nothing. Its answer is first written down and then applied: a rule of the firewall's
//! files or an entry of the registry, like one that a person makes. [`apply`] puts it on record in the audit
//! log first, and finishes what a process that was killed in between left undone; applying twice changes
//! nothing. [`decide`] does both.

mod answer;
mod apply;
mod decide;
mod doubts;
mod log;
mod ports;
mod request;
mod store;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Decision, Lifetime, Scope, Verdict, Via};
pub use apply::apply;
pub use decide::{decide, running, runs_still};
pub use doubts::{Doubt, doubts};
pub use ports::{granted_by, pending_ports, port};
pub use request::{AGENT, Asker, Occurrence, Request, RequestId, Standing, Subject};
pub use store::{
    Filter, Recorded, answer, changes, dismiss, find, kept_from_denying, list, record, revoke,
};

/// Requests that wait for an answer, of all connectors of a workspace.
pub const MOST: usize = 256;
/// And of one connector.
pub const MOST_OF_ONE: usize = 64;
