//! Denials and warnings become events at a bounded rate; what is more is counted, and said with the next
//! one.

use super::Event;
use crate::firewall::Denial;
use std::time::Duration;
use tokio::time::Instant;

/// So many at once, and then one for each of these spans.
const BURST: u32 = 20;
const EACH: Duration = Duration::from_millis(500);
/// Different denials that wait; further ones are said under the host `…`.
const WAITING: usize = 256;
/// A warning is said again after so long, if it came again.
const WARNED: Duration = Duration::from_secs(30);
/// Different warnings; there are a few kinds, some of them for each port.
const WARNINGS: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Reports {
    /// Since when the bucket fills; at most `BURST * EACH` ago.
    since: Option<Instant>,
    /// Denials that came when there was no room, and how often.
    waiting: Vec<(Denial, u64)>,
    warnings: Vec<Warning>,
}

#[derive(Debug)]
struct Warning {
    what: String,
    /// The latest.
    why: String,
    said: Instant,
    /// Since it was said.
    more: u64,
}

impl Reports {
    /// The event, if it may be sent now; else it waits for [`Reports::due`].
    pub(super) fn take(&mut self, denial: &Denial, now: Instant) -> Option<Event> {
        let equal = |(one, _): &&mut (Denial, u64)| {
            one.host == denial.host && one.port == denial.port && one.reason == denial.reason
        };
        if let Some((_, times)) = self.waiting.iter_mut().find(equal) {
            *times += 1;
            return None;
        }
        if self.spend(now) {
            return Some(Event::Denied { denial: denial.clone(), more: 0 });
        }
        let mut denial = denial.clone();
        if self.waiting.len() >= WAITING {
            "…".clone_into(&mut denial.host);
            if let Some((_, times)) = self.waiting.get_mut(WAITING) {
                *times += 1;
                return None;
            }
        }
        self.waiting.push((denial, 1));
        None
    }

    /// The event, if it is new; else it waits for [`Reports::due`].
    pub(super) fn warn(&mut self, what: String, why: String, now: Instant) -> Option<Event> {
        if let Some(known) = self.warnings.iter_mut().find(|known| known.what == what) {
            known.more += 1;
            known.why = why;
            return None;
        }
        if self.warnings.len() >= WARNINGS {
            // The one that was said first: it is new when it comes again.
            self.warnings.remove(0);
        }
        self.warnings.push(Warning { what: what.clone(), why: why.clone(), said: now, more: 0 });
        Some(Event::Warning { what, why })
    }

    /// What has waited and may be sent now; everything at the end of the run.
    pub(super) fn due(&mut self, now: Instant, end: bool) -> Vec<Event> {
        let mut events = Vec::new();
        self.warnings.retain_mut(|warning| {
            if !end && now.duration_since(warning.said) < WARNED {
                return true;
            }
            if warning.more == 0 {
                return false;
            }
            let what = format!("{} ({} times more)", warning.what, warning.more);
            events.push(Event::Warning { what, why: warning.why.clone() });
            (warning.said, warning.more) = (now, 0);
            true
        });
        while !self.waiting.is_empty() && (end || self.spend(now)) {
            let (denial, times) = self.waiting.remove(0);
            events.push(Event::Denied { denial, more: times - 1 });
        }
        events
    }

    fn spend(&mut self, now: Instant) -> bool {
        let earliest = now.checked_sub(EACH * BURST).unwrap_or(now);
        let since = self.since.map_or(earliest, |since| since.max(earliest));
        let room = since + EACH <= now;
        if room {
            self.since = Some(since + EACH);
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::{Door, Reason};

    fn denial(host: &str) -> Denial {
        Denial {
            host: host.to_owned(),
            port: 443,
            door: Door::Connect,
            reason: Reason::NotListed,
            tool: None,
        }
    }

    fn more(events: &[Event]) -> Vec<u64> {
        let more = |event: &Event| match event {
            Event::Denied { more, .. } => *more,
            other => panic!("{other:?}"),
        };
        events.iter().map(more).collect()
    }

    #[tokio::test]
    async fn a_flood_is_said_in_few_words_and_counted_whole() {
        let mut reports = Reports::default();
        let now = Instant::now();
        let sent = (0..1000).filter_map(|_| reports.take(&denial("a.example"), now)).count();
        assert_eq!(sent, BURST as usize);
        assert!(reports.due(now, false).is_empty());
        assert_eq!(more(&reports.due(now + EACH, false)), [1000 - u64::from(BURST) - 1]);
        assert!(reports.due(now + EACH * 9, false).is_empty());
    }

    #[tokio::test]
    async fn a_warning_is_said_once_and_then_how_often() {
        let mut reports = Reports::default();
        let now = Instant::now();
        let mut warn = |what: &str, after| {
            reports.warn(what.to_owned(), format!("why {after:?}"), now + after).is_some()
        };
        let second = Duration::from_secs(1);
        assert!(warn("one", Duration::ZERO) && warn("other", Duration::ZERO));
        assert_eq!((0..99).filter(|_| warn("one", second)).count(), 0);
        assert!(reports.due(now + second, false).is_empty());
        let texts = |events: Vec<Event>| -> Vec<String> {
            let text = |event| match event {
                Event::Warning { what, why } => format!("{what}: {why}"),
                other => panic!("{other:?}"),
            };
            events.into_iter().map(text).collect()
        };
        assert_eq!(texts(reports.due(now + WARNED, false)), ["one (99 times more): why 1s"]);
        assert!(reports.due(now + WARNED + second, false).is_empty());
        assert!(reports.warn("other".to_owned(), String::new(), now + WARNED).is_some());
        assert!(reports.warn("one".to_owned(), "end".to_owned(), now + WARNED).is_none());
        assert_eq!(texts(reports.due(now + WARNED, true)), ["one (1 times more): end"]);
        for port in 0..1000 {
            reports.warn(format!("port {port}"), String::new(), now);
        }
        assert_eq!(reports.warnings.len(), WARNINGS);
    }

    #[tokio::test]
    async fn what_waits_is_bounded_and_said_at_the_end() {
        let mut reports = Reports::default();
        let now = Instant::now();
        for n in 0..1000 {
            reports.take(&denial(&format!("{n}.example")), now);
        }
        let rest = reports.due(now, true);
        assert_eq!(rest.len(), WAITING + 1);
        let all: u64 = more(&rest).iter().map(|more| more + 1).sum();
        assert_eq!(all, 1000 - u64::from(BURST));
    }
}
