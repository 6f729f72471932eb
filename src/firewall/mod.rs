//! Who may talk to whom: hosts, rules, and the one pure function that decides.
//!
//! Nothing in this module opens a socket. The proxy ([`crate::egress`]) asks [`decide`]; the command
//! line asks the same function, so that `jail firewall check` says what the proxy will do.

pub mod address;
pub mod check;
pub mod command;
pub mod decide;
pub mod denial;
pub mod export;
pub mod host;
pub mod pattern;
pub mod report;
pub mod rule;
pub mod store;
#[cfg(test)]
mod tests;
pub mod watch;

pub use decide::{DEFAULT_PORT, Decision, Door, Who, decide};
pub use denial::{Denial, Reason};
pub use host::{Host, HostName};
pub use pattern::{Endpoint, HostPattern, Ports};
pub use rule::{Effect, Inject, Rule, Rules, Unlisted};
