//! Which ports are closed to whom: the registry, put in order for those who write rules.

use super::super::{Proto, Registry, Service};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Ports with one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) proto: Proto,
    pub(super) first: u16,
    /// Belongs to it.
    pub(super) last: u16,
    /// Where it stays open, by decision.
    pub(super) open4: Open<Ipv4Addr>,
    pub(super) open6: Open<Ipv6Addr>,
    /// Whose they are.
    pub(super) whose: String,
}

/// To whom a port stays open, in one family of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Open<A> {
    ToNobody,
    /// To those who ask for these addresses of the host.
    At(Vec<A>),
    ToAll,
}

impl<A: PartialEq> Open<A> {
    fn also_at(&mut self, address: A) {
        match self {
            Self::ToNobody => *self = Self::At(vec![address]),
            Self::At(known) if known.contains(&address) => {}
            Self::At(known) => known.push(address),
            Self::ToAll => {}
        }
    }
}

impl Closed {
    /// Sorted by transport and port; none that is open to everybody.
    pub(super) fn of(registry: &Registry) -> Vec<Self> {
        let mut own: BTreeMap<(Proto, u16), Self> = BTreeMap::new();
        for service in &registry.services {
            let port = service.port.get();
            own.entry((service.proto, port))
                .or_insert_with(|| Self::to_all((service.proto, port, port)))
                .add(service);
        }
        let mut all = Vec::new();
        for reserved in &registry.reserved {
            for proto in [Proto::Tcp, Proto::Udp] {
                let taken = own.keys().filter(|(of, _)| *of == proto).map(|(_, port)| *port);
                let range = (reserved.range.first(), reserved.range.last());
                for (first, last) in without(range, taken) {
                    let whose = format!("reserved for {}", reserved.connector);
                    all.push(Self { whose, ..Self::to_all((proto, first, last)) });
                }
            }
        }
        let everybody = |it: &Self| it.open4 == Open::ToAll && it.open6 == Open::ToAll;
        all.extend(own.into_values().filter(|it| !everybody(it)));
        all.sort_by_key(|it| (it.proto, it.first, it.last));
        all
    }

    /// The ports, closed to all others than this machine.
    fn to_all((proto, first, last): (Proto, u16, u16)) -> Self {
        let (open4, open6) = (Open::ToNobody, Open::ToNobody);
        Self { proto, first, last, open4, open6, whose: String::new() }
    }

    fn add(&mut self, service: &Service) {
        if !self.whose.is_empty() {
            self.whose += ", ";
        }
        self.whose += service.name.as_str();
        // A mapped address is IPv4's. `::` takes both families, 0.0.0.0 only its own.
        match service.bind.to_canonical() {
            bind if bind.is_loopback() => {}
            IpAddr::V4(bind) if bind.is_unspecified() => self.open4 = Open::ToAll,
            IpAddr::V6(bind) if bind.is_unspecified() => {
                (self.open4, self.open6) = (Open::ToAll, Open::ToAll);
            }
            IpAddr::V4(bind) => self.open4.also_at(bind),
            IpAddr::V6(bind) => self.open6.also_at(bind),
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.proto, self.first)?;
        if self.first != self.last {
            write!(f, "-{}", self.last)?;
        }
        write!(f, " ({})", super::plain(&self.whose))?;
        let open = [listed(&self.open4, "IPv4"), listed(&self.open6, "IPv6")];
        let open: Vec<String> = open.into_iter().flatten().collect();
        if open.is_empty() { Ok(()) } else { write!(f, ", but open at {}", open.join(", ")) }
    }
}

fn listed<A: fmt::Display>(open: &Open<A>, family: &str) -> Option<String> {
    match open {
        Open::ToNobody => None,
        Open::At(all) => Some(all.iter().map(A::to_string).collect::<Vec<_>>().join(", ")),
        Open::ToAll => Some(format!("all of {family}")),
    }
}

/// What is left of a range without these ports, which are in order.
fn without((first, last): (u16, u16), taken: impl Iterator<Item = u16>) -> Vec<(u16, u16)> {
    let mut left = Vec::new();
    let mut next = u32::from(first);
    for port in taken.filter(|port| (first..=last).contains(port)) {
        push(&mut left, next, u32::from(port));
        next = u32::from(port) + 1;
    }
    push(&mut left, next, u32::from(last) + 1);
    left
}

/// From `first` to before `end`.
fn push(left: &mut Vec<(u16, u16)>, first: u32, end: u32) {
    // Both are ports wherever something is left.
    if let (Ok(first), Ok(last)) = (u16::try_from(first), u16::try_from(end.saturating_sub(1)))
        && first <= last
    {
        left.push((first, last));
    }
}
