//! `--trace`: sees the system calls of the connector that fail, as strace(1) does, and says what refused
//! them.
//!
//! Nothing is decided or changed here: every process goes on as it would. init is seized while it waits at
//! the gate, and let go as soon as it has made the process that becomes the connector; that one, and all
//! that come of it, stay traced from their first moment. Calls are looked at from the connector's exec on:
//! what the proof tries before is no refusal.

mod book;
mod calls;
mod doubt;
mod files;
mod judge;
mod memory;
mod place;

use super::Supervisor;
use crate::audit::{Mechanism, Text};
use crate::failure::{Failure, Kind};
use crate::plan::Plan;
use crate::sys::ptrace::{self, Change, Entry, Moment, Until, What};
use book::Book;
use judge::Judge;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::collections::HashMap;
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// Stops that are handled before signals, stderr and deadlines have their turn.
const TURN: usize = 256;

/// `linux/ptrace.h`; libc has the others.
const EVENT_STOP: i32 = 128;

/// One call that failed, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Refusal {
    pub mechanism: Mechanism,
    /// The name of the call.
    pub call: Text,
    /// The path inside, the address, or the limit.
    pub object: Text,
    pub errno: i32,
    /// The stable name of the reason.
    pub code: &'static str,
    pub reason: String,
    pub fix: Option<String>,
    pub grant: Option<Grant>,
    /// The limit that was reached.
    pub limit: Option<u64>,
}

/// What of the host could be granted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grant {
    pub path: PathBuf,
    pub write: bool,
    /// Why one should think twice.
    pub doubt: Option<&'static str>,
}

/// What is told of a traced run.
#[derive(Debug)]
pub enum Seen<'a> {
    /// For the first time.
    New(&'a Refusal),
    /// So many times more, when the run is over.
    Again(&'a Refusal, u64),
    /// So many for which there was no room.
    Unsaid(u64),
}

/// Runs for what a traced run shows.
pub(super) type OnSeen<'a> = Box<dyn FnMut(&Seen<'_>) -> Result<(), Failure> + 'a>;

/// Before the payload exists, and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    SetUp { init: i32 },
    Running,
}

/// What is known of one thread.
#[derive(Debug, Default)]
struct Thread {
    /// Its calls are not looked at yet.
    quiet: bool,
    /// The call that it is in.
    entry: Option<Entry>,
}

/// The tracer of one run.
pub struct Tracer<'a> {
    judge: Judge<'a>,
    book: Book,
    threads: HashMap<i32, Thread>,
    phase: Phase,
    /// SIGCHLD: something has happened to one of them.
    woken: Option<SignalFd>,
    /// There may be more than one turn had room for.
    pub(super) more: bool,
}

impl<'a> Tracer<'a> {
    /// Seizes init, which waits for it. `home` is that of the person.
    pub fn seize(plan: &'a Plan, home: Option<&Path>, init: i32) -> Result<Self, Failure> {
        let judge = Judge::new(plan, home).ok_or_else(|| {
            Failure::new(Kind::Refused, "the run cannot be traced here")
                .because("its seccomp program is no program")
        })?;
        ptrace::seize(init).map_err(refused)?;
        Ok(Self {
            judge,
            book: Book::default(),
            threads: HashMap::new(),
            phase: Phase::SetUp { init },
            woken: None,
            more: true,
        })
    }

    /// From here on SIGCHLD wakes the loop.
    pub(super) fn listen(&mut self) -> nix::Result<()> {
        let mut set = SigSet::empty();
        set.add(Signal::SIGCHLD);
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        self.woken = Some(SignalFd::with_flags(&set, flags)?);
        Ok(())
    }

    pub(super) fn poll_fd(&self) -> Option<PollFd<'_>> {
        self.woken.as_ref().map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN))
    }

    /// Lets everything that has stopped go on; what was refused for the first time.
    pub(super) fn step(&mut self) -> Result<Vec<Refusal>, Failure> {
        // Before the stops are looked for: one that comes meanwhile wakes us again.
        while let Some(Ok(Some(_))) = self.woken.as_ref().map(SignalFd::read_signal) {}
        let mut found = Vec::new();
        for _ in 0..TURN {
            let next = match self.phase {
                Phase::SetUp { init } => ptrace::next_but_end_of(init),
                Phase::Running => ptrace::next(),
            };
            let Some(change) = next.map_err(lost)? else {
                self.more = false;
                return Ok(found);
            };
            match self.act(change, &mut found) {
                // It was killed while it was stopped; its end comes next.
                Err(error) if error.errno() == Errno::ESRCH => {}
                other => other.map_err(lost)?,
            }
        }
        self.more = true;
        Ok(found)
    }

    fn act(&mut self, change: Change, found: &mut Vec<Refusal>) -> crate::sys::SysResult<()> {
        let Change { pid, what } = change;
        match what {
            What::Ended => {
                self.threads.remove(&pid);
                Ok(())
            }
            What::Call => {
                found.extend(self.call(pid)?);
                ptrace::resume(pid, Until::Call, 0)
            }
            What::Signal(signal) => ptrace::resume(pid, self.until(pid), signal),
            What::Event { event: EVENT_STOP, signal } if is_stop(signal) => ptrace::listen(pid),
            What::Event { event: libc::PTRACE_EVENT_EXEC, .. } => {
                // Where another thread than the first made it, that one has the first one's id now.
                let former = ptrace::message(pid)?;
                self.threads.remove(&former);
                self.threads.insert(pid, Thread::default());
                ptrace::resume(pid, Until::Call, 0)
            }
            What::Event { event, .. } => {
                if is_birth(event) && self.phase == (Phase::SetUp { init: pid }) {
                    return self.let_go_of_init(pid);
                }
                ptrace::resume(pid, self.until(pid), 0)
            }
        }
    }

    /// The process that becomes the connector exists, and is stopped at its first instruction.
    fn let_go_of_init(&mut self, init: i32) -> crate::sys::SysResult<()> {
        let payload = ptrace::message(init)?;
        // It may have been seen already.
        self.threads.entry(payload).or_insert(Thread { quiet: true, entry: None });
        self.phase = Phase::Running;
        ptrace::detach(init)
    }

    fn until(&self, pid: i32) -> Until {
        let set_up = matches!(self.phase, Phase::SetUp { .. });
        let quiet = set_up || self.threads.get(&pid).is_some_and(|thread| thread.quiet);
        if quiet { Until::Event } else { Until::Call }
    }

    /// The beginning of a call is kept; its end is looked at where it failed.
    fn call(&mut self, pid: i32) -> crate::sys::SysResult<Option<Refusal>> {
        let thread = self.threads.entry(pid).or_default();
        match ptrace::moment(pid)? {
            Moment::Entry(entry) => thread.entry = Some(entry),
            Moment::Exit(Ok(_)) | Moment::Other => thread.entry = None,
            Moment::Exit(Err(errno)) => {
                if let Some(entry) = thread.entry.take()
                    && let Some(refusal) = self.judge.judge(memory::Task(pid), &entry, errno)
                    && self.book.enter(&refusal)
                {
                    return Ok(Some(refusal));
                }
            }
        }
        Ok(None)
    }
}

impl<'a> Supervisor<'a> {
    /// Looks at the connector's system calls as well, from a moment on at which init waits for that.
    pub fn with_tracer(
        &mut self,
        mut tracer: Tracer<'a>,
        act: impl FnMut(&Seen<'_>) -> Result<(), Failure> + 'a,
    ) -> Result<(), Failure> {
        tracer.listen().map_err(|errno| {
            Failure::new(Kind::Io, "cannot hear of what is traced").because(errno.desc())
        })?;
        self.tracer = Some((tracer, Box::new(act)));
        Ok(())
    }
}

impl Supervisor<'_> {
    /// Has a turn of the tracer's, where there is one.
    pub(super) fn look(&mut self) -> Result<(), Failure> {
        let Some((tracer, tell)) = &mut self.tracer else { return Ok(()) };
        tracer.step()?.iter().try_for_each(|refusal| tell(&Seen::New(refusal)))
    }

    /// What happened again; how many different refusals there were.
    pub(super) fn end_trace(&mut self) -> Result<Option<u64>, Failure> {
        let Some((tracer, tell)) = &mut self.tracer else { return Ok(None) };
        let (again, unsaid) = tracer.book.close();
        again.iter().try_for_each(|(refusal, times)| tell(&Seen::Again(refusal, *times)))?;
        if unsaid > 0 {
            tell(&Seen::Unsaid(unsaid))?;
        }
        Ok(Some(tracer.book.told()))
    }
}

fn is_birth(event: i32) -> bool {
    [libc::PTRACE_EVENT_FORK, libc::PTRACE_EVENT_VFORK, libc::PTRACE_EVENT_CLONE].contains(&event)
}

/// With one of these an event is the stop of the whole process, by ^Z or SIGSTOP.
fn is_stop(signal: i32) -> bool {
    [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU].contains(&signal)
}

fn lost(error: crate::sys::SysError) -> Failure {
    Failure::new(Kind::Io, "cannot trace the connector any more, and it was ended").because(error)
}

const YAMA: &str = "/proc/sys/kernel/yama/ptrace_scope";

/// It was asked for: without it there is no run.
fn refused(error: crate::sys::SysError) -> Failure {
    let failure = Failure::new(Kind::Refused, "the run cannot be traced here").because(error);
    match error.errno() {
        Errno::EPERM | Errno::EACCES => match fs::read_to_string(YAMA).as_deref().map(str::trim) {
            Ok("3") => failure
                .because("Yama allows nobody to trace (kernel.yama.ptrace_scope is 3)")
                .hint("it stays so until the machine starts again; take it out of /etc/sysctl.d, or run without --trace"),
            _ => failure
                .because("a security module, the seccomp profile of a container, or a tracer of jail itself forbids it")
                .hint("in a container: --security-opt seccomp=unconfined, or --cap-add SYS_PTRACE")
                .hint("is jail itself run by strace or a debugger? Then not with --trace"),
        },
        Errno::ENOSYS => failure.hint("this kernel was built without ptrace(2)"),
        _ => failure.hint("run it without --trace"),
    }
}
