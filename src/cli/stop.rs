//! `jail stop`: ends runs.

use super::audit::log_path;
use super::ui;
use crate::exit;
use crate::failure::{Failure, Kind};
use crate::runs::{self, Outcome, Run, Stopping};
use crate::session::running;
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;

/// End connectors that run.
///
/// Its supervisor is asked (SIGTERM), which the connector hears and may answer. After the timeout the
/// supervisor kills it, and all that it has started. The audit log keeps whose act it was. A name must mean
/// one run of this workspace; a run's id (`jail ps`) can be of any. Stopping what listens (`--listen`) stops
/// its connections. Ends with 0 when all that was named has ended, 1 where something still runs, 2
/// where nothing or more than one thing is meant.
#[derive(Debug, clap::Args)]
pub struct StopArgs {
    /// A run, or a connector of which one run is there.
    #[arg(value_name = "RUN|CONNECTOR", required_unless_present = "all")]
    names: Vec<String>,
    /// All runs of this workspace, or all of the connectors that are named.
    #[arg(long)]
    all: bool,
    /// How long a connector may take to end by itself.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    timeout: Duration,
    /// Kill it at once. It has no chance to write what it has in memory.
    #[arg(long, conflicts_with = "timeout")]
    kill: bool,
    /// Print an array of `{"run", "connector", "outcome"}`: `outcome` is `asked` (it ended when it was asked),
    /// `killed`, `supervisor-killed` (the audit log has no end then), `gone` (it had just ended), `runs` or
    /// `out-of-reach` (it runs, and its process cannot be found from here: another PID namespace).
    #[arg(long)]
    json: bool,
}

/// An hour is more patience than a person has.
const LONGEST: Duration = Duration::from_secs(3600);

fn time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time <= LONGEST => Ok(time),
        Ok(_) => Err("at most 1h".to_owned()),
        Err(error) => Err(format!("expected a time such as 10s: {error}")),
    }
}

#[derive(Debug, Serialize)]
struct Stopped {
    run: String,
    connector: String,
    outcome: Outcome,
}

pub fn run(args: &StopArgs) -> Result<u8, Failure> {
    let log = log_path(None)?;
    let bucket = runs::bucket(&log);
    let runs = runs::living();
    let mut names = Vec::new();
    let mut all = Vec::new();
    for run in chosen(args, &runs, &bucket)? {
        all.push(Stopping::of(run)?);
        names.push((run.record.run.to_string(), run.record.connector.to_string()));
    }
    if args.all && args.names.is_empty() {
        // Those that could have no entry.
        let known: BTreeSet<&str> = runs.iter().map(|run| run.record.run.as_str()).collect();
        let own = nix::unistd::getuid().as_raw();
        for (_, start) in running::running(&log)?.starts {
            if start.uid == own && !known.contains(start.run.as_str()) {
                all.push(Stopping::new(start.pid, start.born.as_ref())?);
                names.push((start.run.to_string(), start.connector.to_string()));
            }
        }
    }
    runs::stop(&mut all, args.timeout, args.kill)?;
    let stopped: Vec<Stopped> = names
        .into_iter()
        .zip(&all)
        .map(|((run, connector), one)| Stopped { run, connector, outcome: one.outcome })
        .collect();
    tell(args, &stopped)?;
    let left = stopped.iter().any(|one| !one.outcome.over());
    Ok(if left { exit::FINDINGS } else { exit::OK })
}

fn chosen<'a>(args: &StopArgs, runs: &'a [Run], bucket: &str) -> Result<Vec<&'a Run>, Failure> {
    let mut chosen: Vec<&Run> = Vec::new();
    if args.all {
        let here = runs.iter().filter(|run| run.bucket == bucket);
        let wanted = |run: &&Run| {
            let called = |name: &String| run.record.connector.as_str() == name;
            args.names.is_empty() || args.names.iter().any(called)
        };
        chosen = here.filter(wanted).collect();
        if chosen.is_empty() && !args.names.is_empty() {
            // With what there is.
            runs::found(runs, &args.names[0], bucket)?;
        }
    } else {
        for name in &args.names {
            let run = runs::found(runs, name, bucket)?;
            if !chosen.iter().any(|other| other.record.run == run.record.run) {
                chosen.push(run);
            }
        }
    }
    Ok(runs::top(&chosen))
}

fn tell(args: &StopArgs, stopped: &[Stopped]) -> Result<(), Failure> {
    if args.json {
        let text = serde_json::to_string_pretty(stopped)
            .map_err(|error| Failure::new(Kind::Io, "cannot print the result").because(error))?;
        return ui::data(&format!("{text}\n"))
            .map_err(|error| Failure::new(Kind::Io, "cannot print the result").because(error));
    }
    for Stopped { run, connector, outcome } in stopped {
        let how = match outcome {
            Outcome::Gone => "had just ended",
            Outcome::Asked => "ended",
            Outcome::Killed => "was killed",
            Outcome::SupervisorKilled => {
                "was killed with its supervisor, which did not answer; the audit log has no end of it"
            }
            Outcome::Runs => "still runs; the kernel has not let it end yet",
            Outcome::OutOfReach => {
                "still runs; its process cannot be found from here: stop it where it was started"
            }
        };
        ui::line(&format!("{run} ({connector}) {how}"));
    }
    if stopped.is_empty() {
        ui::line("nothing of yours runs here");
    }
    Ok(())
}
