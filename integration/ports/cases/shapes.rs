//! Sockets of every family, address and protocol: listed as ss lists them, and understood.

use super::{case, must};
use crate::make::{self, Shape, TCP, UDP, socket};
use crate::world::{LINK, V4, V6, World};
use crate::{Case, Not, Outcome};
use serde_json::{Value, json};
use std::net::UdpSocket;

/// One socket, and what must be said of it.
struct Row {
    name: &'static str,
    shape: Shape,
    bind: &'static str,
    address: &'static str,
    loopback: bool,
    device: Option<&'static str>,
    /// More than the address itself.
    answers_at: Option<[&'static str; 2]>,
}

const BOTH: Option<[&str; 2]> = Some(["::", "0.0.0.0"]);

fn rows() -> Vec<Row> {
    let row = |name, bind, address, loopback| Row {
        name,
        shape: TCP,
        bind,
        address,
        loopback,
        device: None,
        answers_at: None,
    };
    let v6 = |only: bool| Shape { only_v6: Some(only), ..TCP };
    let on = |device, only_v6| Shape { device: Some(device), only_v6, ..TCP };
    vec![
        row("v4_loopback", "127.0.0.1", "127.0.0.1", true),
        row("v4_other_loopback", "127.9.8.7", "127.9.8.7", true),
        row("v4_end_of_loopback", "127.255.255.254", "127.255.255.254", true),
        row("v4_wildcard", "0.0.0.0", "0.0.0.0", false),
        row("v4_address", V4, V4, false),
        row("v6_loopback", "::1", "::1", true),
        Row { shape: v6(false), answers_at: BOTH, ..row("v6_dual_stack", "::", "::", false) },
        Row { shape: v6(true), ..row("v6_wildcard_only", "::", "::", false) },
        row("v6_address", V6, V6, false),
        Row { device: Some("eth0"), ..row("v6_link_local", LINK, LINK, false) },
        Row { shape: v6(false), ..row("mapped_loopback", "::ffff:127.0.0.1", "127.0.0.1", true) },
        Row { shape: v6(false), ..row("mapped_wildcard", "::ffff:0.0.0.0", "0.0.0.0", false) },
        Row { shape: v6(false), ..row("mapped_address", "::ffff:192.0.2.7", V4, false) },
        Row {
            shape: on("lo", None),
            device: Some("lo"),
            ..row("v4_wildcard_on_lo", "0.0.0.0", "0.0.0.0", true)
        },
        Row {
            shape: on("eth0", None),
            device: Some("eth0"),
            ..row("v4_wildcard_on_eth0", "0.0.0.0", "0.0.0.0", false)
        },
        Row {
            shape: on("lo", Some(false)),
            device: Some("lo"),
            answers_at: BOTH,
            ..row("v6_wildcard_on_lo", "::", "::", true)
        },
    ]
}

pub fn all() -> Vec<Case> {
    let mut all = Vec::new();
    for udp in [false, true] {
        for row in rows() {
            let proto = if udp { "udp" } else { "tcp" };
            let name = format!("{proto}_{}", row.name);
            let shape = Shape { udp, ..row.shape };
            all.push(case(&name, move |world| shape_of(world, &Row { shape, ..row })));
        }
    }
    all.extend([
        case("tcp_established", established),
        case("tcp_established_alone", established_alone),
        case("tcp_bound_not_listening", bound_not_listening),
        case("tcp_closed_by_the_other_side", close_wait),
        case("udp_connected", udp_connected),
        case("udp_connected_v6", udp_connected_v6),
        case("udp_disconnected_again", udp_disconnected),
        case("udp_client_on_a_port_of_the_kernel", udp_client),
        case("udp_without_a_port", udp_unbound),
        case("udp_with_a_peer_on_a_low_port", udp_low_connected),
        case("udplite", |world| udplite(world, "127.0.0.1")),
        case("udplite_v6", |world| udplite(world, "::1")),
        case("raw", |world| raw(world, false)),
        case("raw_v6", |world| raw(world, true)),
        case("ping", ping),
        case("sctp", sctp),
        case("nothing_at_all", |world| world.like_ss()),
        case("all_shapes_at_once", at_once),
        case("ten_thousand_sockets", ten_thousand),
    ]);
    all
}

fn shape_of(world: &World, row: &Row) -> Outcome {
    let held = socket(row.shape, row.bind, 8080);
    world.like_ss()?;
    let proto = if row.shape.udp { "udp" } else { "tcp" };
    let told = world.row(proto, 8080)?;
    let wanted = json!({
        "address": row.address, "loopback": row.loopback, "server": true, "pids": [std::process::id()],
        "device": row.device, "answers_at": row.answers_at,
    });
    drop(held);
    same(&told, &wanted)
}

/// All that `wanted` says is so in `told`; `null` is not there.
fn same(told: &Value, wanted: &Value) -> Outcome {
    let wanted = wanted.as_object().expect("an object");
    must(
        wanted.iter().all(|(name, value)| told[name] == *value),
        format!("{told:#} is not {wanted:?}"),
    )
}

fn established(world: &mut World) -> Outcome {
    let server = std::net::TcpListener::bind("127.0.0.1:8080").unwrap();
    let client = std::net::TcpStream::connect("127.0.0.1:8080").unwrap();
    let accepted = server.accept().unwrap();
    world.like_ss()?;
    let (report, _) = world.json(&[])?;
    drop((client, accepted));
    must(report["sockets"].as_array().is_some_and(|it| it.len() == 1), format!("{report:#}"))
}

fn established_alone(world: &mut World) -> Outcome {
    let server = std::net::TcpListener::bind("127.0.0.1:8080").unwrap();
    let client = std::net::TcpStream::connect("127.0.0.1:8080").unwrap();
    let accepted = server.accept().unwrap();
    drop(server);
    world.like_ss()?;
    let rules = world.expect_rules(&[], 0);
    drop((client, accepted));
    rules
}

fn bound_not_listening(world: &mut World) -> Outcome {
    let held = socket(Shape { idle: true, ..TCP }, "0.0.0.0", 8080);
    world.like_ss()?;
    let rules = world.expect_rules(&[], 0);
    drop(held);
    rules
}

fn close_wait(world: &mut World) -> Outcome {
    let server = std::net::TcpListener::bind("127.0.0.1:8080").unwrap();
    let client = std::net::TcpStream::connect("127.0.0.1:8080").unwrap();
    drop(server.accept().unwrap());
    drop(server);
    world.like_ss()?;
    let rules = world.expect_rules(&[], 0);
    drop(client);
    rules
}

fn udp_connected(world: &mut World) -> Outcome {
    let held = UdpSocket::bind("0.0.0.0:5353").unwrap();
    held.connect("127.0.0.1:9").unwrap();
    world.like_ss()?;
    world.expect_rules(&[], 0)
}

fn udp_connected_v6(world: &mut World) -> Outcome {
    let held = UdpSocket::bind("[::]:5353").unwrap();
    held.connect("[::1]:9").unwrap();
    world.like_ss()?;
    world.expect_rules(&[], 0)
}

fn udp_disconnected(world: &mut World) -> Outcome {
    let held = UdpSocket::bind("127.0.0.1:5353").unwrap();
    held.connect("127.0.0.1:9").unwrap();
    jail::sys::net::disconnect(std::os::fd::AsFd::as_fd(&held)).unwrap();
    world.like_ss()?;
    world.expect_rules(&["unregistered"], 0)
}

fn udp_client(world: &mut World) -> Outcome {
    let held = UdpSocket::bind("0.0.0.0:0").unwrap();
    held.send_to(b"x", "127.0.0.1:9").unwrap();
    world.like_ss()?;
    let row = world.row("udp", held.local_addr().unwrap().port())?;
    must(row["server"] == false, format!("{row:#}"))?;
    world.expect_rules(&[], 0)
}

fn udp_unbound(world: &mut World) -> Outcome {
    let held = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    world.like_ss()?;
    let rules = world.expect_rules(&[], 0);
    drop(held);
    rules
}

fn udp_low_connected(world: &mut World) -> Outcome {
    let server = UdpSocket::bind("127.0.0.1:5353").unwrap();
    let client = UdpSocket::bind("127.0.0.1:5354").unwrap();
    client.connect("127.0.0.1:5353").unwrap();
    world.like_ss()?;
    drop(world.row("udp", 5353)?);
    drop(server);
    must(world.row("udp", 5354).is_err(), "the client is listed")
}

fn udplite(world: &World, ip: &str) -> Outcome {
    let held = make::try_socket(Shape { lite: true, ..UDP }, ip, 5353)
        .map_err(|error| Not::Possible(format!("no UDP-Lite here: {error}")))?;
    let told = world.row("udplite", 5353)?;
    world.like_ss()?;
    drop(held);
    same(&told, &json!({"address": ip, "loopback": true, "server": true}))
}

fn raw(world: &World, v6: bool) -> Outcome {
    let held =
        make::raw(v6, 253).map_err(|error| Not::Possible(format!("no raw socket: {error}")))?;
    let told = world.row("raw", 253)?;
    drop(held);
    // A port of it is the number of the protocol; nobody registers those.
    same(&told, &json!({"server": false, "loopback": true, "pids": [std::process::id()]}))
}

fn ping(world: &mut World) -> Outcome {
    world.set("ping_group_range", &format!("{0} {0}", nix::unistd::getegid()));
    let (kind, protocol) = (socket2::Type::DGRAM, socket2::Protocol::ICMPV4);
    let held = socket2::Socket::new(socket2::Domain::IPV4, kind, Some(protocol))
        .map_err(|error| Not::Possible(format!("no ping socket: {error}")))?;
    let place: std::net::SocketAddr = "127.0.0.1:77".parse().unwrap();
    held.bind(&place.into()).unwrap();
    let told = world.row("icmp", 77)?;
    drop(held);
    same(&told, &json!({"server": false, "loopback": true}))
}

fn sctp(world: &mut World) -> Outcome {
    let protocol = Some(socket2::Protocol::from(libc::IPPROTO_SCTP));
    let held = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, protocol)
        .map_err(|error| Not::Possible(format!("no SCTP in this kernel: {error}")))?;
    let place: std::net::SocketAddr = "127.0.0.1:5000".parse().unwrap();
    held.bind(&place.into()).unwrap();
    held.listen(1).unwrap();
    let told = world.row("sctp", 5000)?;
    drop(held);
    same(&told, &json!({"address": "127.0.0.1", "server": true}))
}

fn at_once(world: &mut World) -> Outcome {
    let mut held = Vec::new();
    for (number, row) in rows().into_iter().enumerate() {
        let port = 8000 + number as u16;
        held.push(socket(row.shape, row.bind, port));
        held.push(socket(Shape { udp: true, ..row.shape }, row.bind, port));
    }
    world.like_ss()?;
    let (report, code) = world.json(&[])?;
    drop(held);
    let rows = report["sockets"].as_array().map_or(0, Vec::len);
    must((rows, code) == (32, 1), format!("{rows} sockets, exit code {code}"))
}

fn ten_thousand(world: &mut World) -> Outcome {
    // 250 of each protocol by each process: no limit of descriptors is in the way.
    for process in 0..20 {
        world.holder(&["many", &(8000 + process).to_string(), "250"]);
    }
    world.like_ss()?;
    let (report, _) = world.json(&[])?;
    let rows = report["sockets"].as_array().map_or(0, Vec::len);
    must(rows == 10_000, format!("{rows} sockets"))
}
