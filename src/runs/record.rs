//! What is known of a run: `run.json`, and its end, which is the last frame of its log.

use crate::audit::{Born, Network, Sandbox, Text};
use serde::{Deserialize, Serialize};
use std::time::SystemTime;

/// Counts changes of meaning. A reader ignores what it does not know.
const VERSION: u32 = 1;

/// A run as its supervisor describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub v: u32,
    pub run: Text,
    pub kind: Kind,
    pub connector: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<Text>,
    /// The folder that holds `.cloned`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Text>,
    /// The supervisor's.
    pub pid: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub born: Option<Born>,
    /// RFC 3339, with milliseconds.
    pub started: Text,
    /// The program alone: arguments can hold secrets.
    pub command: Text,
    pub sandbox: Sandbox,
    pub confinement: Confinement,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// Of a listener: where it listens (`unix:PATH`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<Text>,
    /// The listener that this run belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Text>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = RunKind)]
pub enum Kind {
    /// One connector.
    Run,
    /// `--listen`: a process that starts a run for each connection.
    Listener,
}

/// What keeps it in, in short; `jail explain` and the audit log have the whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Confinement {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landlock_abi: Option<u32>,
    /// The name of the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<Text>,
    /// Are there limits that a cgroup keeps?
    #[serde(default)]
    pub cgroup: bool,
    /// Controls that are missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Text>,
}

/// How a run ended, as `jail run` ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The exit code of `jail run`.
    pub code: u8,
    /// In words.
    pub how: Text,
}

impl Record {
    /// A record of this process, now. The rest is the caller's to fill in.
    pub fn of_this_process(run: &str, connector: &str, sandbox: Sandbox) -> Self {
        let pid = std::process::id();
        Self {
            v: VERSION,
            run: run.into(),
            kind: Kind::Run,
            connector: connector.into(),
            tool: None,
            workspace: None,
            pid,
            born: crate::host::process::born(pid),
            started: humantime::format_rfc3339_millis(SystemTime::now()).to_string().into(),
            command: "".into(),
            sandbox,
            confinement: Confinement::default(),
            network: None,
            listen: None,
            of: None,
        }
    }
}
