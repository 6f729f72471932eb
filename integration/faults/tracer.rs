//! A small ptrace(2) tracer: one call of one process of a jail fails, or one process is killed there.
//!
//! strace(1) counts calls per process and cannot say "init's third openat2": what the supervisor calls as
//! often fails first. This one knows who is who, and stops only the process that it is asked to meddle
//! with, so that a run costs little more than an ordinary one.

use super::call::{self, Seen};
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// The processes of a jail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Supervisor,
    Init,
    Payload,
    Egress,
    /// The connector's children, and whatever should not be.
    Other,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::Init => "init",
            Self::Payload => "payload",
            Self::Egress => "egress",
            Self::Other => "other",
        }
    }
}

/// One call of the set-up: the `nth` (from 1) of this number by this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    pub role: Role,
    pub call: u64,
    pub nth: u32,
}

/// What is done at the spot.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// Nothing; every call of every process is written down.
    Record,
    /// The call is not made, and answers with this error.
    Fail(Spot, Errno),
    /// SIGKILL for this process, when the spot is reached.
    Kill(Spot, Role),
}

/// How a run went.
#[derive(Debug, Default)]
pub struct Trace {
    /// Of the supervisor: exit code, or the negative signal.
    pub code: Option<i32>,
    /// The spot was reached, and what was to be killed was there.
    pub hit: bool,
    /// The connector's program was started.
    pub ran: bool,
    /// It came to its own end, and was not killed.
    pub over: bool,
    pub seen: Vec<Seen>,
    /// Processes that outlived the supervisor by more than [`LINGER`], and were killed by us.
    pub lingered: Vec<Role>,
    /// The whole run took longer than [`PATIENCE`].
    pub stuck: bool,
}

/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// The kernel's time for taking a pid namespace down on a busy machine.
const LINGER: Duration = Duration::from_secs(20);

struct Process {
    role: Role,
    counts: BTreeMap<u64, u32>,
    /// Stopped at the entry of a call; the next stop is its exit.
    inside: bool,
    /// What the call answers when it comes back.
    answer: Option<i64>,
    children: u32,
}

struct Tracer {
    act: Act,
    trace: Trace,
    processes: BTreeMap<Pid, Process>,
    /// Stopped before their parent's event told who they are.
    unknown: BTreeSet<Pid>,
    supervisor: Pid,
}

/// Runs the command to the end of its last process.
pub fn run(mut command: Command, act: Act) -> std::io::Result<Trace> {
    // SAFETY: ptrace(PTRACE_TRACEME) is a plain system call.
    unsafe { command.pre_exec(|| ptrace::traceme().map_err(std::io::Error::from)) };
    let child = command.spawn()?;
    let supervisor = Pid::from_raw(child.id().cast_signed());
    drop(command);
    // The stop after its exec.
    waitpid(supervisor, Some(WaitPidFlag::__WALL))?;
    let options = Options::PTRACE_O_EXITKILL
        | Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC;
    ptrace::setoptions(supervisor, options)?;
    let mut tracer = Tracer {
        act,
        trace: Trace::default(),
        processes: BTreeMap::new(),
        unknown: BTreeSet::new(),
        supervisor,
    };
    tracer.adopt(supervisor, Role::Supervisor);
    tracer.go(supervisor, None);
    tracer.follow()?;
    Ok(tracer.trace)
}

/// A process that was killed meanwhile cannot be acted on; its end is reported next.
fn killed(_: nix::Result<()>) {}

impl Tracer {
    fn adopt(&mut self, pid: Pid, role: Role) {
        let process =
            Process { role, counts: BTreeMap::new(), inside: false, answer: None, children: 0 };
        self.processes.insert(pid, process);
    }

    /// waitpid(2) has no limit of time: a thread kills the supervisor when it is over.
    fn follow(&mut self) -> nix::Result<()> {
        let (done, wait) = channel::<()>();
        let supervisor = self.supervisor;
        let watch = std::thread::spawn(move || {
            let late = wait.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout);
            if late {
                // Not reaped yet, or `done` would be gone: the pid is still its own.
                killed(kill(supervisor, Signal::SIGKILL));
            }
            late
        });
        let mut done = Some(done);
        let mut ended = None;
        loop {
            // Only what this thread traces: other tests run beside.
            let mut flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
            if ended.is_some() {
                flags |= WaitPidFlag::WNOHANG;
            }
            match waitpid(None, Some(flags)) {
                Err(Errno::ECHILD) => break,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
                Ok(WaitStatus::StillAlive) => self.linger(ended),
                Ok(status) => self.step(status),
            }
            if ended.is_none() && self.trace.code.is_some() {
                ended = Some(Instant::now());
                done = None;
            }
        }
        drop(done);
        self.trace.stuck = watch.join().unwrap_or(true);
        Ok(())
    }

    fn linger(&mut self, ended: Option<Instant>) {
        // Born as its parent was killed: the event that would have told who it is never comes, and it must not be
        // held by that.
        for orphan in std::mem::take(&mut self.unknown) {
            self.adopt(orphan, Role::Other);
            self.go(orphan, None);
        }
        if ended.is_some_and(|at| at.elapsed() > LINGER) && self.trace.lingered.is_empty() {
            for (pid, process) in &self.processes {
                self.trace.lingered.push(process.role);
                killed(kill(*pid, Signal::SIGKILL));
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }

    fn step(&mut self, status: WaitStatus) {
        match status {
            WaitStatus::Exited(pid, code) => self.gone(pid, code),
            WaitStatus::Signaled(pid, signal, _) => self.gone(pid, -(signal as i32)),
            WaitStatus::PtraceSyscall(pid) => self.syscall(pid),
            WaitStatus::PtraceEvent(pid, _, event) => self.event(pid, event),
            WaitStatus::Stopped(pid, signal) => {
                let known = self.processes.contains_key(&pid);
                // A new process begins with a stop that is nobody's signal.
                match signal {
                    Signal::SIGSTOP if !known => drop(self.unknown.insert(pid)),
                    Signal::SIGSTOP | Signal::SIGTRAP => self.go(pid, None),
                    signal => self.go(pid, signal),
                }
            }
            _ => {}
        }
    }

    fn gone(&mut self, pid: Pid, code: i32) {
        let role = self.processes.remove(&pid).map(|process| process.role);
        self.trace.over |= self.trace.ran && role == Some(Role::Payload) && code >= 0;
        self.unknown.remove(&pid);
        if pid == self.supervisor {
            self.trace.code = Some(code);
        }
    }

    /// A birth or an exec.
    fn event(&mut self, pid: Pid, event: i32) {
        if event == libc::PTRACE_EVENT_EXEC {
            let role = self.processes.get(&pid).map(|process| process.role);
            self.trace.ran |= role == Some(Role::Payload);
        } else if let Ok(born) = ptrace::getevent(pid) {
            let born = Pid::from_raw(i32::try_from(born).unwrap_or(0));
            let role = self.processes.get_mut(&pid).map_or(Role::Other, |parent| {
                parent.children += 1;
                match (parent.role, parent.children) {
                    (Role::Supervisor, 1) => Role::Init,
                    (Role::Supervisor, 2) => Role::Egress,
                    (Role::Init, 1) => Role::Payload,
                    _ => Role::Other,
                }
            });
            self.adopt(born, role);
            if self.unknown.remove(&born) {
                self.go(born, None);
            }
        }
        self.go(pid, None);
    }

    /// Does this process have to be stopped at its calls?
    fn watched(&self, role: Role) -> bool {
        match self.act {
            Act::Record => role != Role::Other && !(role == Role::Payload && self.trace.ran),
            Act::Fail(spot, _) | Act::Kill(spot, _) => {
                let process = self.processes.values().find(|process| process.role == role);
                let answering = process.is_some_and(|process| process.answer.is_some());
                role == spot.role && (!self.trace.hit || answering)
            }
        }
    }

    fn go(&self, pid: Pid, signal: impl Into<Option<Signal>>) {
        let role = self.processes.get(&pid).map_or(Role::Other, |process| process.role);
        killed(match self.watched(role) {
            true => ptrace::syscall(pid, signal),
            false => ptrace::cont(pid, signal),
        });
    }

    fn syscall(&mut self, pid: Pid) {
        let Ok(mut registers) = ptrace::getregs(pid) else { return };
        let Some(process) = self.processes.get_mut(&pid) else { return self.go(pid, None) };
        process.inside = !process.inside;
        let role = process.role;
        if !process.inside {
            if let Some(answer) = process.answer.take() {
                registers.rax = answer.cast_unsigned();
                killed(ptrace::setregs(pid, registers));
            }
            return self.go(pid, None);
        }
        let number = registers.orig_rax;
        let count = process.counts.entry(number).or_default();
        *count += 1;
        let here = Spot { role, call: number, nth: *count };
        match self.act {
            Act::Record => self.trace.seen.push(call::look(pid, here, &registers, self.trace.ran)),
            Act::Fail(spot, errno) if spot == here => {
                // As it is in this run: what comes when differs from run to run where two processes act.
                let seen = call::look(pid, here, &registers, self.trace.ran);
                // Another call stands in, which every filter lets pass and which changes nothing.
                registers.orig_rax = libc::SYS_getpid.cast_unsigned();
                process.answer = Some(-i64::from(errno as i32));
                self.trace.hit = true;
                self.trace.seen.push(seen);
                killed(ptrace::setregs(pid, registers));
            }
            Act::Kill(spot, victim) if spot == here => {
                let found = self.processes.iter().find(|(_, process)| process.role == victim);
                if let Some((victim, _)) = found {
                    self.trace.hit = kill(*victim, Signal::SIGKILL).is_ok();
                }
            }
            _ => {}
        }
        self.go(pid, None);
    }
}
