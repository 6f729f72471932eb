//! Questions to the owner become events at a bounded rate, each target once while it is held.

use super::Event;
use crate::approvals::{RequestId, Subject};
use crate::firewall::Door;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::Instant;

/// So many at once, and then one for each of these spans.
const BURST: u32 = 20;
const EACH: Duration = Duration::from_millis(500);
/// Different targets that are held or wait to be told.
const OPEN: usize = 256;
/// Connections that are held at one time.
const HELD: usize = 64;

/// What the owner is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    pub request: RequestId,
    pub subject: Subject,
    pub door: Door,
    /// Why nothing allows it, by [`crate::firewall::Reason::code`].
    pub reason: String,
    /// What sort of address it is, where that is known without asking a resolver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The connector's end of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<SocketAddr>,
}

#[derive(Debug, Default)]
pub(super) struct Asks {
    /// Since when the bucket fills; at most `BURST * EACH` ago.
    since: Option<Instant>,
    open: HashMap<RequestId, Open>,
    held: usize,
}

/// A target that is held or waits to be told.
#[derive(Debug)]
struct Open {
    ask: Ask,
    held: usize,
    /// Not told yet.
    times: u64,
    /// What was held before this generation of rules is denied.
    denied: Option<u64>,
}

impl Asks {
    /// A place for a connection to wait in; false where there is none.
    pub(super) fn hold(&mut self, request: &RequestId, connections: usize) -> bool {
        let most = HELD.min(connections.div_ceil(2));
        match self.open.get_mut(request) {
            Some(open) if self.held < most => open.held += 1,
            _ => return false,
        }
        self.held += 1;
        true
    }

    pub(super) fn let_go(&mut self, request: &RequestId) {
        let Some(open) = self.open.get_mut(request) else { return };
        open.held = open.held.saturating_sub(1);
        self.held = self.held.saturating_sub(1);
        if open.held == 0 && open.times == 0 {
            self.open.remove(request);
        }
    }

    /// Counts a question; the event, if it may be sent now. Else it waits for [`Asks::due`], or is dropped
    /// where too many do.
    pub(super) fn take(&mut self, ask: Ask, now: Instant) -> Option<Event> {
        if let Some(open) = self.open.get_mut(&ask.request) {
            open.times += 1;
            open.ask = ask;
            return None;
        }
        if self.open.len() >= OPEN {
            return None;
        }
        let told = self.spend(now);
        let open = Open { ask: ask.clone(), held: 0, times: u64::from(!told), denied: None };
        self.open.insert(ask.request.clone(), open);
        told.then_some(Event::Asked { ask, times: 1 })
    }

    /// Forgets a target that nothing is held for and that was told.
    pub(super) fn settle(&mut self, request: &RequestId) {
        self.open.retain(|id, open| id != request || open.held > 0 || open.times > 0);
    }

    /// What has waited and may be sent now; everything at the end of the run.
    pub(super) fn due(&mut self, now: Instant, end: bool) -> Vec<Event> {
        let waiting = |(id, open): (&RequestId, &Open)| (open.times > 0).then(|| id.clone());
        let waiting: Vec<RequestId> = self.open.iter().filter_map(waiting).collect();
        let mut events = Vec::new();
        for id in waiting {
            if !end && !self.spend(now) {
                break;
            }
            if let Some(open) = self.open.get_mut(&id) {
                let times = std::mem::take(&mut open.times);
                events.push(Event::Asked { ask: open.ask.clone(), times });
            }
            self.settle(&id);
        }
        events
    }

    /// What of these requests is held is denied, and what comes later is not.
    pub(super) fn deny(&mut self, requests: &[String], generation: u64) {
        for (id, open) in &mut self.open {
            if requests.iter().any(|request| request == id.as_str()) {
                open.denied = Some(generation);
            }
        }
    }

    /// Was what is held since this generation denied?
    pub(super) fn is_denied(&self, request: &RequestId, since: u64) -> bool {
        self.open.get(request).and_then(|open| open.denied).is_some_and(|denied| since < denied)
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
    use crate::approvals::Asker;

    fn ask(host: &str) -> Ask {
        let asker = Asker::connector("search".parse().unwrap(), None);
        let host = host.parse().unwrap();
        let subject = Subject::Egress { host, port: 443, private: false };
        let request = RequestId::of(&asker, &subject);
        let reason = "not-listed".to_owned();
        Ask { request, subject, door: Door::Connect, reason, class: None, client: None }
    }

    fn times(events: &[Event]) -> Vec<u64> {
        let times = |event: &Event| match event {
            Event::Asked { times, .. } => *times,
            other => panic!("{other:?}"),
        };
        events.iter().map(times).collect()
    }

    #[tokio::test]
    async fn a_target_is_told_once_while_it_is_held_and_then_how_often() {
        let (mut asks, now, one) = (Asks::default(), Instant::now(), ask("a.example"));
        assert!(asks.take(one.clone(), now).is_some());
        assert!(asks.hold(&one.request, 256));
        for _ in 0..9 {
            assert!(asks.take(one.clone(), now).is_none());
        }
        assert_eq!(times(&asks.due(now + EACH, false)), [9]);
        assert!(asks.due(now + EACH, true).is_empty());
        asks.let_go(&one.request);
        assert!(asks.open.is_empty());
        assert!(asks.take(one, now + EACH).is_some(), "asked again");
    }

    #[tokio::test]
    async fn a_flood_is_bounded_everywhere() {
        let (mut asks, now) = (Asks::default(), Instant::now());
        let (mut told, mut held) = (0, 0);
        for n in 0..10_000 {
            let one = ask(&format!("{n}.example"));
            told += usize::from(asks.take(one.clone(), now).is_some());
            held += usize::from(asks.hold(&one.request, 256));
        }
        assert_eq!((told, held, asks.open.len()), (BURST as usize, HELD, OPEN));
        assert!(!asks.hold(&ask("0.example").request, 256));
        assert_eq!(asks.due(now + EACH, false).len(), 1);
        assert_eq!(asks.due(now + EACH, true).len(), OPEN - BURST as usize - 1);
        assert_eq!(asks.open.len(), HELD);
    }

    #[tokio::test]
    async fn half_of_few_connections_can_be_held() {
        let (mut asks, one) = (Asks::default(), ask("a.example"));
        asks.take(one.clone(), Instant::now());
        assert_eq!((0..9).filter(|_| asks.hold(&one.request, 7)).count(), 4);
    }

    #[tokio::test]
    async fn a_denial_is_for_what_was_held_before_it() {
        let (mut asks, one) = (Asks::default(), ask("a.example"));
        asks.take(one.clone(), Instant::now());
        assert!(asks.hold(&one.request, 256));
        asks.deny(&[one.request.to_string()], 5);
        assert!(asks.is_denied(&one.request, 4));
        assert!(!asks.is_denied(&one.request, 5));
    }
}
