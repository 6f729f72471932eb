//! A rule of the firewall's files.

use super::super::show::{self, When};
use super::super::warn;
use super::{Tag, Tone};
use crate::audit::Digest;
use crate::firewall::store::{Entry, target};
use crate::firewall::{Effect, Ports};
use crate::policy::Origin;
use std::path::Path;
use std::time::SystemTime;

#[derive(Debug, Clone)]
pub(in crate::console) struct RuleView {
    /// Names the rule in a form.
    pub(in crate::console) key: String,
    pub(in crate::console) effect: Tag,
    pub(in crate::console) target: String,
    pub(in crate::console) letters: Option<String>,
    /// For whom it counts.
    pub(in crate::console) whom: String,
    /// `private`, `raw`, what is injected.
    pub(in crate::console) conditions: Vec<String>,
    pub(in crate::console) expires: Option<When>,
    pub(in crate::console) expired: bool,
    pub(in crate::console) by: Option<String>,
    pub(in crate::console) at: Option<When>,
    pub(in crate::console) because: Option<String>,
    pub(in crate::console) place: String,
    /// The request that it answers.
    pub(in crate::console) request: Option<String>,
}

pub(in crate::console) fn rule(entry: &Entry, root: &Path, now: SystemTime) -> RuleView {
    let rule = &entry.rule;
    let effect = match rule.effect {
        Effect::Allow => Tag::new("allow", Tone::Good),
        Effect::Deny => Tag::new("deny", Tone::Bad),
    };
    let port = match rule.ports {
        Ports::One(port) => format!(":{port}"),
        Ports::All => " (all ports)".to_owned(),
    };
    let expired = rule.expires.is_some_and(|end| end <= now);
    RuleView {
        key: key(entry),
        effect,
        target: format!("{}{port}", rule.host),
        letters: warn::in_letters(&rule.host),
        whom: whom(entry),
        conditions: conditions(entry),
        expires: rule.expires.map(|end| When::new(end, now)),
        expired,
        by: entry.by.as_deref().map(show::text),
        at: entry.rule.at.map(|at| When::new(at, now)),
        because: rule.because.as_deref().map(show::text),
        place: place(&rule.origin, root),
        request: rule.request.as_deref().map(show::text),
    }
}

/// What it says, without the line that it stands in: lines move when somebody else edits the file.
pub(in crate::console) fn key(entry: &Entry) -> String {
    let rule = &entry.rule;
    let target = target::of(&rule.host, rule.ports, rule.effect);
    let says =
        (rule.effect, target, &rule.tool, &rule.connector, &rule.run, rule.once, &rule.request);
    let mut key = Digest::of(format!("{says:?} {rule} {:?}", rule.expires).as_bytes()).to_string();
    key.truncate(16);
    key
}

fn whom(entry: &Entry) -> String {
    let rule = &entry.rule;
    let mut parts = Vec::new();
    if let Some(tool) = &rule.tool {
        parts.push(format!("tool {tool}"));
    }
    if let Some(connector) = &rule.connector {
        parts.push(format!("connector {connector}"));
    }
    if let Some(run) = &rule.run {
        parts.push(format!("run {}", show::text(run)));
    }
    if parts.is_empty() { "every connector".to_owned() } else { parts.join(", ") }
}

fn conditions(entry: &Entry) -> Vec<String> {
    let rule = &entry.rule;
    let flags =
        [("once", rule.once), ("raw", rule.raw), ("private", rule.private), ("ech", rule.ech)];
    let set = flags.into_iter().filter(|(_, set)| *set).map(|(name, _)| name.to_owned());
    let inject = rule.inject.as_ref();
    let inject =
        inject.map(|it| format!("{} from {}", show::text(&it.header), show::text(&it.secret)));
    set.chain(inject).collect()
}

fn place(origin: &Origin, root: &Path) -> String {
    match origin {
        Origin::File { path, line, .. } => {
            let path = path.strip_prefix(root).unwrap_or(path);
            format!("{}:{line}", show::text(&path.to_string_lossy()))
        }
        other => show::text(&other.to_string()),
    }
}
