//! Changes the folder: one writer at a time, and each file all or nothing, as `edit` has it.

use super::{Entry, Folder, MAIN, Overlay, UpstreamRef, decode, read, target};
use crate::calendar::stamp;
use crate::edit::lines::{Field, Lines, scalar};
use crate::edit::{Edit, Right, Sort};
use crate::failure::{Failure, Kind};
use crate::firewall::{Effect, HostPattern, Ports, Rule, Unlisted};
use crate::policy::yaml::Marks;
use crate::policy::{ConnectorName, SecretSource, ToolId};
use std::path::Path;
use std::time::SystemTime;

const SORT: Sort = Sort {
    name: "the firewall's files",
    lock: ".lock",
    unfinished: ".firewall-",
    head: "\
# Hosts that connectors may reach, for the whole workspace; `jail firewall --help` says more.
# A comment directly above a rule belongs to it and is removed with it.
",
    advice: "put each rule on lines of its own, starting with `- `",
};

/// A rule as the command line asks for it.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub effect: Effect,
    pub host: HostPattern,
    pub ports: Ports,
    pub tool: Option<ToolId>,
    pub connector: Option<ConnectorName>,
    pub run: Option<String>,
    pub once: bool,
    /// The request that it answers; `None`: whichever, or none.
    pub request: Option<String>,
    /// `None`: as it is, where the rule is there already.
    pub reason: Option<String>,
    pub expires: Option<SystemTime>,
    pub raw: bool,
    pub private: bool,
    pub ech: bool,
    pub by: Option<String>,
    pub at: SystemTime,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    Added,
    /// It was there with other conditions, and has these now.
    Changed,
    /// It was there just so; nothing was written.
    Unchanged,
}

/// Makes sure that the rule is there, once. Gives everything that the folder says afterwards, too.
pub fn put(folder: &Folder, wanted: &Wanted) -> Result<(Put, Overlay), Failure> {
    let _lock = SORT.lock(&folder.path())?;
    let mut done = Put::Unchanged;
    SORT.until_still(|| {
        let overlay = read(folder)?;
        let Some(entry) = overlay.entries.iter().find(|entry| wanted.is_what(entry)) else {
            done = Put::Added;
            let mut append = |lines: &mut Lines, marks: Option<&Marks<'_>>, _: &Says| {
                lines.append(marks, &wanted.fields(true))
            };
            let right = |before: &Says, after: &Says| {
                let (last, rest) = after.entries.split_last()?;
                (rest == before.entries && wanted.is_said_by(last)).then_some(())
            };
            return change(folder, &folder.path().join(MAIN), &mut append, &right);
        };
        if wanted.is_met_by(&entry.rule) {
            done = Put::Unchanged;
            return Ok(true);
        }
        done = Put::Changed;
        let (path, _) = entry.place().ok_or_else(nowhere)?;
        let mut set = |lines: &mut Lines, marks: Option<&Marks<'_>>, says: &Says| {
            let number = says.entries.iter().position(|entry| wanted.is_what(entry))?;
            lines.set(marks?, number, &wanted.fields(false))
        };
        let right = |before: &Says, after: &Says| {
            let mut expected = after.entries.clone();
            let number = before.entries.iter().position(|entry| wanted.is_what(entry))?;
            let old = std::mem::replace(expected.get_mut(number)?, before.entries[number].clone());
            (expected == before.entries && wanted.is_said_by(&old)).then_some(())
        };
        change(folder, path, &mut set, &right)
    })?;
    Ok((done, read(folder)?))
}

/// Removes every rule that `which` picks, and gives them.
pub fn remove(folder: &Folder, which: impl Fn(&Entry) -> bool) -> Result<Vec<Entry>, Failure> {
    let _lock = SORT.lock(&folder.path())?;
    // All of the folder has to be right before any of it is changed.
    read(folder)?;
    let mut gone = Vec::new();
    for path in folder.files()? {
        let mut here = Vec::new();
        SORT.until_still(|| {
            here = read(folder)?.entries;
            here.retain(|entry| entry.place().is_some_and(|it| it.0 == path) && which(entry));
            if here.is_empty() {
                return Ok(true);
            }
            let mut cut = |lines: &mut Lines, marks: Option<&Marks<'_>>, says: &Says| {
                // From the last to the first: the marks of those before stay right.
                let picked =
                    says.entries.iter().enumerate().rev().filter(|(_, entry)| which(entry));
                picked.map(|(number, _)| lines.remove(marks?, number)).collect()
            };
            let right = |before: &Says, after: &Says| {
                let rest = before.entries.iter().filter(|entry| !which(entry));
                rest.eq(&after.entries).then_some(())
            };
            change(folder, &path, &mut cut, &right)
        })?;
        gone.extend(here);
    }
    Ok(gone)
}

/// Sets the upstream proxy, or removes it. False where nothing was to be done.
pub fn set_upstream(folder: &Folder, upstream: Option<&UpstreamRef>) -> Result<bool, Failure> {
    let _lock = SORT.lock(&folder.path())?;
    let mut done = true;
    SORT.until_still(|| {
        let known = read(folder)?.upstream;
        done = known.as_ref().map(|it| &it.value) != upstream;
        if !done {
            return Ok(true);
        }
        let path = match known.map(|known| known.origin) {
            Some(crate::policy::Origin::File { path, .. }) => path,
            _ => folder.path().join(MAIN),
        };
        let fields = upstream.map(upstream_fields).unwrap_or_default();
        let mut set =
            |lines: &mut Lines, marks: Option<&Marks<'_>>, _: &Says| lines.upstream(marks, &fields);
        let right = |before: &Says, after: &Says| {
            let set = after.upstream.as_ref() == upstream;
            let kept = before.entries == after.entries && before.unlisted == after.unlisted;
            (kept && set).then_some(())
        };
        change(folder, &path, &mut set, &right)
    })?;
    Ok(done)
}

/// Sets what happens to hosts that no rule names. False where nothing was to be done.
pub fn set_unlisted(folder: &Folder, unlisted: Unlisted) -> Result<bool, Failure> {
    let _lock = SORT.lock(&folder.path())?;
    let mut done = true;
    SORT.until_still(|| {
        let known = read(folder)?.unlisted;
        done = known.as_ref().map_or(Unlisted::default(), |it| it.value) != unlisted;
        if !done {
            return Ok(true);
        }
        let path = match known.map(|known| known.origin) {
            Some(crate::policy::Origin::File { path, .. }) => path,
            _ => folder.path().join(MAIN),
        };
        let mut set = |lines: &mut Lines, marks: Option<&Marks<'_>>, _: &Says| {
            lines.unlisted(marks, unlisted.name())
        };
        let right = |before: &Says, after: &Says| {
            let kept = before.entries == after.entries && before.upstream == after.upstream;
            (kept && after.unlisted == Some(unlisted)).then_some(())
        };
        change(folder, &path, &mut set, &right)
    })?;
    Ok(done)
}

fn upstream_fields(upstream: &UpstreamRef) -> Vec<Field> {
    let credentials = upstream.credentials.as_ref().map(|source| match source {
        SecretSource::Env(name) => format!("{{env: {}}}", scalar(name)),
        SecretSource::File(path) => format!("{{file: {}}}", scalar(&path.to_string_lossy())),
        SecretSource::Fd(fd) => format!("{{fd: {fd}}}"),
        SecretSource::Command(words) => {
            format!("{{command: {}}}", serde_json::Value::from(words.clone()))
        }
    });
    vec![("url", Some(scalar(&upstream.url()))), ("credentials", credentials)]
}

impl Wanted {
    fn is_what(&self, entry: &Entry) -> bool {
        let rule = &entry.rule;
        rule.effect == self.effect
            && rule.host == self.host
            && rule.ports == self.ports
            && rule.tool == self.tool
            && rule.connector == self.connector
            && rule.run == self.run
            && rule.once == self.once
            // Each answer has a rule of its own, which goes when the answer is taken back.
            && (self.request.is_none() || rule.request == self.request)
            // Each is for a connection of its own; the same answer, written twice, is one.
            && (!self.once || rule.at.map(stamp) == Some(stamp(self.at)))
    }

    /// True where this entry is what `put` makes.
    pub fn is_said_by(&self, entry: &Entry) -> bool {
        self.is_what(entry) && self.is_met_by(&entry.rule)
    }

    fn is_met_by(&self, rule: &Rule) -> bool {
        let flags = |raw, private, ech| (raw, private, ech);
        flags(self.raw, self.private, self.ech) == flags(rule.raw, rule.private, rule.ech)
            // The file knows seconds.
            && self.expires.map(stamp) == rule.expires.map(stamp)
            && (self.reason.is_none() || self.reason == rule.because)
    }

    fn fields(&self, new: bool) -> Vec<Field> {
        let flag = |set: bool| set.then(|| "true".to_owned());
        let target = target::of(&self.host, self.ports, self.effect).to_string();
        let name = if self.effect == Effect::Allow { "allow" } else { "deny" };
        let mut fields = Vec::new();
        if new {
            fields.push((name, Some(scalar(&target))));
            fields.push(("tool", self.tool.as_ref().map(|tool| scalar(tool.as_str()))));
            fields.push(("connector", self.connector.as_ref().map(|it| scalar(it.as_str()))));
            fields.push(("run", self.run.as_deref().map(scalar)));
            fields.push(("once", flag(self.once)));
            fields.push(("request", self.request.as_deref().map(scalar)));
        }
        if new || self.reason.is_some() {
            fields.push(("reason", self.reason.as_deref().map(scalar)));
        }
        fields.extend([
            ("raw", flag(self.raw)),
            ("private", flag(self.private)),
            ("ech", flag(self.ech)),
            ("expires", self.expires.map(stamp)),
            ("by", self.by.as_deref().map(scalar)),
            ("at", Some(stamp(self.at))),
        ]);
        fields
    }
}

fn nowhere() -> Failure {
    Failure::new(Kind::Policy, "the rule stands in no file")
}

/// What a file says, wherever in it.
struct Says {
    entries: Vec<Entry>,
    unlisted: Option<Unlisted>,
    upstream: Option<UpstreamRef>,
}

impl Says {
    fn of(file: decode::File) -> Self {
        let placeless = |mut entry: Entry| {
            entry.rule.origin = crate::policy::Origin::BuiltIn("file");
            entry
        };
        let entries = file.entries.into_iter().map(placeless).collect();
        Self {
            entries,
            unlisted: file.unlisted.map(|unlisted| unlisted.value),
            upstream: file.upstream.map(|upstream| upstream.value),
        }
    }
}

fn change(
    folder: &Folder,
    path: &Path,
    edit: Edit<'_, Says>,
    right: Right<'_, Says>,
) -> Result<bool, Failure> {
    SORT.change(path, &|bytes| decode::file(path, bytes, folder).map(Says::of), edit, right)
}
