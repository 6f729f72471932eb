//! What a user that only runs jails may reach: a second line behind the rules that are by name.
//!
//! The egress process dials as the user who runs the jail, and is the only one of it with the host's
//! network. A packet has no name, so this is coarser than those rules: their ports, name resolution,
//! and nothing that is not of the public internet, unless a rule says `private`.

/// Users, by number, and what they may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Egress {
    pub users: Vec<u32>,
    /// Besides 53.
    pub ports: Vec<u16>,
    /// Addresses of every class.
    pub private: bool,
}

impl Egress {
    /// Each number once, in order, with that of name resolution.
    pub(super) fn all_ports(&self) -> Vec<u16> {
        let mut ports = self.ports.clone();
        ports.push(super::egress::DNS);
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    pub(super) fn all_users(&self) -> Vec<u32> {
        let mut users = self.users.clone();
        users.sort_unstable();
        users.dedup();
        users
    }
}

/// Open to every address: the resolver is mostly a private one.
pub(super) const DNS: u16 = 53;

/// As `firewall::address::not_public` has them.
pub(super) const NOT_PUBLIC_4: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
];

pub(super) const NOT_PUBLIC_6: &[&str] =
    &["::/3", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "4000::/2", "8000::/1"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::address::not_public;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    fn ends(block: &str) -> (IpAddr, IpAddr) {
        let (address, bits) = block.split_once('/').unwrap();
        let bits: u32 = bits.parse().unwrap();
        match address.parse().unwrap() {
            IpAddr::V4(first) => {
                let rest = u32::MAX.checked_shr(bits).unwrap_or(0);
                (first.into(), Ipv4Addr::from(u32::from(first) | rest).into())
            }
            IpAddr::V6(first) => {
                let rest = u128::MAX.checked_shr(bits).unwrap_or(0);
                (first.into(), Ipv6Addr::from(u128::from(first) | rest).into())
            }
        }
    }

    fn step(address: IpAddr, by: i32) -> Option<IpAddr> {
        match address {
            IpAddr::V4(it) => {
                u32::from(it).checked_add_signed(by).map(|n| Ipv4Addr::from(n).into())
            }
            IpAddr::V6(it) => {
                u128::from(it).checked_add_signed(by.into()).map(|n| Ipv6Addr::from(n).into())
            }
        }
    }

    /// At their ends, and just outside: a table of the same classes would else go its own way.
    #[test]
    fn the_blocks_are_those_of_the_firewall() {
        let all: Vec<_> = NOT_PUBLIC_4.iter().chain(NOT_PUBLIC_6).map(|it| ends(it)).collect();
        let listed = |address| all.iter().any(|(first, last)| (*first..=*last).contains(&address));
        for (first, last) in &all {
            for address in [Some(*first), Some(*last), step(*first, -1), step(*last, 1)] {
                let Some(address) = address else { continue };
                assert_eq!(listed(address), not_public(address).is_some(), "{address}");
            }
        }
    }
}
