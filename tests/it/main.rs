//! Tests that need no privileges, in one binary. One module per subject.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]

mod approvals;
mod audit;
mod client_hello;
mod compose_files;
mod compose_fix;
mod compose_guard;
mod compose_limits;
mod doctor;
mod exports;
mod firewall;
mod generated;
mod hosts;
mod layers;
mod manifests;
mod mcp;
mod network;
mod pf;
mod plan;
mod ports;
mod registries;
mod socks;
mod tunnel;
mod verbs;
