//! The event of what somebody changed by the API.

use super::text::{RunId, Text};
use crate::approvals::Via;
use serde::{Deserialize, Serialize};

/// Somebody changed what is allowed, or ended a run. Written before it takes effect, and once more where it
/// then did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// The run that it is about; where it is about none, it names this act.
    pub run: RunId,
    /// As the command line calls it: `firewall allow`.
    pub act: Text,
    /// What it is about: `api.example.com for a.b@v1`.
    pub object: Text,
    /// The user, or the device.
    pub by: Text,
    pub via: Via,
    /// Why it did not take place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Text>,
}
