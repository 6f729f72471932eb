//! Answers become rules of the firewall's files, or entries of the registry of ports.

use super::answer::{Decision, Lifetime, Scope, Verdict};
use super::log::log;
use super::request::{Request, RequestId, Subject};
use super::store::{self, Act};
use crate::audit::Text;
use crate::calendar::LAST;
use crate::failure::{Failure, Kind};
use crate::firewall::store::{self as firewall, Entry, Folder, Wanted};
use crate::firewall::{Effect, Ports};
use crate::policy::Origin;
use crate::policy::load::WorkspaceRoot;
use crate::policy::text::plain_text;
use crate::ports::{Registry, Service, allocate, store as registry};
use crate::state::State;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Applies every decision that is not yet; those of processes that were killed, too. The first failure is
/// given, after all were tried.
pub fn apply(state: &mut State, root: &WorkspaceRoot, home: Option<&Path>) -> Result<(), Failure> {
    let mut here = Here { root, folder: Folder::new(root, home) };
    let (mut first, mut last) = (Ok(()), 0);
    while let Some((number, result)) = store::apply_next(state, last, &mut here)? {
        first = first.and(result);
        last = number;
    }
    first
}

/// The files of a workspace.
struct Here<'a> {
    root: &'a WorkspaceRoot,
    folder: Folder,
}

impl Act for Here<'_> {
    fn record(&mut self, decision: &Decision, request: &Request) -> Result<(), Failure> {
        log(self.root, decision, request)
    }

    fn act(&mut self, decision: &Decision, request: &Request) -> Result<(), Failure> {
        one(decision, request, self.root, &self.folder)
    }
}

fn one(
    decision: &Decision,
    request: &Request,
    root: &WorkspaceRoot,
    folder: &Folder,
) -> Result<(), Failure> {
    match (&request.subject, decision.answer.verdict) {
        (Subject::Egress { .. }, Verdict::Revoke) => lift(folder, &request.id),
        (Subject::Egress { .. }, _) => {
            let Some(wanted) = rule(decision, request) else { return Ok(()) };
            let (_, overlay) = firewall::put(folder, &wanted)?;
            if overlay.entries.iter().any(|entry| wanted.is_said_by(entry)) {
                return Ok(());
            }
            Err(otherwise(&folder.path()))
        }
        (Subject::Port { .. }, Verdict::Revoke) => {
            match entry(request, decision.answer.why.as_ref()) {
                Some(service) => withdraw(root, &service),
                None => Ok(()),
            }
        }
        (Subject::Port { .. }, Verdict::Deny) => Ok(()),
        (Subject::Port { .. }, Verdict::Approve) => {
            match entry(request, decision.answer.why.as_ref()) {
                Some(service) => register(root, &service),
                None => Ok(()),
            }
        }
    }
}

/// What was written is not what was read back.
fn otherwise(path: &Path) -> Failure {
    Failure::new(Kind::Io, format!("{} was written, and does not say so", path.display()))
        .hint("another program changed it at the same moment: look at it")
}

/// The rule that a decision makes.
fn rule(decision: &Decision, request: &Request) -> Option<Wanted> {
    let Subject::Egress { host, port, private } = &request.subject else { return None };
    let answer = &decision.answer;
    if answer.verdict == Verdict::Deny && request.denial_is_no_rule() {
        return None;
    }
    let effect = match answer.verdict {
        Verdict::Approve => Effect::Allow,
        Verdict::Deny => Effect::Deny,
        Verdict::Revoke => return None,
    };
    let expires = match answer.lifetime {
        // What is later than every time counts as that.
        Lifetime::Until { end } => {
            Some(SystemTime::UNIX_EPOCH + Duration::from_secs(end.min(LAST)))
        }
        _ => None,
    };
    let asker = &request.asker;
    let word = |text: &str| plain_text(text).ok();
    Some(Wanted {
        effect,
        host: host.clone(),
        ports: Ports::One(*port),
        tool: asker.tool.clone().filter(|_| answer.scope == Scope::Tool),
        connector: (answer.scope == Scope::Connector).then(|| asker.connector.clone()),
        run: answer.run.as_ref().map(|run| run.as_str().to_owned()),
        once: answer.lifetime == Lifetime::Once,
        request: Some(request.id.to_string()),
        reason: answer.why.as_ref().and_then(|why| word(why.as_str())),
        expires,
        raw: false,
        private: *private,
        ech: false,
        by: word(answer.by.as_str()),
        at: SystemTime::UNIX_EPOCH + Duration::from_secs(decision.at),
    })
}

/// The entry of the registry that an approval makes.
fn entry(request: &Request, why: Option<&Text>) -> Option<Service> {
    let Subject::Port { service, proto, at, open } = &request.subject else { return None };
    Some(Service {
        name: service.clone(),
        port: NonZeroU16::new(at.port())?,
        proto: *proto,
        bind: at.ip(),
        owner: None,
        connector: (!open).then(|| request.asker.connector.to_string()),
        container: None,
        program: None,
        note: why.and_then(|why| plain_text(why.as_str()).ok()),
        origin: Origin::BuiltIn("approval"),
    })
}

/// Does this entry grant what is asked for?
pub(super) fn grants(service: &Service, request: &Request) -> bool {
    entry(request, None).is_some_and(|wanted| is_same(service, &wanted))
}

/// Refuses what `jail ports add` would refuse, before an answer is written down.
pub(super) fn may_register(root: &WorkspaceRoot, request: &Request) -> Result<(), Failure> {
    let Some(service) = entry(request, None) else { return Ok(()) };
    let known = registry::read(root)?;
    if known.services.iter().any(|known| is_same(known, &service)) {
        return Ok(());
    }
    beyond_loopback(&known, service.bind)?;
    registry::fits(&known, &service)
}

/// Registers a port, where that is not done already.
fn register(root: &WorkspaceRoot, service: &Service) -> Result<(), Failure> {
    if !registry::read(root)?.services.iter().any(|known| is_same(known, service)) {
        registry::put(root, |registry| {
            beyond_loopback(registry, service.bind)?;
            Ok(service.clone())
        })?;
    }
    match registry::read(root)?.services.iter().any(|known| is_same(known, service)) {
        true => Ok(()),
        false => Err(otherwise(&registry::path(root))),
    }
}

/// An answer to a request has no `--non-loopback`: that has to be said with the address.
fn beyond_loopback(registry: &Registry, bind: IpAddr) -> Result<(), Failure> {
    allocate::beyond_loopback(registry, bind, false).map_err(|failure| Failure {
        hints: vec!["if it is meant: jail ports add … --non-loopback, which answers it".to_owned()],
        ..failure
    })
}

/// Takes a port out of the registry, by whatever name. What somebody has changed since is theirs.
fn withdraw(root: &WorkspaceRoot, service: &Service) -> Result<(), Failure> {
    let granted = |known: &Registry| {
        known.services.iter().find(|known| is_same(known, service)).map(|it| it.name.clone())
    };
    let Some(name) = granted(&registry::read(root)?) else { return Ok(()) };
    registry::remove(root, &name)?;
    match granted(&registry::read(root)?) {
        Some(_) => Err(otherwise(&registry::path(root))),
        None => Ok(()),
    }
}

/// Do both let the same one publish the same port? Name and note decide nothing where a connector has it.
fn is_same(known: &Service, service: &Service) -> bool {
    let Service { port, proto, bind, owner, connector, container, program, .. } = service;
    (known.port, known.proto, known.bind) == (*port, *proto, *bind)
        && (&known.owner, &known.connector) == (owner, connector)
        && (&known.container, &known.program) == (container, program)
        && (connector.is_some() || known.name == service.name)
}

/// Takes away the rules that answer this request.
fn lift(folder: &Folder, id: &RequestId) -> Result<(), Failure> {
    let ours = |entry: &Entry| entry.rule.request.as_deref() == Some(id.as_str());
    firewall::remove(folder, ours)?;
    match firewall::read(folder)?.entries.iter().any(ours) {
        true => Err(otherwise(&folder.path())),
        false => Ok(()),
    }
}
