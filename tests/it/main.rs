//! Tests that need no privileges, in one binary. One module per subject.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]

mod audit;
mod client_hello;
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
