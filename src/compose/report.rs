//! What `jail compose check` shows.

use super::allow::Allowed;
use crate::doctor::all::{Verdict, used};
use crate::doctor::finding::{Finding, Rule, Severity};
use crate::doctor::ports::report::{count, findings};
use serde::Serialize;
use std::path::PathBuf;

/// The name and version of the JSON form. A change that a reader could stumble over gets a new number.
pub const SCHEMA: &str = "jail.compose/1";

#[derive(Debug, Serialize)]
pub struct Report {
    pub schema: &'static str,
    pub jail: &'static str,
    pub verdict: Verdict,
    pub fail_on: Severity,
    pub files: Vec<PathBuf>,
    pub services: Vec<String>,
    pub findings: Vec<Finding>,
    pub allowed: Vec<Allowed>,
    /// What `--fix` did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fixed: Vec<String>,
    /// The rules that findings name, with their why.
    pub rules: Vec<&'static Rule>,
}

impl Report {
    pub fn new(
        (files, services): (Vec<PathBuf>, Vec<String>),
        findings: Vec<Finding>,
        allowed: Vec<Allowed>,
        fail_on: Severity,
        fixed: Vec<String>,
    ) -> Self {
        let is_wrong = |it: &Finding| it.rule.id == super::rules::files::WRONG.id;
        let verdict = if findings.iter().any(is_wrong) {
            Verdict::Unknown
        } else if findings.iter().any(|finding| finding.severity >= fail_on) {
            Verdict::Findings
        } else {
            Verdict::Clean
        };
        let rules = used(findings.iter());
        let (schema, jail) = (SCHEMA, env!("CARGO_PKG_VERSION"));
        Self { schema, jail, verdict, fail_on, files, services, findings, allowed, fixed, rules }
    }

    pub fn code(&self) -> u8 {
        self.verdict.code()
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = findings(&self.findings);
        for Allowed { finding, reason } in &self.allowed {
            out += &format!(
                "allowed  {}: {} [{}]: {reason}\n",
                finding.subject, finding.rule.title, finding.rule.id
            );
        }
        out.extend(self.fixed.iter().map(|what| format!("fixed: {what}\n")));
        let number = |severity: Severity| {
            self.findings.iter().filter(|finding| finding.severity == severity).count()
        };
        let wrong = match self.findings.len() {
            0 => "nothing found".to_owned(),
            _ => [
                count(number(Severity::Error), "error"),
                count(number(Severity::Warning), "warning"),
                format!("{} info", number(Severity::Info)),
            ]
            .join(", "),
        };
        out += &format!("{}: {wrong}", count(self.services.len(), "service"));
        if !self.allowed.is_empty() {
            out += &format!(", {} allowed", self.allowed.len());
        }
        out.push('\n');
        let safe = self.findings.iter().filter(|finding| finding.safe_fix).count();
        if safe > 0 {
            out += &format!("`--fix` mends {safe} of these\n");
        }
        out
    }
}
