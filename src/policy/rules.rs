//! Contradictions: settings that are right by themselves and wrong together, or wrong here. Pure.

use super::expect::nearest;
use super::problem::did_you_mean;
use super::{Places, Policy, Problem, SecretTarget, Setting, Workspace};
use std::path::Path;

/// Gives the policy back where nothing contradicts.
pub(super) fn check(policy: Policy, places: &Places) -> Result<Policy, Vec<Problem>> {
    let mut problems = Vec::new();
    targets(&policy, &mut problems);
    published(&policy, &mut problems);
    injected(&policy, &mut problems);
    for write in &policy.filesystem.write {
        let path = &write.value.path;
        if let Some(what) = writable(path, places) {
            problems.push(
                Problem::new(&write.origin, "filesystem.write", what)
                    .hint("grant the folders in it that the connector needs, one by one"),
            );
        }
    }
    workspace(&policy.filesystem.workspace, places, &mut problems);
    if problems.is_empty() { Ok(policy) } else { Err(problems) }
}

/// Every secret has a place of its own.
fn targets(policy: &Policy, problems: &mut Vec<Problem>) {
    for (number, secret) in policy.secrets.iter().enumerate() {
        let target = &secret.value.target;
        let name = &secret.value.name;
        // The proxy knows them by name, so that any number can go there.
        if *target == SecretTarget::Egress {
            continue;
        }
        let earlier = &policy.secrets[..number];
        if let Some(other) = earlier.iter().find(|other| other.value.target == *target) {
            let what = format!(
                "secret `{name}` goes where secret `{}` goes ({})",
                other.value.name, other.origin
            );
            problems.push(Problem::new(&secret.origin, "secrets", what));
        }
        let SecretTarget::Env(variable) = target else { continue };
        if let Some(entry) = policy.env.iter().find(|entry| entry.value.name == *variable) {
            let what = format!(
                "secret `{name}` goes to the variable `{variable}`, which `env` sets too ({})",
                entry.origin
            );
            problems.push(Problem::new(&secret.origin, "secrets", what));
        }
    }
}

/// Every header that is injected has its secret, and no host gets two.
fn injected(policy: &Policy, problems: &mut Vec<Problem>) {
    const FIELD: &str = "network.allow";
    let injecting = || policy.network.rules.iter().filter(|rule| rule.inject.is_some());
    for (number, rule) in injecting().enumerate() {
        let Some(inject) = &rule.inject else { continue };
        let names = || policy.secrets.iter().map(|secret| secret.value.name.as_str());
        if !names().any(|name| name == inject.secret) {
            let what =
                format!("injects the secret `{}`, which `secrets` does not have", inject.secret);
            let problem = Problem::new(&rule.origin, FIELD, what);
            let known: Vec<&str> = names().collect();
            problems.push(match nearest(&inject.secret, names()) {
                Some(name) => problem.hint(did_you_mean(name)),
                None if known.is_empty() => problem.hint("add it: {name: …, from: …, to: egress}"),
                None => problem.hint(format!("there are: {}", known.join(", "))),
            });
        }
        // Both would be for plain requests to port 80.
        if let Some(other) = injecting().take(number).find(|other| other.host == rule.host) {
            let what = format!("a second header for `{}` ({})", rule.host, other.origin);
            problems.push(Problem::new(&rule.origin, FIELD, what).hint("keep one of the two"));
        }
    }
}

/// One address of the host serves one port.
fn published(policy: &Policy, problems: &mut Vec<Problem>) {
    for (number, port) in policy.ports.iter().enumerate() {
        let Some(address) = port.value.publish else { continue };
        let earlier = &policy.ports[..number];
        if let Some(other) = earlier.iter().find(|other| other.value.publish == Some(address)) {
            let what = format!("{address} is published twice ({})", other.origin);
            problems.push(Problem::new(&port.origin, "ports", what));
        }
    }
}

/// Why this path may not be writable. A policy that its subject can rewrite is none.
pub(super) fn writable(path: &Path, places: &Places) -> Option<String> {
    if path == Path::new("/") {
        return Some("the whole disk may not be writable".to_owned());
    }
    let policy = places.protected.iter().find(|dir| dir.starts_with(path) || path.starts_with(dir));
    policy.map(|dir| {
        let (path, dir) = (path.display(), dir.display());
        format!("{path} would make the policy in {dir} writable from inside")
    })
}

fn workspace(workspace: &Setting<Workspace>, places: &Places, problems: &mut Vec<Problem>) {
    const FIELD: &str = "filesystem.workspace";
    let (path, host) = match &workspace.value {
        Workspace::Tmpfs { .. } => return,
        Workspace::Host { path } => (path, true),
        Workspace::Copy { path, .. } => (path, false),
    };
    let mut wrong = |what: String, hint: &str| {
        problems.push(Problem::new(&workspace.origin, FIELD, what).hint(hint));
    };
    let home = places.home.as_deref().is_some_and(|home| home.starts_with(path));
    if path == Path::new("/") || home {
        let what = format!("{} is or contains the home folder or the whole disk", path.display());
        wrong(what, "name the one folder that the connector works in");
    } else if host && let Some(what) = writable(path, places) {
        wrong(what, "use a folder beside `.cloned`, such as {host: work}, or {copy: .}");
    }
}
