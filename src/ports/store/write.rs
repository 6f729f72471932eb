//! Changes the registry: one writer at a time, all or nothing, as `edit` has it.

use super::{decode, path, rules};
use crate::edit::Sort;
use crate::edit::lines::Lines;
use crate::failure::{Failure, Kind};
use crate::policy::Origin;
use crate::policy::load::WorkspaceRoot;
use crate::policy::yaml::Marks;
use crate::ports::{Registry, Service, ServiceName};

const SORT: Sort = Sort {
    name: "the registry of ports",
    lock: ".ports.lock",
    unfinished: ".ports-",
    head: "\
# Who may bind which port of this machine; `jail ports --help` says more.
# A comment directly above a service belongs to it and is removed with it.
",
    advice: "put each service on lines of its own: `NAME: {port: PORT}`",
};

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    Added,
    /// It was there just so; nothing was written.
    Known,
}

/// Registers the service. One of this name that says something else, a port that another has and a range
/// that another connector has are refused.
pub fn add(workspace: &WorkspaceRoot, service: &Service) -> Result<(Put, Service), Failure> {
    put(workspace, |_| Ok(service.clone()))
}

/// As `add`, with a service that is made for the registry as it is when our turn has come.
pub fn put(
    workspace: &WorkspaceRoot,
    make: impl Fn(&Registry) -> Result<Service, Failure>,
) -> Result<(Put, Service), Failure> {
    let _lock = SORT.lock(&super::folder(workspace))?;
    let path = path(workspace);
    let mut done = None;
    SORT.until_still(|| {
        let registry = super::read(workspace)?;
        let wanted = make(&registry)?;
        if let Some(known) = registry.named(&wanted.name) {
            if placeless(known.clone()) == placeless(wanted) {
                done = Some((Put::Known, known.clone()));
                return Ok(true);
            }
            return Err(taken(known));
        }
        fits(&registry, &wanted)?;
        let mut append = |lines: &mut Lines, marks: Option<&Marks<'_>>, says: &Registry| {
            lines.add_service(marks, says, &wanted)
        };
        let right = |before: &Registry, after: &Registry| {
            let mut expected = before.clone();
            expected.services.push(placeless(wanted.clone()));
            (expected == *after).then_some(())
        };
        let written = SORT.change(&path, &says, &mut append, &right)?;
        done = Some((Put::Added, wanted));
        Ok(written)
    })?;
    done.ok_or_else(|| Failure::new(Kind::Io, "nothing was registered"))
}

/// Refuses a service that cannot stand beside what this registry has.
pub fn fits(registry: &Registry, wanted: &Service) -> Result<(), Failure> {
    if let Some(known) = registry.named(&wanted.name) {
        return Err(taken(known));
    }
    match rules::objections(wanted, &registry.services, &registry.reserved).into_iter().next() {
        Some((what, hint)) => Err(Failure::new(Kind::Refused, what).hint(hint)),
        None => Ok(()),
    }
}

/// Removes the service of this name, and gives it.
pub fn remove(workspace: &WorkspaceRoot, name: &ServiceName) -> Result<Option<Service>, Failure> {
    let _lock = SORT.lock(&super::folder(workspace))?;
    let path = path(workspace);
    let mut gone = None;
    SORT.until_still(|| {
        gone = super::read(workspace)?.named(name).cloned();
        if gone.is_none() {
            return Ok(true);
        }
        let mut cut = |lines: &mut Lines, marks: Option<&Marks<'_>>, _: &Registry| {
            lines.remove_service(marks?, name)
        };
        let right = |before: &Registry, after: &Registry| {
            let mut expected = before.clone();
            expected.services.retain(|service| service.name != *name);
            (expected == *after).then_some(())
        };
        SORT.change(&path, &says, &mut cut, &right)
    })?;
    Ok(gone)
}

fn taken(known: &Service) -> Failure {
    let Service { name, proto, bind, port, origin, .. } = known;
    let at = std::net::SocketAddr::new(*bind, port.get());
    Failure::new(
        Kind::Refused,
        format!("`{name}` is registered already, otherwise: {proto} {at} ({origin})"),
    )
    .hint(format!("choose another name, or take that one out first: jail ports remove {name}"))
}

/// What a text says, wherever in it.
fn says(bytes: &[u8]) -> Result<Registry, Vec<crate::policy::Problem>> {
    let mut registry = decode::registry(super::FILE.as_ref(), bytes)?;
    let services = std::mem::take(&mut registry.services);
    registry.services = services.into_iter().map(placeless).collect();
    for reserved in &mut registry.reserved {
        reserved.origin = Origin::BuiltIn("file");
    }
    Ok(registry)
}

fn placeless(mut service: Service) -> Service {
    service.origin = Origin::BuiltIn("file");
    service
}
