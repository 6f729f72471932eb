//! The way out: a process of its own that accepts on sockets of the proxy namespace and dials from the
//! host's.
//!
//! ```text
//! jail netns ──veth── proxy netns          host netns
//! connector ────────► listeners ···fds···► egress ──► resolve, vet, dial
//!                     doors: HTTP proxy, SOCKS5, DNS, and every address (AnyIP)
//! ```
//!
//! No process lives in the proxy namespace: the sockets here keep it alive, and with them it ends.

mod asks;
mod bandwidth;
pub mod close;
pub mod config;
mod confine;
pub mod dial;
pub mod dns;
mod doors;
mod ending;
pub mod event;
pub mod gate;
mod hold;
pub mod http;
pub mod knocks;
pub mod names;
pub mod process;
mod publish;
pub mod relay;
mod reports;
pub mod resolve;
mod route;
mod rulebook;
pub mod serve;
pub mod socks;
pub mod tls;
pub mod transparent;
pub mod trust;
pub mod tunnel;
mod upstream;
#[cfg(test)]
mod world;

pub use asks::Ask;
pub use close::refuse;
pub use config::{Config, Limits, Sockets, Upstream};
pub use event::{Counters, Event};
pub use serve::{Server, Start, run};
pub use trust::Trust;
