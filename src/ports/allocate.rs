//! Finds a port for a service: the same one for the same name, as long as nobody else has it.
//!
//! Where the search begins depends on the name alone, so that a service that is taken out and allocated
//! again, here or on another machine, comes to the same port wherever it is free.

use super::{Judgement, PortRange, Proto, Registry, Service, ServiceName};
use crate::failure::{Failure, Kind};
use crate::policy::Origin;
use sha2::{Digest, Sha256};
use std::io;
use std::net::IpAddr;
use std::num::NonZeroU16;

/// Below are the ports that only root may bind.
const FIRST: u16 = 1024;
/// Below are those that people and well-known services choose by hand.
const USUAL: u16 = 10_000;

/// A service without its port.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub name: ServiceName,
    /// Where the port must be; what is usual without this.
    pub range: Option<PortRange>,
    pub proto: Option<Proto>,
    pub bind: Option<IpAddr>,
    pub owner: Option<String>,
    pub connector: Option<String>,
    pub container: Option<String>,
    pub program: Option<String>,
    pub note: Option<String>,
}

/// The service as it is registered, or with the first port that is free for it. `free` asks the kernel.
pub fn service(
    wanted: &Wanted,
    registry: &Registry,
    ephemeral: Option<PortRange>,
    free: &dyn Fn(Proto, IpAddr, u16) -> io::Result<()>,
) -> Result<Service, Failure> {
    if let Some(known) = registry.named(&wanted.name) {
        if let Some(range) = wanted.range.filter(|range| !range.contains(known.port.get())) {
            let Service { name, port, origin, .. } = known;
            let what = format!("`{name}` has port {port} already ({origin}), not one of {range}");
            let hint = format!("to give it another: jail ports remove {name}");
            return Err(Failure::new(Kind::Refused, what).hint(hint));
        }
        return Ok(wanted.over(known.clone()));
    }
    let ranges = match (wanted.range, &wanted.connector) {
        (Some(range), _) => vec![range],
        (None, Some(connector)) => own(registry, connector),
        (None, None) => Vec::new(),
    };
    let ranges = if ranges.is_empty() { vec![usual(ephemeral)?] } else { ranges };
    let mut service = wanted.over(Service {
        name: wanted.name.clone(),
        port: NonZeroU16::MIN,
        proto: Proto::default(),
        bind: Service::DEFAULT_BIND,
        owner: None,
        connector: None,
        container: None,
        program: None,
        note: None,
        origin: Origin::BuiltIn("allocation"),
    });
    let (mut registered, mut bound, mut last) = (0_u32, 0_u32, None);
    for port in order(&wanted.name, &ranges) {
        service.port = port;
        if !open(registry, &service) {
            registered += 1;
            continue;
        }
        match free(service.proto, service.bind, port.get()) {
            Ok(()) => return Ok(service),
            Err(error) => {
                bound += 1;
                last = Some(error);
            }
        }
    }
    let shown: Vec<String> = ranges.iter().map(ToString::to_string).collect();
    let what = format!("no port of {} is free for `{}`", shown.join(", "), wanted.name);
    let failure = Failure::new(Kind::Refused, what)
        .because(format!("{registered} are registered or reserved, {bound} cannot be bound now"));
    let failure = match last {
        Some(error) => failure.because(format!("the last that was tried: {error}")),
        None => failure,
    };
    Err(failure.hint("name another range: --range FIRST-LAST"))
}

impl Wanted {
    /// The service with everything that is asked for.
    fn over(&self, mut service: Service) -> Service {
        let Self { name: _, range: _, proto, bind, owner, connector, container, program, note } =
            self;
        service.proto = proto.unwrap_or(service.proto);
        service.bind = bind.unwrap_or(service.bind);
        for (old, new) in [
            (&mut service.owner, owner),
            (&mut service.connector, connector),
            (&mut service.container, container),
            (&mut service.program, program),
            (&mut service.note, note),
        ] {
            if new.is_some() {
                old.clone_from(new);
            }
        }
        service
    }
}

/// What is reserved for the connector.
fn own(registry: &Registry, connector: &str) -> Vec<PortRange> {
    let own = registry.reserved.iter().filter(|reserved| reserved.connector == connector);
    own.map(|reserved| reserved.range).collect()
}

/// Where nobody says: above what people choose by hand, outside of what the kernel gives to clients, who
/// could have the port just when the service starts.
fn usual(ephemeral: Option<PortRange>) -> Result<PortRange, Failure> {
    let range = |first, last| PortRange::new(NonZeroU16::new(first)?, NonZeroU16::new(last)?);
    let (first, last) = ephemeral.map_or((u16::MAX, u16::MAX), |it| (it.first(), it.last()));
    let above = last.checked_add(1).and_then(|next| range(next.max(FIRST), u16::MAX));
    range(USUAL, first.saturating_sub(1))
        .or(above)
        .or_else(|| range(FIRST, first.saturating_sub(1)))
        .ok_or_else(|| {
            Failure::new(Kind::Refused, "the kernel gives every port from 1024 up to clients")
                .because("net.ipv4.ip_local_port_range leaves none")
                .hint("make that range smaller, or name one: --range FIRST-LAST")
        })
}

/// True where the registry leaves the port to this service.
fn open(registry: &Registry, service: &Service) -> bool {
    let port = service.port.get();
    registry.service(service.proto, port).next().is_none()
        && registry
            .reserved_for(port)
            .is_none_or(|reserved| service.connector.as_ref() == Some(&reserved.connector))
}

/// Every port of the ranges once, from the one that the name leads to.
fn order(name: &ServiceName, ranges: &[PortRange]) -> impl Iterator<Item = NonZeroU16> {
    let ports: Vec<u16> = ranges.iter().flat_map(|range| range.first()..=range.last()).collect();
    let digest = Sha256::digest(name.as_str().as_bytes());
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let start = usize::try_from(number % (ports.len().max(1) as u64)).unwrap_or(0);
    let (before, after) = ports.split_at(start);
    [after, before].concat().into_iter().filter_map(NonZeroU16::new)
}

/// Why a service may not be on this address: other machines can reach it, and nobody decided so. An entry
/// is such a decision, so that it takes a word of its own to make one.
pub fn beyond_loopback(registry: &Registry, bind: IpAddr, meant: bool) -> Result<(), Failure> {
    let policy = registry.policy.non_loopback;
    if bind.is_loopback() || meant || policy == Judgement::Allow {
        return Ok(());
    }
    let says = if policy == Judgement::Deny { "denies" } else { "warns of" };
    Err(Failure::new(Kind::Refused, format!("other machines can reach {bind}"))
        .because(format!("the registry's policy {says} what no entry decides otherwise"))
        .hint("use --bind 127.0.0.1 where this machine alone is to reach it")
        .hint("if it is meant, add --non-loopback: the entry then allows this address and port"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> PortRange {
        crate::ports::store::decode::range(text).unwrap()
    }

    fn registry(text: &str) -> Registry {
        crate::ports::store::decode::registry("ports.yaml".as_ref(), text.as_bytes()).unwrap()
    }

    fn wanted(name: &str, within: &str) -> Wanted {
        Wanted {
            name: ServiceName::new(name).unwrap(),
            range: (!within.is_empty()).then(|| range(within)),
            proto: None,
            bind: None,
            owner: None,
            connector: None,
            container: None,
            program: None,
            note: None,
        }
    }

    fn all(_: Proto, _: IpAddr, _: u16) -> io::Result<()> {
        Ok(())
    }

    fn none(_: Proto, _: IpAddr, _: u16) -> io::Result<()> {
        Err(io::ErrorKind::AddrInUse.into())
    }

    #[test]
    fn every_port_of_the_ranges_is_tried_once() {
        let name = ServiceName::new("web").unwrap();
        let ranges = [range("3000-3009"), range("5000")];
        let order: Vec<u16> = order(&name, &ranges).map(NonZeroU16::get).collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (3000..=3009).chain([5000]).collect::<Vec<_>>());
        assert!(order.windows(2).filter(|two| two[0] > two[1]).count() <= 1, "{order:?}");
    }

    /// A promise to those who wrote the port down elsewhere: these numbers do not change.
    #[test]
    fn the_name_decides() {
        let empty = Registry::default();
        let port = |name: &str, within| {
            service(&wanted(name, within), &empty, Some(range("32768-60999")), &all).unwrap().port
        };
        assert_eq!(port("localai", "").get(), LOCALAI);
        assert_eq!(port("preview", "").get(), PREVIEW);
        assert!(range("3100-3199").contains(port("preview", "3100-3199").get()));
    }

    const LOCALAI: u16 = 11_577;
    const PREVIEW: u16 = 17_441;

    #[test]
    fn what_others_have_is_left_out() {
        let text = "version: 1\nservices:\n  a: {port: 3000}\n  u: {port: 3004, proto: udp}\n\
                    reserved:\n  web: [3001-3002]\n";
        let registry = registry(text);
        let mut found = Vec::new();
        for name in ["a1", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"] {
            let service = service(&wanted(name, "3000-3004"), &registry, None, &all).unwrap();
            assert!([3003, 3004].contains(&service.port.get()), "{service:?}");
            found.push(service.port.get());
        }
        assert!(found.contains(&3003) && found.contains(&3004), "{found:?}");
        let mut own = wanted("x", "");
        own.connector = Some("web".to_owned());
        let service = service(&own, &registry, None, &all).unwrap();
        assert!([3001, 3002].contains(&service.port.get()));
    }

    #[test]
    fn a_service_keeps_its_port() {
        let registry = registry("version: 1\nservices:\n  a: {port: 3000, note: mine}\n");
        let known = service(&wanted("a", ""), &registry, None, &none).unwrap();
        assert_eq!((&known, known.port.get()), (&registry.services[0], 3000));
        let failure = service(&wanted("a", "4000-4001"), &registry, None, &all).unwrap_err();
        assert!(failure.what.contains("has port 3000 already"), "{failure}");
    }

    #[test]
    fn where_nothing_is_free_it_says_so() {
        let registry = registry("version: 1\nservices:\n  a: {port: 3000}\n");
        let failure = service(&wanted("b", "3000-3002"), &registry, None, &none).unwrap_err();
        let text = failure.to_string();
        assert!(text.contains("1 are registered or reserved, 2 cannot be bound"), "{text}");
    }

    #[test]
    fn clients_and_the_service_do_not_meet() {
        let usual = |ephemeral: &str| usual(Some(range(ephemeral))).map(|it| it.to_string());
        assert_eq!(usual("32768-60999").unwrap(), "10000-32767");
        assert_eq!(usual("1024-50000").unwrap(), "50001-65535");
        assert_eq!(usual("9000-65535").unwrap(), "1024-8999");
        assert!(usual("1-65535").is_err());
    }

    #[test]
    fn other_machines_are_let_in_only_where_somebody_decided() {
        let of = |policy| registry(&format!("version: 1\npolicy: {{non_loopback: {policy}}}\n"));
        let everywhere = "0.0.0.0".parse().unwrap();
        for (policy, word) in [("deny", "denies"), ("warn", "warns of")] {
            let refused = beyond_loopback(&of(policy), everywhere, false).unwrap_err().to_string();
            assert!(refused.contains(word) && refused.contains("--non-loopback"), "{refused}");
            assert!(beyond_loopback(&of(policy), everywhere, true).is_ok());
        }
        assert!(beyond_loopback(&of("allow"), everywhere, false).is_ok());
        assert!(beyond_loopback(&Registry::default(), "::1".parse().unwrap(), false).is_ok());
    }
}
