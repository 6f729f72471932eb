//! What gets through, before and after.

use super::Scene;
use super::tool::{Tool, nft};
use super::world::*;
use jail::policy::Origin;
use jail::ports::export::Egress;
use jail::ports::{PortRange, Proto, Registry, RegistryPolicy, Reserved, Service, ServiceName};
use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::num::NonZeroU16;
use std::process::Command;
use std::time::Duration;

pub const ALL: &[Scene] = &[
    ("a_registered_port_is_for_this_machine_only", registered),
    ("what_is_bound_elsewhere_by_decision_stays_open_there", decided),
    ("loaded_twice_is_loaded_once_and_removed_is_as_before", twice),
    ("a_published_port_of_a_container_is_closed", published),
    ("another_port_that_leads_to_a_registered_one_is_closed", redirected),
    ("a_port_that_is_published_at_loopback_is_not_for_neighbours", published_at_loopback),
    ("loopback_is_not_reached_from_outside_by_route_localnet", route_localnet),
    ("what_others_accept_is_closed_all_the_same", accepted_by_others),
    ("answers_to_what_leaves_from_a_registered_port_come_in", answers),
    ("what_is_only_passed_on_is_left_alone", forwarded),
    ("an_open_connection_ends_and_those_of_others_do_not", open_connection),
    ("what_is_not_tracked_is_closed", untracked),
    ("odd_names_are_only_names", odd_names),
    ("a_user_that_runs_jails_reaches_its_ports_only", egress),
    ("a_user_that_runs_jails_reaches_public_addresses_only", egress_public),
];

fn port(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("a port")
}

fn service(name: &str, proto: Proto, number: u16, bind: IpAddr) -> Service {
    Service {
        name: ServiceName::new(name).expect("a name"),
        port: port(number),
        proto,
        bind,
        owner: None,
        connector: None,
        container: None,
        program: None,
        note: None,
        origin: Origin::BuiltIn("test"),
    }
}

/// 8080 by TCP and UDP, 8081, and a range.
fn registry() -> Registry {
    let range = PortRange::new(port(3100), port(3199)).expect("a range");
    Registry {
        services: vec![
            service("localai", Proto::Tcp, 8080, LOCAL4),
            service("localai-udp", Proto::Udp, 8080, LOCAL4),
            service("published", Proto::Tcp, 8081, LOCAL4),
        ],
        reserved: vec![Reserved {
            connector: "web-preview".into(),
            range,
            origin: Origin::BuiltIn("test"),
        }],
        policy: RegistryPolicy::default(),
    }
}

fn registered(tool: &Tool) {
    let world = build();
    // Dual-stack sockets: of both families.
    for number in [8080, 3150, 3099, 3200, 9999] {
        world.host.serve_tcp(ANY6, number);
        world.host.serve_udp(ANY6, number);
    }
    let sides = [&world.outside, &world.container];
    let everything = |number| {
        for side in sides {
            side.reaches(HOST4, number);
            side.reaches_udp(HOST4, number);
        }
        world.outside.reaches(HOST6, number);
        world.outside.reaches_udp(HOST6, number);
    };
    let closed = [8080, 3150];
    let untouched = [3099, 3200, 9999];
    closed.into_iter().chain(untouched).for_each(everything);
    tool.load(&registry(), None);
    for number in closed {
        for side in sides {
            side.hears_nothing(HOST4, number);
            side.hears_nothing_udp(HOST4, number);
        }
        world.outside.hears_nothing(HOST6, number);
        world.outside.hears_nothing_udp(HOST6, number);
        // From the host itself, at whichever of its addresses.
        for own in [LOCAL4, LOCAL6, HOST4, HOST6, GATE4] {
            world.host.reaches(own, number);
            world.host.reaches_udp(own, number);
        }
    }
    untouched.into_iter().for_each(everything);
    tool.unload();
    closed.into_iter().for_each(everything);
}

fn decided(tool: &Tool) {
    let world = build();
    for number in [8080, 8090, 8091] {
        world.host.serve_tcp(ANY6, number);
    }
    let mut registry = registry();
    registry.services = vec![
        service("everywhere", Proto::Tcp, 8080, ANY6),
        service("four", Proto::Tcp, 8090, ANY4),
        service("one-address", Proto::Tcp, 8091, OTHER4),
    ];
    let open = [(HOST4, 8080), (HOST6, 8080), (HOST4, 8090), (OTHER4, 8091)];
    let closed = [(HOST6, 8090), (HOST4, 8091), (HOST6, 8091)];
    open.iter().chain(&closed).for_each(|(to, number)| drop(world.outside.reaches(*to, *number)));
    tool.load(&registry, None);
    open.iter().for_each(|(to, number)| drop(world.outside.reaches(*to, *number)));
    closed.iter().for_each(|(to, number)| world.outside.hears_nothing(*to, *number));
    // A second entry for the port adds its address.
    registry.services.push(service("other-address", Proto::Tcp, 8091, HOST4));
    tool.load(&registry, None);
    world.outside.reaches(OTHER4, 8091);
    world.outside.reaches(HOST4, 8091);
    world.outside.hears_nothing(HOST6, 8091);
}

fn twice(tool: &Tool) {
    let _world = build();
    tool.furnish();
    let before = tool.everything();
    assert!(before.contains("others"), "{before}");
    // There is nothing of ours yet, and that is no error.
    tool.unload();
    assert_eq!(tool.everything(), before);
    let egress = Egress { users: vec![0], ports: vec![443], private: false };
    tool.load(&registry(), Some(&egress));
    let once = tool.everything();
    assert_ne!(once, before);
    tool.load(&registry(), Some(&egress));
    assert_eq!(tool.everything(), once);
    // What is not asked for any more is gone.
    tool.load(&Registry::default(), None);
    let empty = tool.everything();
    let user = if tool.iptables() { "uid-owner" } else { "skuid" };
    for gone in ["8080", "web-preview", user] {
        assert!(once.contains(gone), "{gone}: {once}");
        assert!(!empty.contains(gone), "{gone}: {empty}");
    }
    tool.load(&registry(), Some(&egress));
    assert_eq!(tool.everything(), once);
    tool.unload();
    assert_eq!(tool.everything(), before);
    tool.unload();
    assert_eq!(tool.everything(), before);
}

/// As container engines publish: whatever comes for an address of the host.
fn publish(from: u16, to: u16) {
    nft(&format!(
        "table ip engine_{from} {{ chain in {{ type nat hook prerouting priority dstnat; policy accept; \
         fib daddr type local tcp dport {from} dnat to {BOX4}:{to}; }}; }}"
    ));
}

fn published(tool: &Tool) {
    let world = build();
    world.container.serve_tcp(ANY4, 80);
    publish(8081, 80);
    publish(8082, 80);
    for number in [8081, 8082] {
        world.outside.reaches(HOST4, number);
    }
    tool.load(&registry(), None);
    world.outside.hears_nothing(HOST4, 8081);
    world.outside.hears_nothing(OTHER4, 8081);
    world.outside.reaches(HOST4, 8082);
    tool.unload();
    world.outside.reaches(HOST4, 8081);
}

fn redirected(tool: &Tool) {
    let world = build();
    world.host.serve_tcp(ANY6, 8080);
    world.host.serve_tcp(ANY6, 9999);
    nft(
        "table inet shortcut { chain in { type nat hook prerouting priority dstnat; policy accept; \
         tcp dport 7001 redirect to :8080; tcp dport 7002 redirect to :9999; }; }",
    );
    for to in [HOST4, HOST6] {
        world.outside.reaches(to, 7001);
    }
    tool.load(&registry(), None);
    for to in [HOST4, HOST6] {
        world.outside.hears_nothing(to, 7001);
        world.outside.reaches(to, 7002);
    }
}

fn route_localnet(tool: &Tool) {
    let world = build();
    // Neither is registered: a service of loopback alone, and one that is open.
    world.host.serve_tcp(LOCAL4, 6379);
    world.host.serve_tcp(ANY4, 9999);
    // As some engines of containers set it, for published ports at 127.0.0.1.
    for path in ["cable0", "all"] {
        fs::write(format!("/proc/sys/net/ipv4/conf/{path}/route_localnet"), "1")
            .expect("a setting");
    }
    sends_loopback_out(&world);
    world.outside.reaches(LOCAL4, 6379);
    tool.load(&registry(), None);
    world.outside.hears_nothing(LOCAL4, 6379);
    world.outside.reaches(HOST4, 9999);
    world.host.reaches(LOCAL4, 6379);
}

/// The outside asks the host for 127.0.0.1, as a neighbour on the same cable can.
fn sends_loopback_out(world: &World) {
    world.outside.at(|| {
        fs::write("/proc/sys/net/ipv4/conf/all/route_localnet", "1").expect("a setting");
        fs::write("/proc/sys/net/ipv4/conf/cable0/route_localnet", "1").expect("a setting");
        let ip = |words: &str| {
            run(Command::new("ip").env("PATH", super::tool::PATH).args(words.split(' ')))
        };
        ip("address del 127.0.0.1/8 dev lo");
        ip("rule add from all lookup local priority 100");
        ip("rule del priority 0");
        ip(&format!("route add 127.0.0.1/32 via {HOST4} dev cable0 src {OUT4} table 50"));
        ip("rule add to 127.0.0.1/32 lookup 50 priority 10");
    });
}

/// Translated before it is routed, such a packet is no martian any more.
fn published_at_loopback(tool: &Tool) {
    let world = build();
    world.container.serve_tcp(ANY4, 80);
    nft(&format!(
        "table ip engine {{ chain in {{ type nat hook prerouting priority dstnat; policy accept; \
         ip daddr 127.0.0.1 tcp dport 8082 dnat to {BOX4}:80; }}; }}"
    ));
    sends_loopback_out(&world);
    world.outside.reaches(LOCAL4, 8082);
    // It is not even registered.
    tool.load(&registry(), None);
    world.outside.hears_nothing(LOCAL4, 8082);
    tool.unload();
    world.outside.reaches(LOCAL4, 8082);
}

fn accepted_by_others(tool: &Tool) {
    let world = build();
    world.host.serve_tcp(ANY6, 8080);
    tool.load(&registry(), None);
    let hooks = [("prerouting", "-400"), ("prerouting", "0"), ("input", "-400"), ("input", "10")];
    for (number, (hook, priority)) in hooks.into_iter().enumerate() {
        nft(&format!(
            "table inet lax_{number} {{ chain any {{ type filter hook {hook} priority {priority}; \
             policy accept; accept; }}; }}"
        ));
    }
    tool.furnish();
    world.outside.hears_nothing(HOST4, 8080);
    world.outside.hears_nothing(HOST6, 8080);
    world.host.reaches(HOST4, 8080);
    tool.unload();
    world.outside.reaches(HOST4, 8080);
}

/// From a port that others may not reach, the host itself may well call.
fn answers(tool: &Tool) {
    let world = build();
    world.outside.serve_tcp(ANY6, 443);
    world.outside.serve_udp(ANY6, 443);
    tool.load(&registry(), None);
    for to in [OUT4, OUT6] {
        let from = if to.is_ipv4() { ANY4 } else { ANY6 };
        let socket = UdpSocket::bind((from, 8080)).expect("the port");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        socket.send_to(b"?", (to, 443)).expect("sent");
        socket.recv(&mut [0]).unwrap_or_else(|why| panic!("udp {to}: {why}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let socket = match to {
                IpAddr::V4(_) => tokio::net::TcpSocket::new_v4(),
                IpAddr::V6(_) => tokio::net::TcpSocket::new_v6(),
            };
            let socket = socket.expect("a socket");
            socket.set_reuseaddr(true).expect("an option");
            socket.bind((from, 3150).into()).expect("the port");
            let wait = Duration::from_secs(20);
            let done = tokio::time::timeout(wait, socket.connect((to, 443).into())).await;
            done.expect("in time").expect("a connection");
        });
    }
}

fn forwarded(tool: &Tool) {
    let world = build();
    world.outside.serve_tcp(ANY4, 8080);
    world.container.serve_tcp(ANY4, 8080);
    tool.load(&registry(), None);
    // A router has no say in what its neighbours call their ports.
    world.container.reaches(OUT4, 8080);
    world.outside.reaches(BOX4, 8080);
}

fn open_connection(tool: &Tool) {
    let world = build();
    world.host.serve_tcp(ANY4, 8080);
    world.host.serve_tcp(ANY4, 9999);
    // Who asked whom is known only of what began while connections are tracked.
    nft(
        "table inet tracks { chain in { type filter hook input priority 0; ct state established accept; }; }",
    );
    let mut closed = world.outside.reaches(HOST4, 8080);
    let mut other = world.outside.reaches(HOST4, 9999);
    let mut own = world.host.reaches(LOCAL4, 8080);
    assert!(carries(&mut closed, true));
    tool.load(&registry(), None);
    assert!(!carries(&mut closed, false), "it goes on");
    assert!(carries(&mut other, true) && carries(&mut own, true), "others ended with it");
}

/// Whoever takes a port out of tracking has not opened it.
fn untracked(tool: &Tool) {
    let world = build();
    world.host.serve_tcp(ANY4, 8080);
    world.host.serve_udp(ANY4, 8080);
    nft(
        "table inet lean { chain in { type filter hook prerouting priority raw; policy accept; notrack; }; }",
    );
    world.outside.reaches(HOST4, 8080);
    world.outside.reaches_udp(HOST4, 8080);
    tool.load(&registry(), None);
    world.outside.hears_nothing(HOST4, 8080);
    world.outside.hears_nothing_udp(HOST4, 8080);
}

fn odd_names(tool: &Tool) {
    let world = build();
    world.host.serve_tcp(ANY4, 9999);
    world.host.serve_tcp(ANY4, 3150);
    let folder = tempfile::tempdir().expect("a folder");
    let planted = folder.path().join("planted");
    let mut registry = registry();
    let names = [
        "a\" } } flush ruleset #",
        "a\"; tcp dport 9999 drop; #",
        "END_OF_RULES\ntouch PLANTED\ncat <<'END_OF_RULES'",
        "\nEND_OF_RULES\ntouch PLANTED\n",
        "$(touch PLANTED) `touch PLANTED`",
        "' -j ACCEPT\n-A INPUT -j DROP",
        "\" -j ACCEPT --comment \"",
        "back\\",
        "é\u{202e}\u{0}\u{1b}[2J",
        "",
    ];
    let long = "x".repeat(4000);
    for name in names.into_iter().chain([long.as_str()]) {
        registry.reserved[0].connector = name.replace("PLANTED", &planted.display().to_string());
        tool.load(&registry, None);
        assert!(!planted.exists(), "{name:?} was run");
        world.outside.reaches(HOST4, 9999);
        world.outside.hears_nothing(HOST4, 3150);
    }
}

/// Everything in a scene is done by user 0; the rules are for them.
fn egress(tool: &Tool) {
    let world = build();
    for number in [53, 80, 443, 8443] {
        world.outside.serve_tcp(ANY6, number);
    }
    world.outside.serve_udp(ANY6, 53);
    world.outside.serve_udp(ANY6, 443);
    world.host.serve_tcp(ANY6, 9999);
    world.host.reaches(OUT4, 8443);
    world.host.reaches_udp(OUT4, 443);
    // iptables cannot name a user that the user namespace does not have.
    let map = fs::read_to_string("/proc/self/uid_map").expect("a map");
    let alone = map.split_whitespace().last() == Some("1");
    let stranger = if tool.iptables() && alone { vec![] } else { vec![4_000_000] };
    let users = [stranger.as_slice(), &[0]].concat();
    let mut egress = Egress { users, ports: vec![443, 80], private: true };
    tool.load(&Registry::default(), Some(&egress));
    for to in [OUT4, OUT6] {
        [53, 80, 443].into_iter().for_each(|number| drop(world.host.reaches(to, number)));
        world.host.reaches_udp(to, 53);
        world.host.is_refused(to, 8443);
        assert!(world.host.fails_udp(to, 443), "UDP to 443 of {to}");
    }
    // Their own loopback, and answers to those who ask them.
    world.host.reaches(LOCAL4, 9999);
    world.host.reaches(HOST4, 9999);
    world.outside.reaches(HOST4, 9999);
    // Another user is not meant.
    egress.users = stranger;
    tool.load(&Registry::default(), Some(&egress));
    world.host.reaches(OUT4, 8443);
}

fn egress_public(tool: &Tool) {
    let world = build();
    let public: IpAddr = "93.184.215.14".parse().expect("an address");
    let metadata: IpAddr = "169.254.169.254".parse().expect("an address");
    let ip =
        |words: &str| run(Command::new("ip").env("PATH", super::tool::PATH).args(words.split(' ')));
    for address in [public, metadata] {
        world.outside.at(|| ip(&format!("address add {address}/32 dev lo")));
        ip(&format!("route add {address}/32 via {OUT4}"));
    }
    for number in [53, 80] {
        world.outside.serve_tcp(ANY6, number);
    }
    let others = [metadata, OUT4, OUT6];
    others.iter().chain([&public]).for_each(|to| drop(world.host.reaches(*to, 80)));
    let egress = Egress { users: vec![0], ports: vec![80], private: false };
    tool.load(&Registry::default(), Some(&egress));
    world.host.reaches(public, 80);
    others.iter().for_each(|to| world.host.is_refused(*to, 80));
    // A resolver is mostly a private one.
    world.host.reaches(OUT4, 53);
}
