//! The decision. Pure: what is not an argument does not count.

use super::{Denial, Effect, Host, HostPattern, Reason, Rule, Rules, command};
use crate::planted::{Control, broken};
use crate::policy::{ConnectorName, ToolId};
use std::time::SystemTime;

/// On whose behalf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    pub connector: ConnectorName,
    pub tool: Option<ToolId>,
    /// The run's id; `None` where the question is about no run.
    pub run: Option<String>,
}

/// How the connector asks.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    /// An HTTP proxy request in absolute form.
    Http,
    /// An HTTP proxy tunnel.
    Connect,
    /// SOCKS5.
    Socks,
    /// A connection to an address that the resolver gave out.
    Transparent,
    /// A question to the resolver; the port is not known yet.
    Dns,
    /// Packets that no door takes: seen by the logger, refused by the kernel.
    Packet,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<'a> {
    Allow(&'a Rule),
    /// Nothing decides it: the owner is asked where somebody can answer.
    Ask(Denial),
    Deny(Denial),
}

impl Door {
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Connect => "connect",
            Self::Socks => "socks",
            Self::Transparent => "transparent",
            Self::Dns => "dns",
            Self::Packet => "packet",
        }
    }
}

/// What a name is asked for, while its port is not known.
pub const DEFAULT_PORT: u16 = 443;

/// May `who` reach `host` at `port`?
///
/// A rule that denies beats every rule that allows, wherever each comes from; among those that allow,
/// the one of the run, the tool or the connector before the general one, and an exact host before a
/// pattern. What no rule names is for its owner to answer: denied where nobody is asked.
///
/// For [`Door::Dns`] the port does not count: a name may be looked up if any port of it may be reached. Where
/// nothing says so, it stands for [`DEFAULT_PORT`]: what is denied there is not asked for.
#[expect(clippy::too_many_arguments, reason = "each is a part of the question")]
pub fn decide<'a>(
    who: &Who,
    rules: &'a Rules,
    host: &Host,
    port: u16,
    door: Door,
    now: SystemTime,
) -> Decision<'a> {
    let matching = |effect| {
        rules.0.iter().filter(move |rule| {
            rule.effect == effect && rule.counts(who, now) && rule.host.matches(host)
        })
    };
    let any_port = door == Door::Dns;
    let denying = matching(Effect::Deny)
        .find(|rule| if any_port { rule.ports.one().is_none() } else { rule.ports.contain(port) });
    let denied_by = |rule: &Rule| {
        let lift = command::lifting(rule);
        let reason = Reason::DeniedByRule { rule: rule.origin.to_string(), lift };
        Denial::new(who, host, port, door, reason)
    };
    if let Some(rule) = denying.filter(|_| !broken(Control::DenyRules)) {
        return Decision::Deny(denied_by(rule));
    }
    let serves = |rule: &&Rule| {
        let plain = rule.inject.is_some() && port == 80;
        any_port || rule.ports.contain(port) || plain || broken(Control::Ports)
    };
    let best = matching(Effect::Allow).filter(serves).max_by_key(|rule| {
        (rule.narrowness(), matches!(rule.host, HostPattern::Exact(_)), rule.ports.contain(port))
    });
    if let Some(rule) = best {
        return Decision::Allow(rule);
    }
    if broken(Control::DefaultDeny)
        && let Some(any) = rules.0.first()
    {
        return Decision::Allow(any);
    }
    let by_default = || matching(Effect::Deny).find(|rule| rule.ports.contain(DEFAULT_PORT));
    if any_port && let Some(rule) = by_default().filter(|_| !broken(Control::DenyRules)) {
        return Decision::Deny(denied_by(rule));
    }
    Decision::Ask(Denial::new(who, host, port, door, unlisted(who, rules, host, port, now)))
}

/// Why nothing allows it: nearly, or not at all.
fn unlisted(who: &Who, rules: &Rules, host: &Host, port: u16, now: SystemTime) -> Reason {
    let tool = who.tool.as_ref();
    let named = || rules.0.iter().filter(|r| r.effect == Effect::Allow && r.host.matches(host));
    let mut ports: Vec<u16> =
        named().filter(|r| r.counts(who, now)).filter_map(|r| r.ports.one()).collect();
    if !ports.is_empty() {
        ports.sort_unstable();
        ports.dedup();
        return Reason::OtherPort { allowed: ports };
    }
    let same = |r: &&Rule| r.ports.contain(port);
    if let Some(rule) = named().filter(same).find(|r| r.expires.is_some_and(|end| end <= now)) {
        return Reason::Expired { rule: rule.origin.to_string() };
    }
    if let Some(rule) = named().filter(same).find(|r| r.tool.is_some() && r.tool.as_ref() != tool) {
        let tool = rule.tool.as_ref().map(ToString::to_string).unwrap_or_default();
        return Reason::OtherTool { tool };
    }
    match host {
        Host::Name(_) => Reason::NotListed,
        Host::Address(_) => Reason::AddressNotListed,
    }
}
