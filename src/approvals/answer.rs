//! What its owner answers.

use super::request::RequestId;
use crate::audit::Text;
use crate::calendar::LAST;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::{Duration, SystemTime};

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Approve,
    Deny,
    /// The answer before is taken back.
    #[value(skip)]
    Revoke,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deny => "deny",
            Self::Revoke => "revoke",
        }
    }
}

/// How long the answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "for", rename_all = "kebab-case")]
pub enum Lifetime {
    /// One connection of the run that asked. A denial: the connections that are held now.
    Once,
    /// The run that asked.
    Session,
    /// Until this time, in seconds since 1970.
    Until {
        end: u64,
    },
    Always,
}

/// For whom the answer counts.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The tool that asked.
    Tool,
    /// The connector that asked, whatever tool it stands behind.
    Connector,
    /// Every connector of the workspace.
    Global,
}

impl Scope {
    pub fn name(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Connector => "connector",
            Self::Global => "global",
        }
    }
}

/// By which way the answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    Cli,
    Api,
    Console,
}

impl Via {
    pub fn name(self) -> &'static str {
        match self {
            Self::Cli => "cli",
            Self::Api => "api",
            Self::Console => "console",
        }
    }
}

/// `once`, `session`, `until 2026-12-01T00:00:00Z`, `always`.
impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Once => f.write_str("once"),
            Self::Session => f.write_str("session"),
            Self::Always => f.write_str("always"),
            Self::Until { end } if *end <= LAST => {
                let end = SystemTime::UNIX_EPOCH + Duration::from_secs(*end);
                write!(f, "until {}", humantime::format_rfc3339_seconds(end))
            }
            Self::Until { .. } => f.write_str("until after the year 9999"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Answer {
    pub verdict: Verdict,
    pub lifetime: Lifetime,
    pub scope: Scope,
    /// The user, or the device.
    pub by: Text,
    pub via: Via,
    /// In the words of who answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Text>,
    /// The run that it is for, where the lifetime says so. Set when it is written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Text>,
}

/// An answer that was written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Decision {
    /// They are numbered in the order in which they were made.
    pub number: u64,
    pub request: RequestId,
    /// Seconds since 1970.
    pub at: u64,
    #[serde(flatten)]
    pub answer: Answer,
    /// The firewall's files or the registry say so, too.
    pub applied: bool,
    /// Why it could not be applied, the last time that was tried.
    pub failed: Option<String>,
}
