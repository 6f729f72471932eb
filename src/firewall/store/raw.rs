//! The shape of a firewall file.

use crate::policy::raw::RawSource;
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    pub(super) version: Option<String>,
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
