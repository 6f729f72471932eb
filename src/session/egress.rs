//! What a run's egress process is told, and what is made of what it tells.

use super::audit;
use crate::egress::{Config, Event, Limits, Upstream};
use crate::failure::{Failure, Kind};
use crate::firewall::store::{self, Folder, UpstreamRef};
use crate::firewall::{Rules, Who};
use crate::plan::{FirewallFacts, Plan, Proxied};
use crate::policy::load::{Sources, WorkspaceRoot};
use crate::spawn::egress::{self, Egress};
use crate::spawn::secrets;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

/// Starts it for this plan; `sockets` is where the jail's sockets arrive.
pub(super) fn start(plan: &Plan, proxied: &Proxied, sockets: OwnedFd) -> Result<Egress, Failure> {
    let secrets = secrets::read_for_egress(&plan.policy)?;
    let upstream = proxied.firewall.upstream.as_ref();
    let upstream = upstream.map(|setting| upstream_of(&setting.value)).transpose()?;
    let config = Config { upstream, secrets, ..config(plan, proxied) };
    egress::start(config, proxied.firewall.rules.clone(), plan.landlock.is_some(), sockets)
}

fn upstream_of(upstream: &UpstreamRef) -> Result<Upstream, Failure> {
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
    let policy = &plan.policy;
    let tool = policy.tool.as_ref().map(|tool| tool.value.clone());
    let publish = policy
        .ports
        .iter()
        .filter_map(|port| port.value.publish.map(|address| (address, port.value.listen)));
    let network = &policy.network;
    let limits = Limits {
        connections: network.connections.value as usize,
        bandwidth: network.bandwidth.as_ref().map(|limit| limit.value.0),
        ..Limits::default()
    };
    Config {
        who: Who { connector: policy.name.clone(), tool },
        fixed: Rules(network.rules.clone()),
        firewall: proxied.firewall.folder.clone(),
        limits,
        upstream: None,
        secrets: BTreeMap::new(),
        publish: publish.collect(),
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
            let cut = if *cut > 0 { format!(", {cut} connections cut") } else { String::new() };
            format!("jail: the firewall has changed: {rules} rules{cut}")
        }
        Event::Unreadable { why } => format!(
            "jail: the firewall cannot be read, and none of its rules allows anything: {why}"
        ),
        Event::Warning { what, why } => format!("jail: {what}: {why}"),
        Event::Failed { what, why } => {
            return Err(Failure::new(Kind::Refused, what.clone()).because(why));
        }
        Event::Ready | Event::Counters(_) => return Ok(None),
    }))
}

/// The workspace's firewall as it is now.
pub(super) fn firewall(sources: &Sources) -> Result<FirewallFacts, Failure> {
    let Some(root) = WorkspaceRoot::find(&sources.cwd) else {
        return Ok(FirewallFacts::default());
    };
    let folder = Folder::new(&root, sources.home.as_deref());
    let overlay = store::read(&folder)?;
    let rules = overlay.rules();
    Ok(FirewallFacts { folder: Some(folder), rules, upstream: overlay.upstream })
}
