//! What a run's egress process is told, and what is made of what it tells.

use super::audit;
use crate::cli::ui;
use crate::egress::{Config, Event, Limits};
use crate::failure::{Failure, Kind};
use crate::firewall::{Effect, Ports, Rule, Rules, Who};
use crate::policy::{HostPort, Policy, Setting};
use crate::plan::Plan;
use crate::spawn::egress::{self, Egress};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

/// Starts it for this plan; `sockets` is where the jail's sockets arrive.
pub(super) fn start(plan: &Plan, sockets: OwnedFd) -> Result<Egress, Failure> {
    egress::start(config(plan), sockets)
}

fn config(plan: &Plan) -> Config {
    let policy = &plan.policy;
    let tool = policy.tool.as_ref().map(|tool| tool.value.clone());
    let publish = policy.ports.iter().filter_map(|port| {
        port.value.publish.map(|address| (address, port.value.listen))
    });
    Config {
        who: Who { connector: policy.name.clone(), tool },
        fixed: fixed(policy),
        policy_dir: None,
        limits: Limits::default(),
        upstream: None,
        secrets: BTreeMap::new(),
        publish: publish.collect(),
    }
}

fn fixed(policy: &Policy) -> Rules {
    let rule = |setting: &Setting<HostPort>| {
        let host = setting.value.host.parse().ok()?;
        let ports = Ports::One(setting.value.port);
        Some(Rule::new(Effect::Allow, host, ports, setting.origin.clone()))
    };
    Rules(policy.network.allow.iter().filter_map(rule).collect())
}

/// One line for the person, one record for the log; an error ends the run.
pub(super) fn heard(log: &audit::Run, event: &Event) -> Result<(), Failure> {
    match event {
        Event::Denied { denial, more } => {
            let times = if *more > 0 { format!(" ({more} times more)") } else { String::new() };
            let fix = denial.fix().map(|fix| format!("; to allow it: {fix}")).unwrap_or_default();
            let (target, reason) = (denial.target(), &denial.reason);
            ui::line(&format!("jail: refused {target}: {reason}{times}{fix}"));
            log.egress_denied(denial, *more)
        }
        Event::Reloaded { rules, cut } => {
            let cut = if *cut > 0 { format!(", {cut} connections cut") } else { String::new() };
            ui::line(&format!("jail: the firewall has changed: {rules} rules{cut}"));
            Ok(())
        }
        Event::Unreadable { why } => {
            ui::line(&format!(
                "jail: the firewall cannot be read, and none of its rules allows anything: {why}"
            ));
            Ok(())
        }
        Event::Warning { what, why } => {
            ui::line(&format!("jail: {what}: {why}"));
            Ok(())
        }
        Event::Failed { what, why } => {
            Err(Failure::new(Kind::Refused, what.clone()).because(why))
        }
        Event::Ready | Event::Counters(_) => Ok(()),
    }
}
