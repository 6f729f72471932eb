//! The shape of a firewall file.

use crate::policy::raw::RawSource;
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    pub(super) version: Option<String>,
    /// What happens to hosts that no rule names: `deny` or `ask`.
    pub(super) unlisted: Option<String>,
    pub(super) rules: Option<Vec<RawRule>>,
    pub(super) upstream: Option<RawUpstream>,
}

/// Exactly one of `allow` and `deny`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    pub(super) allow: Option<String>,
    pub(super) deny: Option<String>,
    /// For this tool only.
    pub(super) tool: Option<String>,
    /// For this connector only.
    pub(super) connector: Option<String>,
    /// For this run only, and for one connection of it.
    pub(super) run: Option<String>,
    pub(super) once: Option<bool>,
    /// The request for approval that it answers.
    pub(super) request: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) by: Option<String>,
    pub(super) at: Option<String>,
    pub(super) expires: Option<String>,
    pub(super) raw: Option<bool>,
    pub(super) private: Option<bool>,
    pub(super) ech: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUpstream {
    pub(super) url: Option<String>,
    pub(super) credentials: Option<RawSource>,
}
