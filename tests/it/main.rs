//! Tests that need no privileges, in one binary. One module per subject.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it fails")]

mod audit;
mod doctor;
mod exports;
mod firewall;
mod generated;
mod layers;
mod manifests;
mod plan;
mod verbs;
