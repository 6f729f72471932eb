//! nftables: a table with a chain that accepts what is allowed and rejects the rest.
//!
//! A packet has no name. Addresses that rules name are there; for each name there are two empty sets
//! to be filled by whoever resolves it (dnsmasq's `nftset`, a resolver's hook): addresses that were
//! looked up now would be wrong tomorrow.

use super::{HostPattern, List, Ports};
use crate::firewall::Host;
use std::net::IpAddr;

pub(super) fn text(list: &List) -> String {
    let mut out = list.head("nftables");
    out +=
        "# Load it with `nft -f`. Nothing jumps to the chain yet; for the traffic of one user:\n";
    out += "#   nft add chain inet jail_firewall out '{ type filter hook output priority 0; }'\n";
    out += "#   nft add rule inet jail_firewall out meta skuid USER jump allowlist\n";
    out +=
        "# Names are sets to be filled by who resolves them; a pattern has no addresses at all.\n";
    // The first line makes sure that there is a table to delete.
    out += "table inet jail_firewall {}\ndelete table inet jail_firewall\n";
    out += "table inet jail_firewall {\n";
    let mut rules = String::new();
    for (number, (host, ports)) in list.denied.iter().enumerate() {
        let port = match ports {
            Ports::One(port) => format!(" tcp dport {port}"),
            Ports::All => String::new(),
        };
        rule(&mut out, &mut rules, &format!("deny_{}", number + 1), host, (&port, "reject"));
    }
    for (number, allowed) in list.allowed.iter().enumerate() {
        let port = format!(" tcp dport {}", allowed.port);
        let name = format!("allow_{}", number + 1);
        rule(&mut out, &mut rules, &name, &allowed.host, (&port, "accept"));
    }
    out += "    chain allowlist {\n        ct state established,related accept\n";
    out += &rules;
    out + "        counter reject with icmpx type admin-prohibited\n    }\n}\n"
}

fn rule(
    sets: &mut String,
    rules: &mut String,
    name: &str,
    host: &HostPattern,
    (port, verdict): (&str, &str),
) {
    match host {
        HostPattern::Exact(Host::Address(IpAddr::V4(address))) => {
            *rules += &format!("        ip daddr {address}{port} counter {verdict}\n");
        }
        HostPattern::Exact(Host::Address(IpAddr::V6(address))) => {
            *rules += &format!("        ip6 daddr {address}{port} counter {verdict}\n");
        }
        HostPattern::Exact(Host::Name(host)) => {
            for (family, kind, prefix) in [("v4", "ipv4_addr", "ip"), ("v6", "ipv6_addr", "ip6")] {
                *sets += &format!(
                    "    # {host}: nft add element inet jail_firewall {name}_{family} '{{ ADDRESS \
                     timeout 5m }}'\n    set {name}_{family} {{\n        type {kind}\n        flags \
                     timeout\n    }}\n"
                );
                *rules +=
                    &format!("        {prefix} daddr @{name}_{family}{port} counter {verdict}\n");
            }
        }
        HostPattern::Below(_) => {
            *sets +=
                &format!("    # left out: {verdict} {host}{port}; a pattern has no addresses\n");
        }
    }
}
