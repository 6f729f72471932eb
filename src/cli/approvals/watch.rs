//! `jail approvals list --watch`.

use super::list::{ListArgs, cases};
use super::{Case, Place, json, print, words};
use crate::approvals::{self, Standing};
use crate::cli::ui;
use crate::exit;
use crate::failure::{Failure, Kind};
use nix::poll::PollTimeout;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io::IsTerminal as _;
use std::time::SystemTime;

/// How often it looks whether something has changed, in milliseconds.
const PAUSE: u8 = 250;

/// Shows the list, and again what has changed, until a signal comes or nobody reads any more.
pub(super) fn run(args: &ListArgs, place: &Place) -> Result<u8, Failure> {
    let failed = |errno: nix::errno::Errno| {
        Failure::new(Kind::Io, "cannot wait for signals").because(errno.desc())
    };
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGINT);
    mask.add(Signal::SIGTERM);
    mask.thread_block().map_err(failed)?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let signals = SignalFd::with_flags(&mask, flags).map_err(failed)?;
    let mut screen = Screen { clears: std::io::stdout().is_terminal() && !args.json, before: None };
    let all = ListArgs { all: true, connector: args.connector.clone(), json: false, watch: false };
    let (mut state, mut last) = (None, None);
    loop {
        if state.is_none() {
            state = place.look()?;
        }
        let now = state.as_ref().map(approvals::changes).transpose()?;
        if now != last || screen.before.is_none() {
            last = now;
            print(&screen.show(args, cases(&all, place)?)?)?;
        }
        if ui::wait_while_read(PollTimeout::from(PAUSE))
            || signals.read_signal().map_err(failed)?.is_some()
        {
            return Ok(exit::OK);
        }
    }
}

/// What was shown last.
struct Screen {
    /// A terminal is drawn anew; everywhere else lines are added.
    clears: bool,
    before: Option<Vec<Case>>,
}

impl Screen {
    /// The text that shows what is different now.
    fn show(&mut self, args: &ListArgs, now: Vec<Case>) -> Result<String, Failure> {
        let first = self.before.is_none();
        let before = self.before.replace(now).unwrap_or_default();
        let now = self.before.as_deref().unwrap_or_default();
        let wanted = |case: &&Case| args.all || case.request.standing == Standing::Pending;
        if self.clears {
            let cases: Vec<Case> = now.iter().filter(wanted).cloned().collect();
            let table = words::table(&cases, args.all, SystemTime::now());
            let text = if table.is_empty() { "nothing waits for an answer\n" } else { &table };
            // To the corner, and clear what is there and above.
            return Ok(format!("\x1b[H\x1b[2J\x1b[3J{text}"));
        }
        let changed = now.iter().filter(|case| {
            let known = before.iter().find(|it| it.request.id == case.request.id);
            // At the beginning what waits; from then on whatever happens.
            known != Some(case) && (!first || wanted(case))
        });
        let mut text = String::new();
        for case in changed {
            text += &match args.json {
                true => format!("{}\n", json(case, false)?),
                false => words::line(case, SystemTime::now()),
            };
        }
        Ok(text)
    }
}
