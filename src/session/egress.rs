//! What a run's egress process is told, and what is made of what it tells.

use super::asks::Asks;
use super::audit;
use crate::egress::{Config, Counters, Event, Limits, Upstream};
use crate::failure::{Failure, Kind};
use crate::firewall::store::{self, Folder, UpstreamRef};
use crate::firewall::{Rules, Unlisted, Who};
use crate::plan::{FirewallFacts, Plan, Proxied, human};
use crate::policy::load::{Sources, WorkspaceRoot};
use crate::policy::{Backend, Policy};
use crate::spawn::egress::{self, Egress};
use crate::spawn::secrets;
use crate::supervise;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Instant;

/// Hosts that the summary names.
const SUMMED: usize = 5;

/// Starts it for this plan; `sockets` is where the jail's sockets arrive.
pub(super) fn start(plan: &Plan, proxied: &Proxied, sockets: OwnedFd) -> Result<Egress, Failure> {
    let secrets = secrets::read_for_egress(&plan.policy)?;
    let upstream = proxied.firewall.upstream.as_ref();
    let upstream = upstream.map(|setting| upstream_of(&setting.value)).transpose()?;
    let config = Config { upstream, secrets, ..config(plan, proxied) };
    // A container has no Landlock rules of its own; this process needs them all the same.
    let contained = plan.policy.sandbox.value == Backend::Container;
    let landlock = plan.landlock.is_some() || (contained && crate::sys::landlock::abi() > 0);
    egress::start(config, proxied.firewall.rules.clone(), landlock, sockets)
}

pub(super) fn upstream_of(upstream: &UpstreamRef) -> Result<Upstream, Failure> {
    let credentials = upstream.credentials.as_ref();
    Ok(Upstream {
        kind: upstream.kind.clone(),
        host: upstream.host.clone(),
        port: upstream.port,
        credentials: credentials.map(|from| secrets::read_text("upstream", from)).transpose()?,
    })
}

/// Without what is read after the plan.
fn config(plan: &Plan, proxied: &Proxied) -> Config {
    let publish = plan.published.iter().map(|port| (port.at, port.listen)).collect();
    let asks = proxied.unlisted.value == Unlisted::Ask;
    let hold = asks.then_some(plan.policy.network.hold.value);
    Config { publish, hold, ..config_of(&plan.policy, &proxied.firewall, &plan.run_id) }
}

/// Without published ports, secrets and an upstream proxy; nobody is asked.
pub(super) fn config_of(policy: &Policy, firewall: &FirewallFacts, run: &str) -> Config {
    let tool = policy.tool.as_ref().map(|tool| tool.value.clone());
    let network = &policy.network;
    let limits = Limits {
        connections: network.connections.value as usize,
        bandwidth: network.bandwidth.as_ref().map(|limit| limit.value.0),
        ..Limits::default()
    };
    Config {
        who: Who { connector: policy.name.clone(), tool, run: Some(run.to_owned()) },
        fixed: Rules(network.rules.clone()),
        firewall: firewall.folder.clone(),
        limits,
        hold: None,
        upstream: None,
        secrets: BTreeMap::new(),
        publish: Vec::new(),
    }
}

/// What is made of what the egress process tells.
pub(super) struct Ear<'a> {
    log: &'a audit::Run,
    asks: Asks<'a>,
}

impl<'a> Ear<'a> {
    pub(super) fn new(
        log: &'a audit::Run,
        plan: &Plan,
        init: i32,
        root: Option<WorkspaceRoot>,
    ) -> Self {
        Self { log, asks: Asks::new(log, plan, init, root) }
    }
}

impl supervise::Ear for Ear<'_> {
    fn hear(&mut self, event: &Event) -> Result<Option<String>, Failure> {
        if let Event::Asked { ask, times } = event {
            self.asks.hear(ask, *times)?;
        }
        heard(self.log, event)
    }

    fn next_look(&self) -> Option<Instant> {
        self.asks.next_look()
    }

    fn look(&mut self) -> Option<String> {
        self.asks.look()
    }

    fn end(&mut self) -> Vec<String> {
        self.asks.end()
    }
}

/// One line for the person, one record for the log; an error ends the run. The supervisor prints the
/// line, which must not wait for whoever reads it.
pub(super) fn heard(log: &audit::Run, event: &Event) -> Result<Option<String>, Failure> {
    Ok(Some(match event {
        Event::Denied { denial, more } => {
            log.egress_denied(denial, *more)?;
            let times = if *more > 0 { format!(" ({more} times more)") } else { String::new() };
            let fix = denial.fix().map(|fix| format!("; to allow it: {fix}")).unwrap_or_default();
            let (target, reason) = (denial.target(), &denial.reason);
            format!("jail: refused {target}: {reason}{times}{fix}")
        }
        Event::Reloaded { rules, cut } => {
            let many = |count: u64, what| match count {
                1 => format!("1 {what}"),
                count => format!("{count} {what}s"),
            };
            let cut = if *cut > 0 {
                format!(", {} cut", many(*cut, "connection"))
            } else {
                String::new()
            };
            let rules = many(*rules as u64, "rule");
            format!("jail: the firewall has changed: {rules}{cut}")
        }
        Event::Unreadable { why } => format!(
            "jail: the firewall cannot be read, and none of its rules allows anything: {why}"
        ),
        Event::Warning { what, why } => format!("jail: {what}: {why}"),
        Event::Failed { what, why } => {
            return Err(Failure::new(Kind::Refused, what.clone()).because(why));
        }
        // Written down first, and then said.
        Event::Asked { .. } | Event::Ready | Event::Counters(_) => return Ok(None),
    }))
}

/// What went out and in, in one line; none where nothing was tried.
pub(super) fn summary(counters: &Counters, run: &str) -> Option<String> {
    let Counters { allowed, denied, bytes_out, bytes_in, denied_hosts, .. } = counters;
    if *allowed == 0 && *denied == 0 {
        return None;
    }
    let noun = if *allowed == 1 { "connection" } else { "connections" };
    let (out, into) = (human(*bytes_out), human(*bytes_in));
    let mut line = format!("jail: network: {allowed} {noun}, {out} out, {into} in");
    if *denied == 0 {
        return Some(line);
    }
    let mut hosts: Vec<(&str, u64)> =
        denied_hosts.iter().map(|(host, times)| (host.as_str(), *times)).collect();
    hosts.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    let nameless =
        |host: &str| if host.is_empty() { "no host".to_owned() } else { host.to_owned() };
    let named: Vec<String> = hosts
        .iter()
        .take(SUMMED)
        .map(|(host, times)| format!("{} ({times})", nameless(host)))
        .collect();
    line += &format!("; refused: {}", named.join(", "));
    match hosts.len().saturating_sub(SUMMED) {
        0 => {}
        more => line += &format!(" and {more} more"),
    }
    Some(line + &format!("; jail why {run} shows more"))
}

/// The workspace's firewall as it is now.
pub(super) fn firewall(sources: &Sources) -> Result<FirewallFacts, Failure> {
    let Some(root) = WorkspaceRoot::find(&sources.cwd)? else {
        return Ok(FirewallFacts::default());
    };
    let folder = Folder::new(&root, sources.home.as_deref());
    let overlay = store::read(&folder)?;
    let rules = overlay.rules();
    let store::Overlay { unlisted, upstream, .. } = overlay;
    Ok(FirewallFacts { folder: Some(folder), rules, unlisted, upstream })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_one_line_and_says_nothing_of_nothing() {
        let line = |allowed, hosts: &[(&str, u64)]| {
            let denied_hosts = hosts.iter().map(|(host, n)| ((*host).to_owned(), *n)).collect();
            let denied = hosts.iter().map(|(_, n)| n).sum();
            let (bytes_out, bytes_in) = (1258, 3 << 20);
            let open = 0;
            summary(
                &Counters { allowed, denied, bytes_out, bytes_in, open, denied_hosts },
                "0123456789ab",
            )
        };
        assert_eq!(line(0, &[]), None);
        let bytes = "1.2 KiB out, 3 MiB in";
        assert_eq!(line(1, &[]).unwrap(), format!("jail: network: 1 connection, {bytes}"));
        assert_eq!(
            line(0, &[("a.example", 2), ("b.example:80", 6)]).unwrap(),
            format!(
                "jail: network: 0 connections, {bytes}; refused: b.example:80 (6), a.example (2); \
                 jail why 0123456789ab shows more"
            )
        );
        let many: Vec<(&str, u64)> = ["a", "b", "c", "d", "e", "f", "g"].map(|n| (n, 1)).into();
        assert!(line(0, &many).unwrap().contains("e (1) and 2 more; jail why"));
    }
}
