//! Which addresses a name may have: only those of the public internet, unless the rule says otherwise.
//!
//! Source: the IANA special-purpose address registries (RFC 6890), and the addresses of cloud metadata
//! services.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why this address is not one of the public internet; `None` if it is.
///
/// IPv6 forms that carry an IPv4 address (mapped, 6to4, NAT64, Teredo, ISATAP) are never public.
pub fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => v4_class(v4),
        IpAddr::V6(v6) => v6_class(v6),
    }
}

fn v4_class(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    Some(match (a, b, c) {
        (0, ..) => "unspecified",
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => "private",
        (100, 64..=127, _) => "carrier-grade NAT",
        (127, ..) => "loopback",
        (169, 254, _) => "link-local",
        (192, 0, 0) => "protocol assignments",
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => "documentation",
        (192, 88, 99) => "6to4 relay",
        (198, 18..=19, _) => "benchmarking",
        (224..=239, ..) => "multicast",
        (240.., ..) => "reserved",
        // Answers the virtual machines of one cloud as its metadata service.
        (168, 63, 129) => "cloud metadata",
        _ => return None,
    })
}

fn v6_class(address: Ipv6Addr) -> Option<&'static str> {
    let s = address.segments();
    if address.to_ipv4_mapped().is_some() {
        return Some("IPv4-mapped");
    }
    Some(match (s[0], s[1]) {
        _ if address.is_unspecified() => "unspecified",
        _ if address.is_loopback() => "loopback",
        (0x2001, 0x0) => "Teredo",
        (0x2001, 0x0001..=0x01ff) => "protocol assignments",
        (0x2001, 0x0db8) | (0x3fff, 0..=0x0fff) => "documentation",
        (0x2002, _) => "6to4",
        _ if s[4] & 0xfdff == 0 && s[5] == 0x5efe => "ISATAP",
        (0x2000..=0x3fff, _) => return None,
        (0x0064, 0xff9b) => "NAT64",
        (0xfc00..=0xfdff, _) => "private",
        (0xfe80..=0xfebf, _) => "link-local",
        (0xfec0..=0xfeff, _) => "site-local",
        (0xff00.., _) => "multicast",
        _ => "reserved",
    })
}
