//! Which addresses a name may have: only those of the public internet, unless the rule says otherwise.
//!
//! Source: the IANA special-purpose address registries (RFC 6890) as of 2025, and the addresses of cloud
//! metadata services. Blocks of those registries that are marked globally reachable inside of one that
//! is not (192.0.0.9, 2001:3::/32, …) serve no connector and are not taken out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why this address is not one of the public internet; `None` if it is.
///
/// IPv6 forms that carry an IPv4 address (mapped, 6to4, NAT64, Teredo, ISATAP) are never public.
pub fn not_public(address: IpAddr) -> Option<&'static str> {
    if is_metadata(address) {
        return Some(METADATA);
    }
    match address {
        IpAddr::V4(v4) => v4_class(v4),
        IpAddr::V6(v6) => v6_class(v6),
    }
}

/// The class of [`is_metadata`].
pub const METADATA: &str = "cloud metadata";

/// The services that hand a machine's own credentials to whoever asks from it. Most of them are
/// link-local or private, Azure's is public.
pub fn is_metadata(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => METADATA_V4.contains(&v4),
        IpAddr::V6(v6) => METADATA_V6.contains(&v6),
    }
}

const METADATA_V4: [Ipv4Addr; 5] = [
    // AWS, Google, Azure, Oracle, DigitalOcean and others.
    Ipv4Addr::new(169, 254, 169, 254),
    // AWS ECS tasks.
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba
    Ipv4Addr::new(168, 63, 129, 16),   // Azure
    Ipv4Addr::new(192, 0, 0, 192),     // Oracle, older
];

const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), // AWS
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),  // Google
];

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn class(text: &str) -> Option<&'static str> {
        not_public(text.parse().unwrap())
    }

    /// Each block of the registries: its first and last address, and the ones just outside.
    #[test]
    fn blocks_begin_and_end_where_the_registries_say() {
        for (first, last, expected) in [
            ("0.0.0.0", "0.255.255.255", "unspecified"),
            ("10.0.0.0", "10.255.255.255", "private"),
            ("100.64.0.0", "100.127.255.255", "carrier-grade NAT"),
            ("127.0.0.0", "127.255.255.255", "loopback"),
            ("169.254.0.0", "169.254.255.255", "link-local"),
            ("172.16.0.0", "172.31.255.255", "private"),
            ("192.0.0.0", "192.0.0.255", "protocol assignments"),
            ("192.0.2.0", "192.0.2.255", "documentation"),
            ("192.88.99.0", "192.88.99.255", "6to4 relay"),
            ("192.168.0.0", "192.168.255.255", "private"),
            ("198.18.0.0", "198.19.255.255", "benchmarking"),
            ("198.51.100.0", "198.51.100.255", "documentation"),
            ("203.0.113.0", "203.0.113.255", "documentation"),
            ("224.0.0.0", "239.255.255.255", "multicast"),
            ("240.0.0.0", "255.255.255.255", "reserved"),
            ("::2", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved"),
            ("::1.2.3.4", "::ffff:0:1.2.3.4", "reserved"),
            ("100::", "100::ffff:ffff:ffff:ffff", "reserved"),
            ("64:ff9b::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "NAT64"),
            ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "Teredo"),
            ("2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "protocol assignments"),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"),
            ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "6to4"),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"),
            ("4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved"),
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "private"),
            ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local"),
            ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "site-local"),
            ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"),
        ] {
            assert_eq!((class(first), class(last)), (Some(expected), Some(expected)), "{first}");
        }
        assert_eq!((class("::"), class("::1")), (Some("unspecified"), Some("loopback")));
        for public in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "168.63.129.15",
            "2001:200::",
            "2001:db7:ffff::",
            "2001:db9::",
            "2003::",
            "2000::",
            "2620:4f:8000::",
            "3fff:1000::",
        ] {
            assert_eq!(class(public), None, "{public}");
        }
    }

    #[test]
    fn metadata_services_are_known_by_name() {
        for text in ["169.254.169.254", "100.100.100.200", "168.63.129.16", "fd00:ec2::254"] {
            assert_eq!(class(text), Some(METADATA));
        }
        assert!(is_metadata("::ffff:169.254.169.254".parse().unwrap()));
    }

    proptest! {
        /// Whatever IPv4 address it is, public or not: no IPv6 form that carries it is public.
        #[test]
        fn no_form_that_carries_ipv4_is_public(bits in any::<u32>(), rest in any::<[u16; 3]>()) {
            let v4 = Ipv4Addr::from(bits);
            let [high, low] = [(bits >> 16) as u16, bits as u16];
            for carrier in [
                v4.to_ipv6_mapped(),
                Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 1, rest[0], rest[1], rest[2], high, low),
                Ipv6Addr::new(0x2002, high, low, rest[0], 0, 0, rest[1], rest[2]),
                Ipv6Addr::new(0x2001, 0, rest[0], rest[1], rest[2], 0, !high, !low),
                Ipv6Addr::new(0x2a00, rest[0], rest[1], rest[2], 0, 0x5efe, high, low),
                Ipv6Addr::new(0x2a00, rest[0], rest[1], rest[2], 0x200, 0x5efe, high, low),
            ] {
                prop_assert!(not_public(carrier.into()).is_some(), "{carrier}");
            }
        }
    }
}
