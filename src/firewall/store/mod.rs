//! The firewall's files: `.cloned/policy/*.yaml`.
//!
//! ```yaml
//! version: 1
//! unlisted: ask
//! rules:
//!   # Search
//!   - allow: api.search.brave.com
//!     tool: cloned.mcp.web.search@v1
//!   - allow: "*.example.com:8443"
//!     expires: 2026-12-01T00:00:00Z
//!   - deny: telemetry.example.com
//! upstream:
//!   url: http://127.0.0.1:8081
//!   credentials: {env: PROXY_USER}
//! ```
//!
//! `read` takes all files of the folder in the order of their names; `write` changes them by the line,
//! so that comments and order stay. A file that is wrong makes the whole folder count for nothing, since
//! a rule that denies could stand in it.

pub(crate) mod decode;
mod edit;
mod raw;
mod read;
pub mod target;
pub mod write;

pub use read::{Folder, read};
pub use write::{Put, Wanted, put, remove, set_unlisted, set_upstream};

use super::{Rule, Rules, Unlisted};
use crate::egress::config::UpstreamKind;
use crate::policy::{Origin, SecretSource, Setting};

/// The folder within `.cloned`.
pub const POLICY: &str = "policy";
/// The file that the command line writes.
pub const MAIN: &str = "firewall.yaml";

/// Everything that the folder says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlay {
    pub entries: Vec<Entry>,
    /// What happens to hosts that no rule names, for connectors that do not say it themselves.
    pub unlisted: Option<Setting<Unlisted>>,
    pub upstream: Option<Setting<UpstreamRef>>,
}

/// One rule, with who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub rule: Rule,
    pub by: Option<String>,
}

/// The proxy between us and the world, as the file names it: what the credentials are, it does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamRef {
    pub kind: UpstreamKind,
    pub host: String,
    pub port: u16,
    /// Where `user:password` comes from.
    pub credentials: Option<SecretSource>,
}

impl Overlay {
    pub fn rules(&self) -> Rules {
        Rules(self.entries.iter().map(|entry| entry.rule.clone()).collect())
    }
}

impl Entry {
    /// The file and the number of the line.
    fn place(&self) -> Option<(&std::path::Path, u32)> {
        match &self.rule.origin {
            Origin::File { path, line, .. } => Some((path, *line)),
            Origin::BuiltIn(_) | Origin::Flag(_) => None,
        }
    }
}

impl UpstreamRef {
    /// `http://host:port` or `socks5://host:port`; never with credentials.
    pub fn url(&self) -> String {
        let scheme = match self.kind {
            UpstreamKind::HttpConnect => "http",
            UpstreamKind::Socks5 => "socks5",
        };
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{scheme}://{host}:{}", self.port)
    }

    /// Where the credentials come from, in words that give nothing away: a command's arguments stay out.
    pub fn credentials(&self) -> Option<String> {
        Some(match self.credentials.as_ref()? {
            SecretSource::File(path) => format!("file {}", path.display()),
            SecretSource::Fd(fd) => format!("descriptor {fd}"),
            SecretSource::Env(name) => format!("variable {name}"),
            SecretSource::Command(words) => {
                format!("command {}", words.first().map_or("", String::as_str))
            }
        })
    }
}

#[cfg(test)]
mod tests;
