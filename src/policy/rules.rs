//! Contradictions: settings that are right by themselves and wrong together, or wrong here. Pure.

use super::{Places, Policy, Problem, SecretTarget, Setting, Workspace};
use std::path::Path;

/// Gives the policy back where nothing contradicts.
pub(super) fn check(policy: Policy, places: &Places) -> Result<Policy, Vec<Problem>> {
    let mut problems = Vec::new();
    targets(&policy, &mut problems);
    published(&policy, &mut problems);
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
