//! The resolver of a jail: allowed names only, with their real, vetted addresses.
//!
//! What is not allowed does not exist, and is not looked up: no question leaves the machine, so that
//! none can carry anything out. The exception are names below a wildcard rule, which the owner of the
//! domain sees; [`Gate::may_look_up`](super::gate::Gate) bounds their rate.

mod answer;
mod once;
pub mod question;
pub(super) mod tcp;
pub(super) mod udp;

pub use once::Questions;

#[cfg(test)]
mod tests;
