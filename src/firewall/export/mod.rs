//! The allowlist as configuration of other programs. Pure.
//!
//! What a program cannot express is left out, with a comment: its configuration never allows more than
//! the rules do.

mod envoy;
mod nftables;
mod squid;
mod traefik;

use super::{Effect, Host, HostPattern, Ports, Rule, Rules};
use std::time::SystemTime;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Access rules for squid's `conf.d`.
    Squid,
    /// A bootstrap of Envoy as forward proxy.
    Envoy,
    /// Traefik's dynamic configuration: TLS passed through by its server name.
    Traefik,
    /// A table for `nft -f`: addresses; names are sets that you fill.
    Nftables,
}

pub fn export(format: Format, rules: &Rules, now: SystemTime) -> String {
    let list = List::of(rules, now);
    match format {
        Format::Squid => squid::text(&list),
        Format::Envoy => envoy::text(&list),
        Format::Traefik => traefik::text(&list),
        Format::Nftables => nftables::text(&list),
    }
}

/// What counts now, each thing once.
struct List {
    /// At one port each. None that a rule which denies covers in full.
    allowed: Vec<Allowed>,
    /// What is denied all the same: a part of something allowed.
    denied: Vec<(HostPattern, Ports)>,
    /// A time is given at which this is to be made again.
    expires: Option<SystemTime>,
}

struct Allowed {
    host: HostPattern,
    port: u16,
    private: bool,
}

impl List {
    fn of(rules: &Rules, now: SystemTime) -> Self {
        let current = |rule: &&Rule| {
            // Another program knows no runs.
            rule.run.is_none() && rule.expires.is_none_or(|end| now < end)
        };
        let denied: Vec<(HostPattern, Ports)> = rules
            .0
            .iter()
            .filter(current)
            .filter(|rule| rule.effect == Effect::Deny)
            .map(|rule| (rule.host.clone(), rule.ports))
            .collect();
        let covered = |host: &HostPattern, port: u16| {
            denied.iter().any(|(deny, ports)| ports.contain(port) && covers(deny, host))
        };
        let mut allowed: Vec<Allowed> = Vec::new();
        let mut expires = None;
        for rule in rules.0.iter().filter(current).filter(|it| it.effect == Effect::Allow) {
            let Some(port) = rule.ports.one().filter(|port| !covered(&rule.host, *port)) else {
                continue;
            };
            expires = [expires, rule.expires].into_iter().flatten().min();
            match allowed.iter_mut().find(|it| it.host == rule.host && it.port == port) {
                Some(known) => known.private |= rule.private,
                None => {
                    allowed.push(Allowed { host: rule.host.clone(), port, private: rule.private });
                }
            }
        }
        let partly = |(host, ports): &(HostPattern, Ports)| {
            allowed.iter().any(|it| ports.contain(it.port) && covers(&it.host, host))
        };
        let mut kept: Vec<(HostPattern, Ports)> = Vec::new();
        for deny in denied.iter().filter(|deny| partly(deny)) {
            if !kept.contains(deny) {
                kept.push(deny.clone());
            }
        }
        Self { allowed, denied: kept, expires }
    }

    /// The comment at the start.
    fn head(&self, format: &str) -> String {
        let mut head = format!("# Made by `jail firewall export --format {format}`.\n");
        if let Some(end) = self.expires {
            let end = humantime::format_rfc3339_seconds(end);
            head += &format!("# A rule expires at {end}: make this again then.\n");
        }
        head
    }

    /// Every port that something is allowed at, sorted.
    fn ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> = self.allowed.iter().map(|it| it.port).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }
}

/// True where all that `narrow` matches, `wide` matches, too.
fn covers(wide: &HostPattern, narrow: &HostPattern) -> bool {
    match (wide, narrow) {
        (wide, HostPattern::Exact(host)) => wide.matches(host),
        (HostPattern::Below(wide), HostPattern::Below(narrow)) => {
            wide == narrow || narrow.is_below(wide)
        }
        (HostPattern::Exact(_), HostPattern::Below(_)) => false,
    }
}

/// An IPv6 address in brackets, as authorities have it.
fn authority(host: &Host) -> String {
    match host {
        Host::Address(address) if address.is_ipv6() => format!("[{address}]"),
        host => host.to_string(),
    }
}

#[cfg(test)]
mod tests;
