//! What the connector's filter refuses, as its listener tells it.
//!
//! Every call is answered with the errno that the plain program gives, and with nothing else: nothing is
//! read of the connector's memory, nothing done for it, and nothing let through. So what it was that was
//! refused may change under our eyes, and does not matter.
//!
//! The caller waits for the answer. A connector that calls in a loop is therefore held by answering no
//! faster than [`EACH`], and the supervisor, which counts in no limit of the jail, has its rest.

use super::Supervisor;
use crate::failure::Failure;
use crate::plan::SeccompPlan;
use crate::seccomp;
use crate::seccomp::arch::Arch;
use crate::seccomp::bpf::{self, Insn};
use crate::seccomp::refusal::{Call, judge};
use crate::spawn::telling;
use crate::sys::seccomp::{receive, refuse};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// So many are answered at once, and then one for each of these spans.
const BURST: u32 = 2000;
const EACH: Duration = Duration::from_millis(1);
/// Answered in a row, before the supervisor looks at anything else.
const BATCH: u32 = 32;
/// Different ones that are told apart.
const DISTINCT: usize = 64;

/// What is told of one kind of call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `None`: calls of different kinds, beyond those that are told apart.
    pub call: Option<Call>,
    pub errno: i32,
    /// How often since it was last told.
    pub times: u64,
    /// It was never told before.
    pub first: bool,
}

/// What a run was refused, at its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refused {
    pub total: u64,
    /// By the name of the call.
    pub calls: BTreeMap<String, u64>,
    /// Of more kinds than are told apart.
    pub others: u64,
}

/// What is to be said on stderr about a refusal, if anything.
pub(super) type OnRefusal<'a> = Box<dyn FnMut(&Refusal) -> Result<Option<String>, Failure> + 'a>;

enum State {
    /// init sends the listener here once the connector has started.
    Coming(OwnedFd),
    Listening(OwnedFd),
    /// There is nobody left to listen to.
    Over,
}

pub(super) struct Link<'a> {
    state: State,
    act: OnRefusal<'a>,
    judge: Option<Judge>,
    tally: Tally,
    pace: Pace,
}

/// The filters as the interpreter takes them, made when the first call is refused. What the built-in ones
/// look at is recorded too, so that afterwards it can be told which of them would allow a call.
struct Judge {
    plain: Vec<Insn>,
    others: Vec<Vec<Insn>>,
}

impl<'a> Link<'a> {
    pub(super) fn new(from: OwnedFd, act: OnRefusal<'a>) -> Self {
        let state = State::Coming(from);
        Self { state, act, judge: None, tally: Tally::default(), pace: Pace::default() }
    }

    /// What to wait for; nothing while the connector has to wait.
    pub(super) fn poll_fd(&self, now: Instant) -> Option<PollFd<'_>> {
        match &self.state {
            State::Coming(fd) => Some(PollFd::new(fd.as_fd(), PollFlags::POLLIN)),
            State::Listening(fd) if self.pace.wait(now).is_none() => {
                Some(PollFd::new(fd.as_fd(), PollFlags::POLLIN))
            }
            State::Listening(_) | State::Over => None,
        }
    }

    /// When to look again, where a connector is held.
    pub(super) fn next_look(&self, now: Instant) -> Option<Instant> {
        match self.state {
            State::Listening(_) => self.pace.wait(now),
            _ => None,
        }
    }

    /// Takes the listener, or answers what waits. What there is to tell.
    fn step(&mut self, plan: &SeccompPlan) -> Result<Vec<Refusal>, Failure> {
        match &self.state {
            State::Coming(from) => {
                let received = telling::receive(from.as_fd());
                self.state = State::Over;
                self.state = received?.map_or(State::Over, State::Listening);
                Ok(Vec::new())
            }
            State::Over => Ok(Vec::new()),
            State::Listening(_) => self.answer(plan).map_err(|errno| {
                self.state = State::Over;
                Failure::new(crate::failure::Kind::Io, "the listener of the filter failed")
                    .because(errno.desc())
            }),
        }
    }

    fn answer(&mut self, plan: &SeccompPlan) -> Result<Vec<Refusal>, Errno> {
        let mut news = Vec::new();
        for _ in 0..BATCH {
            let State::Listening(listener) = &self.state else { break };
            let mut fds = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, PollTimeout::ZERO) {
                Err(Errno::EINTR) => break,
                other => other?,
            };
            let seen = fds[0].revents().unwrap_or(PollFlags::empty());
            if !seen.contains(PollFlags::POLLIN) {
                // All that were under the filter have ended.
                if seen.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) {
                    self.state = State::Over;
                }
                break;
            }
            if !self.pace.take(Instant::now()) {
                break;
            }
            let Some(asked) = receive(listener.as_fd())? else { continue };
            let judge = self.judge.get_or_insert_with(|| Judge::of(plan));
            // A foreign entry is answered by the filter itself, so that there is one table of numbers.
            let judged = u32::try_from(asked.number)
                .ok()
                .filter(|_| asked.arch == Arch::NATIVE.audit())
                .and_then(|number| judge.of_call(number, asked.args));
            let errno = judged.as_ref().map_or(libc::EPERM, |(_, errno)| (*errno).into());
            refuse(listener.as_fd(), asked, errno)?;
            news.extend(self.tally.add(judged.map(|(call, _)| call), errno));
        }
        Ok(news)
    }
}

impl Judge {
    fn of(plan: &SeccompPlan) -> Self {
        let decode = |bytes: &[u8]| bpf::decode(bytes).unwrap_or_default();
        let others = seccomp::for_connectors().filter_map(seccomp::built_in).map(decode);
        Self { plain: decode(&plan.program), others: others.collect() }
    }

    fn of_call(&self, number: u32, args: [u64; 6]) -> Option<(Call, u16)> {
        judge(&self.plain, &self.others, number, args)
    }
}

/// How often what was refused.
#[derive(Debug, Default)]
struct Tally {
    known: Vec<Known>,
    others: u64,
    total: u64,
}

#[derive(Debug)]
struct Known {
    call: Call,
    errno: i32,
    times: u64,
    told: u64,
}

impl Tally {
    /// Told the first time, the tenth, the hundredth and so on, so that a loop fills no log and a kill of
    /// the supervisor loses little.
    fn add(&mut self, call: Option<Call>, errno: i32) -> Option<Refusal> {
        self.total += 1;
        let at = self.known.iter().position(|known| Some(&known.call) == call.as_ref());
        let known = match (at, call) {
            (Some(at), _) => self.known.get_mut(at)?,
            (None, Some(call)) if self.known.len() < DISTINCT => {
                self.known.push(Known { call, errno, times: 0, told: 0 });
                self.known.last_mut()?
            }
            _ => {
                self.others += 1;
                return None;
            }
        };
        known.times += 1;
        (known.told == 0 || known.times >= known.told.saturating_mul(10)).then(|| known.tell())
    }

    /// All that was not told yet.
    fn rest(&mut self) -> Vec<Refusal> {
        let untold = |known: &&mut Known| known.times > known.told;
        let mut rest: Vec<Refusal> =
            self.known.iter_mut().filter(untold).map(Known::tell).collect();
        if self.others > 0 {
            let times = self.others;
            rest.push(Refusal { call: None, errno: libc::EPERM, times, first: true });
        }
        rest
    }

    fn sum(&self) -> Refused {
        let mut calls = BTreeMap::new();
        for known in &self.known {
            *calls.entry(known.call.name()).or_default() += known.times;
        }
        Refused { total: self.total, calls, others: self.others }
    }
}

impl Known {
    fn tell(&mut self) -> Refusal {
        let (first, times) = (self.told == 0, self.times - self.told);
        self.told = self.times;
        Refusal { call: Some(self.call.clone()), errno: self.errno, times, first }
    }
}

/// [`BURST`] at once, then one for [`EACH`].
#[derive(Debug, Default)]
struct Pace {
    /// Up to when answers are spent; at most `BURST * EACH` ago.
    spent: Option<Instant>,
}

impl Pace {
    fn take(&mut self, now: Instant) -> bool {
        if self.wait(now).is_some() {
            return false;
        }
        self.spent = Some(self.from(now) + EACH);
        true
    }

    /// When the next one may be answered; `None`: now.
    fn wait(&self, now: Instant) -> Option<Instant> {
        let next = self.from(now) + EACH;
        (next > now).then_some(next)
    }

    fn from(&self, now: Instant) -> Instant {
        let earliest = now.checked_sub(EACH * BURST).unwrap_or(now);
        self.spent.map_or(earliest, |spent| spent.max(earliest))
    }
}

impl<'a> Supervisor<'a> {
    /// Hears what the connector's filter refuses, from the listener that comes this way.
    pub fn with_refusals(
        &mut self,
        from: OwnedFd,
        act: impl FnMut(&Refusal) -> Result<Option<String>, Failure> + 'a,
    ) {
        self.refusals = Some(Link::new(from, Box::new(act)));
    }

    /// To hear is no control: without it the same calls are refused (with ENOSYS then).
    pub(super) fn hear_refusals(&mut self) -> Result<(), Failure> {
        let Some(link) = &mut self.refusals else { return Ok(()) };
        match link.step(&self.plan.seccomp) {
            Ok(news) => self.tell_refusals(&news),
            Err(failure) => {
                let why = failure.causes.join(": ");
                let what = "jail: what seccomp refuses from now on is not recorded";
                self.stderr.say(&format!("{what}: {}: {why}", failure.what));
                Ok(())
            }
        }
    }

    fn tell_refusals(&mut self, news: &[Refusal]) -> Result<(), Failure> {
        let Some(link) = &mut self.refusals else { return Ok(()) };
        for refusal in news {
            if let Some(line) = (link.act)(refusal)? {
                self.stderr.say(&line);
            }
        }
        Ok(())
    }

    /// What was refused in all, where it could be heard.
    pub(super) fn end_refusals(&mut self) -> Result<Option<Refused>, Failure> {
        let Some(link) = &mut self.refusals else { return Ok(None) };
        let rest = link.tally.rest();
        self.tell_refusals(&rest)?;
        let link = self.refusals.take().filter(|_| self.told.heard);
        Ok(link.map(|link| link.tally.sum()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(number: u32) -> Option<Call> {
        Some(Call { number, args: Vec::new() })
    }

    #[test]
    fn a_burst_and_then_one_for_each_span() {
        let mut pace = Pace::default();
        let start = Instant::now() + Duration::from_secs(3600);
        let take = |pace: &mut Pace, now| (0..5000).take_while(|_| pace.take(now)).count();
        assert_eq!(take(&mut pace, start), BURST as usize);
        assert_eq!(pace.wait(start), Some(start + EACH));
        assert_eq!(pace.wait(start + EACH), None);
        assert_eq!(take(&mut pace, start + EACH * 10), 10);
        // Rest is not saved up.
        assert_eq!(take(&mut pace, start + EACH * BURST * 50), BURST as usize);
    }

    #[test]
    fn every_refusal_is_counted_and_few_are_told_singly() {
        let mut tally = Tally::default();
        let told: Vec<Refusal> = (0..2500).filter_map(|_| tally.add(call(1), 1)).collect();
        let times: Vec<(u64, bool)> = told.iter().map(|one| (one.times, one.first)).collect();
        assert_eq!(times, [(1, true), (9, false), (90, false), (900, false)]);
        let rest = tally.rest();
        assert_eq!((rest.len(), rest[0].times), (1, 1500));
        assert_eq!(tally.rest(), []);
        assert_eq!(tally.sum().total, 2500);
    }

    #[test]
    fn kinds_beyond_the_bound_are_counted_together() {
        let mut tally = Tally::default();
        let told = (0..DISTINCT as u32 + 10).filter_map(|number| tally.add(call(number), 1));
        assert_eq!(told.count(), DISTINCT);
        assert_eq!(tally.add(None, 1), None);
        let rest = tally.rest();
        assert_eq!((rest.len(), rest[0].times, &rest[0].call), (1, 11, &None));
        assert_eq!((tally.sum().total, tally.sum().others), (DISTINCT as u64 + 11, 11));
    }
}
