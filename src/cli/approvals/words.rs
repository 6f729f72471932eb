//! Requests for people. Whatever a connector said comes as a [`Text`] or a parsed value, so that nothing of it
//! moves the cursor or makes a line of its own.

use super::Case;
use crate::approvals::{Decision, Request, Standing, Subject, Verdict};
use crate::calendar::{LAST, stamp};
use std::time::{Duration, SystemTime};

/// One row each, and the doubts below.
pub(super) fn table(cases: &[Case], all: bool, now: SystemTime) -> String {
    if cases.is_empty() {
        return String::new();
    }
    let head = ["ID", "WHO", "WHAT", "TIMES", "LAST", "STANDING"].map(str::to_owned);
    let row = |case: &Case| {
        let Request { id, subject, times, last_at, standing, .. } = &case.request;
        let last = ago(*last_at, now);
        let standing = standing.name().to_owned();
        [id.to_string(), who(&case.request), subject.to_string(), times.to_string(), last, standing]
    };
    let rows: Vec<[String; 6]> = cases.iter().map(row).collect();
    let every = || std::iter::once(&head).chain(&rows);
    let width = |n: usize| every().map(|row| row[n].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let shown = if all { 6 } else { 5 };
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(widths).take(shown);
        let cells: Vec<String> = cells.map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    let mut text = line(&head);
    for (case, row) in cases.iter().zip(&rows) {
        text += &line(row);
        text += &doubts(case, "            ");
    }
    text
}

/// What has happened to one, in a line.
pub(super) fn line(case: &Case, now: SystemTime) -> String {
    let Request { id, subject, times, standing, .. } = &case.request;
    let (who, standing) = (who(&case.request), standing.name());
    let time = stamp(now);
    let often = if *times > 1 { format!(" ({times} times)") } else { String::new() };
    format!("{time} {id} {standing}: {who}: {subject}{often}\n{}", doubts(case, "  "))
}

fn doubts(case: &Case, indent: &str) -> String {
    let waits = case.request.standing == Standing::Pending;
    let doubts = case.doubts.iter().filter(|_| waits);
    doubts.map(|doubt| format!("{indent}! {}\n", doubt.text)).collect()
}

/// Everything about one.
pub(super) fn page(case: &Case, now: SystemTime) -> String {
    let Case { request, running, doubts, answers } = case;
    let Request { id, asker, subject, standing, first_at, last_at, times, latest } = request;
    let mut page = Page(String::new());
    page.row("request", format!("{id}, {}", standing.name()));
    page.row("what", subject.to_string());
    page.row("connector", asker.connector.to_string());
    page.maybe("tool", asker.tool.as_ref());
    let still = if *running { "" } else { " (ended)" };
    page.maybe("run", latest.run.as_ref().map(|run| format!("{run}{still}")));
    page.maybe("process", latest.process.as_ref());
    page.maybe("door", latest.door.map(crate::firewall::Door::name));
    page.maybe("address", latest.class.as_ref());
    page.row("why", latest.reason.to_string());
    page.maybe("by", latest.by.as_ref());
    let often = if *times == 1 { "once".to_owned() } else { format!("{times} times") };
    let since = moment(*first_at);
    page.row(
        "asked",
        match times {
            1 => format!("once, {since} ({} ago)", ago(*last_at, now)),
            _ => format!("{often}, since {since}, last {} ago", ago(*last_at, now)),
        },
    );
    for doubt in doubts {
        page.row("doubt", doubt.text.to_string());
    }
    for answer in answers {
        page.row("answer", self::answer(answer));
    }
    page.maybe("next", next(case));
    page.0
}

struct Page(String);

impl Page {
    /// Spaces in a row are shown as one: with enough of them a stranger's text would begin a line of its own
    /// where the terminal breaks it, and look like a row.
    fn row(&mut self, name: &str, text: String) {
        let text: Vec<&str> = text.split_whitespace().collect();
        self.0 += &format!("{name:<10} {}\n", text.join(" "));
    }

    fn maybe(&mut self, name: &str, text: Option<impl ToString>) {
        if let Some(text) = text {
            self.row(name, text.to_string());
        }
    }
}

/// The command that comes next.
fn next(case: &Case) -> Option<String> {
    let Request { id, subject, standing, .. } = &case.request;
    let lasting = !case.running && matches!(subject, Subject::Egress { .. });
    let how = if lasting { " --until 2h" } else { "" };
    match standing {
        Standing::Pending => Some(format!(
            "jail approvals approve {id}{how}, jail approvals deny {id}{how}, jail approvals dismiss {id}"
        )),
        Standing::Approved | Standing::Denied => Some(format!("jail approvals revoke {id}")),
        Standing::Revoked | Standing::Dismissed => None,
    }
}

/// An answer in words.
fn answer(decision: &Decision) -> String {
    let Decision { at, answer, applied, failed, .. } = decision;
    let time = moment(*at);
    let mut text = match answer.verdict {
        Verdict::Revoke => format!("{time} taken back"),
        verdict => {
            let scope = answer.scope.name();
            format!("{time} {}, {}, for this {scope}", verdict.name(), answer.lifetime)
                .replace("this global", "every connector")
        }
    };
    text += &format!(", by {} ({})", answer.by, answer.via.name());
    if let Some(why) = &answer.why {
        text += &format!(": {why}");
    }
    match (applied, failed) {
        (true, _) => {}
        (false, Some(why)) => text += &format!("; NOT IN EFFECT: {why}"),
        (false, None) => text += "; NOT IN EFFECT yet",
    }
    text
}

/// Who asks: `search (cloned.mcp.web.search@v1)`.
pub(super) fn who(request: &Request) -> String {
    match &request.asker.tool {
        Some(tool) => format!("{} ({tool})", request.asker.connector),
        None => request.asker.connector.to_string(),
    }
}

pub(super) fn tool(request: &Request) -> String {
    request.asker.tool.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn moment(seconds: u64) -> String {
    // The database is a file: what stands there may be no time.
    let time = Some(seconds).filter(|seconds| *seconds <= LAST);
    time.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
        .map_or_else(|| "at no known time".to_owned(), stamp)
}

/// How long ago, in its largest unit.
fn ago(seconds: u64, now: SystemTime) -> String {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).map(|it| it.as_secs()).unwrap_or_default();
    match now.saturating_sub(seconds) {
        past @ 0..60 => format!("{past}s"),
        past @ 60..3600 => format!("{}m", past / 60),
        past @ 3600..86_400 => format!("{}h", past / 3600),
        past => format!("{}d", past / 86_400),
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
