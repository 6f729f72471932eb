//! `jail why`: what was refused, and what would allow it.

use super::audit::{log_path, next, warn_damaged};
use super::ui;
use crate::audit::{Event, Reader, Text};
use crate::exit;
use crate::failure::{Failure, Kind};
use crate::firewall::store::{self, Folder};
use crate::firewall::{Rule, Rules};
use crate::policy::load::{self, Sources, WorkspaceRoot};
use crate::policy::{ConnectorName, Overrides};
use crate::why::Story;
use std::path::Path;
use std::time::SystemTime;

/// Runs that are named where the one that was asked for is not there.
const NAMED: usize = 5;

/// Say what a run was refused and why, and what would allow it.
///
/// The smallest change of policy that would allow all of it comes as commands and as lines for the
/// manifest. What no rule can allow is marked, and so is what one should think twice about.
///
/// It knows what the audit log holds: refusals of the proxy, system calls that seccomp refused, limits
/// that were reached, how the run ended; of a run with `--trace` also files that mounts, Landlock or
/// modes refused, and limits of a process.
#[derive(Debug, clap::Args)]
pub struct WhyArgs {
    /// The run: its id, the beginning of it, or `last` for the one that started last.
    #[arg(value_name = "RUN", default_value = "last")]
    run: String,
    /// Print `{"run", "connector", "tool", "command", "since", "ended", "refused", "patch",
    /// "not_enforced", "not_recorded"}`; `patch` has `commands` and `manifest`.
    #[arg(long)]
    json: bool,
}

/// A run as the log names it.
struct Known {
    run: String,
    connector: Option<Text>,
    time: SystemTime,
}

/// What is told of this run, named as on the command line.
pub(super) fn story(run: &str) -> Result<Story, Failure> {
    let path = log_path(None)?;
    let known = runs(&path)?;
    let run = &choose(run, &known, &path)?.run;
    let events = events(&path, run)?;
    let (rules, manifest) = rules(&events)?;
    Ok(Story::of(run, &events, &rules, manifest))
}

pub fn run(args: &WhyArgs) -> Result<u8, Failure> {
    let story = story(&args.run)?;
    let text = if args.json {
        let text = serde_json::to_string_pretty(&story)
            .map_err(|error| Failure::new(Kind::Io, "cannot write JSON").because(error))?;
        text + "\n"
    } else {
        story.to_string()
    };
    ui::data(&text)
        .map_err(|error| Failure::new(Kind::Io, "cannot print the result").because(error))?;
    Ok(exit::OK)
}

/// All runs, in the order in which they began.
fn runs(path: &Path) -> Result<Vec<Known>, Failure> {
    let mut reader = Reader::open(path, false)?;
    let mut known: Vec<Known> = Vec::new();
    while let Some(entry) = next(&mut reader, path)? {
        let (run, time) = (entry.run.to_string(), entry.time);
        let started = matches!(entry.event, Some(Event::RunStart(_)));
        // The start of one can be lost; its other records are not.
        if started || known.iter().rev().all(|one| one.run != run) {
            known.push(Known { run, connector: entry.connector, time });
        }
    }
    warn_damaged(reader.damaged());
    Ok(known)
}

fn choose<'a>(asked: &str, known: &'a [Known], path: &Path) -> Result<&'a Known, Failure> {
    let Some(last) = known.last() else {
        let what = format!("no run is in {}", path.display());
        return Err(Failure::new(Kind::Usage, what));
    };
    if asked == "last" {
        return Ok(last);
    }
    let fits: Vec<&Known> = known.iter().filter(|one| one.run.starts_with(asked)).collect();
    match *fits {
        [one] => Ok(one),
        [] => {
            let what = format!("no run in {} begins with `{asked}`", path.display());
            Err(named(Failure::new(Kind::Usage, what), nearest(asked, known)))
        }
        _ => {
            let what = format!("`{asked}` is the beginning of {} runs", fits.len());
            Err(named(Failure::new(Kind::Usage, what), fits.into_iter().rev().collect()))
        }
    }
}

/// Those that begin most alike, the newest first.
fn nearest<'a>(asked: &str, known: &'a [Known]) -> Vec<&'a Known> {
    let alike =
        |one: &&Known| one.run.bytes().zip(asked.bytes()).take_while(|(a, b)| a == b).count();
    let mut runs: Vec<&Known> = known.iter().rev().collect();
    runs.sort_by_key(|one| std::cmp::Reverse(alike(one)));
    runs
}

fn named(failure: Failure, runs: Vec<&Known>) -> Failure {
    runs.into_iter().take(NAMED).fold(failure, |failure, one| {
        let connector = one.connector.as_ref().map_or("-", Text::as_str);
        let time = humantime::format_rfc3339_seconds(one.time);
        failure.hint(format!("jail why {}  ({connector}, {time})", one.run))
    })
}

fn events(path: &Path, run: &str) -> Result<Vec<(SystemTime, Event)>, Failure> {
    let mut reader = Reader::open(path, false)?;
    let mut events = Vec::new();
    while let Some(entry) = next(&mut reader, path)? {
        if let Some(event) = entry.event.filter(|_| entry.run.as_str() == run) {
            events.push((entry.time, event));
        }
    }
    Ok(events)
}

/// The rules that count for its connector today, and whether it has a manifest. A policy that is wrong is another verb's matter: what was
/// refused can be told without it.
fn rules(events: &[(SystemTime, Event)]) -> Result<(Rules, bool), Failure> {
    let sources = Sources::of_process()?;
    let Some(root) = WorkspaceRoot::find(&sources.cwd)? else {
        return Ok((Rules::default(), false));
    };
    let mut rules: Vec<Rule> = match store::read(&Folder::new(&root, sources.home.as_deref())) {
        Ok(overlay) => overlay.rules().0,
        Err(rejection) => {
            let why = Failure::from(rejection).what;
            ui::line(&format!("the firewall's rules of today are not looked at: {why}"));
            Vec::new()
        }
    };
    let name = events.iter().find_map(|(_, event)| match event {
        Event::RunStart(start) => start.connector.as_str().parse::<ConnectorName>().ok(),
        _ => None,
    });
    // A command without a manifest has a name as well.
    let manifest = name.and_then(|name| load::inspect(&name, &sources, &Overrides::default()).ok());
    let is_there = manifest.is_some();
    rules.extend(manifest.map(|policy| policy.network.rules).unwrap_or_default());
    Ok((Rules(rules), is_there))
}
