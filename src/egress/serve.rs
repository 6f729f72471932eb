//! The egress process from its first door to its end.

use super::doors::{Arrived, Doors};
use super::gate::Gate;
use super::{Config, Event, Sockets, dns, knocks, publish};
use crate::failure::{Failure, Kind};
use crate::firewall::Rules;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// How often the counters are told, where they changed.
const TICK: Duration = Duration::from_secs(1);

/// The process while it serves.
pub struct Server {
    gate: Rc<Gate>,
    doors: Rc<Doors>,
}

impl Server {
    pub fn gate(&self) -> &Rc<Gate> {
        &self.gate
    }

    /// The firewall's files have changed: to these rules, or to something that cannot be read. Then only
    /// the fixed rules count.
    pub fn rules_changed(&self, overlay: Result<Rules, String>) {
        let overlay = overlay.unwrap_or_else(|why| {
            self.gate.tell(Event::Unreadable { why });
            Rules::default()
        });
        let cut = self.gate.replace(overlay);
        let rules = self.gate.rules();
        self.gate.tell(Event::Reloaded { rules: rules.0.len(), cut });
        self.open_allowed();
    }

    /// Listens where a rule allows it and no socket listens yet.
    fn open_allowed(&self) {
        let who = &self.gate.config.who;
        self.doors.open_ports(self.gate.rules().allowed_ports(who, SystemTime::now()));
    }
}

/// What the process is given.
pub struct Start {
    pub config: Config,
    /// The rules of the firewall's files, as they are at the start.
    pub overlay: Rules,
    pub sockets: Sockets,
    /// The reading end of a pipe that nothing is written to: closed means that the run is over.
    pub stop: OwnedFd,
}

/// Serves until the other end of `stop` is closed. Called in a process of its own, which has one
/// thread.
///
/// `events` is called for each event, in order, on this thread. `started` is called once, after all
/// doors are open and before [`Event::Ready`]; tasks that it makes with `spawn_local` live as long as
/// the server.
pub fn run(
    start: Start,
    mut events: impl FnMut(&Event),
    started: impl FnOnce(&Rc<Server>),
) -> Result<(), Failure> {
    let Start { config, overlay, sockets, stop } = start;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed("start the egress process", error))?;
    let local = LocalSet::new();
    let (sender, mut receiver) = mpsc::unbounded_channel();
    local.block_on(&runtime, async {
        let gate = Gate::new(config, overlay, sender);
        let stop = pipe::Receiver::from_owned_fd(stop)
            .map_err(|error| failed("watch the supervisor", error))?;
        let server = open(&gate, sockets)?;
        started(&server);
        gate.tell(Event::Ready);
        let ended = ended(stop);
        tokio::pin!(ended);
        loop {
            tokio::select! {
                biased;
                () = &mut ended => break,
                Some(event) = receiver.recv() => events(&event),
            }
        }
        tell_outdated(&gate);
        gate.report_waiting(true);
        gate.tell(Event::Counters(gate.counters()));
        while let Ok(event) = receiver.try_recv() {
            events(&event);
        }
        Ok(())
    })
}

/// Takes all sockets into service.
fn open(gate: &Rc<Gate>, sockets: Sockets) -> Result<Rc<Server>, Failure> {
    let Sockets { listeners, spare_v4, spare_v6, dns, knocks: raw, inward, http, socks } = sockets;
    let doors = Doors::new(Rc::clone(gate), spare_v4, spare_v6);
    for listener in listeners {
        doors.serve(listener).map_err(|error| failed("serve a listening socket", error))?;
    }
    for (sockets, door) in [(http, Arrived::Http), (socks, Arrived::Socks)] {
        for listener in sockets {
            doors
                .serve_as(listener, Some(door))
                .map_err(|error| failed("serve a listening socket", error))?;
        }
    }
    for socket in dns {
        dns::udp::start(gate, socket).map_err(|error| failed("serve the resolver", error))?;
    }
    for socket in raw {
        knocks::watch(gate, &doors, socket)
            .map_err(|error| failed("watch for refused packets", error))?;
    }
    let pool = publish::Pool::new(inward)
        .map_err(|error| failed("use the sockets for published ports", error))?;
    let pool = Rc::new(pool);
    for (at, port) in &gate.config.publish {
        publish::start(gate, &pool, *at, *port)?;
    }
    tokio::task::spawn_local(tick(Rc::clone(gate)));
    let server = Server { gate: Rc::clone(gate), doors };
    server.open_allowed();
    Ok(Rc::new(server))
}

fn failed(what: &str, error: io::Error) -> Failure {
    Failure::new(Kind::Io, format!("cannot {what}")).because(error)
}

/// Comes back when the supervisor has gone, or says that it is over by closing the pipe.
async fn ended(mut stop: pipe::Receiver) {
    let mut byte = [0];
    // An error means as much as the end: nobody is there to serve for.
    while matches!(stop.read(&mut byte).await, Ok(1..)) {}
}

async fn tick(gate: Rc<Gate>) {
    let mut told = gate.counters();
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        gate.report_waiting(false);
        tell_outdated(&gate);
        let now = gate.counters();
        if now != told {
            gate.tell(Event::Counters(now.clone()));
            told = now;
        }
    }
}

fn tell_outdated(gate: &Gate) {
    if let Some(why) = gate.resolver.outdated() {
        let what = "the machine's /etc/resolv.conf or /etc/hosts was replaced, and counts as it was at \
                    the start until the connector is started again";
        gate.warn(what.to_owned(), why);
    }
}

#[cfg(test)]
#[path = "serve_tests.rs"]
mod tests;
