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

pub mod config;
pub mod dial;
pub mod event;
pub mod gate;
pub mod http;
pub mod trust;
pub mod tunnel;

pub use config::{Config, Limits, Sockets, Upstream};
pub use event::{Counters, Event};
pub use trust::Trust;
