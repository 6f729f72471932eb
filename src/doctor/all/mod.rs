//! `jail doctor`: every doctor in one report.
//!
//! Each section turns what one checker says into findings; a new one is a section more, in the list of
//! `cli::doctor::all`.

pub mod files;
pub mod rules;
pub mod sections;

use super::finding::{Finding, Rule, Severity};
use super::{containers, ports};
use crate::compose;
use serde::Serialize;

/// The name and version of the JSON form. A change that a reader could stumble over gets a new number.
pub const SCHEMA: &str = "jail.doctor/1";

/// What one doctor found.
#[derive(Debug, Serialize)]
pub struct Section {
    pub doctor: &'static str,
    /// False where it could not look; `notes` say why.
    pub looked: bool,
    pub notes: Vec<String>,
    pub findings: Vec<Finding>,
}

impl Section {
    pub fn looked(doctor: &'static str, findings: Vec<Finding>) -> Self {
        Self { doctor, looked: true, notes: Vec::new(), findings }
    }

    pub fn blind(doctor: &'static str, why: impl std::fmt::Display) -> Self {
        Self { doctor, looked: false, notes: vec![why.to_string()], findings: Vec::new() }
    }
}

/// Everything.
#[derive(Debug, Serialize)]
pub struct Report {
    pub schema: &'static str,
    pub jail: &'static str,
    pub verdict: Verdict,
    pub fail_on: Severity,
    pub sections: Vec<Section>,
    /// What `--fix` did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fixed: Vec<String>,
    /// The rules that findings name, with their why.
    pub rules: Vec<&'static Rule>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Clean,
    Findings,
    /// It could not look, or could not understand what it saw.
    Unknown,
}

impl Verdict {
    pub fn code(self) -> u8 {
        match self {
            Self::Clean => crate::exit::OK,
            Self::Findings => crate::exit::FINDINGS,
            Self::Unknown => crate::exit::USAGE,
        }
    }
}

impl Report {
    pub fn new(sections: Vec<Section>, fail_on: Severity, fixed: Vec<String>) -> Self {
        let all = || sections.iter().flat_map(|section| &section.findings);
        let verdict = if all().any(|finding| finding.severity >= fail_on) {
            Verdict::Findings
        } else if sections.iter().any(|section| !section.looked) {
            Verdict::Unknown
        } else {
            Verdict::Clean
        };
        let rules = used(all());
        let (schema, jail) = (SCHEMA, env!("CARGO_PKG_VERSION"));
        Self { schema, jail, verdict, fail_on, sections, fixed, rules }
    }

    pub fn code(&self) -> u8 {
        self.verdict.code()
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for section in &self.sections {
            let state = match (section.looked, section.findings.len()) {
                (false, _) => "could not look".to_owned(),
                (true, 0) => "ok".to_owned(),
                (true, number) => ports::report::count(number, "finding"),
            };
            out += &format!("{}: {state}\n", section.doctor);
            out.extend(section.notes.iter().map(|note| format!("  note: {note}\n")));
            out += &indented(&ports::report::findings(&section.findings));
        }
        out.extend(self.fixed.iter().map(|what| format!("fixed: {what}\n")));
        let all = self.sections.iter().flat_map(|section| &section.findings);
        let safe = all.filter(|finding| finding.safe_fix).count();
        if safe > 0 {
            out += &format!("`jail doctor --fix` mends {} of these\n", safe);
        }
        out
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// Each rule that is named, once.
pub fn used<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<&'static Rule> {
    let mut rules: Vec<&'static Rule> = Vec::new();
    for finding in findings {
        if !rules.iter().any(|rule| rule.id == finding.rule.id) {
            rules.push(finding.rule);
        }
    }
    rules
}

/// The whole catalogue, by doctor.
pub fn catalogue() -> Vec<(&'static str, &'static [&'static Rule])> {
    vec![
        ("host", rules::HOST),
        ("ports", ports::rules::ALL),
        ("policy", rules::POLICY),
        ("audit", rules::AUDIT),
        ("containers", containers::rules::ALL),
        ("compose", &compose::rules::ALL),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity) -> Finding {
        Finding {
            rule: &rules::OPEN_FILE,
            severity,
            subject: "s".into(),
            evidence: "e".into(),
            fix: "f".into(),
            safe_fix: true,
            place: None,
        }
    }

    #[test]
    fn the_worst_section_decides() {
        let code =
            |sections: Vec<Section>| Report::new(sections, Severity::Error, Vec::new()).code();
        let fine = || Section::looked("host", vec![finding(Severity::Warning)]);
        assert_eq!(code(vec![fine()]), 0);
        assert_eq!(code(vec![fine(), Section::blind("audit", "why")]), 2);
        let bad = Section::looked("policy", vec![finding(Severity::Error)]);
        assert_eq!(code(vec![fine(), Section::blind("audit", "why"), bad]), 1);
    }

    #[test]
    fn every_id_is_of_its_doctor_and_used_once() {
        let mut seen = std::collections::BTreeSet::new();
        for (doctor, rules) in catalogue() {
            for rule in rules {
                assert_eq!(rule.id.split_once('.').unwrap().0, doctor);
                assert!(seen.insert(rule.id), "{}", rule.id);
            }
        }
    }
}
