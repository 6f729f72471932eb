//! `jail proxy`: the egress process without a jail.
//!
//! ```text
//! clients ──► listening sockets, made here ──handover──► egress process: confined, judges, dials
//!             this process: the record of runs, stderr, signals
//! ```

use super::{audit, egress};
use crate::audit::RunId;
use crate::cli::ui;
use crate::egress::{Config, Event};
use crate::failure::{Failure, Kind};
use crate::policy::load::{Sources, ad_hoc};
use crate::policy::{Backend, ConnectorName, Origin, Overrides, Setting, ToolId};
use crate::spawn::egress::{Egress, start};
use crate::spawn::handover::{self, Kind as Door};
use crate::supervise::EndedBy;
use crate::sys::socket::send_descriptor;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// For the last counters.
const PARTING: Duration = Duration::from_secs(2);

/// Where it listens.
pub struct Doors {
    pub http: Vec<SocketAddr>,
    pub socks: Vec<SocketAddr>,
}

/// Serves until SIGTERM or SIGINT.
pub fn serve(
    doors: &Doors,
    (connector, tool): (ConnectorName, Option<ToolId>),
    overrides: &Overrides,
    (sources, log): (&Sources, Option<PathBuf>),
) -> Result<u8, Failure> {
    let mut policy = ad_hoc(&["jail-proxy".into()], sources, overrides)?;
    policy.name = connector;
    policy.tool = tool.map(|tool| Setting::new(tool, Origin::Flag("--tool")));
    // Not jail confines its clients.
    policy.sandbox = Setting::new(Backend::Container, Origin::Flag("proxy"));
    let firewall = egress::firewall(sources)?;
    let upstream = firewall.upstream.as_ref();
    let upstream = upstream.map(|setting| egress::upstream_of(&setting.value)).transpose()?;
    let id = RunId::fresh();
    let config = Config { upstream, ..egress::config_of(&policy, &firewall, id.as_str()) };
    let listeners = listen(doors)?;
    let signals = signals()?;
    let log =
        log.map_or_else(|| audit::Audit::for_sources(sources), |path| Ok(audit::Audit::at(path)))?;
    let (from, to) = handover::channel()?;
    let egress = start(config, firewall.rules, crate::sys::landlock::abi() > 0, to)?;
    let run = log.start_proxy(&policy, id)?;
    hand_over(listeners, &from)?;
    drop(from);
    let began = Instant::now();
    let ended = attend(egress, &signals, &run, doors);
    let recorded = run.end_unjailed(EndedBy::Exit(u8::from(ended.is_err())), began.elapsed(), None);
    ended.and(recorded).map(|()| crate::exit::OK)
}

fn listen(doors: &Doors) -> Result<Vec<(Door, OwnedFd)>, Failure> {
    let http = doors.http.iter().map(|at| (Door::HttpDoor, at));
    let socks = doors.socks.iter().map(|at| (Door::SocksDoor, at));
    http.chain(socks)
        .map(|(door, at)| {
            let listener = TcpListener::bind(at).map_err(|error| {
                let what = format!("cannot listen on {at}");
                Failure::new(Kind::Io, what).because(error).hint("choose another port or address")
            })?;
            Ok((door, OwnedFd::from(listener)))
        })
        .collect()
}

fn hand_over(listeners: Vec<(Door, OwnedFd)>, to: &OwnedFd) -> Result<(), Failure> {
    let failed = |error| {
        Failure::new(Kind::Io, "cannot hand the sockets to the egress process").because(error)
    };
    for (door, listener) in &listeners {
        send_descriptor(to.as_fd(), *door as u8, Some(listener.as_fd())).map_err(failed)?;
    }
    send_descriptor(to.as_fd(), Door::Complete as u8, None).map_err(failed)
}

fn signals() -> Result<SignalFd, Failure> {
    let failed =
        |errno: Errno| Failure::new(Kind::Io, "cannot wait for signals").because(errno.desc());
    let mut set = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        set.add(signal);
    }
    set.thread_block().map_err(failed)?;
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map_err(failed)
}

/// Records what the egress process tells, until somebody ends it.
fn attend(
    mut egress: Egress,
    signals: &SignalFd,
    run: &audit::Run,
    doors: &Doors,
) -> Result<(), Failure> {
    let mut buffer = Vec::new();
    let mut until: Option<Instant> = None;
    loop {
        let mut fds = [
            PollFd::new(egress.events.as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(());
        }
        let timeout = left.and_then(|left| PollTimeout::try_from(left).ok());
        match poll(&mut fds, timeout.unwrap_or(PollTimeout::NONE)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(Failure::new(Kind::Io, "poll failed").because(errno.desc())),
        }
        let told = fds[0].any().unwrap_or(true);
        if let Ok(Some(_)) = signals.read_signal() {
            drop(egress.stop.take());
            until = until.or_else(|| Some(Instant::now() + PARTING));
        }
        if told && !hear(&egress, &mut buffer, run, doors)? {
            let asked = until.is_some();
            let gone = || Failure::new(Kind::Refused, "the egress process ended");
            return if asked { Ok(()) } else { Err(gone()) };
        }
    }
}

/// False where it has ended.
fn hear(
    egress: &Egress,
    buffer: &mut Vec<u8>,
    run: &audit::Run,
    doors: &Doors,
) -> Result<bool, Failure> {
    let mut chunk = [0u8; 16 << 10];
    let failed = |why: &dyn std::fmt::Display| {
        Failure::new(Kind::Refused, "the egress process cannot be understood").because(why)
    };
    let got = match nix::unistd::read(&egress.events, &mut chunk) {
        Ok(0) => return Ok(false),
        Ok(got) => got,
        Err(Errno::EINTR | Errno::EAGAIN) => return Ok(true),
        Err(errno) => return Err(failed(&errno.desc())),
    };
    buffer.extend_from_slice(&chunk[..got]);
    while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
        let line: Vec<u8> = buffer.drain(..=end).collect();
        let event: Event = serde_json::from_slice(&line).map_err(|error| failed(&error))?;
        if event == Event::Ready {
            let all = doors.http.iter().map(|at| format!("http://{at}"));
            let all: Vec<String> =
                all.chain(doors.socks.iter().map(|at| format!("socks5h://{at}"))).collect();
            ui::line(&format!("jail: the proxy listens on {}", all.join(", ")));
        }
        if let Some(line) = egress::heard(run, &event)? {
            ui::line(&line);
        }
    }
    Ok(true)
}
