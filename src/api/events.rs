//! Live views: server-sent events of what is new.
//!
//! A view is pulled: nothing is read for a client that does not take what there is, so that a slow one costs
//! no memory, and misses nothing. The id of an event says how far a view has got, in the log and in the
//! database; a client that comes back with `Last-Event-ID` goes on from there.

use super::input::Query;
use super::problem::Problem;
use super::runs;
use super::token::Who;
use super::{App, Caller, devices};
use crate::approvals::{self, Filter, Request, Standing};
use crate::audit::{AuditError, Entry, Reader};
use crate::failure::Failure;
use crate::runs::Running;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fs::{File, Metadata};
use std::io::BufReader;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio_stream::Stream;
use utoipa::{IntoParams, ToSchema};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(300);
/// Records that one look takes from the log; the next one goes on there.
const AT_ONCE: usize = 200;
/// A client that comes back gets so many of those that it missed, and is told where there are more.
const MOST_MISSED: usize = 1000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// As the header `Last-Event-ID`, for who cannot set it.
    #[param(pattern = "^[0-9]{1,18}\\.[0-9]{1,18}$")]
    last_event_id: Option<String>,
}

/// How far a view has got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    /// The number of the last record of the audit log.
    record: u64,
    /// The number of the last change of a request.
    change: u64,
}

impl Place {
    fn read(text: &str) -> Option<Self> {
        let (record, change) = text.split_once('.')?;
        Some(Self { record: record.parse().ok()?, change: change.parse().ok()? })
    }

    fn id(self) -> String {
        format!("{}.{}", self.record, self.change)
    }
}

/// What an event of the kind `approvals` holds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Waiting {
    pending: Vec<Request>,
    changes: u64,
}

/// Watch: `audit` (a record of the log, as it stands there), `approvals` (what waits for an answer, when that
/// changes), `runs` (what runs, when that or its counters change), `gap` (records were left out, or `anew`: the log is another one).
#[utoipa::path(
    get, path = "/v1/events", tag = "events", params(Wanted),
    responses(
        (status = 200, description = "Events, without end.", content_type = "text/event-stream",
            body = String),
        (status = 503, description = "Too many watch.", body = super::problem::Sent),
    )
)]
pub(super) async fn watch(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let last = match headers.get("last-event-id") {
        Some(value) => value.to_str().ok().map(str::to_owned),
        None => wanted.last_event_id,
    };
    let last = match last.as_deref().map(Place::read) {
        Some(None) => {
            let what = "the last event's id is none of ours";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, what));
        }
        Some(place) => place,
        None => None,
    };
    let turn = app.streams().clone().try_acquire_owned().map_err(|_| {
        let what = "as many watch as may at one time";
        let later = (header::RETRY_AFTER, HeaderValue::from_static("5"));
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, what).with(later.0, later.1)
    })?;
    let device = match caller.who {
        Who::Device { id, .. } => Some(id),
        Who::User { .. } => None,
    };
    let view = app.work(move |app| View::open(app, device, last, turn)).await?;
    let events = told(app, view);
    Ok(Sse::new(events).keep_alive(KeepAlive::new()).into_response())
}

/// The events of a view, as they are asked for.
fn told(app: App, view: View) -> impl Stream<Item = Result<Event, Infallible>> {
    let (to, from) = tokio::sync::mpsc::channel(1);
    // One event waits to be taken, and the next look is made when it was.
    tokio::spawn(async move {
        let mut view = Some(view);
        while let Some(current) = view.take() {
            let looked = app.work(move |app| current.look(app)).await;
            let Ok((mut next, events)) = looked else { return };
            let ends = next.is_none();
            for event in events {
                if to.send(Ok(event)).await.is_err() {
                    return;
                }
            }
            if ends {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = app.closed() => return,
                () = to.closed() => return,
            }
            view = next.take();
        }
    });
    tokio_stream::wrappers::ReceiverStream::new(from)
}

/// What one client watches.
struct View {
    place: Place,
    device: Option<String>,
    log: Option<Log>,
    runs: Option<Arc<Vec<Running>>>,
    begun: bool,
    /// The log is another one than the client knows.
    anew: bool,
    _turn: OwnedSemaphorePermit,
}

/// An open log, and which file it is.
struct Log {
    reader: Reader<BufReader<File>>,
    file: (u64, u64),
}

impl View {
    /// From there on; without that, from now on.
    fn open(
        app: &App,
        device: Option<String>,
        last: Option<Place>,
        turn: OwnedSemaphorePermit,
    ) -> Result<Self, Failure> {
        let mut view = Self {
            place: last.unwrap_or_default(),
            device,
            log: None,
            runs: None,
            begun: false,
            anew: false,
            _turn: turn,
        };
        let mut newest = 0;
        view.turn_to(app.log())?;
        view.records(app.log(), |entry| {
            newest = entry.seq;
            true
        })?;
        match last {
            None => view.place.record = newest,
            Some(last) => {
                // A log with fewer records is another one: all of it is new.
                view.anew = last.record > newest;
                view.place.record = if view.anew { 0 } else { last.record };
                view.log = None;
            }
        }
        Ok(view)
    }

    /// What is new; no view any more where its device was revoked.
    fn look(mut self, app: &App) -> Result<(Option<Self>, Vec<Event>), Failure> {
        let state = app.state()?;
        if let Some(device) = &self.device
            && !devices::is_paired(&state, device)?
        {
            return Ok((None, Vec::new()));
        }
        let mut events = Vec::new();
        self.missed(app.log(), &mut events)?;
        let changes = approvals::changes(&state)?;
        if !self.begun || changes != self.place.change {
            self.place.change = changes;
            let filter = Filter { standing: Some(Standing::Pending), connector: None };
            let pending = approvals::list(&state, &filter)?;
            events.extend(self.event("approvals", &Waiting { pending, changes }));
        }
        let runs = runs::watched(app)?;
        if self.runs.as_ref() != Some(&runs) {
            events.extend(self.event("runs", &*runs));
            self.runs = Some(runs);
        }
        self.begun = true;
        Ok((Some(self), events))
    }

    /// The records after the last one that was sent.
    fn missed(&mut self, path: &Path, events: &mut Vec<Event>) -> Result<(), Failure> {
        let begun = self.begun;
        let (mut new, mut left_out) = (VecDeque::new(), 0_u64);
        self.turn_to(path)?;
        let after = self.place.record;
        self.records(path, |entry| {
            if entry.seq > after {
                new.push_back((entry.seq, entry.line));
                if !begun && new.len() > MOST_MISSED {
                    new.pop_front();
                    left_out += 1;
                }
            }
            !begun || new.len() < AT_ONCE
        })?;
        if left_out > 0 || self.anew {
            let gap = serde_json::json!({ "records": left_out, "anew": self.anew });
            events.extend(self.event("gap", &gap));
            self.anew = false;
        }
        for (seq, line) in new {
            self.place.record = seq;
            events.push(Event::default().event("audit").id(self.place.id()).data(line));
        }
        Ok(())
    }

    /// Opens the log where it is another one now, to be read from its beginning.
    fn turn_to(&mut self, path: &Path) -> Result<(), Failure> {
        let Ok(facts) = std::fs::metadata(path) else { return Ok(()) };
        let same = |log: &Log| log.file == file(&facts);
        if !self.log.as_ref().is_some_and(same) {
            // Of a log that was moved away nothing more is told; the new one counts from 1.
            if self.log.is_some() {
                self.place.record = 0;
                self.anew = true;
            }
            self.log = Some(Log { reader: Reader::open(path, true)?, file: file(&facts) });
        }
        Ok(())
    }

    /// Reads on in the log while `each` wants more.
    fn records(&mut self, path: &Path, mut each: impl FnMut(Entry) -> bool) -> Result<(), Failure> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let unread = |source| AuditError::Io { call: "read", path: path.to_owned(), source };
        while let Some(entry) = log.reader.next_entry().map_err(unread)? {
            if !each(entry) {
                break;
            }
        }
        Ok(())
    }

    fn event(&self, kind: &str, data: &impl Serialize) -> Option<Event> {
        let text = serde_json::to_string(data).ok()?;
        Some(Event::default().event(kind).id(self.place.id()).data(text))
    }
}

fn file(facts: &Metadata) -> (u64, u64) {
    (facts.dev(), facts.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_what_its_id_says() {
        let place = Place { record: 12, change: 7 };
        assert_eq!(Place::read(&place.id()), Some(place));
        for text in ["", "1", "1.", ".1", "1.x", "-1.2", "1.2.3"] {
            assert_eq!(Place::read(text), None, "{text}");
        }
    }
}
