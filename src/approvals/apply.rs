//! Answers become rules of the firewall's files, or entries of the registry of ports.

use super::answer::{Decision, Lifetime, Scope, Verdict};
use super::request::{Request, RequestId, Subject};
use super::store;
use crate::failure::{Failure, Kind};
use crate::firewall::store::{self as firewall, Entry, Folder, Wanted};
use crate::firewall::{Effect, Ports};
use crate::policy::Origin;
use crate::policy::load::WorkspaceRoot;
use crate::policy::text::plain_text;
use crate::ports::{Service, store as registry};
use crate::state::State;
use std::num::NonZeroU16;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Applies every decision that is not yet; those of processes that were killed, too. The first failure is
/// given, after all were tried.
pub fn apply(state: &mut State, root: &WorkspaceRoot, home: Option<&Path>) -> Result<(), Failure> {
    let folder = Folder::new(root, home);
    let (mut first, mut last) = (Ok(()), 0);
    let mut act = |decision: &Decision, request: &Request| one(decision, request, root, &folder);
    while let Some((number, result)) = store::apply_next(state, last, &mut act)? {
        first = first.and(result);
        last = number;
    }
    first
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
        (Subject::Port { .. }, Verdict::Revoke) => match entry(decision, request) {
            Some(service) => withdraw(root, &service),
            None => Ok(()),
        },
        (Subject::Port { .. }, Verdict::Deny) => Ok(()),
        (Subject::Port { .. }, Verdict::Approve) => match entry(decision, request) {
            Some(service) => register(root, &service),
            None => Ok(()),
        },
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
    let effect = match answer.verdict {
        Verdict::Approve => Effect::Allow,
        Verdict::Deny => Effect::Deny,
        Verdict::Revoke => return None,
    };
    let expires = match answer.lifetime {
        Lifetime::Until { end } => Some(SystemTime::UNIX_EPOCH + Duration::from_secs(end)),
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
        private: *private && effect == Effect::Allow,
        ech: false,
        by: word(answer.by.as_str()),
        at: SystemTime::UNIX_EPOCH + Duration::from_secs(decision.at),
    })
}

/// The entry of the registry that an approval makes.
fn entry(decision: &Decision, request: &Request) -> Option<Service> {
    let Subject::Port { service, proto, at } = &request.subject else { return None };
    Some(Service {
        name: service.clone(),
        port: NonZeroU16::new(at.port())?,
        proto: *proto,
        bind: at.ip(),
        owner: None,
        connector: Some(request.asker.connector.to_string()),
        container: None,
        program: None,
        note: decision.answer.why.as_ref().and_then(|why| plain_text(why.as_str()).ok()),
        origin: Origin::BuiltIn("approval"),
    })
}

/// Registers a port, where that is not done already.
fn register(root: &WorkspaceRoot, service: &Service) -> Result<(), Failure> {
    if !registry::read(root)?.services.iter().any(|known| is_same(known, service)) {
        registry::add(root, service)?;
    }
    match registry::read(root)?.services.iter().any(|known| is_same(known, service)) {
        true => Ok(()),
        false => Err(otherwise(&registry::path(root))),
    }
}

/// Takes a port out of the registry. What somebody has changed since is theirs.
fn withdraw(root: &WorkspaceRoot, service: &Service) -> Result<(), Failure> {
    let known = registry::read(root)?;
    let own = known.named(&service.name).filter(|known| is_same(known, service));
    if own.is_some() {
        registry::remove(root, &service.name)?;
    }
    match registry::read(root)?.named(&service.name).is_some_and(|it| is_same(it, service)) {
        true => Err(otherwise(&registry::path(root))),
        false => Ok(()),
    }
}

/// Do both let the same connector publish the same port? A note decides nothing.
fn is_same(known: &Service, service: &Service) -> bool {
    let key = |it: &Service| (it.port, it.proto, it.bind, it.connector.clone());
    key(known) == key(service)
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
