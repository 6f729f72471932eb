//! From a request to a verdict.

use super::allow::{self, Allowed};
use super::model::{self, Project};
use super::node::Node;
use super::project::{Reader, Rejection, Request, load};
use super::rules::{self, files};

pub use super::rules::Judged;
use crate::doctor::finding::{Finding, Place};
use crate::policy::expect::shown;
use crate::policy::{Origin, Problem};
use std::path::PathBuf;

/// What is wrong with a project, and what was allowed.
#[derive(Debug)]
pub struct Checked {
    pub found: Vec<Judged>,
    pub allowed: Vec<Allowed>,
    /// The names of the services that were judged.
    pub services: Vec<String>,
    /// Every file that was read.
    pub files: Vec<PathBuf>,
    /// All that the files say together, of every service.
    pub root: Node,
}

/// Reads a project as rules see it.
pub fn project(request: &Request, reader: Reader<'_>) -> Result<Project, Rejection> {
    let loaded = load(request, reader)?;
    model::decode(loaded, request.home.clone()).map_err(Rejection::Wrong)
}

/// Reads and judges a project. Without profiles, every service is judged: those of a profile may be started
/// tomorrow.
pub fn check(
    request: &Request,
    profiles: &[String],
    reader: Reader<'_>,
) -> Result<Checked, Rejection> {
    let mut loaded = load(request, reader)?;
    let comments = std::mem::take(&mut loaded.comments);
    let read = std::mem::take(&mut loaded.files);
    let unset = std::mem::take(&mut loaded.unset);
    let mut project = model::decode(loaded, request.home.clone()).map_err(Rejection::Wrong)?;
    project.keep(profiles);
    super::profiles::read(&mut project, reader);
    let mut found = rules::judge(&project);
    for (name, spot) in unset {
        let rule = &files::UNSET;
        let name = shown(&name, 60);
        let finding = Finding {
            rule,
            severity: rule.severity,
            subject: format!("variable {name}"),
            evidence: "neither set nor with a default".to_owned(),
            fix: format!("set it in `.env`, or write `${{{name}:?why}}` so that it must be"),
            safe_fix: false,
            place: Some(spot.place()),
        };
        found.push(Judged { finding, service: String::new(), spot, edit: None });
    }
    let (found, allowed) = allow::apply(found, &project, &comments, profiles.is_empty());
    let services = project.services.iter().map(|service| service.name.clone()).collect();
    let mut files: Vec<PathBuf> = Vec::new();
    for file in read {
        if !files.contains(&file) {
            files.push(file);
        }
    }
    Ok(Checked { found, allowed, services, files, root: project.root })
}

/// What is wrong with the files, as findings.
pub fn wrong(problems: &[Problem]) -> Vec<Finding> {
    problems
        .iter()
        .map(|problem| {
            let place = match &problem.origin {
                Origin::File { path, line, column } => {
                    Some(Place { file: path.clone(), line: *line, column: *column })
                }
                Origin::BuiltIn(_) | Origin::Flag(_) => None,
            };
            let field = if problem.field.is_empty() { "the file" } else { &problem.field };
            Finding {
                rule: &files::WRONG,
                severity: files::WRONG.severity,
                subject: field.to_owned(),
                evidence: problem.what.clone(),
                fix: problem.hint.clone().unwrap_or_else(|| "correct it".to_owned()),
                safe_fix: false,
                place,
            }
        })
        .collect()
}
