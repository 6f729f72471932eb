use super::*;
use crate::policy::Origin;
use crate::ports::{PortRange, Proto, RegistryPolicy, Reserved, Service, ServiceName};
use proptest::prelude::*;
use std::net::IpAddr;
use std::num::NonZeroU16;

fn service(name: &str, proto: Proto, port: u16, bind: &str) -> Service {
    Service {
        name: ServiceName::new(name).unwrap(),
        port: NonZeroU16::new(port).unwrap(),
        proto,
        bind: bind.parse::<IpAddr>().unwrap(),
        owner: None,
        connector: None,
        container: None,
        program: None,
        note: None,
        origin: Origin::BuiltIn("test"),
    }
}

fn reserved(connector: &str, first: u16, last: u16) -> Reserved {
    let port = |number| NonZeroU16::new(number).unwrap();
    Reserved {
        connector: connector.to_owned(),
        range: PortRange::new(port(first), port(last)).unwrap(),
        origin: Origin::BuiltIn("test"),
    }
}

fn registry(services: Vec<Service>, reserved: Vec<Reserved>) -> Registry {
    Registry { services, reserved, policy: RegistryPolicy::default() }
}

fn words(services: Vec<Service>, reserved: Vec<Reserved>) -> Vec<String> {
    in_words(&registry(services, reserved))
}

#[test]
fn loopback_in_every_spelling_is_closed_and_a_decision_opens() {
    for (bind, expected) in [
        ("127.0.0.1", Some("tcp 80 (a)")),
        ("127.8.9.10", Some("tcp 80 (a)")),
        ("::1", Some("tcp 80 (a)")),
        ("::ffff:127.0.0.1", Some("tcp 80 (a)")),
        ("0.0.0.0", Some("tcp 80 (a), but open at all of IPv4")),
        ("::ffff:0.0.0.0", Some("tcp 80 (a), but open at all of IPv4")),
        ("::", None),
        ("192.168.1.5", Some("tcp 80 (a), but open at 192.168.1.5")),
        ("fd00::5", Some("tcp 80 (a), but open at fd00::5")),
    ] {
        let all = words(vec![service("a", Proto::Tcp, 80, bind)], vec![]);
        assert_eq!(all, expected.map(str::to_owned).into_iter().collect::<Vec<_>>(), "{bind}");
    }
}

#[test]
fn entries_of_one_port_add_up() {
    let two = vec![
        service("a", Proto::Tcp, 80, "192.168.1.5"),
        service("b", Proto::Tcp, 80, "192.168.1.6"),
        service("c", Proto::Udp, 80, "127.0.0.1"),
    ];
    let expected = ["tcp 80 (a, b), but open at 192.168.1.5, 192.168.1.6", "udp 80 (c)"];
    assert_eq!(words(two, vec![]), expected);
}

#[test]
fn a_reserved_range_leaves_out_the_ports_of_services() {
    let services = vec![
        service("first", Proto::Tcp, 100, "::"),
        service("middle", Proto::Tcp, 105, "127.0.0.1"),
        service("last", Proto::Tcp, 110, "::"),
    ];
    let all = words(services, vec![reserved("web", 100, 110)]);
    let expected = [
        "tcp 101-104 (reserved for web)",
        "tcp 105 (middle)",
        "tcp 106-109 (reserved for web)",
        "udp 100-110 (reserved for web)",
    ];
    assert_eq!(all, expected);
    let top =
        words(vec![service("top", Proto::Udp, 65535, "::")], vec![reserved("w", 65535, 65535)]);
    assert_eq!(top, ["tcp 65535 (reserved for w)"]);
}

#[test]
fn a_port_that_is_open_to_all_has_no_rule() {
    let registry = registry(vec![service("web", Proto::Tcp, 4321, "::")], vec![]);
    for format in [Format::Nftables, Format::Iptables, Format::Pf] {
        assert!(!export(format, &registry, None).contains("4321"), "{format:?}");
    }
}

#[test]
fn an_empty_registry_closes_nothing_but_loopback_from_outside() {
    let text = export(Format::Nftables, &Registry::default(), None);
    assert!(text.contains("chain registered {\n\t}\n"), "{text}");
    assert_eq!(text.matches("drop").count(), 4, "{text}");
}

/// Every line that is not of the frame is one of ours, whatever the names are.
fn shape(format: Format, name: &str) -> Vec<String> {
    let text = export(format, &registry(vec![], vec![reserved(name, 7, 9)]), None);
    let marker = format!("reserved for {}", plain(name));
    assert!(text.contains(&marker[..marker.len().min(100)]), "{text}");
    text.lines().map(|line| line.replace(&plain(&format!("reserved for {name}")), "X")).collect()
}

proptest! {
    #[test]
    fn a_name_cannot_leave_its_comment(name in "\\PC{0,200}|[\"'\\\\\n\r;#{}$`|&<> \0]{0,40}|(?s).{0,60}") {
        for format in [Format::Nftables, Format::Iptables, Format::Pf] {
            prop_assert_eq!(shape(format, &name), shape(format, "web"));
        }
    }

    #[test]
    fn a_comment_is_plain_and_short(text in "(?s).{0,400}") {
        let plain = plain(&text);
        prop_assert!(plain.len() <= 100 && plain.is_ascii());
        prop_assert!(!plain.contains(['"', '\'', '\\', '\n', '\r', '\0', '#', '$', '`', ';']));
    }
}
