//! What the egress process tells the supervisor: one JSON object per message.

use super::Ask;
use crate::firewall::Denial;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Totals of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Counters {
    /// Connections (and, over HTTP, requests) that were let out.
    pub allowed: u64,
    pub denied: u64,
    /// From the connector to the world.
    pub bytes_out: u64,
    /// From the world to the connector.
    pub bytes_in: u64,
    pub open: u64,
    /// Denials by `host:port`; bounded, the rest under `…`.
    pub denied_hosts: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Confined, and all doors are open.
    Ready,
    /// The process cannot do its work; the run ends.
    Failed {
        what: String,
        why: String,
    },
    /// Something that a rule promises does not work; the run goes on without it.
    Warning {
        what: String,
        why: String,
    },
    /// `more` equal ones were not reported singly.
    Denied {
        #[serde(flatten)]
        denial: Denial,
        more: u64,
    },
    /// The owner is asked; so often since it was last told.
    Asked {
        #[serde(flatten)]
        ask: Ask,
        times: u64,
    },
    /// The firewall's files changed: how many rules count now, and how many live connections that cut.
    Reloaded {
        rules: usize,
        cut: u64,
    },
    /// The firewall's files cannot be read: until they can, only the fixed rules count.
    Unreadable {
        why: String,
    },
    Counters(Counters),
}
