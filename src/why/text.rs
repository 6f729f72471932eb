//! The explanation as a person reads it.

use super::{Finding, Remedy, Story};
use crate::audit::{How, RunEnd, Text};
use nix::sys::signal::Signal;
use std::fmt;
use std::time::Duration;

/// How it ended.
pub(super) fn ended(end: &RunEnd) -> String {
    let how = match &end.how {
        How::Exited { code } => format!("exited with {code}"),
        How::Signal { signal } => match Signal::try_from(*signal) {
            Ok(name) => format!("ended by {name}"),
            Err(_) => format!("ended by signal {signal}"),
        },
        How::Timeout => "ended by its time limit".to_owned(),
        How::Oom => "ended by its memory limit".to_owned(),
        How::Refused { .. } => return "refused: the connector was not started".to_owned(),
    };
    format!("{how} after {}", humantime::format_duration(Duration::from_millis(end.wall_ms)))
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        if self.refused.is_empty() {
            writeln!(f, "\nnothing is recorded that was refused")?;
        } else {
            writeln!(f, "\nrefused:")?;
        }
        self.refused.iter().try_for_each(|finding| self::finding(f, finding))?;
        self.patch(f)?;
        if !self.not_enforced.is_empty() {
            writeln!(f, "\nnot enforced:")?;
            self.not_enforced.iter().try_for_each(|gap| writeln!(f, "  {gap}"))?;
        }
        if !self.not_recorded.is_empty() {
            writeln!(f, "\nnot recorded:")?;
            self.not_recorded.iter().try_for_each(|note| writeln!(f, "  {note}"))?;
        }
        Ok(())
    }
}

impl Story {
    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {}", self.run)?;
        if let Some(connector) = &self.connector {
            write!(f, ": {connector}")?;
        }
        if let Some(tool) = &self.tool {
            write!(f, " for {tool}")?;
        }
        if let Some(since) = &self.since {
            write!(f, ", started {since}")?;
        }
        match &self.ended {
            Some(ended) => writeln!(f, ", {ended}"),
            None => writeln!(f, ", no end is recorded"),
        }
    }

    fn patch(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.patch.commands.is_empty() {
            writeln!(f, "\nto allow all of it, for running connectors as well:")?;
        }
        for allow in &self.patch.commands {
            write!(f, "  {}", allow.command)?;
            let assumed = allow.assumed.map(|what| format!("assumed: {what}"));
            let think = allow.think_twice.map(|why| format!("think twice: {why}"));
            let notes: Vec<String> = think.into_iter().chain(assumed).collect();
            if !notes.is_empty() {
                write!(f, "  # {}", notes.join("; "))?;
            }
            writeln!(f)?;
        }
        if self.patch.manifest.is_empty() {
            return Ok(());
        }
        let word = if self.patch.commands.is_empty() { "to allow it" } else { "or" };
        let name = self.connector.as_ref().map_or("the connector", Text::as_str);
        writeln!(f, "\n{word}, in the manifest of {name}:")?;
        self.patch.manifest.lines().try_for_each(|line| writeln!(f, "  {line}"))?;
        if !self.patch.options.is_empty() {
            writeln!(f, "\nor as options of jail run:")?;
        }
        for option in &self.patch.options {
            let think = option.think_twice.map(|why| format!("  # think twice: {why}"));
            writeln!(f, "  {}{}", option.command, think.unwrap_or_default())?;
        }
        Ok(())
    }
}

fn finding(f: &mut fmt::Formatter<'_>, finding: &Finding) -> fmt::Result {
    let object =
        if finding.object.as_str().is_empty() { "no host" } else { finding.object.as_str() };
    write!(f, "  {object}: {}", finding.reason)?;
    if finding.times > 1 {
        write!(f, " ({} times)", finding.times)?;
    }
    if !finding.doors.is_empty() {
        let doors: Vec<&str> = finding.doors.iter().map(Text::as_str).collect();
        write!(f, " [{}]", doors.join(", "))?;
    }
    if !finding.calls.is_empty() {
        let calls: Vec<&str> = finding.calls.iter().map(Text::as_str).collect();
        write!(f, " [{}]", calls.join(", "))?;
    }
    match &finding.remedy {
        Remedy::Change { think_twice: None } => writeln!(f),
        Remedy::Change { think_twice: Some(why) } => writeln!(f, "\n    think twice: {why}"),
        Remedy::Advice { text } => writeln!(f, "\n    try: {text}"),
        Remedy::None { because } if finding.is_seccomp() => {
            writeln!(f, "\n    no profile should allow it: {because}")
        }
        Remedy::None { because } => writeln!(f, "\n    no rule allows it: {because}"),
    }
}
