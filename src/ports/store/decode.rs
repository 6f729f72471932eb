//! The text of the registry to its values. Pure.

use super::raw::{RawPolicy, RawRegistry, RawService};
use super::rules;
use crate::edit::says_nothing;
use crate::policy::decode::{self, Decoder, in_order};
use crate::policy::expect::{quoted, shown};
use crate::policy::path::Anchor;
use crate::policy::problem::did_you_mean;
use crate::policy::text::plain_text;
use crate::policy::yaml::{self, Marks};
use crate::policy::{ConnectorName, Malformed, Origin, Problem, parse};
use crate::ports::{
    Judgement, PortRange, Proto, Registry, RegistryPolicy, Reserved, Service, ServiceName,
};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::path::Path;
use std::str::FromStr;

/// `path` is what problems and origins show. All problems that can be told apart are given at once; a
/// file that is not of the right shape gives one.
pub fn registry(path: &Path, bytes: &[u8]) -> Result<Registry, Vec<Problem>> {
    let text = decode::text(path, bytes).map_err(|problem| vec![problem])?;
    if says_nothing(text) {
        return Ok(Registry::default());
    }
    let marks = Marks::of(path, text).map_err(|problem| vec![problem])?;
    let mut decoder = Decoder {
        marks: &marks,
        // No value here is a path of the workspace.
        anchor: Anchor { base: Path::new("/"), home: None },
        problems: Vec::new(),
    };
    // `services:` with nothing below it is what removing the last one leaves.
    for field in marks.nulls().filter(|field| !["services", "reserved"].contains(field)) {
        decoder.wrong(field, "has no value; remove it or give it one");
    }
    if decoder.problems.is_empty() {
        let raw: RawRegistry = decode::shape(&marks, text, "version: 1").map_err(|it| vec![it])?;
        let registry = whole(&mut decoder, raw);
        if decoder.problems.is_empty() {
            rules::check(&mut decoder, &registry);
        }
        if decoder.problems.is_empty() {
            return Ok(registry);
        }
    }
    Err(in_order(decoder.problems))
}

fn whole(decoder: &mut Decoder<'_>, raw: RawRegistry) -> Registry {
    let RawRegistry { version, policy, services, reserved } = raw;
    match version.as_deref() {
        Some("1") => {}
        Some(other) => {
            decoder.with("version", other, |text| Err::<(), _>(Malformed::new("`1`", text)));
        }
        None => decoder.wrong("version", "missing: write `version: 1`"),
    }
    let services = services.unwrap_or_default();
    let mut services: Vec<Service> =
        services.into_iter().filter_map(|(name, raw)| service(decoder, &name, raw)).collect();
    services.sort_by_key(|service| place(&service.origin));
    let mut reserved = reserved_of(decoder, reserved.unwrap_or_default());
    reserved.sort_by_key(|reserved| place(&reserved.origin));
    Registry { services, reserved, policy: policy_of(decoder, policy) }
}

/// Maps come sorted by name; the file has an order of its own.
fn place(origin: &Origin) -> (u32, u32) {
    match origin {
        Origin::File { line, column, .. } => (*line, *column),
        Origin::BuiltIn(_) | Origin::Flag(_) => (0, 0),
    }
}

fn policy_of(decoder: &mut Decoder<'_>, raw: Option<RawPolicy>) -> RegistryPolicy {
    let mut policy = RegistryPolicy::default();
    let Some(RawPolicy { unregistered, non_loopback }) = raw else { return policy };
    for (field, text, judgement) in [
        ("policy.unregistered", unregistered, &mut policy.unregistered),
        ("policy.non_loopback", non_loopback, &mut policy.non_loopback),
    ] {
        if let Some(value) = decoder.value(field, text) {
            *judgement = value.value;
        }
    }
    policy
}

fn service(decoder: &mut Decoder<'_>, name: &str, raw: RawService) -> Option<Service> {
    let RawService { port, proto, bind, owner, connector, container, program, note } = raw;
    let own = field("services", name);
    let origin = key(decoder, &own);
    let name = self::name(decoder, &own, name, &origin);
    let part = |part: &str| format!("{own}.{part}");
    if port.is_none() {
        let what = "missing";
        decoder.problems.push(Problem::new(&origin, &part("port"), what));
    }
    let port = port.and_then(|text| decoder.with(&part("port"), &text, self::port));
    let proto = decoder.value(&part("proto"), proto);
    let bind = bind.map(|text| decoder.with(&part("bind"), &text, self::bind));
    let kinds = [
        ("connector", connector.is_some()),
        ("container", container.is_some()),
        ("program", program.is_some()),
    ];
    let given: Vec<&str> = kinds.iter().filter(|kind| kind.1).map(|kind| kind.0).collect();
    if let [first, second, ..] = given.as_slice() {
        let what = format!("contradicts `{first}`: one of the two listens there; remove the other");
        decoder.problems.push(Problem::new(&key(decoder, &part(second)), &part(second), what));
    }
    let mut word =
        |name: &str, text: Option<String>, parse: fn(&str) -> Result<String, Malformed>| {
            text.and_then(|text| decoder.with(&part(name), &text, parse)).map(|it| it.value)
        };
    let owner = word("owner", owner, self::owner);
    let connector = word("connector", connector, self::connector);
    let container = word("container", container, self::container);
    let program = word("program", program, self::program);
    let note = word("note", note, plain_text);
    let bind = match bind {
        None => Service::DEFAULT_BIND,
        Some(bind) => bind?.value,
    };
    Some(Service {
        name: name?,
        port: port?.value,
        proto: proto.map_or(Proto::default(), |proto| proto.value),
        bind,
        owner,
        connector,
        container,
        program,
        note,
        origin,
    })
}

fn name(
    decoder: &mut Decoder<'_>,
    field: &str,
    text: &str,
    origin: &Origin,
) -> Option<ServiceName> {
    match ServiceName::new(text) {
        Ok(name) => Some(name),
        Err(what) => {
            let problem = Problem::new(origin, field, format!("{what}, found {}", quoted(text)));
            let meant: String =
                text.to_lowercase().chars().map(|c| if c == ' ' { '-' } else { c }).collect();
            let meant = ServiceName::new(&meant).ok();
            decoder.problems.push(match meant {
                Some(meant) => problem.hint(did_you_mean(meant.as_str())),
                None => problem,
            });
            None
        }
    }
}

fn reserved_of(decoder: &mut Decoder<'_>, raw: BTreeMap<String, Vec<String>>) -> Vec<Reserved> {
    let mut all = Vec::new();
    for (name, ranges) in raw {
        let own = field("reserved", &name);
        let origin = key(decoder, &own);
        if let Err(error) = ConnectorName::from_str(&name) {
            decoder.problems.push(Problem::malformed(&origin, &own, &error));
        }
        if ranges.is_empty() {
            decoder.wrong(&own, "reserves nothing; remove it, or name a range such as `3100-3199`");
        }
        for (number, text) in ranges.iter().enumerate() {
            let range = decoder.with(&format!("{own}[{number}]"), text, range);
            all.extend(range.map(|range| Reserved {
                connector: name.clone(),
                range: range.value,
                origin: range.origin,
            }));
        }
    }
    all
}

/// The path of an entry as `Marks` has it.
fn field(parent: &str, name: &str) -> String {
    format!("{parent}.{}", shown(name, yaml::MAX_KEY))
}

/// The place of a key; that of its value, or of what it is in, where there is none.
pub(super) fn key(decoder: &Decoder<'_>, field: &str) -> Origin {
    match decoder.marks.key(field) {
        Some((line, column)) => decoder.marks.around(line, column),
        None => decoder.marks.place(field),
    }
}

// === the values ===

/// A port that a service may bind.
pub fn port(text: &str) -> Result<NonZeroU16, Malformed> {
    let wrong = || Malformed::new("a port from 1 to 65535", text);
    NonZeroU16::new(parse::port(text)?).ok_or_else(wrong)
}

/// `FIRST-LAST`, or one port.
pub fn range(text: &str) -> Result<PortRange, Malformed> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let expected = "a range of ports such as `3100-3199`";
    let end = |text: &str| port(text.trim()).ok();
    match (end(first), end(last)) {
        (Some(first), Some(last)) => PortRange::new(first, last)
            .ok_or_else(|| Malformed::new(expected, text).meant(format!("{last}-{first}"))),
        _ => Err(Malformed::new(expected, text)),
    }
}

/// An address of this machine. One with a port, a range or a name says something else than meant.
pub fn bind(text: &str) -> Result<IpAddr, Malformed> {
    let expected = "an address such as `127.0.0.1` or `::1`";
    let address = text.parse::<IpAddr>().map_err(|_| {
        let wrong = Malformed::new(expected, text);
        let socket = text.parse::<std::net::SocketAddr>().map(|it| it.ip().to_string());
        match (text, socket) {
            ("localhost", _) => wrong.meant("127.0.0.1"),
            ("*", _) => wrong.meant("0.0.0.0"),
            (_, Ok(address)) => wrong.meant(address),
            (_, Err(_)) => wrong,
        }
    })?;
    let plain = address.to_canonical();
    if plain != address {
        return Err(Malformed::new(expected, text).meant(plain.to_string()));
    }
    if address.is_multicast() {
        return Err(Malformed::new(expected, text));
    }
    Ok(address)
}

/// A user's name or number.
pub fn owner(text: &str) -> Result<String, Malformed> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-@$".contains(&b);
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if starts && text.len() <= 64 && text.bytes().all(fits) {
        return Ok(text.to_owned());
    }
    Err(Malformed::new("a user's name or number", text))
}

/// A connector's name.
pub fn connector(text: &str) -> Result<String, Malformed> {
    ConnectorName::from_str(text).map(|name| name.as_str().to_owned())
}

/// A container's name, as container engines have it.
pub fn container(text: &str) -> Result<String, Malformed> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts && text.len() <= 128 && text.bytes().all(fits) {
        return Ok(text.to_owned());
    }
    Err(Malformed::new("the name of a container, of letters, digits, `.`, `_` and `-`", text))
}

/// A program: an absolute path, or the last part of one.
pub fn program(text: &str) -> Result<String, Malformed> {
    let text = plain_text(text)?;
    let wrong = "an absolute path of a program, or the last part of one";
    let climbs = text.split('/').any(|part| matches!(part, "." | ".."));
    if climbs || text.ends_with('/') || (text.contains('/') && !text.starts_with('/')) {
        return Err(Malformed::new(wrong, &text));
    }
    Ok(text)
}

impl FromStr for Judgement {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let all = [("allow", Self::Allow), ("warn", Self::Warn), ("deny", Self::Deny)];
        let found = all.iter().find(|(name, _)| *name == text);
        found.map(|(_, value)| *value).ok_or_else(|| Malformed::word(&all.map(|it| it.0), text))
    }
}

impl FromStr for Proto {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let all = [Self::Tcp, Self::Udp];
        let found = all.into_iter().find(|proto| proto.as_str() == text);
        found.ok_or_else(|| Malformed::word(&all.map(Self::as_str), text))
    }
}

impl FromStr for ServiceName {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::new(text)
            .map_err(|what| Malformed::because(format!("{what}, found {}", quoted(text))))
    }
}
