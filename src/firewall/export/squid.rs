//! squid: `acl` and `http_access` lines, to be included before any other `http_access`.

use super::{HostPattern, List, Ports, authority};
use crate::firewall::Host;
use std::net::IpAddr;

/// As `address::not_public` has them; squid reads them as networks, and an IPv4 address as part of
/// `::/8`, which therefore is not listed as a whole. A name that has any of these addresses is refused.
const NOT_PUBLIC: &str = "\
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 \
192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 \
168.63.129.16/32 ::/128 ::1/128 64:ff9b::/32 100::/8 200::/7 400::/6 800::/5 1000::/4 2001::/23 \
2001:db8::/32 2002::/16 3fff::/20 4000::/2 8000::/1";

pub(super) fn text(list: &List) -> String {
    let mut out = list.head("squid");
    out += "# Include it before any other http_access line: the first that fits decides.\n";
    out += "# squid looks names up itself. Names with addresses that are not public are refused,\n";
    out += "# unless their rule says `private`; it does not look into TLS.\n";
    out += &format!("acl jail_not_public dst {NOT_PUBLIC}\n");
    for (number, (host, ports)) in list.denied.iter().enumerate() {
        let name = format!("jail_deny_{}", number + 1);
        out += &line(&name, host);
        match ports {
            Ports::All => out += &format!("http_access deny {name}\n"),
            Ports::One(port) => {
                out += &format!("acl {name}_port port {port}\n");
                out += &format!("http_access deny {name} {name}_port\n");
            }
        }
    }
    for (number, allowed) in list.allowed.iter().enumerate() {
        let name = format!("jail_allow_{}", number + 1);
        out += &line(&name, &allowed.host);
        out += &format!("acl {name}_port port {}\n", allowed.port);
        // An address that is named is meant.
        let named = matches!(allowed.host, HostPattern::Exact(Host::Address(_)));
        let public = if allowed.private || named { "" } else { " !jail_not_public" };
        out += &format!("http_access allow {name} {name}_port{public}\n");
    }
    out + "http_access deny all\n"
}

/// `-n`: an address is not looked up backwards, since anybody can give it any name.
fn line(name: &str, host: &HostPattern) -> String {
    match host {
        HostPattern::Exact(host @ Host::Address(IpAddr::V6(_))) => {
            let text = authority(host).replace('[', "\\[").replace(']', "\\]");
            format!("acl {name} dstdom_regex -n ^{text}$\n")
        }
        HostPattern::Exact(host) => format!("acl {name} dstdomain -n {host}\n"),
        // `.example.com` would be the name itself, too.
        HostPattern::Below(parent) => {
            let text = parent.as_str().replace('.', "\\.");
            format!("acl {name} dstdom_regex -n -i ^[a-z0-9_.-]+\\.{text}$\n")
        }
    }
}
