//! One run explained from its records: what was refused, why, and the smallest change of policy that
//! would allow it. Pure: records and the rules of today in, words out.

mod calls;
mod files;
mod limits;
mod network;
mod patch;
mod seccomp;
mod text;

#[cfg(test)]
mod tests;

pub use patch::{Allow, Patch};
pub use seccomp::{AboutCall, OTHER_CALLS, about_call};

use crate::audit::{self, Applied, Event, How, Mechanism, Network, RunEnd, RunStart, Text};
use crate::firewall::Rules;
use serde::Serialize;
use std::time::SystemTime;

/// What is told of one run; `jail why --json` prints it.
#[derive(Debug, Serialize)]
pub struct Story {
    pub run: String,
    pub connector: Option<Text>,
    pub tool: Option<Text>,
    pub command: Option<Text>,
    /// When it started.
    pub since: Option<String>,
    /// How it ended, in words; `None`: its end is not in the log.
    pub ended: Option<String>,
    /// The most important first.
    pub refused: Vec<Finding>,
    pub patch: Patch,
    /// Controls that were not there.
    pub not_enforced: Vec<Text>,
    /// What this log cannot know.
    pub not_recorded: Vec<String>,
}

/// One thing that was refused, however often and by whatever way.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    #[serde(skip)]
    weight: Weight,
    pub mechanism: Mechanism,
    pub object: Text,
    /// The stable name of the reason, where it has one.
    pub code: Option<Text>,
    pub reason: String,
    pub times: u64,
    /// The proxy's doors that it came to.
    pub doors: Vec<Text>,
    pub remedy: Remedy,
    #[serde(skip)]
    address: Option<Text>,
    #[serde(skip)]
    fix: Option<Text>,
    #[serde(skip)]
    limit: Option<u64>,
    /// The system calls that it came by, each with its error; only of traced runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Text>,
    /// What of the host could be granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<audit::Grant>,
}

/// What would allow it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Remedy {
    /// A change of policy, which [`Patch`] has.
    Change { think_twice: Option<&'static str> },
    /// Something else that a person can do.
    Advice { text: String },
    /// No rule can, for this reason.
    None { because: &'static str },
}

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Run,
    Limit,
    Rule,
    Doubtful,
    Never,
    Trouble,
}

impl Story {
    /// `events` are those of one run, in order; `rules` those that count today; `manifest`: there is one of
    /// the connector's name.
    pub fn of(run: &str, events: &[(SystemTime, Event)], rules: &Rules, manifest: bool) -> Self {
        let start = events.iter().find_map(|(time, event)| match event {
            Event::RunStart(start) => Some((*time, start)),
            _ => None,
        });
        let end = events.iter().rev().find_map(|(_, event)| match event {
            Event::RunEnd(end) => Some(end),
            _ => None,
        });
        let applied = events.iter().find_map(|(_, event)| match event {
            Event::Applied(applied) => Some(applied),
            _ => None,
        });
        let mut refused: Vec<Finding> = Vec::new();
        for (_, event) in events {
            if let Event::Denial(denial) = event {
                join(&mut refused, finding(denial));
            }
        }
        refused.extend(end.and_then(|end| limits::ended(&end.how, &refused)));
        refused.sort_by(|a, b| {
            (a.weight, std::cmp::Reverse(a.times), &a.object).cmp(&(
                b.weight,
                std::cmp::Reverse(b.times),
                &b.object,
            ))
        });
        let start_of = start.map(|(_, start)| start);
        let tool = start_of.and_then(|start| start.tool.clone());
        let mut gaps: Vec<String> =
            not_recorded(start_of, applied, end).into_iter().map(str::to_owned).collect();
        gaps.extend(untraced(start_of, end, manifest));
        Self {
            run: run.to_owned(),
            connector: start_of.map(|start| start.connector.clone()),
            command: start_of.map(|start| start.command.clone()),
            since: start.map(|(time, _)| humantime::format_rfc3339_seconds(time).to_string()),
            ended: end.map(text::ended),
            patch: Patch::of(&refused, tool.as_ref(), rules),
            refused,
            tool,
            not_enforced: start_of.map(|start| start.gaps.clone()).unwrap_or_default(),
            not_recorded: gaps,
        }
    }
}

fn not_recorded(
    start: Option<&RunStart>,
    applied: Option<&Applied>,
    end: Option<&RunEnd>,
) -> Vec<&'static str> {
    let mut notes = Vec::new();
    match end.map(|end| &end.how) {
        None => notes.push(
            "its end: it still runs, or its supervisor was killed; limits are recorded at the end",
        ),
        Some(How::Refused { .. }) => {
            notes.push(
                "the causes of the refusal, which can hold arguments: run it again to see them",
            );
        }
        Some(_) => {}
    }
    if start.is_some_and(|start| start.network == Some(Network::Host)) {
        notes.push("anything that it did: it was not confined");
    } else if !matches!(end.map(|end| &end.how), Some(How::Refused { .. })) {
        // A jail that never stood refused no call.
        match applied {
            Some(Applied { hears_seccomp: Some(true), .. }) | None => {}
            Some(_) => notes.push(
                "system calls that seccomp refused: this machine or that version of jail could not \
                 hear of them (jail doctor host shows `seccomp.notify`)",
            ),
        }
    }
    if start.is_some_and(|start| start.network == Some(Network::None) && !start.traced) {
        notes.push("attempts to reach a network: there was no way out, and nobody to see them");
    }
    notes
}

/// Files and limits of a process, which only a traced run has; with what would trace it.
fn untraced(start: Option<&RunStart>, end: Option<&RunEnd>, manifest: bool) -> Option<String> {
    let start = start.filter(|start| !start.traced && start.network != Some(Network::Host))?;
    if matches!(end.map(|end| &end.how), Some(How::Refused { .. })) {
        return None;
    }
    let again = if manifest {
        format!("jail run --trace {}", start.connector)
    } else {
        // The log keeps no arguments.
        format!("jail run --trace …, with the options and arguments of {} as before", start.command)
    };
    Some(format!(
        "files that were refused (mounts, Landlock, modes) and limits of a process: the kernel told \
         the connector alone; to have them recorded: {again}"
    ))
}

/// Equal ones are one, with the sum of their times.
fn join(all: &mut Vec<Finding>, next: Finding) {
    // A limit can be recorded where a traced call met it, and again at the end.
    let same_code =
        |one: &Finding| one.code == next.code || (one.limit.is_some() && one.limit == next.limit);
    let same = |one: &&mut Finding| {
        one.mechanism == next.mechanism && one.object == next.object && same_code(one)
    };
    let Some(one) = all.iter_mut().find(same) else { return all.push(next) };
    one.times += next.times;
    for door in next.doors {
        if !one.doors.contains(&door) {
            one.doors.push(door);
        }
    }
    for call in next.calls {
        if !one.calls.contains(&call) {
            one.calls.push(call);
        }
    }
    if one.grant.as_ref().is_none_or(|grant| !grant.write) {
        one.grant = next.grant.or(one.grant.take());
    }
    // The newest words: a rule may have changed in between.
    (one.reason, one.fix, one.address) = (next.reason, next.fix, next.address);
    (one.remedy, one.weight) = (next.remedy, next.weight);
}

impl Finding {
    fn is_seccomp(&self) -> bool {
        self.mechanism == Mechanism::Seccomp
    }
}

fn finding(denial: &audit::Denial) -> Finding {
    let mut finding = Finding {
        weight: Weight::Limit,
        mechanism: denial.mechanism,
        object: denial.object.clone(),
        code: denial.detail.code.clone(),
        reason: denial.reason.to_string(),
        times: denial.times.into(),
        doors: denial.detail.door.clone().into_iter().collect(),
        remedy: Remedy::None { because: "nothing is known that would" },
        address: denial.detail.address.clone(),
        fix: denial.fix.clone(),
        limit: denial.detail.limit,
        calls: call(&denial.detail).into_iter().collect(),
        grant: denial.detail.grant.clone(),
    };
    let traced = denial.detail.call.is_some()
        || denial.detail.code.as_ref().is_some_and(|code| code.as_str() == "unsaid");
    match denial.mechanism {
        Mechanism::Proxy => network::judge(&mut finding),
        Mechanism::Seccomp if !traced => seccomp::judge(&mut finding, &denial.detail.args),
        _ if traced => files::judge(&mut finding),
        _ => limits::judge(&mut finding),
    }
    finding
}

/// `openat: EACCES`
fn call(detail: &audit::Detail) -> Option<Text> {
    let (call, errno) = (detail.call.as_ref()?, detail.errno.as_ref()?);
    Some(format!("{call}: {errno}").into())
}
