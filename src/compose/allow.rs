//! Findings that somebody allowed, with the reason: `# jail: allow compose.open-egress because …` above the
//! line (or at its end), or a label `jail.allow.compose.open-egress: …` of the service.

use super::model::Project;
use super::node::{Node, Spot};
use super::rules::{self, Judged, files};
use super::yaml::Comment;
use crate::doctor::finding::{Finding, Rule};
use crate::policy::expect::{quoted, shown};
use serde::Serialize;
use std::collections::BTreeSet;

/// How labels that allow something start.
pub const LABEL: &str = "jail.allow.";

/// A finding that was allowed.
#[derive(Debug, Clone, Serialize)]
pub struct Allowed {
    pub finding: Finding,
    pub reason: String,
}

struct Permit {
    rule: String,
    reason: String,
    /// Where it stands.
    spot: Spot,
    covers: Covers,
    used: bool,
}

enum Covers {
    Line(u32),
    Service(String),
}

/// Takes out what was allowed, and adds what is wrong with what allows.
pub(super) fn apply(
    found: Vec<Judged>,
    project: &Project,
    comments: &[Comment],
    unused: bool,
) -> (Vec<Judged>, Vec<Allowed>) {
    let mut permits = of_comments(comments);
    permits.extend(of_labels(project));
    let mut left = Vec::new();
    let mut allowed = Vec::new();
    for judged in found {
        let permit = permits.iter_mut().find(|permit| permit.covers(&judged));
        let Some(permit) = permit else {
            left.push(judged);
            continue;
        };
        permit.used = true;
        match permit.reason.is_empty() {
            true => left.push(judged),
            false => {
                let reason = permit.reason.clone();
                allowed.push(Allowed { finding: judged.finding, reason });
            }
        }
    }
    for permit in &permits {
        if permit.reason.is_empty() {
            let fix = "`because` and the reason after the id";
            left.push(wrong(&files::NO_REASON, permit, fix));
        } else if !permit.used && (unused || !is_rule(&permit.rule)) {
            left.push(wrong(&files::UNUSED, permit, "take it out"));
        }
    }
    (left, allowed)
}

impl Permit {
    fn covers(&self, judged: &Judged) -> bool {
        let rule: &'static Rule = judged.finding.rule;
        rule.id == self.rule
            && match &self.covers {
                Covers::Line(line) => {
                    *line == judged.spot.line && self.spot.file == judged.spot.file
                }
                Covers::Service(name) => *name == judged.service,
            }
    }
}

fn is_rule(id: &str) -> bool {
    rules::ALL.iter().any(|rule| rule.id == id)
}

fn wrong(rule: &'static Rule, permit: &Permit, fix: &str) -> Judged {
    let evidence = match is_rule(&permit.rule) {
        true => format!("allowed: {}", shown(&permit.rule, 60)),
        false => format!("there is no rule {}", quoted(&permit.rule)),
    };
    let finding = Finding {
        rule,
        severity: rule.severity,
        subject: match &permit.covers {
            Covers::Service(name) => format!("service {}", shown(name, 60)),
            Covers::Line(_) => format!("{}", permit.spot.file.display()),
        },
        evidence,
        fix: fix.to_owned(),
        safe_fix: false,
        place: Some(permit.spot.place()),
    };
    Judged { finding, service: String::new(), spot: permit.spot.clone(), edit: None }
}

fn of_comments(comments: &[Comment]) -> Vec<Permit> {
    let alone: BTreeSet<(&std::path::Path, u32)> = comments
        .iter()
        .filter(|comment| comment.alone)
        .map(|comment| (&*comment.spot.file, comment.spot.line))
        .collect();
    let mut permits = Vec::new();
    for comment in comments {
        let Some(rest) = comment.text.trim().strip_prefix("jail:") else { continue };
        let Some(rest) = rest.trim_start().strip_prefix("allow") else { continue };
        let (ids, reason) = rest.split_once(" because ").unwrap_or((rest, ""));
        let mut line = comment.spot.line;
        // Several of them, and other comments, may stand above one line.
        while comment.alone && alone.contains(&(&*comment.spot.file, line)) {
            line += 1;
        }
        for rule in ids.split([',', ' ']).filter(|id| !id.is_empty() && *id != "because") {
            permits.push(Permit {
                rule: rule.to_owned(),
                reason: shown(reason.trim(), 200),
                spot: comment.spot.clone(),
                covers: Covers::Line(line),
                used: false,
            });
        }
    }
    permits
}

fn of_labels(project: &Project) -> Vec<Permit> {
    let mut permits = Vec::new();
    for service in &project.services {
        for entry in service.find(&["labels"]).map(Node::entries).unwrap_or_default() {
            let Some(rule) = entry.key.strip_prefix(LABEL) else { continue };
            permits.push(Permit {
                rule: rule.to_owned(),
                reason: shown(entry.value.text().unwrap_or_default().trim(), 200),
                spot: entry.at.clone(),
                covers: Covers::Service(service.name.clone()),
                used: false,
            });
        }
    }
    permits
}
