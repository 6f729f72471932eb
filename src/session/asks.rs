//! What the connector asks its owner: recorded, written down, said.

use super::audit;
use crate::approvals::{self, Asker, MOST_OF_ONE, Occurrence, Recorded, RequestId, Subject};
use crate::audit::{Asked, Text};
use crate::doctor::sockets::Transport;
use crate::egress::Ask;
use crate::failure::Failure;
use crate::firewall::Door;
use crate::host::holder;
use crate::plan::Plan;
use crate::policy::load::WorkspaceRoot;
use crate::state::State;
use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// The supervisor has more to do than to wait for the database.
const PATIENCE: Duration = Duration::from_millis(300);
/// What could not be written down is tried again after so long.
const AGAIN: Duration = Duration::from_secs(1);
/// At the end of the run, for all that waits.
const PARTING: Duration = Duration::from_secs(1);
/// Requests that wait to be written down.
const WAITING: usize = 256;
/// Requests that are said on stderr in one run; the rest is in `jail approvals list`.
const SAID: usize = 64;

struct Waiting {
    request: RequestId,
    subject: Subject,
    latest: Occurrence,
    times: u64,
}

/// Of one run.
pub(super) struct Asks<'a> {
    log: &'a audit::Run,
    asker: Asker,
    run: Text,
    /// The jail's first process.
    init: u32,
    root: Option<WorkspaceRoot>,
    state: Option<State>,
    waiting: VecDeque<Waiting>,
    next: Option<Instant>,
    said: BTreeSet<String>,
    /// More were asked for than can wait; said once.
    full: bool,
    /// They cannot be written down; said once, until one could.
    failing: bool,
    /// Too many wait to be written down.
    lost: u64,
}

impl<'a> Asks<'a> {
    pub(super) fn new(
        log: &'a audit::Run,
        plan: &Plan,
        init: i32,
        root: Option<WorkspaceRoot>,
    ) -> Self {
        let tool = plan.policy.tool.as_ref().map(|tool| tool.value.clone());
        Self {
            log,
            asker: Asker::connector(plan.policy.name.clone(), tool),
            run: Text::new(&plan.run_id),
            init: init.cast_unsigned(),
            root,
            state: None,
            waiting: VecDeque::new(),
            next: None,
            said: BTreeSet::new(),
            full: false,
            failing: false,
            lost: 0,
        }
    }

    /// The record is made now, the request is written down at the next look.
    pub(super) fn hear(&mut self, ask: &Ask, times: u64) -> Result<(), Failure> {
        let process = self.process(ask);
        let class = ask.class.as_deref().map(Text::new);
        let reason = Text::new(&ask.reason);
        self.log.asked(Asked {
            run: self.log.id(),
            request: ask.request.as_str().into(),
            object: ask.subject.to_string().into(),
            reason: reason.clone(),
            door: Some(ask.door.name().into()),
            class: class.clone(),
            process: Some(process.clone()),
            times: u32::try_from(times).unwrap_or(u32::MAX),
        })?;
        let (run, door) = (Some(self.run.clone()), Some(ask.door));
        let process = Some(process);
        let latest = Occurrence { run, door, class, process, ..Occurrence::now(reason) };
        let (request, subject) = (ask.request.clone(), ask.subject.clone());
        let full = self.waiting.len() >= WAITING;
        match self.waiting.iter_mut().find(|waiting| waiting.request == request) {
            Some(known) => (known.latest, known.times) = (latest, known.times + times),
            None if full => self.lost += times,
            None => self.waiting.push_back(Waiting { request, subject, latest, times }),
        }
        self.next = self.next.or_else(|| Some(Instant::now()));
        Ok(())
    }

    /// When something waits to be written down.
    pub(super) fn next_look(&self) -> Option<Instant> {
        self.next
    }

    /// Writes one down: the supervisor looks after the connector in between.
    pub(super) fn look(&mut self) -> Option<String> {
        let waiting = self.waiting.pop_front()?;
        let written = self.write(&waiting);
        let line = match written {
            Ok(recorded) => {
                self.failing = false;
                self.line(&waiting, &recorded)
            }
            Err(failure) => {
                let first = !std::mem::replace(&mut self.failing, true);
                let line = first.then(|| self.cannot(&waiting, &failure));
                // It may be another file by now.
                self.state = None;
                self.waiting.push_front(waiting);
                self.next = Some(Instant::now() + AGAIN);
                return line;
            }
        };
        self.next = (!self.waiting.is_empty()).then(Instant::now);
        line
    }

    /// Writes down what still waits, for a moment.
    pub(super) fn end(&mut self) -> Vec<String> {
        let until = Instant::now() + PARTING;
        let mut lines = Vec::new();
        while !self.waiting.is_empty() && Instant::now() < until {
            lines.extend(self.look());
            if self.failing {
                break;
            }
        }
        let lost = self.lost + self.waiting.len() as u64;
        if lost > 0 {
            lines.push(format!(
                "jail: {lost} requests for approval were not written down; jail audit show --kind asked has them"
            ));
        }
        lines
    }

    fn write(&mut self, waiting: &Waiting) -> Result<Recorded, Failure> {
        let Waiting { subject, latest, times, .. } = waiting;
        let state = match (&mut self.state, &self.root) {
            (Some(state), _) => state,
            (none, Some(root)) => none.insert(State::open(root, PATIENCE)?),
            (None, None) => {
                let what = "there is no workspace to write requests down in";
                return Err(Failure::new(crate::failure::Kind::Io, what));
            }
        };
        approvals::record(state, &self.asker, subject, latest, *times)
    }

    fn line(&mut self, waiting: &Waiting, recorded: &Recorded) -> Option<String> {
        let name = &self.asker.connector;
        let id = match recorded {
            Recorded::New(id) => id,
            Recorded::Again(id) if !self.said.contains(id.as_str()) => id,
            Recorded::Again(_) => return None,
            Recorded::Full => {
                let first = !std::mem::replace(&mut self.full, true);
                return first.then(|| {
                    format!(
                        "jail: {name} asks for more than can wait for an answer ({MOST_OF_ONE} at most): \
                         jail approvals list"
                    )
                });
            }
        };
        if self.said.len() >= SAID && !self.said.contains(id.as_str()) {
            return None;
        }
        self.said.insert(id.as_str().to_owned());
        let (subject, class) = (&waiting.subject, waiting.latest.class.as_ref());
        let class = class.map(|class| format!(", {class}")).unwrap_or_default();
        Some(format!("jail: {name} asks for {subject}{class} ({id}): jail approvals approve {id}"))
    }

    fn cannot(&self, waiting: &Waiting, failure: &Failure) -> String {
        let (name, subject) = (&self.asker.connector, &waiting.subject);
        let mut line = format!(
            "jail: {name} asks for {subject}, and that cannot be written down yet: {}",
            failure.what
        );
        failure.causes.iter().for_each(|cause| line += &format!(": {cause}"));
        line
    }

    /// Best effort: it may have gone, or be out of sight.
    fn process(&self, ask: &Ask) -> Text {
        let transport = if ask.door == Door::Dns { Transport::Udp } else { Transport::Tcp };
        let found =
            ask.client.and_then(|client| holder::holder(self.init, client.port(), transport));
        match found {
            Some((name, pid)) => Text::new(&format!("{} ({pid})", Text::from_bytes(&name))),
            None => "unknown".into(),
        }
    }
}
