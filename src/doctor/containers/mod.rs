//! `jail doctor containers`: judges what really runs. `look` asks the engines and the kernel, `judge` is pure.
//!
//! `inspect` says what an engine was told, /proc what it did: where both are there, /proc counts.

mod judge;
pub mod look;
pub mod rules;

pub use judge::{Expected, judge};

use serde_json::Value;
use std::net::Ipv4Addr;

/// One container as it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    pub engine: &'static str,
    /// Processes of a rootless engine are no root of this machine.
    pub rootless: bool,
    pub inspect: Value,
    /// Its networks, and whether each is internal; `None` where the engine does not tell.
    pub networks: Vec<(String, Option<bool>)>,
    /// Gateways of its networks at which nobody is.
    pub dead_ends: Vec<Ipv4Addr>,
    /// Of its first process; none where it does not run, or /proc does not show it.
    pub live: Option<Live>,
}

/// What /proc says of its first process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    pub status: String,
    pub mountinfo: String,
    pub uid_map: String,
    /// Of its network namespace.
    pub routes: String,
}

impl Container {
    pub fn name(&self) -> String {
        let name = self.inspect["Name"].as_str().unwrap_or_default().trim_start_matches('/');
        let id = self.inspect["Id"].as_str().unwrap_or_default();
        let short = id.get(..12).unwrap_or(id);
        format!("{} {}", self.engine, if name.is_empty() { short } else { name })
    }

    pub fn runs(&self) -> bool {
        self.inspect["State"]["Running"].as_bool().unwrap_or(false)
    }
}
