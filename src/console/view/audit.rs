//! The audit log, and whether it is whole.

use super::super::show::{self, When};
use super::{Tag, Tone};
use crate::audit::{Entry, Event, How, Report, Text, Verdict};
use crate::cli::audit::table;
use std::time::SystemTime;

#[derive(Debug, Clone)]
pub(in crate::console) struct AuditRow {
    pub(in crate::console) seq: u64,
    pub(in crate::console) at: When,
    pub(in crate::console) run: String,
    pub(in crate::console) connector: String,
    pub(in crate::console) kind: Tag,
    pub(in crate::console) what: String,
}

pub(in crate::console) fn audit_row(entry: &Entry, now: SystemTime) -> AuditRow {
    AuditRow {
        seq: entry.seq,
        at: When::new(entry.time, now),
        run: show::text(entry.run.as_str()),
        connector: show::text(entry.connector.as_ref().map_or("-", Text::as_str)),
        kind: Tag::new(show::text(entry.kind.as_str()), tone(entry.event.as_ref())),
        what: show::text(&table::what(entry)),
    }
}

fn tone(event: Option<&Event>) -> Tone {
    match event {
        Some(Event::Denial(_)) => Tone::Bad,
        Some(Event::Applied(applied)) => {
            let broken = applied.proof.iter().any(|probe| probe.verdict == Verdict::Broken);
            if broken { Tone::Bad } else { Tone::Good }
        }
        Some(Event::RunStart(start)) if !start.gaps.is_empty() => Tone::Care,
        Some(Event::RunEnd(end)) => match &end.how {
            How::Exited { code: 0 } => Tone::Plain,
            How::Refused { .. } => Tone::Bad,
            _ => Tone::Care,
        },
        Some(Event::Firewall(change)) if change.failed.is_some() => Tone::Bad,
        _ => Tone::Plain,
    }
}

/// What checking the log found.
#[derive(Debug, Clone)]
pub(in crate::console) struct Verified {
    pub(in crate::console) state: Tag,
    pub(in crate::console) detail: String,
    pub(in crate::console) findings: Vec<String>,
    pub(in crate::console) at: Option<When>,
}

impl Verified {
    /// The most findings on a page.
    const MOST: usize = 20;

    pub(in crate::console) fn of(report: &Report, at: SystemTime, now: SystemTime) -> Self {
        let findings = report.findings.iter().take(Self::MOST);
        let findings: Vec<String> =
            findings.map(|it| format!("line {}: {}", it.line, show::text(&it.text))).collect();
        let records = show::count(report.records, "record");
        let tears = report.tears + u64::from(report.open_tear);
        let tears = match tears {
            0 => String::new(),
            _ => format!(
                ", {} (a writer was killed, or the disk was full)",
                show::count(tears, "tear")
            ),
        };
        let all = report.findings.len() as u64 + report.more;
        let (state, detail) = match report.is_sound() {
            true => {
                (Tag::new("whole", Tone::Good), format!("{records}{tears}, nothing was changed"))
            }
            false => (
                Tag::new("changed", Tone::Bad),
                format!("{records}{tears}, {}", show::count(all, "finding")),
            ),
        };
        Self { state, detail, findings, at: Some(When::new(at, now)) }
    }

    pub(in crate::console) fn not(why: String) -> Self {
        let state = Tag::new("not checked", Tone::Care);
        Self { state, detail: why, findings: Vec::new(), at: None }
    }

    pub(in crate::console) fn is_changed(&self) -> bool {
        self.state.tone == Tone::Bad
    }
}
