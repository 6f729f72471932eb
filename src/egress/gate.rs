//! The one place that all doors ask: rules as they are now, permits, counters, refusals.
//!
//! The egress process has one thread; nothing here is shared with another.

use super::asks::Asks;
use super::bandwidth::Bandwidth;
use super::dns::Questions;
use super::names::{Names, NewNames};
use super::reports::Reports;
use super::resolve::Resolver;
use super::route::{Path, Routes};
use super::rulebook::Rulebook;
use super::{Config, Counters, Event, Trust};
use crate::firewall::{Decision, Denial, Door, Host, Rule, Rules, decide};
use crate::planted::{Control, broken};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// The clock may be set, and stands still for timers while the machine sleeps: a rule that expires is
/// looked at again after so long.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// More different hosts than this are counted under `…`.
const COUNTED_HOSTS: usize = 256;

pub struct Gate {
    pub config: Config,
    /// Fixed rules and those of the firewall's files, as they are now.
    rules: RefCell<Rulebook>,
    changed: watch::Sender<u64>,
    counters: RefCell<Counters>,
    open: Cell<usize>,
    events: mpsc::UnboundedSender<Event>,
    reports: RefCell<Reports>,
    /// What the owner is asked.
    pub(super) asks: RefCell<Asks>,
    pub resolver: Resolver,
    /// What the DNS door answered.
    pub names: RefCell<Names>,
    pub(super) new_names: RefCell<NewNames>,
    routes: RefCell<Routes>,
    /// What the DNS door refused lately.
    pub(super) questions: RefCell<Questions>,
    /// To the world, and to the connector.
    pub(super) out: Bandwidth,
    pub(super) into: Bandwidth,
    /// Connections that were let out and still are.
    lives: RefCell<BTreeMap<u64, Grant>>,
    next_live: Cell<u64>,
    trust: OnceCell<Trust>,
}

/// A host and port that may be reached now.
#[derive(Debug, Clone)]
pub struct Grant {
    pub host: Host,
    pub port: u16,
    pub door: Door,
    pub rule: Rule,
    /// It is let out: a rule for one connection is for this one.
    pub used: bool,
}

/// What the rules say.
pub(super) enum Judged {
    Allow(Box<Grant>),
    /// Nothing; the owner can be asked.
    Ask(Denial),
    Deny(Denial),
}

/// Where an accepted connection wants to go, as far as it has said so.
#[derive(Debug, Clone)]
pub struct Target {
    /// What it may mean: one grant where the client named the host (CONNECT, SOCKS5); where it only
    /// dialled an address, every allowed name that the resolver gave that address for. Never empty.
    pub candidates: Vec<Grant>,
    /// The address that was dialled, or those that the host was resolved to: no other will be. Empty
    /// where an upstream proxy resolves.
    pub addresses: Vec<IpAddr>,
    pub port: u16,
    pub door: Door,
}

/// One of the connector's connections, counted while it lives.
pub struct Permit(Rc<Gate>);

/// A connection that was let out, until it is dropped.
pub struct Live<'a>(&'a Gate, u64);

impl Gate {
    pub fn new(config: Config, overlay: Rules, events: mpsc::UnboundedSender<Event>) -> Rc<Self> {
        Self::with_resolver(config, overlay, events, Resolver::system())
    }

    /// The same, where names are looked up elsewhere than this machine does.
    pub fn with_resolver(
        config: Config,
        overlay: Rules,
        events: mpsc::UnboundedSender<Event>,
        resolver: Resolver,
    ) -> Rc<Self> {
        let (changed, _) = watch::channel(0);
        Rc::new(Self {
            rules: RefCell::new(Rulebook::new(
                config.who.run.clone(),
                config.fixed.clone(),
                overlay,
            )),
            changed,
            counters: RefCell::default(),
            open: Cell::new(0),
            events,
            reports: RefCell::default(),
            asks: RefCell::default(),
            resolver,
            names: RefCell::default(),
            new_names: RefCell::default(),
            routes: RefCell::default(),
            questions: RefCell::default(),
            out: Bandwidth::new(config.limits.bandwidth),
            into: Bandwidth::new(config.limits.bandwidth),
            lives: RefCell::default(),
            next_live: Cell::new(0),
            trust: OnceCell::new(),
            config,
        })
    }

    /// Whom the proxy's own TLS believes; without it, no rule that injects works. Set once.
    pub fn set_trust(&self, trust: Trust) {
        // The first one stays: nothing changes whom a running proxy believes.
        drop(self.trust.set(trust));
    }

    pub fn trust(&self) -> Option<&Trust> {
        self.trust.get()
    }

    /// The rules as they are now.
    pub fn rules(&self) -> Rc<Rules> {
        self.rules.borrow().now()
    }

    /// Puts other rules in the place of those of the firewall's files; tunnels look again. Says how many
    /// live connections that ends.
    pub fn replace(&self, overlay: Rules) -> u64 {
        let denied = self.rules.borrow_mut().replace(overlay);
        let generation = *self.changed.borrow() + 1;
        self.asks.borrow_mut().deny(&denied, generation);
        self.changed.send_replace(generation);
        let lives = self.lives.borrow();
        let ended = lives.values().filter(|live| self.again(live).is_err());
        u64::try_from(ended.count()).unwrap_or(u64::MAX)
    }

    /// Registers a connection that was let out.
    pub fn live(&self, grant: &Grant) -> Live<'_> {
        let id = self.next_live.get();
        self.next_live.set(id + 1);
        self.lives.borrow_mut().insert(id, grant.clone());
        Live(self, id)
    }

    /// Asks; a refusal is not yet reported, see [`Gate::denied`].
    pub fn ask(&self, host: &Host, port: u16, door: Door) -> Result<Grant, Denial> {
        match self.judge(host, port, door) {
            Judged::Allow(grant) => Ok(*grant),
            Judged::Ask(denial) | Judged::Deny(denial) => Err(denial),
        }
    }

    pub(super) fn judge(&self, host: &Host, port: u16, door: Door) -> Judged {
        self.judge_by(&self.rules(), host, port, door)
    }

    fn judge_by(&self, rules: &Rules, host: &Host, port: u16, door: Door) -> Judged {
        let (who, now) = (&self.config.who, SystemTime::now());
        match decide(who, rules, host, port, door, now) {
            Decision::Allow(rule) => {
                let (host, mut rule) = (host.clone(), rule.clone());
                rule.private |= rules.grant_private(who, &host, port, now);
                Judged::Allow(Box::new(Grant { host, port, door, rule, used: false }))
            }
            Decision::Ask(denial) => Judged::Ask(denial),
            Decision::Deny(denial) => Judged::Deny(denial),
        }
    }

    /// Asks again for what was granted: one that is let out needs no other rule than it had.
    pub(super) fn again(&self, grant: &Grant) -> Result<Grant, Denial> {
        let rules = match grant.used {
            true => self.rules.borrow().standing(),
            false => self.rules(),
        };
        match self.judge_by(&rules, &grant.host, grant.port, grant.door) {
            Judged::Allow(now) => Ok(Grant { used: grant.used, ..*now }),
            Judged::Ask(denial) | Judged::Deny(denial) => Err(denial),
        }
    }

    /// Marks what a connection goes out by.
    pub(super) fn use_up(&self, grant: Grant) -> Grant {
        if !grant.rule.once {
            return grant;
        }
        self.rules.borrow_mut().use_up(&grant.rule);
        Grant { used: true, ..grant }
    }

    /// The generation of the rules, and its changes.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Counts and reports a refusal. Every refusal passes here exactly once.
    pub fn denied(&self, denial: &Denial) {
        self.note_private(denial);
        let mut counters = self.counters.borrow_mut();
        counters.denied += 1;
        let mut key = denial.target();
        if counters.denied_hosts.len() >= COUNTED_HOSTS && !counters.denied_hosts.contains_key(&key)
        {
            "…".clone_into(&mut key);
        }
        *counters.denied_hosts.entry(key).or_default() += 1;
        if let Some(event) = self.reports.borrow_mut().take(denial, Instant::now()) {
            self.tell(event);
        }
    }

    /// Something that a rule promises does not work. Told once, and then how often, now and then: who
    /// connects may be a program that does not give up.
    pub fn warn(&self, what: String, why: String) {
        if let Some(event) = self.reports.borrow_mut().warn(what, why, Instant::now()) {
            self.tell(event);
        }
    }

    /// Reports the questions, refusals and warnings that came too fast; all of them at the end of the run.
    pub fn report_waiting(&self, end: bool) {
        let asks = self.asks.borrow_mut().due(Instant::now(), end);
        for event in asks {
            self.tell(event);
        }
        for event in self.reports.borrow_mut().due(Instant::now(), end) {
            self.tell(event);
        }
    }

    /// To the supervisor. Its end is ours as well, so that a closed channel needs no word.
    pub fn tell(&self, event: Event) {
        drop(self.events.send(event));
    }

    /// Where packets to this address go.
    pub(super) fn path(&self, address: IpAddr) -> Path {
        self.routes.borrow_mut().path(address, Instant::now())
    }

    /// A place among the connector's connections, or `None` at its limit.
    pub fn admit(self: &Rc<Self>) -> Option<Permit> {
        if self.open.get() >= self.config.limits.connections {
            return None;
        }
        self.open.set(self.open.get() + 1);
        Some(Permit(Rc::clone(self)))
    }

    pub fn count_allowed(&self) {
        self.counters.borrow_mut().allowed += 1;
    }

    /// Bytes that went through: from the connector, to the connector.
    pub fn count_bytes(&self, out: u64, into: u64) {
        let mut counters = self.counters.borrow_mut();
        counters.bytes_out += out;
        counters.bytes_in += into;
    }

    pub fn counters(&self) -> Counters {
        let open = u64::try_from(self.open.get()).unwrap_or(u64::MAX);
        Counters { open, ..self.counters.borrow().clone() }
    }

    /// Comes back when the grant would no longer be given: the rule was removed or has expired.
    pub async fn revoked(&self, grant: &Grant) {
        if broken(Control::Revocation) {
            return std::future::pending().await;
        }
        let mut changes = self.changed.subscribe();
        loop {
            let Ok(now) = self.again(grant) else { return };
            let expiry = async {
                match now.rule.expires {
                    Some(end) => {
                        let left = end.duration_since(SystemTime::now()).unwrap_or_default();
                        tokio::time::sleep(left.min(LOOK_AGAIN)).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = expiry => {}
                // The sender is ours: it cannot be gone.
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get().saturating_sub(1));
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.0.lives.borrow_mut().remove(&self.1);
    }
}
