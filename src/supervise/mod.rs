//! The supervisor's life beside a jail: signals in, stderr out, deadlines, the end.
//!
//! One thread, one poll(2). stdin and stdout are the connector's own descriptors; the supervisor only
//! watches whether their other ends are still there.

mod egress;
mod ended;
pub mod gauge;
pub mod pty;
pub mod refusals;
mod signals;
mod stderr;
mod streams;
pub mod trace;

pub use egress::Ear;
pub use ended::{Ended, EndedBy};
pub use signals::Asked;
pub(crate) use signals::take_signals;
pub(crate) use stderr::Relay;

use crate::confine::seccomp;
use crate::egress::Counters;
use crate::failure::{Failure, Kind};
use crate::plan::{Plan, Probe, Stage};
use crate::planted::{Control, broken};
use crate::runs::STOP_NOW;
use crate::spawn::egress::Egress;
use crate::spawn::hints;
use crate::spawn::parent::{self, Jail};
use crate::spawn::wire::{Fault, Message};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};
use streams::Streams;

const WINCH: u32 = Signal::SIGWINCH as u32;

/// After SIGTERM at a deadline, this long until SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(2);

/// What the jail told while it was set up.
#[derive(Debug, Default)]
pub struct Told {
    /// Probes that were refused, with the errno.
    pub held: Vec<(Probe, i32)>,
    /// Optional steps that did not work.
    pub noted: Vec<Fault>,
    pub confined: bool,
    /// What seccomp refuses the connector is heard.
    pub heard: bool,
    failed: Option<Fault>,
    /// Status and processor time of the connector, of which no process is left.
    ended: Option<(i32, Duration)>,
}

impl Told {
    /// The filter could not be loaded in its telling form.
    fn is_deaf(&self) -> bool {
        self.noted
            .iter()
            .any(|noted| (noted.stage, noted.step) == (Stage::Seccomp, seccomp::LISTEN))
    }
}

type OnConfined<'a> = Box<dyn FnOnce(&Told) -> Result<(), Failure> + 'a>;

/// A jail under supervision.
pub struct Supervisor<'a> {
    plan: &'a Plan,
    jail: Jail,
    signals: SignalFd,
    stderr: Relay,
    streams: Streams,
    terminal: Option<pty::Session>,
    egress: Option<egress::Link>,
    refusals: Option<refusals::Link<'a>>,
    /// Looks at its system calls.
    tracer: Option<(trace::Tracer<'a>, trace::OnSeen<'a>)>,
    /// Why the egress process is no more.
    lost: Option<Failure>,
    /// A byte into it lets the connector start.
    gate: Option<OwnedFd>,
    started: Instant,
    told: Told,
    deadline: Option<(Instant, EndedBy)>,
    killing: Option<(Instant, EndedBy)>,
    cause: Option<EndedBy>,
    /// Signals that were passed on before the connector started.
    early: Vec<i32>,
    asked: Option<Asked>,
    /// Runs once, when every stage but exec is done.
    on_confined: Option<OnConfined<'a>>,
    /// Hears everything that the egress process tells but its counters.
    ear: Option<Box<dyn Ear + 'a>>,
}

impl<'a> Supervisor<'a> {
    /// Takes over a jail that was just started. `mask` is the signal mask from before the start.
    pub(crate) fn new(
        plan: &'a Plan,
        jail: Jail,
        stderr: Relay,
        terminal: Option<OwnedFd>,
        mask: &SigSet,
    ) -> Result<Self, Failure> {
        let io = |error: nix::errno::Errno| {
            Failure::new(Kind::Io, "cannot watch the jail").because(error.desc())
        };
        let signals = take_signals(mask).map_err(io)?;
        let started = Instant::now();
        Ok(Self {
            plan,
            jail,
            signals,
            stderr,
            streams: Streams::watch(plan.eof_grace),
            terminal: pty::Session::start(terminal)?,
            egress: None,
            refusals: None,
            tracer: None,
            lost: None,
            gate: None,
            started,
            told: Told::default(),
            deadline: plan
                .timeout
                .filter(|_| !broken(Control::Timeout))
                .map(|limit| (started + limit, EndedBy::Timeout)),
            killing: None,
            cause: None,
            early: Vec::new(),
            asked: None,
            on_confined: None,
            ear: None,
        })
    }

    /// The pid of the jail's first process.
    pub fn init(&self) -> i32 {
        self.jail.pid
    }

    /// What to do when the jail is confined and proven; an error ends it before the connector starts
    /// to matter.
    pub fn on_confined(&mut self, act: impl FnOnce(&Told) -> Result<(), Failure> + 'a) {
        self.on_confined = Some(Box::new(act));
    }

    /// Watches over the egress process as well; without it the connector is ended.
    pub fn with_egress(&mut self, egress: Egress, ear: impl Ear + 'a) {
        self.egress = Some(egress::Link::new(egress, &self.plan.run_id));
        self.ear = Some(Box::new(ear));
    }

    /// Lets the connector start once it is confined: now, or when the egress process is ready to serve it.
    pub fn let_start(&mut self, gate: OwnedFd) -> Result<(), Failure> {
        self.gate = Some(gate);
        if self.egress.is_some() { Ok(()) } else { self.open_gate() }
    }

    fn open_gate(&mut self) -> Result<(), Failure> {
        self.gate.take().map_or(Ok(()), |gate| open(&gate))
    }

    /// Supervises until no process of the connector is left. init itself may still be leaving.
    pub fn run(mut self) -> Result<(Ended, Jail), Failure> {
        let result = self.watch();
        if result.is_err() {
            // The connector may still be there: what it goes on to say is not waited for.
            self.stderr.flush();
        }
        result?;
        // init leaves by itself now; the kernel takes its namespaces down while we go on.
        let killed_by = if self.told.ended.is_some() { None } else { self.reap() };
        self.stderr.drain();
        if let Some(session) = &mut self.terminal {
            session.drain();
        }
        let (counters, refused) = (self.end_egress(), self.end_refusals());
        let traced = self.end_trace();
        self.stderr.flush();
        self.finish(killed_by, counters?, refused?, traced?)
    }

    fn watch(&mut self) -> Result<(), Failure> {
        let mut report_open = true;
        loop {
            let ready = self.wait(report_open)?;
            self.look()?;
            if ready.report {
                report_open = self.receive()?;
                if self.told.ended.is_some() {
                    return Ok(());
                }
            }
            if ready.signal {
                self.forward()?;
            }
            if ready.stderr {
                self.stderr.step();
            }
            if ready.egress {
                self.hear_egress()?;
            }
            if ready.refusals {
                self.hear_refusals()?;
            }
            if ready.init {
                while report_open && self.receive()? {}
                return Ok(());
            }
            if let Some(session) = self.terminal.as_mut().filter(|_| ready.terminal) {
                session.step();
            }
            self.look_after_events();
            self.keep_egress()?;
            self.streams.look(ready.hangup);
            self.keep_deadlines()?;
        }
    }

    fn wait(&self, report_open: bool) -> Result<Ready, Failure> {
        // One moment for what is waited for and for how long, or what is due in between is missed.
        let now = Instant::now();
        let mut fds = vec![
            PollFd::new(self.jail.pidfd.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
        ];
        let report = report_open.then_some(fds.len());
        if report_open {
            fds.push(PollFd::new(self.jail.report.as_fd(), PollFlags::POLLIN));
        }
        let relay = self.stderr.poll_fd().map(|fd| {
            fds.push(fd);
            fds.len() - 1
        });
        let egress = self.egress.as_ref().map(|link| {
            fds.push(link.poll_fd());
            fds.len() - 1
        });
        let refusals = self.refusals.as_ref().and_then(|link| link.poll_fd(now));
        let refusals = refusals.map(|fd| {
            fds.push(fd);
            fds.len() - 1
        });
        fds.extend(self.tracer.as_ref().and_then(|(tracer, _)| tracer.poll_fd()));
        let streams = fds.len();
        if self.terminal.is_none() {
            self.streams.add(&mut fds);
        }
        let terminal = fds.len();
        if let Some(session) = &self.terminal {
            session.add(&mut fds);
        }
        match poll(&mut fds, self.timeout(now)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => {
                return Err(Failure::new(Kind::Io, "poll failed").because(errno.desc()));
            }
        }
        // nix has no answer where a flag is set that it does not know (POLLRDHUP): something is.
        let any = |index: usize| fds[index].any().unwrap_or(true);
        Ok(Ready {
            init: any(0),
            signal: any(1),
            report: report.is_some_and(any),
            stderr: relay.is_some_and(any),
            egress: egress.is_some_and(any),
            refusals: refusals.is_some_and(any),
            hangup: (streams..terminal).any(any),
            terminal: (terminal..fds.len()).any(any),
        })
    }

    fn timeout(&self, now: Instant) -> PollTimeout {
        if self.tracer.as_ref().is_some_and(|(tracer, _)| tracer.more) {
            return PollTimeout::ZERO;
        }
        let next = [
            self.deadline.as_ref().map(|(at, _)| *at),
            self.killing.as_ref().map(|(at, _)| *at),
            self.streams.next_look(),
            self.ear.as_ref().and_then(|ear| ear.next_look()),
            self.refusals.as_ref().and_then(|link| link.next_look(now)),
        ];
        match next.into_iter().flatten().min() {
            // One millisecond more, so that the deadline has passed when poll returns.
            Some(at) => (at.saturating_duration_since(Instant::now()) + Duration::from_millis(1))
                .try_into()
                .unwrap_or(PollTimeout::MAX),
            None => PollTimeout::NONE,
        }
    }

    /// Reads what the jail reports; false when the pipe has ended.
    fn receive(&mut self) -> Result<bool, Failure> {
        let Some(messages) = parent::receive(self.jail.report.as_fd())? else { return Ok(false) };
        for message in messages {
            match message {
                Message::Failed(fault) => {
                    self.told.failed = self.told.failed.or(Some(fault));
                    // Not left to init, which a probe that worked (ptrace) may have stopped.
                    self.signal(libc::SIGKILL)?;
                }
                Message::Noted(fault) => self.told.noted.push(fault),
                Message::Refused { probe, errno } => {
                    self.told.held.extend(Probe::from_wire(probe).map(|probe| (probe, errno)));
                }
                // The fault with the details follows.
                Message::Escaped { .. } => {}
                Message::Confined => {
                    self.told.confined = true;
                    self.told.heard = self.refusals.is_some() && !self.told.is_deaf();
                    if let Some(act) = self.on_confined.take() {
                        act(&self.told)?;
                    }
                }
                Message::Ended { status, cpu_ms } => {
                    self.told.ended = Some((status, Duration::from_millis(cpu_ms.into())));
                }
            }
        }
        Ok(true)
    }

    fn forward(&mut self) -> Result<(), Failure> {
        while let Ok(Some(info)) = self.signals.read_signal() {
            if let Some(session) = self.terminal.as_ref().filter(|_| info.ssi_signo == WINCH) {
                session.resize();
            }
            self.asked = Asked::of(&info).or(self.asked);
            let signal = match info.ssi_signo.cast_signed() {
                STOP_NOW => libc::SIGKILL,
                signal => signal,
            };
            if !self.told.confined {
                self.early.push(signal);
            }
            self.signal(signal)?;
        }
        Ok(())
    }

    /// SIGTERM when a limit is reached, SIGKILL when that did not help.
    fn keep_deadlines(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        if let Some((at, by)) = self.killing {
            if now >= at {
                self.cause = Some(by);
                self.killing = None;
                self.signal(libc::SIGKILL)?;
            }
            return Ok(());
        }
        let over = match self.deadline {
            Some((at, by)) if now >= at => Some(by),
            _ => self.streams.over(now),
        };
        if let Some(by) = over {
            self.deadline = None;
            self.cause = Some(by);
            self.killing = Some((now + TERM_GRACE, by));
            self.signal(libc::SIGTERM)?;
        }
        Ok(())
    }

    /// To init, which passes it on; its own death (SIGKILL) is the end of its whole pid namespace.
    /// One that is gone already needs no signal: the loop ends next.
    fn signal(&self, signal: i32) -> Result<(), Failure> {
        match self.jail.signal(signal) {
            Err(error) if error.errno() != nix::errno::Errno::ESRCH => {
                Err(Failure::new(Kind::Io, "cannot signal the jail").because(error))
            }
            _ => Ok(()),
        }
    }

    /// Waits for init, which the kernel releases only when all else in its namespace is gone.
    fn reap(&mut self) -> Option<i32> {
        loop {
            match waitid(Id::PIDFd(self.jail.pidfd.as_fd()), WaitPidFlag::WEXITED) {
                Ok(nix::sys::wait::WaitStatus::Signaled(_, signal, _)) => {
                    self.jail.end_orphans();
                    return Some(signal as i32);
                }
                Err(nix::errno::Errno::EINTR) => {}
                _ => {
                    self.jail.end_orphans();
                    return None;
                }
            }
        }
    }

    fn finish(
        self,
        killed_by: Option<i32>,
        egress: Option<Counters>,
        refused: Option<refusals::Refused>,
        traced: Option<u64>,
    ) -> Result<(Ended, Jail), Failure> {
        if let Some(fault) = self.told.failed {
            return Err(hints::refusal(self.plan, fault));
        }
        // It may have been the last that happened, after which nobody looked.
        if let Some(lost) = self.lost {
            return Err(lost);
        }
        let status = self.told.ended.map(|(status, _)| status);
        let by = self.cause.unwrap_or_else(|| ended::by(status, killed_by));
        let asked = matches!(by, EndedBy::Signal(signal) if self.early.contains(&signal));
        if !self.told.confined && self.cause.is_none() && !asked {
            return Err(Failure::new(Kind::Refused, "the jail ended before the connector started")
                .at(Stage::Payload)
                .because(match killed_by {
                    Some(signal) => format!("init was killed by signal {signal}"),
                    None => "init ended without a report".to_owned(),
                })
                .hint("see the kernel log (dmesg) for what killed it"));
        }
        let ended = Ended {
            by,
            status,
            wall: self.started.elapsed(),
            cpu: self.told.ended.map_or_else(ended::cpu_of_children, |(_, cpu)| cpu),
            stderr_tail: self.stderr.tail(),
            egress,
            refused,
            traced,
            asked: self.asked,
            told: self.told,
        };
        Ok((ended, self.jail))
    }
}

/// What poll(2) found.
struct Ready {
    init: bool,
    signal: bool,
    report: bool,
    stderr: bool,
    egress: bool,
    refusals: bool,
    hangup: bool,
    terminal: bool,
}

/// Lets the one that waits at the gate go on.
pub fn open(gate: &OwnedFd) -> Result<(), Failure> {
    match nix::unistd::write(gate, &[1]) {
        // EPIPE: the jail has failed already; what it reported says why.
        Ok(_) | Err(nix::errno::Errno::EPIPE) => Ok(()),
        Err(errno) => {
            Err(Failure::new(Kind::Io, "cannot start the connector").because(errno.desc()))
        }
    }
}
