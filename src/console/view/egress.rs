//! What connectors tried to reach, newest first.

use super::super::show::{self, When};
use super::{Tag, Tone};
use crate::approvals::{Request, Standing, Subject};
use crate::audit::{Denial, Entry, Event, Mechanism, Text};
use std::time::{Duration, SystemTime};

#[derive(Debug, Clone)]
pub(in crate::console) struct EgressRow {
    pub(in crate::console) at: When,
    pub(in crate::console) what: Tag,
    pub(in crate::console) target: String,
    pub(in crate::console) connector: String,
    pub(in crate::console) run: String,
    pub(in crate::console) why: String,
    pub(in crate::console) times: u64,
    pub(in crate::console) fix: Option<String>,
    /// It waits for an answer.
    pub(in crate::console) request: Option<String>,
    order: SystemTime,
}

/// Refusals of the log and requests that wait, at most `most`.
pub(in crate::console) fn egress<'a>(
    entries: impl Iterator<Item = &'a Entry>,
    requests: &[Request],
    most: usize,
    now: SystemTime,
) -> Vec<EgressRow> {
    let refused = entries.filter_map(|entry| refusal(entry, now));
    let held = requests.iter().filter_map(|request| held(request, now));
    let mut rows: Vec<EgressRow> = refused.chain(held).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.order));
    rows.truncate(most);
    rows
}

fn refusal(entry: &Entry, now: SystemTime) -> Option<EgressRow> {
    let Some(Event::Denial(denial)) = &entry.event else { return None };
    let Denial { mechanism, object, reason, fix, times, .. } = denial;
    if !matches!(mechanism, Mechanism::Proxy | Mechanism::Network) {
        return None;
    }
    Some(EgressRow {
        at: When::new(entry.time, now),
        what: Tag::new("refused", Tone::Bad),
        target: show::text(object.as_str()),
        connector: show::text(entry.connector.as_ref().map_or("-", Text::as_str)),
        run: show::text(entry.run.as_str()),
        why: show::text(reason.as_str()),
        times: u64::from(*times),
        fix: fix.as_ref().map(|fix| show::text(fix.as_str())),
        request: None,
        order: entry.time,
    })
}

fn held(request: &Request, now: SystemTime) -> Option<EgressRow> {
    if request.standing != Standing::Pending || !matches!(request.subject, Subject::Egress { .. }) {
        return None;
    }
    let run = request.latest.run.as_ref().map_or("-", Text::as_str);
    Some(EgressRow {
        at: When::of_seconds(request.last_at, now),
        what: Tag::new("asks", Tone::Care),
        target: request.subject.to_string(),
        connector: request.asker.connector.to_string(),
        run: show::text(run),
        why: "waits for your answer".to_owned(),
        times: request.times,
        fix: None,
        request: Some(request.id.to_string()),
        order: SystemTime::UNIX_EPOCH + Duration::from_secs(request.last_at.min(1 << 40)),
    })
}
