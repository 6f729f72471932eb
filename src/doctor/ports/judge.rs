//! What is wrong with the sockets that were seen. Pure.
//!
//! A UDP socket is taken for a server where it has no peer, unless the kernel could have given it its port
//! (`ip_local_port_range`) and the registry says nothing of that one: this is what the socket of a client
//! looks like.

mod holders;
mod services;

use super::facts::Facts;
use super::observed::{Access, Observed, Open};
use super::rules;
use crate::doctor::finding::{Finding, Place, Rule, Severity};
use crate::doctor::sockets::Transport;
use crate::policy::Origin;
use crate::ports::{Judgement, Proto, Registry, Reserved, Service};
use holders::{Verdict, verify};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

/// All findings, the worst first.
pub fn judge(seen: &Observed, registry: &Registry, facts: &Facts) -> Vec<Finding> {
    let mut judge = Judge {
        seen,
        registry,
        facts,
        found: Vec::new(),
        reported: BTreeSet::new(),
        listening: BTreeSet::new(),
        services: BTreeMap::new(),
    };
    let mut groups: HashMap<(Transport, u16), Vec<&Open>> = HashMap::new();
    for open in seen.sockets.iter().filter(|open| is_server(open, registry, facts)) {
        groups.entry((open.transport(), open.port())).or_default().push(open);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(key, _)| *key);
    for (_, group) in &groups {
        for open in group {
            judge.socket(open);
        }
        judge.two_holders(group);
    }
    judge.entries();
    judge.unix();
    let mut found = judge.found;
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}

/// True where somebody waits there for others; the module's text says which UDP sockets do.
pub fn is_server(open: &Open, registry: &Registry, facts: &Facts) -> bool {
    let port = open.port();
    let registered = |proto| {
        registry.service(proto, port).next().is_some() || registry.reserved_for(port).is_some()
    };
    match open.transport() {
        Transport::Tcp | Transport::Sctp => true,
        Transport::Udp => port != 0 && (!facts.is_ephemeral(port) || registered(Proto::Udp)),
        Transport::UdpLite => port != 0 && !facts.is_ephemeral(port),
        Transport::Raw | Transport::Icmp => false,
    }
}

fn proto(transport: Transport) -> Option<Proto> {
    match transport {
        Transport::Tcp => Some(Proto::Tcp),
        Transport::Udp => Some(Proto::Udp),
        _ => None,
    }
}

struct Judge<'a> {
    seen: &'a Observed,
    registry: &'a Registry,
    facts: &'a Facts,
    found: Vec<Finding>,
    /// Workers of one program share a port with as many sockets: one finding is enough.
    reported: BTreeSet<(&'static str, String, String)>,
    /// Services on whose port somebody listens, by their place in the registry.
    listening: BTreeSet<usize>,
    /// Process → the service whose port it holds.
    services: BTreeMap<u32, &'a Service>,
}

/// What a finding says beside its rule.
struct Said {
    subject: String,
    evidence: String,
    fix: String,
    place: Option<Place>,
}

impl<'a> Judge<'a> {
    fn report(&mut self, rule: &'static Rule, severity: Severity, said: Said) {
        let Said { subject, evidence, fix, place } = said;
        if self.reported.insert((rule.id, subject.clone(), evidence.clone())) {
            let safe_fix = false;
            self.found.push(Finding { rule, severity, subject, evidence, fix, safe_fix, place });
        }
    }

    /// One socket, alone.
    fn socket(&mut self, open: &Open) {
        let service = self.service_of(open);
        let exposed = self.not_loopback(open, service);
        let Some(service) = service else { return self.unregistered(open) };
        for pid in &open.pids {
            self.services.insert(*pid, service);
        }
        let bind = service.bind.to_canonical();
        let differs = open.addresses.iter().any(|address| *address != bind);
        // The wildcard of IPv6 answers for IPv4 as well, which is what such an entry means.
        if differs && !exposed && !covers(bind, &open.addresses) {
            self.bind_differs(open, service);
        }
        self.holder(open, service);
    }

    /// The entry for this socket: the one with its address, else any with its port. Every entry that it
    /// answers for has somebody who listens.
    fn service_of(&mut self, open: &Open) -> Option<&'a Service> {
        let proto = proto(open.transport())?;
        let registry = self.registry;
        let all = registry.services.iter().enumerate();
        let mut all: Vec<(usize, &Service)> =
            all.filter(|(_, s)| s.proto == proto && s.port.get() == open.port()).collect();
        let exact = |service: &Service| {
            open.addresses.iter().any(|address| covers(service.bind.to_canonical(), &[*address]))
        };
        all.sort_by_key(|(_, service)| !exact(service));
        let answers = |(_, service): &&(usize, &Service)| {
            let bind = [service.bind.to_canonical()];
            open.addresses.iter().any(|address| covers(*address, &bind))
        };
        self.listening.extend(all.iter().filter(answers).map(|(index, _)| index));
        let (index, service) = *all.first()?;
        self.listening.insert(index);
        Some(service)
    }

    /// True where it was reported.
    fn not_loopback(&mut self, open: &Open, service: Option<&Service>) -> bool {
        let Some(severity) = severity(self.registry.policy.non_loopback) else { return false };
        let decided = service.is_some_and(|service| {
            !service.bind.is_loopback() && covers(service.bind.to_canonical(), &open.addresses)
        });
        if open.loopback || decided {
            return false;
        }
        let mut evidence = format!("{}, {}", everywhere(open), self.held_by(open));
        let (proto, port) = (open.transport().name(), open.port());
        let fix = match (service, &open.addresses[..]) {
            (Some(service), _) => {
                evidence += &format!("; registered for {}", service.bind);
                format!("make `{}` listen on {} as registered", service.name, service.bind)
            }
            (None, [address, ..]) if self::proto(open.transport()).is_some() => format!(
                "make it listen on 127.0.0.1, or decide that it may: \
                 jail ports add NAME --port {port} --proto {proto} --bind {address} --non-loopback"
            ),
            _ => "make it listen on 127.0.0.1".to_owned(),
        };
        let place = service.and_then(|service| place(&service.origin));
        let said = Said { subject: open.subject(), evidence, fix, place };
        self.report(&rules::NOT_LOOPBACK, severity, said);
        true
    }

    fn unregistered(&mut self, open: &Open) {
        if let Some(reserved) = self.registry.reserved_for(open.port()) {
            let connectors = self.connectors(open);
            if connectors.contains(&reserved.connector.as_str()) {
                return;
            }
            if self.holders(open).next().is_none() && self.seen.hidden > 0 {
                return self.reserved_unseen(open, reserved);
            }
            let evidence = format!(
                "{} is kept for connector {}; {}",
                reserved.range,
                reserved.connector,
                self.held_by(open)
            );
            let fix = "end it, or change the range in the registry".to_owned();
            let place = place(&reserved.origin);
            let said = Said { subject: open.subject(), evidence, fix, place };
            return self.report(&rules::RESERVED, rules::RESERVED.severity, said);
        }
        let Some(severity) = severity(self.registry.policy.unregistered) else { return };
        let port = open.port();
        let fix = match proto(open.transport()) {
            Some(proto) => {
                let bind = match open.addresses.first() {
                    Some(address) if open.loopback => format!(" --bind {address}"),
                    _ => String::new(),
                };
                format!(
                    "end it, or register it: jail ports add NAME --port {port} --proto {proto}{bind}"
                )
            }
            None => "end it: the registry has ports of TCP and UDP only".to_owned(),
        };
        let evidence = self.held_by(open);
        let said = Said { subject: open.subject(), evidence, fix, place: None };
        self.report(&rules::UNREGISTERED, severity, said);
    }

    /// It may well be the connector: what serves its ports is not for its user to look into.
    fn reserved_unseen(&mut self, open: &Open, reserved: &Reserved) {
        let Reserved { connector, range, origin } = reserved;
        let evidence = format!("{range} is kept for connector {connector}; {}", self.held_by(open));
        let fix = "run `jail doctor ports` as root".to_owned();
        let said = Said { subject: open.subject(), evidence, fix, place: place(origin) };
        self.report(&rules::UNVERIFIED, rules::UNVERIFIED.severity, said);
    }

    fn bind_differs(&mut self, open: &Open, service: &Service) {
        let evidence = format!(
            "`{}` is registered for {}, {}",
            service.name,
            service.bind,
            self.held_by(open)
        );
        let fix = format!("make it listen on {}, or change the entry", service.bind);
        let said = Said { subject: open.subject(), evidence, fix, place: place(&service.origin) };
        self.report(&rules::BIND_DIFFERS, rules::BIND_DIFFERS.severity, said);
    }

    fn holder(&mut self, open: &Open, service: &Service) {
        let (rule, why) = match verify(service, open, self.seen, self.facts) {
            Verdict::Right => {
                let held = self.holders(open);
                let gone: Vec<_> = held.filter(|holder| holder.deleted).collect();
                let Some(first) = gone.first() else { return };
                (&rules::DELETED, first.describe())
            }
            Verdict::Wrong(why) => (&rules::WRONG_HOLDER, why),
            Verdict::Unknown(why) => (&rules::UNVERIFIED, why),
        };
        let fix = match rule.id {
            "ports.deleted-program" => "start the service anew",
            "ports.unverified" => "run `jail doctor ports` as root",
            _ => "end it, or change the entry",
        };
        let evidence = format!("`{}`: {why}", service.name);
        let place = place(&service.origin);
        let said = Said { subject: open.subject(), evidence, fix: fix.to_owned(), place };
        self.report(rule, rule.severity, said);
    }

    fn connectors(&self, open: &Open) -> Vec<&'a str> {
        self.holders(open).filter_map(|holder| holder.connector.as_deref()).collect()
    }

    fn holders(&self, open: &Open) -> impl Iterator<Item = &'a super::Holder> + use<'a, '_> {
        let seen = self.seen;
        let pids = open.pids.clone();
        pids.into_iter().filter_map(move |pid| seen.holders.get(&pid))
    }

    /// The holders in words.
    fn held_by(&self, open: &Open) -> String {
        let user = self.facts.users.get(&open.socket.uid);
        let user = user.map_or_else(|| open.socket.uid.to_string(), Clone::clone);
        let mut names: Vec<String> =
            self.holders(open).take(3).map(super::Holder::describe).collect();
        if names.is_empty() {
            return format!("user {user}, {}", nobody(self.seen));
        }
        if let Some(more) = open.pids.len().checked_sub(3).filter(|more| *more > 0) {
            names.push(format!("{more} more"));
        }
        format!("user {user}, held by {}", names.join(", "))
    }

    fn unix(&mut self) {
        let seen = self.seen;
        for unix in &seen.unix {
            let Some((pid, service)) =
                unix.pids.iter().find_map(|pid| self.services.get_key_value(pid))
            else {
                continue;
            };
            let (pid, service) = (*pid, *service);
            let (rule, fix, more) = match unix.access {
                Access::Limited => continue,
                Access::Abstract => (
                    &rules::UNIX_ABSTRACT,
                    "give it a path in a folder of its own, or take it away",
                    String::new(),
                ),
                Access::Everybody(mode) => (
                    &rules::UNIX_OPEN,
                    "take the right from others: chmod o-w, or a folder of mode 0700",
                    format!(", mode {mode:04o}"),
                ),
            };
            let holder = seen.holders.get(&pid).map(super::Holder::describe).unwrap_or_default();
            let evidence = format!("`{}`: {holder}{more}", service.name);
            let subject = format!("unix {}", unix.name);
            let place = place(&service.origin);
            let said = Said { subject, evidence, fix: fix.to_owned(), place };
            self.report(rule, rule.severity, said);
        }
    }
}

/// Why there is no holder to name.
fn nobody(seen: &Observed) -> String {
    match seen.hidden {
        0 => {
            "held by nobody in this process's view: the kernel, or another pid namespace".to_owned()
        }
        hidden => format!("its holder may be one of {hidden} processes that we may not look into"),
    }
}

/// Where it answers.
fn everywhere(open: &Open) -> String {
    match &open.addresses[..] {
        [IpAddr::V6(one), _] if one.is_unspecified() => {
            "on every address, of IPv4 as well".to_owned()
        }
        [one] if one.is_unspecified() => "on every address".to_owned(),
        _ => "on an address that is not loopback".to_owned(),
    }
}

/// A socket bound to `bind` answers at all of these.
fn covers(bind: IpAddr, addresses: &[IpAddr]) -> bool {
    addresses.iter().all(|address| {
        *address == bind || bind.is_unspecified() && (bind.is_ipv6() || address.is_ipv4())
    })
}

fn severity(judgement: Judgement) -> Option<Severity> {
    match judgement {
        Judgement::Allow => None,
        Judgement::Warn => Some(Severity::Warning),
        Judgement::Deny => Some(Severity::Error),
    }
}

fn place(origin: &Origin) -> Option<Place> {
    match origin {
        Origin::File { path, line, column } => {
            Some(Place { file: path.clone(), line: *line, column: *column })
        }
        Origin::BuiltIn(_) | Origin::Flag(_) => None,
    }
}

#[cfg(test)]
mod tests;
