//! Signals to the supervisor: what is passed on, and who asked for the end.

use crate::runs::STOP_NOW;
use crate::sys::process::add_signal;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};

/// Signals that are the connector's business.
const FORWARDED: [Signal; 8] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
    Signal::SIGCONT,
];

/// What comes to the supervisor from outside: signals for the connector, and the order to end it. Blocked,
/// beside those of `mask`.
pub(crate) fn take_signals(mask: &SigSet) -> nix::Result<SignalFd> {
    let mut taken = SigSet::empty();
    FORWARDED.iter().for_each(|signal| taken.add(*signal));
    let taken = add_signal(taken, STOP_NOW);
    let signals = SignalFd::with_flags(&taken, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let mut ours = *mask;
    ours.extend(&taken);
    // Not by nix's own numbers, which end before the real-time signals.
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&add_signal(ours, STOP_NOW)), None)?;
    Ok(signals)
}

/// Sent by kill(2) and its like. Whoever sends otherwise writes the rest himself, and could write anything.
const TOLD_BY_THE_KERNEL: [i32; 2] = [libc::SI_USER, libc::SI_TKILL];

/// A signal that asks for the end, and whose it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    pub signal: i32,
    pub uid: u32,
    pub pid: u32,
}

impl Asked {
    /// `None` for other signals, and where nobody can say who sent it: a terminal's ^C is of the kernel.
    pub fn of(info: &siginfo) -> Option<Self> {
        let signal = info.ssi_signo.cast_signed();
        let asks = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT, STOP_NOW];
        let known = asks.contains(&signal) && TOLD_BY_THE_KERNEL.contains(&info.ssi_code);
        known.then_some(Self { signal, uid: info.ssi_uid, pid: info.ssi_pid })
    }

    /// `SIGTERM`.
    pub fn name(&self) -> &'static str {
        match Signal::try_from(self.signal) {
            Ok(signal) => signal.as_str(),
            Err(_) => "stop-now",
        }
    }
}
