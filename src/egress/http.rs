//! HTTP/1.1: the proxy door, and plain HTTP that came by another.
//!
//! ```text
//! bytes ─► wire ─► head (strict, pure) ─► serve (ask the gate) ─► forward ─► upstream
//!                                            │                       │
//!                                            └► refuse ◄─────────────┴─ body (pure)
//! ```
//!
//! Every request is read into values, judged, and written anew; nothing that the connector sent goes
//! out as it came but the content of bodies, and what follows a `101` or a CONNECT.

pub mod body;
mod exchange;
pub mod fields;
mod forward;
pub mod head;
mod inject;
mod refuse;
mod serve;
pub mod target;
#[cfg(test)]
mod tests;
mod upstream;
mod wire;

pub use serve::{serve_origin, serve_proxy};
