//! `jail check`: are the manifests right?

use super::ui;
use crate::exit;
use crate::failure::{Failure, Kind};
use crate::firewall::store::{self, Folder};
use crate::policy::load::{self, Rejection, Sources, WorkspaceRoot};
use crate::policy::{ConnectorName, Origin, Overrides, Problem};
use serde::Serialize;
use std::path::Path;

/// Check manifests, and the firewall's files and the registry of ports where no name is given: one line
/// per problem. Ends with 1 where there are problems, with 2 where a file cannot be read.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The connectors to check; all of the workspace without this.
    #[arg(value_name = "NAME")]
    pub names: Vec<ConnectorName>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    checked: Vec<&'a str>,
    problems: Vec<Finding>,
}

#[derive(Debug, Serialize, PartialEq, Eq)]
struct Finding {
    /// `None` where the fault is in no file.
    file: Option<String>,
    line: Option<u32>,
    column: Option<u32>,
    /// Empty for the file as a whole.
    field: String,
    problem: String,
    hint: Option<String>,
}

pub fn run(args: &CheckArgs) -> Result<u8, Failure> {
    let (names, problems) = problems(&Sources::of_process()?, &args.names)?;
    let text = if args.json { json(&names, &problems)? } else { lines(&problems) };
    ui::data(&text)
        .map_err(|error| Failure::new(Kind::Io, "cannot print the result").because(error))?;
    if !args.json {
        ui::line(&summary(names.len(), problems.len()));
    }
    Ok(if problems.is_empty() { exit::OK } else { exit::FINDINGS })
}

/// Everything that is wrong, and which manifests were looked at: these, or all and the other files.
pub(super) fn problems(
    sources: &Sources,
    only: &[ConnectorName],
) -> Result<(Vec<ConnectorName>, Vec<Problem>), Failure> {
    let listing = load::connectors(sources)?;
    let (names, strays) = match (listing, only.is_empty()) {
        (Some(listing), true) => (listing.names, listing.strays),
        (Some(_), false) => (only.to_vec(), Vec::new()),
        (None, _) => return Err(load::no_workspace(&sources.cwd)),
    };
    let mut problems: Vec<Problem> = strays.iter().map(|path| stray(path)).collect();
    for name in &names {
        match load::inspect(name, sources, &Overrides::default()) {
            Ok(_) => {}
            Err(Rejection::Unreadable(failure)) => return Err(failure),
            Err(Rejection::Wrong(found)) => {
                // A fault of the user-wide defaults comes with every connector.
                let new = found.into_iter().filter(|new| !problems.contains(new));
                problems.extend(new.collect::<Vec<_>>());
            }
        }
    }
    if only.is_empty()
        && let Some(root) = WorkspaceRoot::find(&sources.cwd)?
    {
        match store::read(&Folder::new(&root, sources.home.as_deref())) {
            Ok(_) => {}
            Err(Rejection::Unreadable(failure)) => return Err(failure),
            Err(Rejection::Wrong(found)) => problems.extend(found),
        }
        match crate::ports::store::inspect(&root) {
            Ok(_) => {}
            Err(Rejection::Unreadable(failure)) => return Err(failure),
            Err(Rejection::Wrong(found)) => problems.extend(found),
        }
    }
    Ok((names, problems))
}

fn stray(path: &Path) -> Problem {
    let origin = Origin::File { path: path.to_owned(), line: 1, column: 1 };
    let what = "is not read: a manifest is called NAME.yaml, NAME of lower-case letters, digits, \
                `.`, `_` and `-`";
    Problem { origin, field: String::new(), what: what.to_owned(), hint: None }
}

fn lines(problems: &[Problem]) -> String {
    let line = |problem: &Problem| match &problem.hint {
        Some(hint) => format!("{problem}; {hint}\n"),
        None => format!("{problem}\n"),
    };
    problems.iter().map(line).collect()
}

fn summary(manifests: usize, problems: usize) -> String {
    let count = |number: usize, word: &str| match number {
        1 => format!("1 {word}"),
        _ => format!("{number} {word}s"),
    };
    format!("{} checked, {}", count(manifests, "manifest"), count(problems, "problem"))
}

fn json(names: &[ConnectorName], problems: &[Problem]) -> Result<String, Failure> {
    let checked = names.iter().map(ConnectorName::as_str).collect();
    let report = Report { checked, problems: problems.iter().map(finding).collect() };
    let text = serde_json::to_string_pretty(&report)
        .map_err(|error| Failure::new(Kind::Io, "cannot print the result").because(error))?;
    Ok(format!("{text}\n"))
}

fn finding(problem: &Problem) -> Finding {
    let (file, line, column) = match &problem.origin {
        Origin::File { path, line, column } => {
            (Some(path.display().to_string()), Some(*line), Some(*column))
        }
        Origin::BuiltIn(_) | Origin::Flag(_) => (None, None, None),
    };
    Finding {
        file,
        line,
        column,
        field: problem.field.clone(),
        problem: problem.what.clone(),
        hint: problem.hint.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_is_one_line() {
        let origin = Origin::File { path: "a.yaml".into(), line: 2, column: 3 };
        let problem = Problem {
            origin,
            field: "limits.memroy".into(),
            what: "unknown field".into(),
            hint: Some("did you mean `memory`?".into()),
        };
        let line = "a.yaml:2:3: field limits.memroy: unknown field; did you mean `memory`?\n";
        assert_eq!(lines(&[problem.clone(), problem]), format!("{line}{line}"));
        assert_eq!(summary(1, 0), "1 manifest checked, 0 problems");
    }
}
