use super::*;
use crate::doctor::ports::Holder;
use crate::doctor::ports::facts::Interface;
use crate::doctor::ports::observed::OpenUnix;
use crate::doctor::sockets::cgroup::Container;
use crate::doctor::sockets::{Inet, State, Told};
use crate::ports::{PortRange, RegistryPolicy, ServiceName};
use std::num::NonZeroU16;

/// A machine that is put together socket by socket.
#[derive(Default)]
struct World {
    seen: Observed,
    registry: Registry,
    facts: Facts,
}

fn inet(text: &str, transport: Transport, told: Option<Told>) -> Inet {
    let local: std::net::SocketAddr = text.parse().unwrap();
    let state = if transport == Transport::Tcp { State::LISTEN } else { State::CLOSE };
    let remote = "0.0.0.0:0".parse().unwrap();
    let inode = u64::from(local.port());
    Inet { transport, v6: local.is_ipv6(), local, remote, state, uid: 1000, inode, told }
}

impl World {
    fn new() -> Self {
        let mut world = Self::default();
        world.facts.users = [(0, "root".to_owned()), (1000, "alice".to_owned())].into();
        let lo = Interface { index: 1, name: "lo".into(), loopback: true, addresses: Vec::new() };
        let link = "fe80::7".parse().unwrap();
        let eth =
            Interface { index: 2, name: "eth0".into(), loopback: false, addresses: vec![link] };
        world.facts.interfaces = vec![lo, eth];
        world
    }

    fn socket(mut self, text: &str, transport: Transport, told: Option<Told>, pid: u32) -> Self {
        let open = Open::new(inet(text, transport, told), vec![pid], false, &self.facts);
        self.seen.sockets.push(open);
        self.holder(pid, |_| {})
    }

    fn tcp(self, text: &str, pid: u32) -> Self {
        self.socket(text, Transport::Tcp, None, pid)
    }

    fn udp(self, text: &str, pid: u32) -> Self {
        self.socket(text, Transport::Udp, None, pid)
    }

    fn holder(mut self, pid: u32, change: impl Fn(&mut Holder)) -> Self {
        let program = Some(format!("/usr/bin/p{pid}").into());
        let new = Holder { pid, name: format!("p{pid}"), program, ..Holder::default() };
        change(self.seen.holders.entry(pid).or_insert(new));
        self
    }

    fn service(mut self, name: &str, port: u16, change: impl Fn(&mut Service)) -> Self {
        let mut service = Service {
            name: ServiceName::new(name).unwrap(),
            port: NonZeroU16::new(port).unwrap(),
            proto: Proto::Tcp,
            bind: Service::DEFAULT_BIND,
            owner: None,
            connector: None,
            container: None,
            program: None,
            note: None,
            origin: Origin::BuiltIn("test"),
        };
        change(&mut service);
        self.registry.services.push(service);
        self
    }

    fn policy(mut self, unregistered: Judgement, non_loopback: Judgement) -> Self {
        self.registry.policy = RegistryPolicy { unregistered, non_loopback };
        self
    }

    fn found(&self) -> Vec<Finding> {
        judge(&self.seen, &self.registry, &self.facts)
    }

    /// The rules that were broken, without the part before the dot.
    fn ids(&self) -> Vec<&'static str> {
        let found = self.found();
        found.iter().map(|finding| finding.rule.id.strip_prefix("ports.").unwrap()).collect()
    }
}

/// A registered service at 127.0.0.1:8080, held by process 7.
fn good() -> World {
    World::new().service("web", 8080, |_| {}).tcp("127.0.0.1:8080", 7)
}

#[test]
fn what_is_as_registered_is_clean() {
    assert_eq!(good().ids(), [""; 0]);
}

#[test]
fn loopback_in_every_form() {
    for address in ["127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        assert_eq!(World::new().tcp(address, 7).ids(), ["unregistered"], "{address}");
    }
    for address in ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "[::ffff:10.0.0.1]:80", "[fe80::7]:80"]
    {
        assert_eq!(
            World::new().tcp(address, 7).ids(),
            ["not-loopback", "unregistered"],
            "{address}"
        );
    }
}

#[test]
fn one_socket_answers_for_every_entry_that_its_address_covers() {
    let both = |address| {
        let other = |service: &mut Service| service.bind = "10.0.0.1".parse().unwrap();
        let world = World::new().policy(Judgement::Allow, Judgement::Allow);
        world.service("one", 80, |_| {}).service("two", 80, other).tcp(address, 7).ids()
    };
    assert!(!both("0.0.0.0:80").contains(&"not-listening"));
    assert!(!both("[::]:80").contains(&"not-listening"));
    assert!(both("10.0.0.1:80").contains(&"not-listening"));
}

#[test]
fn a_range_that_is_kept_is_looked_at_where_clients_have_their_ports_too() {
    let mut world = World::new().udp("127.0.0.1:40005", 7);
    assert_eq!(world.ids(), [""; 0]);
    let number = |port| NonZeroU16::new(port).unwrap();
    let range = PortRange::new(number(40000), number(40009)).unwrap();
    let origin = Origin::BuiltIn("test");
    world.registry.reserved.push(Reserved { connector: "web".into(), range, origin });
    assert_eq!(world.ids(), ["reserved"]);
}

#[test]
fn bound_to_an_interface() {
    let told = |device| Some(Told { device, only_v6: None });
    let on = |device| World::new().socket("0.0.0.0:80", Transport::Tcp, told(device), 7);
    assert_eq!(on(1).ids(), ["unregistered"], "the loopback interface");
    assert_eq!(on(2).found()[0].subject, "tcp 0.0.0.0%eth0:80");
    let link = World::new().tcp("[fe80::7]:80", 7);
    assert_eq!(link.found()[0].subject, "tcp [fe80::7%eth0]:80");
}

#[test]
fn a_wildcard_of_both_families() {
    let both = World::new().tcp("[::]:80", 7);
    assert!(both.found()[0].evidence.contains("of IPv4 as well"));
    let told = Some(Told { device: 0, only_v6: Some(true) });
    let six = World::new().socket("[::]:80", Transport::Tcp, told, 7);
    assert!(!six.found()[0].evidence.contains("IPv4"));
    // Unknown, but an IPv4 socket has the port.
    let facts = Facts::default();
    let twin = Open::new(inet("[::]:80", Transport::Tcp, None), vec![], true, &facts);
    assert_eq!(twin.addresses.len(), 1);
}

#[test]
fn the_policy_says_how_bad_it_is() {
    let severity = |world: World| -> Vec<Severity> {
        world.found().iter().map(|finding| finding.severity).collect()
    };
    let world = || World::new().tcp("0.0.0.0:80", 7);
    use Judgement::{Allow, Deny, Warn};
    assert_eq!(severity(world()), [Severity::Error, Severity::Warning]);
    assert_eq!(severity(world().policy(Deny, Warn)), [Severity::Error, Severity::Warning]);
    assert_eq!(severity(world().policy(Allow, Warn)), [Severity::Warning]);
    assert_eq!(severity(world().policy(Allow, Allow)), []);
}

#[test]
fn an_entry_can_allow_an_address() {
    let at = |bind: &str, socket: &str| {
        let bind = bind.parse().unwrap();
        let world = World::new().service("web", 8080, |service| service.bind = bind);
        world.tcp(socket, 7).ids()
    };
    assert_eq!(at("0.0.0.0", "0.0.0.0:8080"), [""; 0]);
    assert_eq!(at("0.0.0.0", "10.0.0.1:8080"), [""; 0]);
    assert_eq!(at("::", "[::]:8080"), [""; 0]);
    assert_eq!(at("0.0.0.0", "[::]:8080"), ["not-loopback"], "wider than what was decided");
    assert_eq!(at("127.0.0.1", "0.0.0.0:8080"), ["not-loopback"]);
    assert_eq!(at("127.0.0.1", "127.0.0.2:8080"), ["bind-differs"]);
    assert_eq!(at("127.0.0.1", "[::1]:8080"), ["bind-differs"]);
}

#[test]
fn a_wide_socket_that_policy_allows_still_differs() {
    let world = World::new().service("web", 8080, |_| {}).tcp("0.0.0.0:8080", 7);
    assert_eq!(world.policy(Judgement::Deny, Judgement::Allow).ids(), ["bind-differs"]);
}

#[test]
fn holders_are_compared() {
    let with = |change: &dyn Fn(&mut Service)| {
        World::new().service("web", 8080, change).tcp("127.0.0.1:8080", 7)
    };
    let program = |text: &'static str| with(&move |service| service.program = Some(text.into()));
    assert_eq!(program("/usr/bin/p7").ids(), [""; 0]);
    assert_eq!(program("p7").ids(), [""; 0]);
    assert_eq!(program("/bin/p7").ids(), ["wrong-holder"]);
    assert_eq!(program("p").ids(), ["wrong-holder"]);
    let owner = |text: &'static str| with(&move |service| service.owner = Some(text.into()));
    assert_eq!(owner("alice").ids(), [""; 0]);
    assert_eq!(owner("1000").ids(), [""; 0]);
    assert_eq!(owner("root").ids(), ["wrong-holder"]);
    assert_eq!(owner("nobody-here").ids(), ["unverified"]);
    let connector = || with(&|service| service.connector = Some("search".into()));
    assert_eq!(connector().ids(), ["wrong-holder"]);
    assert_eq!(connector().holder(7, |it| it.connector = Some("search".into())).ids(), [""; 0]);
    assert_eq!(
        connector().holder(7, |it| it.connector = Some("other".into())).ids(),
        ["wrong-holder"]
    );
}

#[test]
fn containers_are_compared_by_name_or_number() {
    let id = "0123456789abcdef".repeat(4);
    let in_container = |wanted: &str, name: Option<&str>| {
        let container = Container {
            engine: "docker",
            id: id.clone(),
            name: name.map(str::to_owned),
            publishes: true,
        };
        let world = World::new().service("web", 8080, |it| it.container = Some(wanted.to_owned()));
        let world = world.tcp("127.0.0.1:8080", 7);
        world.holder(7, |holder| holder.container = Some(container.clone())).ids()
    };
    assert_eq!(in_container("web", Some("web")), [""; 0]);
    assert_eq!(in_container("web", Some("other")), ["wrong-holder"]);
    assert_eq!(in_container("web", None), ["unverified"]);
    assert_eq!(in_container("0123456789ab", None), [""; 0]);
    let world = World::new().service("web", 8080, |it| it.container = Some("web".into()));
    assert_eq!(world.tcp("127.0.0.1:8080", 7).ids(), ["wrong-holder"], "in no container");
}

#[test]
fn what_cannot_be_seen_is_said() {
    let mut world = World::new().service("web", 8080, |it| it.program = Some("p7".into()));
    world.seen.hidden = 3;
    let open = Open::new(inet("127.0.0.1:8080", Transport::Tcp, None), vec![], false, &world.facts);
    world.seen.sockets.push(open);
    assert_eq!(world.ids(), ["unverified"]);
    assert!(world.found()[0].evidence.contains("one of 3 processes"));
}

#[test]
fn a_program_whose_file_is_gone() {
    let world = good().holder(7, |holder| holder.deleted = true);
    assert_eq!(world.ids(), ["deleted-program"]);
}

#[test]
fn two_on_one_port() {
    let two = |one: &str, other: &str| {
        World::new().policy(Judgement::Allow, Judgement::Allow).tcp(one, 7).tcp(other, 8).ids()
    };
    assert_eq!(two("127.0.0.1:80", "127.0.0.1:80"), ["two-holders"]);
    assert_eq!(two("0.0.0.0:80", "127.0.0.1:80"), ["two-holders"]);
    assert_eq!(two("[::]:80", "127.0.0.1:80"), ["two-holders"], "of both families");
    assert_eq!(two("127.0.0.1:80", "127.0.0.2:80"), [""; 0]);
    assert_eq!(two("[::1]:80", "0.0.0.0:80"), [""; 0]);
    assert_eq!(two("127.0.0.1:80", "127.0.0.1:81"), [""; 0]);
    // Workers of one program are one holder.
    let workers = World::new().policy(Judgement::Allow, Judgement::Allow);
    let workers = workers.tcp("127.0.0.1:80", 7).tcp("127.0.0.1:80", 8);
    let same = workers.holder(8, |holder| holder.program = Some("/usr/bin/p7".into()));
    assert_eq!(same.ids(), [""; 0]);
}

#[test]
fn two_users_with_one_program() {
    let mut world = World::new().policy(Judgement::Allow, Judgement::Allow);
    world = world.udp("127.0.0.1:80", 7).udp("127.0.0.1:80", 7);
    assert_eq!(world.ids(), [""; 0]);
    world.seen.sockets[1].socket.uid = 0;
    assert_eq!(world.ids(), ["two-holders"]);
}

#[test]
fn servers_and_clients_of_udp() {
    assert_eq!(World::new().udp("127.0.0.1:5353", 7).ids(), ["unregistered"]);
    assert_eq!(World::new().udp("0.0.0.0:40000", 7).ids(), [""; 0], "a client's");
    let udp = |service: &mut Service| service.proto = Proto::Udp;
    let registered = World::new().service("a", 40000, udp).udp("0.0.0.0:40000", 7);
    assert_eq!(registered.ids(), ["not-loopback", "ephemeral"]);
    // The same number of TCP is another port.
    let tcp = World::new().service("a", 40000, |_| {}).udp("0.0.0.0:40000", 7);
    assert_eq!(tcp.ids(), ["ephemeral", "not-listening"]);
}

#[test]
fn entries_alone() {
    let entry = |port| World::new().service("a", port, |_| {}).ids();
    assert_eq!(entry(8080), ["not-listening"]);
    assert_eq!(entry(80), ["privileged", "not-listening"]);
    assert_eq!(entry(40000), ["ephemeral", "not-listening"]);
    let two = World::new().service("a", 8080, |_| {}).service("b", 8080, |_| {});
    assert_eq!(two.tcp("127.0.0.1:8080", 7).ids(), ["registry"]);
}

#[test]
fn ranges_of_connectors() {
    let port = |number| NonZeroU16::new(number).unwrap();
    let range = PortRange::new(port(3100), port(3199)).unwrap();
    let reserved = Reserved { connector: "web".into(), range, origin: Origin::BuiltIn("test") };
    let mut world = World::new().tcp("127.0.0.1:3150", 7);
    world.registry.reserved.push(reserved);
    assert_eq!(world.ids(), ["reserved"]);
    world = world.holder(7, |holder| holder.connector = Some("web".into()));
    assert_eq!(world.ids(), [""; 0]);
    // Whoever it is cannot be seen.
    world.seen.sockets[0].pids.clear();
    world.seen.hidden = 3;
    assert_eq!(world.ids(), ["unverified"]);
}

#[test]
fn unix_sockets_of_services() {
    let unix = |access, pid| {
        let mut world = good();
        world.seen.unix.push(OpenUnix { name: "@x".into(), pids: vec![pid], access });
        world.ids()
    };
    assert_eq!(unix(Access::Abstract, 7), ["unix-abstract"]);
    assert_eq!(unix(Access::Everybody(0o666), 7), ["unix-open"]);
    assert_eq!(unix(Access::Limited, 7), [""; 0]);
    assert_eq!(unix(Access::Abstract, 8), [""; 0], "of no service");
}

#[test]
fn many_sockets_of_one_kind_are_one_finding() {
    let mut world = World::new();
    for _ in 0..50 {
        world = world.tcp("127.0.0.1:80", 7);
    }
    assert_eq!(world.ids(), ["unregistered"]);
}
