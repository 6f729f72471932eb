//! What other checkers say, as findings.

use super::rules;
use crate::audit::Report as AuditReport;
use crate::doctor::finding::{Finding, Place, Rule};
use crate::doctor::host::{Report as HostReport, Status};
use crate::policy::{Origin, Problem};
use std::path::Path;

fn made(rule: &'static Rule, subject: String, evidence: String, fix: String) -> Finding {
    let (severity, safe_fix) = (rule.severity, false);
    Finding { rule, severity, subject, evidence, fix, safe_fix, place: None }
}

/// Of `jail doctor host`: what is not ok.
pub fn host(report: &HostReport, family: Option<&str>) -> Vec<Finding> {
    let not_ok = report.checks.iter().filter(|check| check.status != Status::Ok);
    not_ok
        .map(|check| {
            let rule = match (check.status, check.needed) {
                (Status::Missing, true) => &rules::NEEDED,
                (Status::Unknown, _) => &rules::UNTRIED,
                _ => &rules::MISSING,
            };
            let here = |on: &str| !["debian", "fedora", "arch"].contains(&on) || Some(on) == family;
            let fixes = check.fixes.iter().filter(|fix| family.is_none() || here(fix.on));
            let fix: Vec<&str> = fixes.map(|fix| fix.command.as_str()).collect();
            let fix = match fix.is_empty() {
                true => "see `jail doctor host`".to_owned(),
                false => fix.join("; or "),
            };
            let cost = check.cost.as_ref().map(|cost| format!("; {cost}")).unwrap_or_default();
            let evidence = format!("{}{cost}", check.evidence);
            made(rule, format!("{} ({})", check.title, check.id), evidence, fix)
        })
        .collect()
}

/// Leaves of killed runs.
pub fn stale(path: &Path) -> Finding {
    let evidence = "empty, and its supervisor is gone".to_owned();
    let fix = format!("rmdir {}", path.display());
    let finding = made(&rules::STALE_CGROUP, path.display().to_string(), evidence, fix);
    Finding { safe_fix: true, ..finding }
}

/// Of `jail check`.
pub fn policy(problems: &[Problem]) -> Vec<Finding> {
    problems.iter().map(problem).collect()
}

fn problem(problem: &Problem) -> Finding {
    let (subject, place) = match &problem.origin {
        Origin::File { path, line, column } => {
            let place = Place { file: path.clone(), line: *line, column: *column };
            (path.display().to_string(), Some(place))
        }
        other => (other.to_string(), None),
    };
    let field = match problem.field.as_str() {
        "" => String::new(),
        field => format!("field {field}: "),
    };
    let evidence = format!("{field}{}", problem.what);
    let fix =
        problem.hint.clone().unwrap_or_else(|| "correct it; `jail check` checks it".to_owned());
    Finding { place, ..made(&rules::WRONG, subject, evidence, fix) }
}

/// Of `jail audit verify`.
pub fn audit(log: &Path, report: &AuditReport) -> Vec<Finding> {
    let fix = "find out who did; `jail audit verify` has all of it. Then move audit.log and audit.head \
               away together, and a new log begins";
    let mut found: Vec<Finding> = report
        .findings
        .iter()
        .map(|finding| {
            let line = u32::try_from(finding.line).unwrap_or(u32::MAX);
            let subject = format!("{}:{line}", log.display());
            let place = Place { file: log.to_owned(), line, column: 1 };
            let made = made(&rules::CHANGED, subject, finding.text.clone(), fix.to_owned());
            Finding { place: Some(place), ..made }
        })
        .collect();
    if report.more > 0 {
        let evidence = format!("{} more places", report.more);
        found.push(made(&rules::CHANGED, log.display().to_string(), evidence, fix.to_owned()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::host::{Check, SCHEMA, Verdict};

    #[test]
    fn what_is_needed_and_missing_is_an_error() {
        let check = |id, status, needed| Check {
            id,
            title: "title",
            needed,
            status,
            evidence: "EPERM".into(),
            cost: Some("no jail".into()),
            fixes: Vec::new(),
        };
        let checks = vec![
            check("a.ok", Status::Ok, true),
            check("a.gone", Status::Missing, true),
            check("a.nice", Status::Missing, false),
            check("a.untried", Status::Unknown, true),
        ];
        let report = HostReport { schema: SCHEMA, jail: "0", verdict: Verdict::Ready, checks };
        let found = host(&report, None);
        let ids: Vec<_> = found.iter().map(|finding| finding.rule.id).collect();
        assert_eq!(ids, ["host.needed", "host.missing", "host.untried"]);
        assert!(found[0].evidence.contains("EPERM; no jail"));
    }
}
