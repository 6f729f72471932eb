//! The anchor that `jail firewall export --host --format pf` writes, read by the grammar of pf.conf(5).
//!
//! There is no pf on Linux. The parser below knows the part of the published grammar that FreeBSD, macOS
//! and OpenBSD share and that we write, takes nothing else, and checks what pfctl checks besides: that
//! ports are of a transport that has them, flags of TCP, addresses of the family that is named.

use jail::policy::Origin;
use jail::ports::export::{Format, export, removal};
use jail::ports::{PortRange, Proto, Registry, RegistryPolicy, Reserved, Service, ServiceName};
use proptest::prelude::*;
use std::net::IpAddr;
use std::num::NonZeroU16;

/// What one line matches.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    inet: Option<u8>,
    proto: String,
    to: Vec<String>,
    ports: (u16, u16),
    flags: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Line {
    Block(Rule),
    Anchor(Rule),
    Close,
}

struct Words<'a>(std::iter::Peekable<std::vec::IntoIter<&'a str>>);

type Parsed<T> = Result<T, String>;

impl<'a> Words<'a> {
    fn of(line: &'a str) -> Parsed<Self> {
        let mut words = Vec::new();
        let mut rest = line.trim_matches([' ', '\t']);
        while !rest.is_empty() {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._:/-".contains(c);
            let end = rest.find(|c| !plain(c)).unwrap_or(rest.len());
            let end = if end == 0 {
                if !rest.starts_with(['!', '(', ')', '{', '}', ',', '=', '"']) {
                    return Err(format!("no token begins with {rest:?}"));
                }
                1
            } else {
                end
            };
            words.push(&rest[..end]);
            rest = rest[end..].trim_start_matches([' ', '\t']);
        }
        Ok(Self(words.into_iter().peekable()))
    }

    fn next(&mut self) -> Parsed<&'a str> {
        self.0.next().ok_or_else(|| "the line ends".to_owned())
    }

    fn take(&mut self, word: &str) -> bool {
        self.0.next_if(|next| *next == word).is_some()
    }

    fn need(&mut self, word: &str) -> Parsed<()> {
        if self.take(word) {
            Ok(())
        } else {
            Err(format!("`{word}` is missing before {:?}", self.0.peek()))
        }
    }
}

/// `anchor-rule`, `anchor-close` and `pf-rule`.
fn line(text: &str) -> Parsed<Line> {
    let mut words = Words::of(text)?;
    let parsed = match words.next()? {
        "}" => Line::Close,
        "block" => {
            for word in ["drop", "in", "quick"] {
                words.need(word)?;
            }
            Line::Block(matched(&mut words)?)
        }
        // `anchor [ string ] [ ( "in" | "out" ) ] …`: without a name it must have a body.
        "anchor" => {
            words.need("in")?;
            let rule = matched(&mut words)?;
            words.need("{")?;
            Line::Anchor(rule)
        }
        other => return Err(format!("a line does not begin with `{other}`")),
    };
    match words.0.next() {
        None => Ok(parsed),
        Some(more) => Err(format!("`{more}` is too much")),
    }
}

/// `[ "on" ifspec ] [ af ] [ protospec ] hosts [ filteropt-list ]`
fn matched(words: &mut Words<'_>) -> Parsed<Rule> {
    words.need("on")?;
    words.need("!")?;
    words.need("lo0")?;
    let inet = match (words.take("inet"), words.take("inet6")) {
        (true, false) => Some(4),
        (false, true) => Some(6),
        (false, false) => None,
        (true, true) => return Err("two families".into()),
    };
    words.need("proto")?;
    let proto = words.next()?.to_owned();
    if !["tcp", "udp"].contains(&proto.as_str()) {
        return Err(format!("`{proto}` has no ports"));
    }
    words.need("from")?;
    words.need("any")?;
    words.need("to")?;
    let to = hosts(words, inet)?;
    let ports = if words.take("port") { port(words)? } else { (0, 65535) };
    let flags = words.take("flags");
    if flags {
        words.need("S/SA")?;
        if proto != "tcp" {
            return Err("flags are TCP's".into());
        }
    }
    Ok(Rule { inet, proto, to, ports, flags })
}

/// `host | "{" host-list "}"`
fn hosts(words: &mut Words<'_>, inet: Option<u8>) -> Parsed<Vec<String>> {
    if !words.take("{") {
        return Ok(vec![host(words, inet)?]);
    }
    let mut all = vec![host(words, inet)?];
    while !words.take("}") {
        // `host-list = host [ [ "," ] host-list ]`
        words.take(",");
        all.push(host(words, inet)?);
    }
    // pfctl makes a rule of each: one of two negations is always true.
    if all.iter().any(|it| it.starts_with('!')) {
        Err("a negation in a list".into())
    } else {
        Ok(all)
    }
}

/// `[ "!" ] ( "(" interface-name ")" | address [ "/" mask-bits ] )`
fn host(words: &mut Words<'_>, inet: Option<u8>) -> Parsed<String> {
    let not = if words.take("!") { "!" } else { "" };
    if words.take("(") {
        words.need("self")?;
        words.need(")")?;
        return Ok(format!("{not}self"));
    }
    let text = words.next()?;
    let (address, bits) = text.split_once('/').map_or((text, None), |(it, bits)| (it, Some(bits)));
    let parsed: IpAddr = address.parse().map_err(|_| format!("`{text}` is no address"))?;
    let (family, most) = if parsed.is_ipv4() { (4, 32) } else { (6, 128) };
    if inet != Some(family) {
        return Err(format!("`{text}` is not of family {inet:?}"));
    }
    if let Some(bits) = bits
        && bits.parse::<u8>().map_or(true, |bits| bits > most)
    {
        return Err(format!("`{bits}` are no mask bits"));
    }
    Ok(format!("{not}{text}"))
}

/// `[ "=" ] number | number ":" number`
fn port(words: &mut Words<'_>) -> Parsed<(u16, u16)> {
    let equals = words.take("=");
    let text = words.next()?;
    let (first, last) = text.split_once(':').unwrap_or((text, text));
    if equals && first != last {
        return Err("a range after `=`".into());
    }
    let number = |text: &str| {
        let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        text.parse::<u16>().ok().filter(|_| plain).ok_or_else(|| format!("`{text}` is no port"))
    };
    let (first, last) = (number(first)?, number(last)?);
    if first > last { Err(format!("{first} is above {last}")) } else { Ok((first, last)) }
}

/// Every rule of a file, with the conditions of the anchors around it.
fn file(text: &str) -> Parsed<Vec<(Vec<Rule>, Rule)>> {
    if !text.is_ascii() || text.contains('\\') || !text.ends_with('\n') {
        // A line that ends with a backslash goes on in the next, a comment as well.
        return Err("not ASCII, a backslash, or no end of the last line".into());
    }
    let (mut around, mut all) = (Vec::new(), Vec::new());
    for (number, text) in text.lines().enumerate() {
        let text = text.split('#').next().unwrap_or_default();
        if text.trim().is_empty() {
            continue;
        }
        match line(text).map_err(|why| format!("line {}: {why}: {text}", number + 1))? {
            Line::Anchor(rule) => around.push(rule),
            Line::Close => drop(around.pop().ok_or("a brace too many")?),
            Line::Block(rule) => all.push((around.clone(), rule)),
        }
    }
    if around.is_empty() { Ok(all) } else { Err("a brace too few".into()) }
}

/// Is a new connection to this port of one of our addresses blocked?
fn blocks(rules: &[(Vec<Rule>, Rule)], proto: Proto, to: IpAddr, port: u16) -> bool {
    let family = if to.is_ipv4() { 4 } else { 6 };
    let host = |text: &String| match text.strip_prefix('!') {
        Some(other) => other.parse() != Ok(to),
        None => text == "self",
    };
    let fits = |rule: &Rule| {
        rule.inet.is_none_or(|inet| inet == family)
            && rule.proto == proto.as_str()
            && (rule.ports.0..=rule.ports.1).contains(&port)
            && rule.to.iter().any(host)
    };
    rules.iter().any(|(around, rule)| around.iter().chain([rule]).all(fits))
}

fn service(number: usize, proto: Proto, port: u16, bind: IpAddr) -> Service {
    Service {
        name: ServiceName::new(&format!("s{number}")).unwrap(),
        port: NonZeroU16::new(port).unwrap(),
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

const ADDRESSES: [&str; 9] = [
    "127.0.0.1",
    "::1",
    "::ffff:127.0.0.1",
    "0.0.0.0",
    "::",
    "192.168.1.5",
    "192.168.1.6",
    "fd00::5",
    "fd00::6",
];

fn any_registry() -> impl Strategy<Value = Registry> {
    let proto = || prop_oneof![Just(Proto::Tcp), Just(Proto::Udp)];
    let bind = || proptest::sample::select(&ADDRESSES[..]).prop_map(|it| it.parse().unwrap());
    // Few ports, so that they meet.
    let services = proptest::collection::vec((proto(), 1..8_u16, bind()), 0..8);
    let reserved = proptest::collection::vec(("(?s).{0,30}", 1..8_u16, 0..8_u16), 0..3);
    (services, reserved).prop_map(|(services, reserved)| Registry {
        services: services
            .into_iter()
            .enumerate()
            .map(|(number, (proto, port, bind))| service(number, proto, port, bind))
            .collect(),
        reserved: reserved
            .into_iter()
            .map(|(connector, first, more)| Reserved {
                connector,
                range: PortRange::new(
                    NonZeroU16::new(first).unwrap(),
                    NonZeroU16::new(first + more).unwrap(),
                )
                .unwrap(),
                origin: Origin::BuiltIn("test"),
            })
            .collect(),
        policy: RegistryPolicy::default(),
    })
}

/// The same question to the registry.
fn closed(registry: &Registry, proto: Proto, to: IpAddr, port: u16) -> bool {
    let mut services = registry.service(proto, port).peekable();
    if services.peek().is_none() {
        return registry.reserved_for(port).is_some();
    }
    !services.any(|service| match service.bind.to_canonical() {
        IpAddr::V6(bind) if bind.is_unspecified() => true,
        IpAddr::V4(bind) if bind.is_unspecified() => to.is_ipv4(),
        bind => !bind.is_loopback() && bind == to,
    })
}

proptest! {
    #[test]
    fn what_is_written_is_of_the_grammar_and_blocks_what_the_registry_closes(
        registry in any_registry()
    ) {
        let text = export(Format::Pf, &registry, None);
        let rules = file(&text).map_err(|why| TestCaseError::fail(format!("{why}\n{text}")))?;
        for to in ["192.168.1.5", "192.168.1.6", "10.0.0.1", "fd00::5", "fd00::6", "fd00::7"] {
            let to = to.parse().unwrap();
            for (proto, port) in (0..17).flat_map(|port| [(Proto::Tcp, port), (Proto::Udp, port)]) {
                let (found, expected) = (blocks(&rules, proto, to, port), closed(&registry, proto, to, port));
                prop_assert_eq!(found, expected, "{} {} {}\n{}", proto, to, port, text);
            }
        }
        // Answers to what leaves from a TCP port are no new connections.
        prop_assert!(rules.iter().all(|(_, rule)| rule.flags == (rule.proto == "tcp")));
    }
}

#[test]
fn lines_that_pfctl_refuses_are_refused() {
    let good =
        "block drop in quick on ! lo0 inet proto tcp from any to ! 10.0.0.1 port = 80 flags S/SA";
    line(good).unwrap();
    line("block drop in quick on ! lo0 inet proto udp from any to { 255.255.255.255, 224.0.0.0/4 } port 1:2")
        .unwrap();
    for (from, to) in [
        ("block", "blok"),
        ("drop ", ""),
        ("in quick", "quick in"),
        ("on ! lo0", "! lo0"),
        ("lo0", "\"lo0"),
        ("inet", "inet inet6"),
        ("inet", "inet6"),
        ("inet ", ""),
        ("proto tcp", "tcp"),
        ("proto tcp", "proto icmp"),
        ("proto tcp", "proto udp"),
        ("from any to", "to"),
        ("10.0.0.1", "10.0.0.256"),
        ("10.0.0.1", "10.0.0.1/33"),
        ("10.0.0.1", "fd00::1"),
        ("! 10.0.0.1", "{ ! 10.0.0.1, ! 10.0.0.2 }"),
        ("! 10.0.0.1", "{ 10.0.0.1"),
        ("! 10.0.0.1", "(self"),
        ("port = 80", "port = 0"),
        ("port = 80", "port = 65536"),
        ("port = 80", "port 90:80"),
        ("port = 80", "port = 80:90"),
        ("port = 80", "port = http;"),
        ("port = 80", "port"),
        ("S/SA", "S"),
        ("S/SA", "S/SA keep"),
        ("S/SA", "S/SA\""),
    ] {
        let bad = good.replacen(from, to, 1);
        assert!(line(&bad).is_err(), "{bad}");
    }
    for bad in ["anchor in on ! lo0 proto tcp from any to (self)\n", "}\n", "# a\\\n", "block"] {
        assert!(file(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn what_removes_it_is_one_command() {
    let text = removal(Format::Pf);
    let commands: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(commands, ["set -eu", "pfctl -a jail_host -F rules"]);
}
