//! Who may bind which port of this host: the registry `.cloned/ports.yaml`.
//!
//! ```yaml
//! version: 1
//! policy: {unregistered: warn, non_loopback: deny}
//! services:
//!   # The language model
//!   localai: {port: 8080, bind: 127.0.0.1, owner: alice, container: cloned-localai}
//!   preview: {port: 3000, connector: web-preview, note: what the agent builds}
//! reserved:
//!   web-preview: [3100-3199]
//! ```
//!
//! The types here are pure; `store` reads and edits the file.

pub mod allocate;
pub mod apply;
pub mod export;
pub mod registry;
pub mod report;
pub mod requests;
pub mod store;

pub use registry::{
    Judgement, PortRange, Proto, Registry, RegistryPolicy, Reserved, Service, ServiceName, overlap,
};

/// The file within `.cloned`.
pub const FILE: &str = "ports.yaml";
