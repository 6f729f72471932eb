//! Published ports, in both of their forms.

use super::canonical::mapping;
use super::node::{Node, Spot, Value};
use crate::policy::Problem;
use crate::policy::expect::quoted;
use std::net::IpAddr;

/// One entry of `ports`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// `None`: every address of the host.
    pub host: Option<IpAddr>,
    /// First and last; `None`: one that the engine chooses.
    pub published: Option<(u16, u16)>,
    pub target: (u16, u16),
    pub protocol: String,
    /// `ingress` or `host`.
    pub mode: String,
    pub spot: Spot,
}

impl Port {
    /// As one would write it.
    pub fn shown(&self) -> String {
        let range = |(first, last): (u16, u16)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        let host = match self.host {
            Some(IpAddr::V6(host)) => format!("[{host}]:"),
            Some(host) => format!("{host}:"),
            None => String::new(),
        };
        let published = match self.published {
            Some(published) => format!("{}:", range(published)),
            None if host.is_empty() => String::new(),
            None => ":".to_owned(),
        };
        let protocol = if self.protocol == "tcp" { "" } else { &format!("/{}", self.protocol) };
        format!("{host}{published}{}{protocol}", range(self.target))
    }
}

/// What tells two entries apart.
pub(super) fn identity(node: &Node) -> String {
    let text = |name: &str| node.get(name).and_then(Node::text).unwrap_or_default().to_owned();
    let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
    let host = or(text("host_ip"), "0.0.0.0");
    let protocol = or(text("protocol"), "tcp");
    format!("{host} {} {} {protocol}", text("published"), text("target"))
}

/// `[[IP:]HOST:]CONTAINER[/PROTOCOL]` as a mapping.
pub(super) fn long(node: &Node, field: &str) -> Result<Node, Problem> {
    if let Value::Map(_) = node.value {
        let mut node = node.clone();
        let spot = node.spot.clone();
        for (name, usual) in [("protocol", "tcp"), ("mode", "ingress")] {
            if node.get(name).is_none() {
                node.put(name, &spot, Node::scalar(usual, &spot));
            }
        }
        return Ok(node);
    }
    let spot = &node.spot;
    let Some(text) = node.text() else {
        return Err(spot.problem(field, format!("expected a port, found {}", node.kind())));
    };
    let (rest, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (rest, target) = match rest.rsplit_once(':') {
        Some((rest, target)) => (Some(rest), target),
        None => (None, rest),
    };
    let (host, published) = match rest {
        None => (None, None),
        Some(rest) => match rest.rsplit_once(':') {
            Some((host, published)) => (Some(host), Some(published)),
            None => (None, Some(rest)),
        },
    };
    let mut fields = vec![
        ("mode", Node::scalar("ingress", spot)),
        ("target", node.part(target)),
        ("protocol", node.part(protocol.to_lowercase())),
    ];
    let bare = host.map(|host| host.trim_start_matches('[').trim_end_matches(']'));
    fields.extend(bare.map(|host| ("host_ip", node.part(host))));
    let published = published.filter(|published| !published.is_empty());
    fields.extend(published.map(|published| ("published", node.part(published))));
    Ok(mapping(spot, fields))
}

/// Reads the long form.
pub(super) fn decode(node: &Node, field: &str) -> Result<Port, Problem> {
    let spot = &node.spot;
    let value = |name: &str| node.get(name).filter(|it| !it.is_null());
    let text = |name: &str| value(name).and_then(Node::text).filter(|text| !text.is_empty());
    let wrong = |name: &str, expected: &str| {
        let place = value(name).map_or(spot, |it| &it.spot);
        let found = text(name).unwrap_or_default();
        place.problem(field, format!("{name}: expected {expected}, found {}", quoted(found)))
    };
    let target = text("target").ok_or_else(|| spot.problem(field, "target is missing"))?;
    let target = range(target).ok_or_else(|| wrong("target", "a port or a range of them"))?;
    let published = match text("published") {
        None | Some("0") => None,
        Some(text) => {
            Some(range(text).ok_or_else(|| wrong("published", "a port or a range of them"))?)
        }
    };
    let length = |(first, last): (u16, u16)| last - first;
    if let Some(published) = published
        && length(target) != 0
        && length(published) != length(target)
    {
        let what = "the ranges of the host and of the container have not the same length";
        return Err(spot.problem(field, what));
    }
    let host = match text("host_ip") {
        None => None,
        Some(host) => Some(host.parse::<IpAddr>().map_err(|_| wrong("host_ip", "an IP address"))?),
    };
    let protocol = text("protocol").unwrap_or("tcp").to_owned();
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(wrong("protocol", "`tcp`, `udp` or `sctp`"));
    }
    let mode = text("mode").unwrap_or("ingress").to_owned();
    Ok(Port { host, published, target, protocol, mode, spot: spot.clone() })
}

fn range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|port| digits && *port != 0)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::sync::Arc;

    fn read(text: &str) -> Result<Port, Problem> {
        let spot = Spot { file: Arc::from(Path::new("f")), line: 1, column: 1 };
        decode(&long(&Node::scalar(text, &spot), "p")?, "p")
    }

    #[test]
    fn every_short_form() {
        for text in [
            "80",
            "8080:80",
            "127.0.0.1:8080:80",
            "127.0.0.1::80",
            "3000-3005:3000-3005/udp",
            "9000-9010:80",
            "[::1]:70:70",
            "[::]:70:70/sctp",
        ] {
            assert_eq!(read(text).unwrap().shown(), text);
        }
        assert_eq!(read("::1:70:70").unwrap().shown(), "[::1]:70:70");
        assert_eq!(read("8080:80/UDP").unwrap().shown(), "8080:80/udp");
    }

    #[test]
    fn what_is_no_port() {
        for text in [
            "",
            "x",
            "80:x",
            "80:",
            "localhost:80:80",
            "0:0",
            "65536:1",
            "1:65536",
            "2-1:2-1",
            "1-2:1-3",
            "80/icmp",
            "-1:1",
            "+1:1",
            "1:2:3:4",
            "256.0.0.1:1:1",
            " 1:1",
        ] {
            assert!(read(text).is_err(), "{text} was accepted: {:?}", read(text));
        }
    }
}
