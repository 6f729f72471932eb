//! Rules as programs get them: of `--json`, and of the API.

use super::store::{Entry, Overlay};
use super::{Effect, Ports, Rule, Unlisted};
use crate::policy::Origin;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::SystemTime;
use utoipa::ToSchema;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    Allow,
    Deny,
}

impl From<Effect> for Verb {
    fn from(effect: Effect) -> Self {
        match effect {
            Effect::Allow => Self::Allow,
            Effect::Deny => Self::Deny,
        }
    }
}

/// A rule.
#[derive(Debug, Serialize, ToSchema, JsonSchema)]
#[schema(as = Rule)]
pub struct RuleJson {
    pub effect: Verb,
    pub host: String,
    /// `null`: all ports.
    pub port: Option<u16>,
    /// `null`: every tool.
    pub tool: Option<String>,
    /// `null`: every connector.
    pub connector: Option<String>,
    /// `null`: every run.
    pub run: Option<String>,
    /// For one connection of that run.
    pub once: bool,
    /// The request for approval that it answers.
    pub request: Option<String>,
    pub raw: bool,
    pub private: bool,
    pub ech: bool,
    pub expires: Option<String>,
    pub expired: bool,
    pub reason: Option<String>,
    pub file: Option<String>,
    pub line: Option<u32>,
}

impl RuleJson {
    pub fn of(rule: &Rule, now: SystemTime) -> Self {
        let (file, line) = match &rule.origin {
            Origin::File { path, line, .. } => (Some(path.display().to_string()), Some(*line)),
            Origin::BuiltIn(_) | Origin::Flag(_) => (None, None),
        };
        Self {
            effect: rule.effect.into(),
            host: rule.host.to_string(),
            port: match rule.ports {
                Ports::One(port) => Some(port),
                Ports::All => None,
            },
            tool: rule.tool.as_ref().map(ToString::to_string),
            connector: rule.connector.as_ref().map(ToString::to_string),
            run: rule.run.clone(),
            once: rule.once,
            request: rule.request.clone(),
            raw: rule.raw,
            private: rule.private,
            ech: rule.ech,
            expires: rule.expires.map(crate::calendar::stamp),
            expired: rule.expires.is_some_and(|end| end <= now),
            reason: rule.because.clone(),
            file,
            line,
        }
    }
}

/// A rule of the firewall's files, with who made it.
#[derive(Debug, Serialize, ToSchema, JsonSchema)]
#[schema(as = RuleOfFile)]
pub struct EntryJson {
    #[serde(flatten)]
    pub rule: RuleJson,
    pub by: Option<String>,
    pub at: Option<String>,
}

impl EntryJson {
    pub fn of(entry: &Entry, now: SystemTime) -> Self {
        Self {
            rule: RuleJson::of(&entry.rule, now),
            by: entry.by.clone(),
            at: entry.rule.at.map(crate::calendar::stamp),
        }
    }
}

/// The proxy between us and the world.
#[derive(Debug, Serialize, ToSchema, JsonSchema)]
#[schema(as = Upstream)]
pub struct UpstreamJson {
    pub url: String,
    /// Where they come from, never what they are.
    pub credentials: Option<String>,
}

/// All that the firewall's files say.
#[derive(Debug, Serialize, ToSchema, JsonSchema)]
#[schema(as = Firewall)]
pub struct Report {
    pub rules: Vec<EntryJson>,
    /// What happens to hosts that no rule names.
    pub unlisted: Unlisted,
    pub upstream: Option<UpstreamJson>,
}

impl Report {
    pub fn of(overlay: &Overlay, now: SystemTime) -> Self {
        let upstream = overlay.upstream.as_ref().map(|upstream| UpstreamJson {
            url: upstream.value.url(),
            credentials: upstream.value.credentials(),
        });
        Self {
            rules: overlay.entries.iter().map(|entry| EntryJson::of(entry, now)).collect(),
            unlisted: overlay.unlisted.as_ref().map(|it| it.value).unwrap_or_default(),
            upstream,
        }
    }
}
