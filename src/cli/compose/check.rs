//! `jail compose check`.

use crate::cli::ui;
use crate::compose::check::{self, Checked};
use crate::compose::fix::{Left, View, Why};
use crate::compose::project::{Rejection, Request};
use crate::compose::report::Report;
use crate::compose::{disk, fix, rules};
use crate::doctor::finding::{Finding, Severity};
use crate::doctor::sarif;
use crate::edit::Sort;
use crate::failure::{Failure, Kind};
use clap::Args;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Say what is wrong with the services of a compose file, why, and how to write it instead
///
/// Several files are merged, as `docker compose -f A -f B` merges them. Without a file it takes those that
/// docker compose would take here. Every service is judged, whatever its profiles.
///
/// A comment above a line, `# jail: allow RULE because REASON`, allows one value of one service there, or, with
/// `for NAME, NAME` before `because`, of the services that it names. A label `jail.allow.RULE: REASON` allows
/// what the rule finds in its service.
///
/// Exit code: 0 clean, 1 findings at or above `--fail-on`, 2 a file could not be read or understood.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The files, in the order in which they are merged
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print JSON (schema `jail.compose/1`) instead of text
    #[arg(long, conflicts_with = "sarif")]
    json: bool,
    /// Print SARIF 2.1.0 instead of text
    #[arg(long)]
    sarif: bool,
    /// Mend what can be mended without a question; comments and order stay
    #[arg(long)]
    fix: bool,
    /// Variables, in the place of `.env`; several are read in turn
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Judge only what is started with this profile
    #[arg(long, value_name = "NAME")]
    profile: Vec<String>,
    /// End with 1 only for findings that are at least this bad
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "error")]
    fail_on: Severity,
}

/// How compose files are written. They are the project's, so no lock is left in their folder.
const FILES: Sort = Sort {
    name: "the compose files",
    lock: ".compose.lock",
    unfinished: ".compose-unfinished-",
    head: "",
    advice: "edit it by hand",
};

pub(super) fn run(args: &CheckArgs) -> Result<u8, Failure> {
    let cwd = std::env::current_dir()
        .map_err(|error| Failure::new(Kind::Io, "cannot tell the current folder").because(error))?;
    let request = disk::request(&args.files, &args.env_file, &cwd)?;
    let fixed = if args.fix { mend(&request, args)? } else { Vec::new() };
    let (about, findings, allowed) = match check::check(&request, &args.profile, &disk::read) {
        Ok(checked) => {
            let Checked { found, allowed, services, files, root: _ } = checked;
            let findings: Vec<Finding> = found.into_iter().map(|it| it.finding).collect();
            ((files, services), findings, allowed)
        }
        Err(Rejection::Wrong(problems)) => {
            ((request.files.clone(), Vec::new()), check::wrong(&problems), Vec::new())
        }
        Err(Rejection::Unreadable(failure)) => return Err(failure),
    };
    let (mut findings, mut allowed) = (findings, allowed);
    let places = findings.iter_mut().chain(allowed.iter_mut().map(|it| &mut it.finding));
    places.for_each(|finding| shorten(finding, &cwd));
    let report = Report::new(about, findings, allowed, args.fail_on, fixed);
    let text = if args.sarif {
        json(&sarif::log(&rules::ALL, &report.findings.iter().collect::<Vec<_>>()))?
    } else if args.json {
        json(&report)?
    } else {
        report.text()
    };
    ui::data(&text).map_err(|e| Failure::new(Kind::Io, "cannot write to stdout").because(e))?;
    Ok(report.code())
}

/// Places as a person looks for them: from the current folder where they are below that.
fn shorten(finding: &mut Finding, cwd: &Path) {
    if let Some(place) = &mut finding.place
        && let Ok(short) = place.file.strip_prefix(cwd)
    {
        place.file = short.to_owned();
    }
}

fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|e| Failure::new(Kind::Io, "cannot write the report").because(e))?;
    Ok(format!("{json}\n"))
}

/// What was done. Every service is judged, whatever its profiles: an edit for one can change another. Only the
/// project's own files are changed: what `extends` or `include` take in is others', too.
fn mend(request: &Request, args: &CheckArgs) -> Result<Vec<String>, Failure> {
    let wanted = match check::check(request, &args.profile, &disk::read) {
        Ok(checked) => checked.services,
        // What is wrong is said by the check that follows.
        Err(Rejection::Wrong(_)) => return Ok(Vec::new()),
        Err(Rejection::Unreadable(failure)) => return Err(failure),
    };
    let mut texts = BTreeMap::new();
    let mut before = BTreeMap::new();
    for path in &request.files {
        let failed = |error: io::Error| crate::policy::load::cannot_read(path, &error);
        let facts = fs::symlink_metadata(path).map_err(failed)?;
        let text = fs::read_to_string(path).map_err(failed)?;
        if !facts.is_symlink() {
            before.insert(path.clone(), (facts, text.clone()));
            texts.insert(path.clone(), text);
        }
    }
    let judge = |texts: &BTreeMap<PathBuf, String>| {
        let reader = |path: &Path, most: usize| match texts.get(path) {
            Some(text) => Ok(text.clone().into_bytes()),
            None => disk::read(path, most),
        };
        let checked = check::check(request, &[], &reader).ok()?;
        Some(View { found: checked.found, root: checked.root })
    };
    let mended = fix::mend(&mut texts, &judge, &|service| wanted.iter().any(|it| it == service));
    for (path, (facts, old)) in &before {
        let Some(text) = texts.get(path).filter(|text| *text != old) else { continue };
        if !FILES.replace(path, Some(facts), text)? {
            let what = format!("{} changed meanwhile; it was left as it is", path.display());
            return Err(Failure::new(Kind::Io, what).hint("do it again"));
        }
    }
    for left in &mended.not_done {
        ui::line(&format!("not mended, {}: {}", why(left, request), left.what));
    }
    Ok(mended.done)
}

fn why(left: &Left, request: &Request) -> &'static str {
    match left.why {
        Why::Layout => "its layout is not understood",
        Why::More => "something else would change with it",
        Why::File if request.files.contains(&left.file) => {
            "the file is a link; name the file that it leads to"
        }
        Why::File => {
            "its file is taken in by `extends` or `include`, and may be of other projects, too"
        }
    }
}
