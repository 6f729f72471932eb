//! Which ports a run may offer on the host: those that the policy names and the registry grants. Pure.
//!
//! A connector with a manifest may publish what is registered for it: a service of its own at exactly that
//! address and port, or a port of a range that is reserved for it. For a command without a manifest the
//! word of the person who types it is enough, but not for what somebody else has, and not where the
//! registry's policy denies what it does not have.

use super::{Facts, Stage};
use crate::failure::{Failure, Kind};
use crate::policy::{Origin, Policy, Setting};
use crate::ports::{Judgement, Proto, Registry, Service, ServiceName, overlap, requests};
use std::net::SocketAddr;

/// The workspace's registry as it was when the run was planned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortFacts {
    pub registry: Registry,
    /// The name of the user, where it has one.
    pub user: Option<String>,
}

/// A port that the run offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Where on the host.
    pub at: SocketAddr,
    /// The port inside.
    pub listen: u16,
    /// What grants it, in words.
    pub by: String,
    /// Where that stands.
    pub origin: Origin,
}

/// A port that nothing grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ungranted {
    pub at: SocketAddr,
    /// The connector that would publish it; `None` for a command without a manifest.
    pub connector: Option<String>,
    /// Who asks for it: the manifest or the option.
    origin: Origin,
    why: String,
    /// The name of the entry that would grant it; `None` where somebody else has the port.
    pub entry: Option<String>,
    fix: String,
}

/// All published ports, with what grants them; refused where one is not granted.
pub fn check(policy: &Policy, facts: &Facts) -> Result<Vec<Published>, Failure> {
    let mut published = Vec::new();
    let mut ungranted = Vec::new();
    for verdict in judge(policy, facts) {
        match verdict {
            Ok(port) => published.push(port),
            Err(port) => ungranted.push(*port),
        }
    }
    match ungranted.split_first() {
        None => Ok(published),
        Some((first, rest)) => Err(refusal(first, rest)),
    }
}

/// The ports that an entry of the registry would grant.
pub fn asked(policy: &Policy, facts: &Facts) -> Vec<Ungranted> {
    judge(policy, facts)
        .filter_map(Result::err)
        .map(|port| *port)
        .filter(|port| port.entry.is_some())
        .collect()
}

/// How many ports are refused, for whatever reason.
pub fn refused(policy: &Policy, facts: &Facts) -> usize {
    judge(policy, facts).filter(Result::is_err).count()
}

fn judge(
    policy: &Policy,
    facts: &Facts,
) -> impl Iterator<Item = Result<Published, Box<Ungranted>>> {
    let asked = policy.ports.iter().filter_map(|port| Some((port, port.value.publish?)));
    asked.map(move |(port, at)| {
        let judge =
            Judge { policy, facts, registry: &facts.ports.registry, at, port: &port.origin };
        let (by, origin) = if policy.is_ad_hoc() { judge.command() } else { judge.connector() }?;
        Ok(Published { at, listen: port.value.listen, by, origin })
    })
}

/// One port before the registry.
struct Judge<'a> {
    policy: &'a Policy,
    facts: &'a Facts,
    registry: &'a Registry,
    at: SocketAddr,
    port: &'a Origin,
}

type Verdict = Result<(String, Origin), Box<Ungranted>>;

impl Judge<'_> {
    fn connector(&self) -> Verdict {
        let name = self.policy.name.as_str();
        let own = |service: &&Service| service.connector.as_deref() == Some(name);
        if let Some(service) = self.services().filter(own).find(|it| it.bind == self.at.ip()) {
            return self.entry(service);
        }
        if let Some(reserved) = self.registry.reserved_for(self.at.port()) {
            if reserved.connector == name {
                let by = format!("the range {}", reserved.range);
                return Ok((by, reserved.origin.clone()));
            }
            return Err(self.reserved(reserved));
        }
        if let Some(other) = self.in_the_way().find(|service| !own(service)) {
            return Err(self.taken(other));
        }
        if let Some(service) = self.services().find(own) {
            let at = SocketAddr::new(service.bind, self.at.port());
            let why = format!("`{}` ({}) is for {at}", service.name, service.origin);
            let fix = format!("publish it there: `publish: \"{at}\"`");
            return Err(self.ungranted(why, fix));
        }
        let why = format!("the registry has no service of `{name}` with this port");
        Err(self.unregistered(why))
    }

    fn command(&self) -> Verdict {
        let nobodys = |service: &&Service| {
            let Service { connector, container, program, .. } = service;
            connector.is_none() && container.is_none() && program.is_none()
        };
        if let Some(reserved) = self.registry.reserved_for(self.at.port()) {
            return Err(self.reserved(reserved));
        }
        let open = |service: &&Service| nobodys(service) && service.bind == self.at.ip();
        if let Some(other) = self.in_the_way().find(|service| !open(service)) {
            return Err(self.taken(other));
        }
        if let Some(service) = self.in_the_way().next() {
            return self.entry(service);
        }
        if self.registry.policy.unregistered == Judgement::Deny {
            let why = "the registry has no service with this port, and its policy denies those";
            return Err(self.unregistered(why.to_owned()));
        }
        Ok(("the command line".to_owned(), self.port.clone()))
    }

    /// Services with this port; only TCP is published.
    fn services(&self) -> impl Iterator<Item = &Service> {
        self.registry.service(Proto::Tcp, self.at.port())
    }

    fn in_the_way(&self) -> impl Iterator<Item = &Service> {
        self.services().filter(|service| overlap(service.bind, self.at.ip()))
    }

    /// This entry grants it, if it is for this user.
    fn entry(&self, service: &Service) -> Verdict {
        let number = self.facts.uid.to_string();
        let owned = |owner: &String| {
            *owner == number || Some(owner.as_str()) == self.facts.ports.user.as_deref()
        };
        if let Some(owner) = service.owner.as_ref().filter(|owner| !owned(owner)) {
            let why = format!("`{}` ({}) is for the user {owner}", service.name, service.origin);
            let fix = format!("run it as {owner}, or change `owner` of `{}`", service.name);
            return Err(self.ungranted(why, fix));
        }
        Ok((format!("service {}", service.name), service.origin.clone()))
    }

    fn taken(&self, other: &Service) -> Box<Ungranted> {
        let why = format!("it is that of `{}` ({})", other.name, other.origin);
        let fix =
            format!("publish another port; to free this one: jail ports remove {}", other.name);
        self.ungranted(why, fix)
    }

    fn reserved(&self, reserved: &crate::ports::Reserved) -> Box<Ungranted> {
        let crate::ports::Reserved { connector, range, origin } = reserved;
        let why = format!("{range} is reserved for the connector `{connector}` ({origin})");
        self.ungranted(why, "publish a port outside of it".to_owned())
    }

    fn unregistered(&self, why: String) -> Box<Ungranted> {
        let several = self.policy.ports.iter().filter(|it| it.value.publish.is_some()).count() > 1;
        let port = self.at.port();
        let name = name(self.registry, self.policy.name.as_str(), port, several);
        let connector = (!self.policy.is_ad_hoc()).then(|| self.policy.name.as_str());
        let fix = requests::command(&name, Proto::Tcp, self.at, connector);
        Box::new(Ungranted { entry: Some(name), ..*self.ungranted(why, fix) })
    }

    fn ungranted(&self, why: String, fix: String) -> Box<Ungranted> {
        let ad_hoc = self.policy.is_ad_hoc();
        let connector = (!ad_hoc).then(|| self.policy.name.as_str().to_owned());
        let (at, origin) = (self.at, self.port.clone());
        Box::new(Ungranted { at, connector, origin, why, entry: None, fix })
    }
}

/// A name for an entry that no other has: the connector's, with the port where there are several.
fn name(registry: &Registry, connector: &str, port: u16, several: bool) -> String {
    let plain = |text: &str| text.trim_end_matches(['.', '_', '-']).to_owned();
    let short: String = connector.chars().take(58).collect();
    let free =
        |name: &String| ServiceName::new(name).is_ok_and(|name| registry.named(&name).is_none());
    [plain(connector), format!("{}-{port}", plain(&short))]
        .into_iter()
        .skip(usize::from(several))
        .find(free)
        .unwrap_or_else(|| format!("port-{port}"))
}

fn refusal(first: &Ungranted, rest: &[Ungranted]) -> Failure {
    let Ungranted { at, connector, origin, why, entry: _, fix } = first;
    let whom = match connector {
        Some(connector) => format!("the connector `{connector}` may not publish {at}"),
        None => format!("a command may not publish {at}"),
    };
    let mut failure = Failure::new(Kind::Refused, format!("{whom} ({origin})"))
        .at(Stage::Network)
        .because(why)
        .hint(fix);
    for Ungranted { at, why, fix, .. } in rest {
        failure = failure.because(format!("{at}: {why}")).hint(fix);
    }
    failure
}

/// For `jail explain`: where it is offered, as what; and who decided so.
pub(super) fn rows(published: &[Published]) -> impl Iterator<Item = Setting<String>> {
    published.iter().map(|Published { at, listen, by, origin }| {
        Setting::new(format!("{at} for {listen}, by {by}"), origin.clone())
    })
}
