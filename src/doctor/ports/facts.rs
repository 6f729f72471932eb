//! What the judge needs to know of the machine, beside its sockets.

use nix::net::if_::{InterfaceFlags, if_nametoindex};
use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv6Addr;
use std::ops::RangeInclusive;

/// Facts of one host. The defaults are those of Linux.
#[derive(Debug, Clone)]
pub struct Facts {
    /// `net.ipv4.ip_unprivileged_port_start`
    pub unprivileged: u16,
    /// `net.ipv4.ip_local_port_range`
    pub ephemeral: RangeInclusive<u16>,
    /// `net.ipv4.ip_local_reserved_ports`: never given to clients.
    pub kept: Vec<RangeInclusive<u16>>,
    pub interfaces: Vec<Interface>,
    /// Number → name of the users in `/etc/passwd`.
    pub users: BTreeMap<u32, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    pub index: u32,
    pub name: String,
    pub loopback: bool,
    /// Of IPv6, to find out where a link-local address is.
    pub addresses: Vec<Ipv6Addr>,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            unprivileged: 1024,
            ephemeral: 32768..=60999,
            kept: Vec::new(),
            interfaces: Vec::new(),
            users: BTreeMap::new(),
        }
    }
}

impl Facts {
    /// Of the network namespace that we are in.
    pub fn here() -> Self {
        let setting = |name: &str| fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok();
        let default = Self::default();
        let first = setting("ip_unprivileged_port_start").and_then(|text| text.trim().parse().ok());
        let range = setting("ip_local_port_range").and_then(|text| {
            let mut ends = text.split_whitespace().map(str::parse::<u16>);
            Some(ends.next()?.ok()?..=ends.next()?.ok()?)
        });
        Self {
            unprivileged: first.unwrap_or(default.unprivileged),
            ephemeral: range.unwrap_or(default.ephemeral),
            kept: setting("ip_local_reserved_ports").map(|text| kept(&text)).unwrap_or_default(),
            interfaces: interfaces(),
            users: users(&fs::read_to_string("/etc/passwd").unwrap_or_default()),
        }
    }

    pub fn interface(&self, index: u32) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.index == index)
    }

    /// Where a link-local address is, if on one interface only.
    pub fn only_place(&self, address: Ipv6Addr) -> Option<&Interface> {
        let mut places = self.interfaces.iter().filter(|it| it.addresses.contains(&address));
        let first = places.next();
        first.filter(|_| places.next().is_none())
    }

    /// The kernel may give this port to a client.
    pub fn is_ephemeral(&self, port: u16) -> bool {
        self.ephemeral.contains(&port) && !self.kept.iter().any(|range| range.contains(&port))
    }
}

/// `8080,9000-9099`
fn kept(text: &str) -> Vec<RangeInclusive<u16>> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    text.trim().split(',').filter_map(range).collect()
}

fn users(passwd: &str) -> BTreeMap<u32, String> {
    let mut users = BTreeMap::new();
    for line in passwd.lines() {
        let mut fields = line.split(':');
        let (name, uid) = (fields.next(), fields.nth(1).and_then(|uid| uid.parse().ok()));
        if let (Some(name), Some(uid)) = (name, uid) {
            // The first name of a number is the one that programs show.
            users.entry(uid).or_insert_with(|| name.to_owned());
        }
    }
    users
}

fn interfaces() -> Vec<Interface> {
    let mut found: Vec<Interface> = Vec::new();
    for address in nix::ifaddrs::getifaddrs().into_iter().flatten() {
        let name = address.interface_name;
        let at = match found.iter().position(|known| known.name == name) {
            Some(at) => at,
            None => {
                let Ok(index) = if_nametoindex(name.as_str()) else { continue };
                let loopback = address.flags.contains(InterfaceFlags::IFF_LOOPBACK);
                found.push(Interface { index, name, loopback, addresses: Vec::new() });
                found.len() - 1
            }
        };
        let ip = address.address.as_ref().and_then(|a| a.as_sockaddr_in6()).map(|a| a.ip());
        if let (Some(ip), Some(interface)) = (ip, found.get_mut(at)) {
            interface.addresses.push(ip);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read() {
        assert_eq!(kept("8080,9000-9099\n"), [8080..=8080, 9000..=9099]);
        assert_eq!(kept("\n"), []);
        let users = users("root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\nbroken\na:x:7:7::/:\n");
        assert_eq!(users.get(&0).map(String::as_str), Some("root"));
        assert_eq!(users.get(&7).map(String::as_str), Some("a"));
    }

    #[test]
    fn what_is_kept_is_not_for_clients() {
        let facts = Facts { kept: vec![40000..=40010], ..Facts::default() };
        assert!(facts.is_ephemeral(39999) && !facts.is_ephemeral(40000) && !facts.is_ephemeral(80));
    }
}
