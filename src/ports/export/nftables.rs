//! nftables: the table `inet jail_host`.
//!
//! A packet that is dropped in one chain is gone, whatever other tables accept. Two places are needed:
//! before the destination is translated, since the port that a container publishes never arrives at the
//! host's own sockets, and after it, since another port may lead to a registered one.

use super::closed::{Closed, Open};
use super::egress::{Egress, NOT_PUBLIC_4, NOT_PUBLIC_6};
use super::{TABLE, plain};
use std::fmt::Display;

/// One step behind connection tracking (-200), which tells answers from requests, and before every
/// translation (-100).
const PRIORITY: i32 = -199;

pub(super) fn text(closed: &[Closed], egress: Option<&Egress>) -> String {
    let mut out = "# Made by `jail firewall export --host --format nftables`.\n".to_owned();
    out += "# Load it with `nft -f`; again, and it is replaced as a whole.\n";
    // The first line makes sure that there is a table to delete; all of the file is one transaction.
    out += &format!("table inet {TABLE} {{}}\ndelete table inet {TABLE}\n");
    out += &format!("table inet {TABLE} {{\n\tchain registered {{\n");
    for ports in closed {
        rules(&mut out, ports);
    }
    out += "\t}\n\n\tchain arrive {\n";
    out += &hook("prerouting");
    out += "\t\tiifname \"lo\" accept\n";
    // Not `ct state`: a connection that was open before these rules ends with them.
    out += "\t\tct direction reply accept\n";
    for field in ["ip daddr 127.0.0.0/8", "ip saddr 127.0.0.0/8", "ip6 daddr ::1", "ip6 saddr ::1"]
    {
        out += &format!("\t\t{field} counter drop comment \"loopback from outside\"\n");
    }
    // What is only passed on is not for a port of this host.
    out += "\t\tfib daddr type local jump registered\n\t}\n\n\tchain deliver {\n";
    out += &hook("input");
    out += "\t\tiifname \"lo\" accept\n\t\tct direction reply accept\n\t\tjump registered\n\t}\n";
    if let Some(egress) = egress.filter(|it| !it.users.is_empty()) {
        users(&mut out, egress);
    }
    out + "}\n"
}

pub(super) fn removal() -> String {
    let mut out =
        "# Made by `jail firewall export --host --format nftables --remove`.\n".to_owned();
    out += "# Load it with `nft -f`.\n";
    out + &format!("table inet {TABLE} {{}}\ndelete table inet {TABLE}\n")
}

fn hook(name: &str) -> String {
    format!("\t\ttype filter hook {name} priority {PRIORITY}; policy accept;\n")
}

fn rules(out: &mut String, ports: &Closed) {
    let number = if ports.first == ports.last {
        ports.first.to_string()
    } else {
        format!("{}-{}", ports.first, ports.last)
    };
    let rest = format!(
        "{} dport {number} counter drop comment \"{}\"\n",
        ports.proto,
        plain(&ports.whose)
    );
    if (&ports.open4, &ports.open6) == (&Open::ToNobody, &Open::ToNobody) {
        *out += &format!("\t\t{rest}");
        return;
    }
    for condition in [condition("ip", "ipv4", &ports.open4), condition("ip6", "ipv6", &ports.open6)]
    {
        *out += &condition.map_or_else(String::new, |it| format!("\t\t{it} {rest}"));
    }
}

/// What a packet that is dropped has; `None` where none is.
fn condition<A: Display>(prefix: &str, family: &str, open: &Open<A>) -> Option<String> {
    match open {
        Open::ToNobody => Some(format!("meta nfproto {family}")),
        Open::At(addresses) => Some(format!("{prefix} daddr != {}", set(addresses))),
        Open::ToAll => None,
    }
}

fn set(values: &[impl Display]) -> String {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    match values.as_slice() {
        [one] => one.clone(),
        _ => format!("{{ {} }}", values.join(", ")),
    }
}

fn users(out: &mut String, egress: &Egress) {
    *out += "\n\tchain leave {\n";
    *out += &hook("output");
    *out += "\t\toifname \"lo\" accept\n\t\tct direction reply accept\n";
    *out += &format!("\t\tmeta skuid {} jump jails\n\t}}\n\n", set(&egress.all_users()));
    *out += "\tchain jails {\n\t\tmeta l4proto { tcp, udp } th dport 53 accept\n";
    if !egress.private {
        for (field, blocks) in [("ip daddr", NOT_PUBLIC_4), ("ip6 daddr", NOT_PUBLIC_6)] {
            *out += &format!("\t\t{field} {} counter goto refuse\n", set(blocks));
        }
    }
    *out += &format!("\t\ttcp dport {} accept\n\t\tcounter goto refuse\n\t}}\n", {
        set(&egress.all_ports())
    });
    *out += "\n\tchain refuse {\n\t\tmeta l4proto tcp reject with tcp reset\n";
    *out += "\t\treject with icmpx type admin-prohibited\n\t}\n";
}
