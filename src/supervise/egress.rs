//! The supervisor's end of the egress process: what it tells, and its end.

use super::Supervisor;
use super::gauge::Gauge;
use crate::egress::{Counters, Event};
use crate::failure::{Failure, Kind};
use crate::planted::{Control, broken};
use crate::spawn::egress::Egress;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// For the last counters, when the connector has ended.
const PARTING: Duration = Duration::from_secs(1);

/// One event has at most some kilobytes; a line that does not end is none of ours.
const LINE_MAX: usize = 256 << 10;

/// What is made of what the process tells. The supervisor prints the lines, which must not wait for whoever
/// reads them.
pub trait Ear {
    /// An error ends the run.
    fn hear(&mut self, event: &Event) -> Result<Option<String>, Failure>;
    /// When there is something to do without an event.
    fn next_look(&self) -> Option<Instant>;
    /// A small part of that.
    fn look(&mut self) -> Option<String>;
    /// All that is left, at the end of the run.
    fn end(&mut self) -> Vec<String>;
}

pub(super) struct Link {
    egress: Egress,
    buffer: Vec<u8>,
    /// The newest ones.
    pub(super) counters: Counters,
    /// Where `jail ps` finds them; `None` where that failed.
    gauge: Option<Gauge>,
}

impl Link {
    pub(super) fn new(egress: Egress, run: &str) -> Self {
        let gauge = Some(Gauge::new(run));
        Self { egress, buffer: Vec::new(), counters: Counters::default(), gauge }
    }

    pub(super) fn poll_fd(&self) -> PollFd<'_> {
        PollFd::new(self.egress.events.as_fd(), PollFlags::POLLIN)
    }

    /// What has arrived; an error where the process has ended or speaks nonsense.
    pub(super) fn receive(&mut self) -> Result<Vec<Event>, Failure> {
        match self.read() {
            Ok(0) => Err(gone("it ended")),
            Ok(_) => self.events(),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(Vec::new()),
            Err(errno) => Err(gone(errno.desc())),
        }
    }

    /// Ends the process; what it still had to tell. An error where it had failed already, which a
    /// connector that ends at the same moment would hide.
    pub(super) fn finish(&mut self) -> (Vec<Event>, Result<(), Failure>) {
        let mut all = Vec::new();
        drop(self.egress.stop.take());
        let until = Instant::now() + PARTING;
        while let left = until.saturating_duration_since(Instant::now())
            && !left.is_zero()
        {
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            match poll(&mut [self.poll_fd()], timeout) {
                Ok(1..) => {}
                Err(Errno::EINTR) => continue,
                Ok(_) | Err(_) => break,
            }
            match self.receive() {
                Ok(events) => all.extend(events),
                // Its end, as it was told.
                Err(_) => return (all, self.ended_well()),
            }
        }
        (all, Ok(()))
    }

    /// Its pipe is closed, so that there is nothing to wait for.
    fn ended_well(&self) -> Result<(), Failure> {
        if broken(Control::EgressDeath) {
            return Ok(());
        }
        let how = match waitid(Id::PIDFd(self.egress.pidfd.as_fd()), WaitPidFlag::WEXITED) {
            Ok(WaitStatus::Exited(_, 0)) => return Ok(()),
            Ok(WaitStatus::Exited(_, code)) => format!("it ended with {code}"),
            Ok(WaitStatus::Signaled(_, signal, _)) => format!("it was killed by {signal}"),
            Ok(_) => "it ended".to_owned(),
            Err(errno) => format!("how it ended cannot be told: {}", errno.desc()),
        };
        let mut failure = gone(&how);
        failure.what = "the egress process failed before the connector ended".to_owned();
        Err(failure.because("what it refused last may not be recorded"))
    }

    fn read(&mut self) -> nix::Result<usize> {
        let mut chunk = [0u8; 16 << 10];
        // Only called when poll(2) says that there is something.
        let got = nix::unistd::read(&self.egress.events, &mut chunk)?;
        self.buffer.extend_from_slice(chunk.get(..got).unwrap_or_default());
        Ok(got)
    }

    /// A run does not end for want of this; it is said once.
    fn show(&mut self, counters: &Counters) -> Option<Event> {
        let error = self.gauge.as_mut()?.show(counters).err()?;
        self.gauge = None;
        let what = "jail ps cannot show what this run counts".to_owned();
        Some(Event::Warning { what, why: error.to_string() })
    }

    fn events(&mut self) -> Result<Vec<Event>, Failure> {
        let mut events = Vec::new();
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let event = serde_json::from_slice(&line).map_err(|error| gone(&error.to_string()))?;
            match event {
                Event::Counters(counters) => {
                    events.extend(self.show(&counters));
                    self.counters = counters;
                }
                event => events.push(event),
            }
        }
        if self.buffer.len() > LINE_MAX { Err(gone("a line without end")) } else { Ok(events) }
    }
}

impl Supervisor<'_> {
    pub(super) fn hear_egress(&mut self) -> Result<(), Failure> {
        let Some(link) = &mut self.egress else { return Ok(()) };
        match link.receive() {
            Ok(events) => {
                self.pass_on(&events)?;
                if events.contains(&Event::Ready) { self.open_gate() } else { Ok(()) }
            }
            // A jail that cannot be set up hands out no sockets, and its own report says more.
            Err(failure) => {
                self.egress = None;
                self.lost = Some(failure).filter(|_| !broken(Control::EgressDeath));
                Ok(())
            }
        }
    }

    /// A connector that runs without its egress process is ended, by the end of its supervisor; one that
    /// waits to be started never is.
    pub(super) fn keep_egress(&mut self) -> Result<(), Failure> {
        if !self.told.confined {
            return Ok(());
        }
        let Some(mut lost) = self.lost.take() else { return Ok(()) };
        if self.gate.is_some() {
            lost.what = "the egress process failed, and the connector was not started".to_owned();
        }
        Err(lost)
    }

    fn pass_on(&mut self, events: &[Event]) -> Result<(), Failure> {
        let Some(ear) = &mut self.ear else { return Ok(()) };
        for event in events {
            if let Some(line) = ear.hear(event)? {
                self.stderr.say(&line);
            }
        }
        Ok(())
    }

    /// Lets the ear do what it has to do by now.
    pub(super) fn look_after_events(&mut self) {
        let Some(ear) = &mut self.ear else { return };
        if ear.next_look().is_some_and(|at| at <= Instant::now())
            && let Some(line) = ear.look()
        {
            self.stderr.say(&line);
        }
    }

    /// What went out and in, if anything could.
    pub(super) fn end_egress(&mut self) -> Result<Option<Counters>, Failure> {
        let Some(mut link) = self.egress.take() else { return Ok(None) };
        let (events, ended) = link.finish();
        self.pass_on(&events)?;
        let lines = self.ear.as_mut().map(|ear| ear.end()).unwrap_or_default();
        lines.iter().for_each(|line| self.stderr.say(line));
        ended?;
        Ok(Some(std::mem::take(&mut link.counters)))
    }
}

fn gone(why: &str) -> Failure {
    Failure::new(Kind::Refused, "the egress process failed, and the connector was ended")
        .because(why)
        .hint(
            "without it there is no way out of the jail; run again, and report this if it repeats",
        )
}
