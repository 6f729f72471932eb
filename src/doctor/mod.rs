//! Looks at things and says what is wrong with them, what it costs and how to fix it.

pub mod all;
pub mod containers;
pub mod finding;
pub mod host;
pub mod host_paths;
pub mod ports;
mod probes;
pub mod sarif;
pub mod sockets;
