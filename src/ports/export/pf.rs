//! pf, in what FreeBSD, macOS and OpenBSD have in common: the anchor `jail_host`.
//!
//! Only new connections are blocked (`flags S/SA`), so that the answers to what leaves from a registered
//! port come in also where no rule keeps state. Translation comes before filtering on two of the three:
//! a port that is redirected elsewhere is not seen here, and the first lines say so.

use super::super::Proto;
use super::closed::{Closed, Open};
use super::{TABLE, plain};
use std::fmt::Display;

pub(super) fn text(closed: &[Closed]) -> String {
    let mut out = "# Made by `jail firewall export --host --format pf`.\n".to_owned();
    out += &format!("# Load it with `pfctl -a {TABLE} -f FILE`; again, and it is replaced.\n");
    out += &format!("# /etc/pf.conf must name it, before its other rules:  anchor \"{TABLE}\"\n");
    out += "# A port that an rdr rule redirects is not seen here: that rule must not be there.\n";
    out += "# Connections that are open stay open; `pfctl -k` ends them.\n";
    for ports in closed {
        out += &format!("\n# {}\n", plain(&ports.whose));
        rules(&mut out, ports);
    }
    out
}

pub(super) fn removal() -> String {
    let mut out = "#!/bin/sh\n".to_owned();
    out +=
        "# Made by `jail firewall export --host --format pf --remove`. Run it with sh, as root.\n";
    out += &format!("# Then take the line `anchor \"{TABLE}\"` out of /etc/pf.conf.\n");
    out + &format!("set -eu\npfctl -a {TABLE} -F rules\n")
}

fn rules(out: &mut String, ports: &Closed) {
    let number = if ports.first == ports.last {
        format!("= {}", ports.first)
    } else {
        format!("{}:{}", ports.first, ports.last)
    };
    let proto = ports.proto;
    let new = if proto == Proto::Tcp { " flags S/SA" } else { "" };
    let line = |to: &str, family: &str| {
        format!(
            "block drop in quick on ! lo0{family} proto {proto} from any to {to} port {number}{new}\n"
        )
    };
    if (&ports.open4, &ports.open6) == (&Open::ToNobody, &Open::ToNobody) {
        *out += &line(OWN, "");
        if proto == Proto::Udp {
            *out += &line(GROUPS_4, " inet");
            *out += &line(GROUPS_6, " inet6");
        }
        return;
    }
    family(out, &ports.open4, &line, (" inet", GROUPS_4, proto));
    family(out, &ports.open6, &line, (" inet6", GROUPS_6, proto));
}

/// Every address that the machine has at the time.
const OWN: &str = "(self)";
/// What sockets that are bound to no address hear besides.
const GROUPS_4: &str = "{ 255.255.255.255, 224.0.0.0/4 }";
const GROUPS_6: &str = "ff00::/8";

fn family<A: Display>(
    out: &mut String,
    open: &Open<A>,
    line: &impl Fn(&str, &str) -> String,
    (name, groups, proto): (&str, &str, Proto),
) {
    let addresses = match open {
        Open::ToNobody => &[],
        Open::At(addresses) => addresses.as_slice(),
        Open::ToAll => return,
    };
    let Some((last, others)) = addresses.split_last() else {
        *out += &line(OWN, name);
        if proto == Proto::Udp {
            *out += &line(groups, name);
        }
        return;
    };
    // One of our own addresses, and none of these: every brace is one more condition.
    let conditions =
        std::iter::once(OWN.to_owned()).chain(others.iter().map(|it| format!("! {it}")));
    let mut depth = 0;
    for to in conditions {
        *out += &format!("anchor in on ! lo0{name} proto {proto} from any to {to} {{\n");
        depth += 1;
    }
    *out += &line(&format!("! {last}"), name);
    *out += &"}\n".repeat(depth);
}
