//! Events of approvals: what was asked for, and what its owner answered.

use super::text::{RunId, Text};
use crate::approvals::{Scope, Verdict, Via};
use serde::{Deserialize, Serialize};

/// A connector asked for something that no rule names, and its owner is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub run: RunId,
    /// The id of the request, which an answer names.
    pub request: Text,
    /// What was asked for (`api.example.com`, `db.example.com:5432`).
    pub object: Text,
    /// The stable name of the reason, by [`crate::firewall::Reason::code`].
    pub reason: Text,
    /// By which way it came to the proxy, by [`crate::firewall::Door::name`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<Text>,
    /// What sort of address it is, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Text>,
    /// The process inside the jail, as far as it could be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Text>,
    /// How often it was asked for since it was last written.
    #[serde(default = "once")]
    pub times: u32,
}

/// An answer to a request. Written before it takes effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The run that it is for; where it is for no single one, it names this answer.
    pub run: RunId,
    pub request: Text,
    /// Decisions of one database are numbered.
    pub number: u64,
    pub connector: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<Text>,
    /// What was asked for, as [`Asked::object`] has it.
    pub object: Text,
    pub verdict: Verdict,
    /// How long it counts: `once`, `session`, `until 2026-12-01T00:00:00Z`, `always`.
    pub lifetime: Text,
    pub scope: Scope,
    /// The user, or the device.
    pub by: Text,
    pub via: Via,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Text>,
}

fn once() -> u32 {
    1
}
