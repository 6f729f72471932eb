//! Findings that somebody allowed, with the reason: `# jail: allow compose.open-egress because …` above the
//! line (or at its end), or a label `jail.allow.compose.open-egress: …` of the service.
//!
//! A line can say something for many: by an anchor for each service that has the alias, in a list for several
//! values. A comment allows one value of one service, the first, or of those that it names
//! (`allow RULE for SERVICE, SERVICE because …`): what somebody adds later was not looked at.

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
    /// Of a line: the service and the column of the one value that it allows, once that is known.
    taken: Option<(String, u32)>,
}

enum Covers {
    /// With the service that is meant, where one is named.
    Line(u32, Option<String>),
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
    for mut judged in found {
        let permit = permits.iter_mut().find(|permit| permit.covers(&judged));
        let Some(permit) = permit else {
            if permits.iter().any(|permit| permit.is_meant_for(&judged)) {
                judged.finding.fix += &another(&judged);
            }
            left.push(judged);
            continue;
        };
        permit.used = true;
        permit.taken = Some((judged.service.clone(), judged.spot.column));
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
        let free = match (&self.covers, &self.taken) {
            (Covers::Line(..), Some((service, column))) => {
                *service == judged.service && *column == judged.spot.column
            }
            _ => true,
        };
        free && self.is_meant_for(judged)
    }

    /// By its rule and place, whatever it covers already.
    fn is_meant_for(&self, judged: &Judged) -> bool {
        let rule: &'static Rule = judged.finding.rule;
        rule.id == self.rule
            && match &self.covers {
                Covers::Line(line, service) => {
                    *line == judged.spot.line
                        && self.spot.file == judged.spot.file
                        && service.as_ref().is_none_or(|service| *service == judged.service)
                }
                Covers::Service(name) => *name == judged.service,
            }
    }
}

/// Why it is not allowed beside another one of its line.
fn another(judged: &Judged) -> String {
    let id = judged.finding.rule.id;
    let how = match judged.service.is_empty() {
        true => "write it on a line of its own".to_owned(),
        false => format!(
            "`allow {id} for NAME, NAME because …` names services, a label `{LABEL}{id}` allows all of one"
        ),
    };
    format!("; the comment here allows one value of one service: {how}")
}

fn is_rule(id: &str) -> bool {
    rules::ALL.iter().any(|rule| rule.id == id)
}

fn wrong(rule: &'static Rule, permit: &Permit, fix: &str) -> Judged {
    let evidence = match is_rule(&permit.rule) {
        true => match &permit.covers {
            Covers::Line(_, Some(service)) => {
                format!("allowed: {} for {}", shown(&permit.rule, 60), shown(service, 60))
            }
            _ => format!("allowed: {}", shown(&permit.rule, 60)),
        },
        false => format!("there is no rule {}", quoted(&permit.rule)),
    };
    let finding = Finding {
        rule,
        severity: rule.severity,
        subject: match &permit.covers {
            Covers::Service(name) => format!("service {}", shown(name, 60)),
            Covers::Line(..) => format!("{}", permit.spot.file.display()),
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
        // `allowed` is another word.
        if !rest.starts_with(char::is_whitespace) {
            continue;
        }
        let (head, reason) = rest.split_once(" because ").unwrap_or((rest, ""));
        let (ids, names) = head.split_once(" for ").unwrap_or((head, ""));
        let mut line = comment.spot.line;
        // Several of them, and other comments, may stand above one line.
        while comment.alone && alone.contains(&(&*comment.spot.file, line)) {
            line += 1;
        }
        for rule in listed(ids) {
            let mut services: Vec<Option<String>> =
                listed(names).map(|name| Some(name.to_owned())).collect();
            if services.is_empty() {
                services.push(None);
            }
            permits.extend(services.into_iter().map(|service| Permit {
                rule: rule.to_owned(),
                reason: shown(reason.trim(), 200),
                spot: comment.spot.clone(),
                covers: Covers::Line(line, service),
                used: false,
                taken: None,
            }));
        }
    }
    permits
}

/// The words of a list with commas or blanks.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ', '\t']).filter(|word| !word.is_empty() && *word != "because")
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
                taken: None,
            });
        }
    }
    permits
}
