//! What every doctor and checker says of one thing that is wrong: the shape is the same for ports,
//! policy, audit and compose files, in text, JSON and SARIF.

use serde::Serialize;
use std::path::PathBuf;

/// How bad it is. The order is that of `--fail-on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look at it.
    Warning,
    /// A rule is broken.
    Error,
}

/// One rule that something can break: an entry of the catalogue.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Stable: `ports.not-loopback`. The part before the dot is the doctor.
    pub id: &'static str,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// What it can lead to.
    pub why: &'static str,
    /// Where the policy does not say otherwise.
    pub severity: Severity,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    #[serde(serialize_with = "id")]
    pub rule: &'static Rule,
    pub severity: Severity,
    /// What it is about: `tcp 0.0.0.0:8080`, `service localai`, a file.
    pub subject: String,
    /// What was seen, so that a reader can check it.
    pub evidence: String,
    /// What to do: a command where there is one.
    pub fix: String,
    /// True where `--fix` can do it without a question.
    pub safe_fix: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// A place in a file; lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    pub file: PathBuf,
    pub line: u32,
    pub column: u32,
}

fn id<S: serde::Serializer>(rule: &&'static Rule, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(rule.id)
}
