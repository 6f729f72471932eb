//! One container before the rules. Pure.

mod kernel;
mod limits;
mod mounts;
mod told;

use super::{Container, rules};
use crate::doctor::finding::{Finding, Rule, Severity};

/// What the owner expects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expected {
    /// The user inside; any but root where nobody says.
    pub uid: Option<u32>,
}

/// Everything that is wrong with it.
pub fn judge(container: &Container, expected: Expected) -> Vec<Finding> {
    let mut book = Book { subject: container.name(), findings: Vec::new() };
    told::judge(container, &mut book);
    match &container.live {
        Some(live) => kernel::judge(container, live, expected, &mut book),
        None => {
            told::stands_in(container, expected, &mut book);
            if container.runs() {
                let evidence =
                    "its first process is not to be seen in /proc, or belongs to another user";
                book.note(&rules::UNVERIFIED, evidence, "run it as root");
            }
        }
    }
    book.findings
}

/// What was found of one container.
struct Book {
    subject: String,
    findings: Vec<Finding>,
}

impl Book {
    fn note(&mut self, rule: &'static Rule, evidence: impl Into<String>, fix: &str) {
        self.note_as(rule, rule.severity, evidence, fix);
    }

    fn note_as(
        &mut self,
        rule: &'static Rule,
        severity: Severity,
        evidence: impl Into<String>,
        fix: &str,
    ) {
        let evidence = evidence.into();
        let (subject, fix, safe_fix) = (self.subject.clone(), fix.to_owned(), false);
        self.findings.push(Finding {
            rule,
            severity,
            subject,
            evidence,
            fix,
            safe_fix,
            place: None,
        });
    }
}

#[cfg(test)]
#[path = "judge/tests.rs"]
mod tests;
