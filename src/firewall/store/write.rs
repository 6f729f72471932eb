//! Changes the folder: one writer at a time, and each file all or nothing.
//!
//! The new text goes to a file beside the old one, to the disk, and then takes its name: a reader, and a
//! machine that loses power, find the old text or the new one. Writers take turns by a lock on
//! `.lock` in the folder and read again once they have it. Editors take no lock; what they save
//! between our reading and our writing is noticed, and the edit starts again.

use super::edit::{Field, Lines, scalar};
use super::{Entry, Folder, MAIN, Overlay, UpstreamRef, decode, read, target};
use crate::failure::{Failure, Kind};
use crate::firewall::{Effect, HostPattern, Ports, Rule};
use crate::policy::yaml::Marks;
use crate::policy::{Problem, SecretSource, ToolId};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const LOCK: &str = ".lock";
/// What a killed writer leaves behind starts so; the next one takes it away.
const UNFINISHED: &str = ".firewall-";
/// An editor that saves all the time is not waited for longer.
const ATTEMPTS: usize = 20;

/// A rule as the command line asks for it.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub effect: Effect,
    pub host: HostPattern,
    pub ports: Ports,
    pub tool: Option<ToolId>,
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
    let _lock = lock(folder)?;
    let mut done = Put::Unchanged;
    for_each_try(|| {
        let overlay = read(folder)?;
        let Some(entry) = overlay.entries.iter().find(|entry| wanted.is_what(entry)) else {
            done = Put::Added;
            let mut append = |lines: &mut Lines, marks: Option<&Marks<'_>>, _: &[Entry]| {
                lines.append(marks, &wanted.fields(true))
            };
            let right = |before: &Says, after: &Says| {
                let (last, rest) = after.entries.split_last()?;
                (rest == before.entries && wanted.is_met_by(&last.rule) && wanted.is_what(last))
                    .then_some(())
            };
            return change(folder, &folder.path().join(MAIN), &mut append, &right);
        };
        if wanted.is_met_by(&entry.rule) {
            done = Put::Unchanged;
            return Ok(true);
        }
        done = Put::Changed;
        let (path, _) = entry.place().ok_or_else(nowhere)?;
        let mut set = |lines: &mut Lines, marks: Option<&Marks<'_>>, entries: &[Entry]| {
            let number = entries.iter().position(|entry| wanted.is_what(entry))?;
            lines.set(marks?, number, &wanted.fields(false))
        };
        let right = |before: &Says, after: &Says| {
            let mut expected = after.entries.clone();
            let number = before.entries.iter().position(|entry| wanted.is_what(entry))?;
            let old = std::mem::replace(expected.get_mut(number)?, before.entries[number].clone());
            (expected == before.entries && wanted.is_what(&old) && wanted.is_met_by(&old.rule))
                .then_some(())
        };
        change(folder, path, &mut set, &right)
    })?;
    Ok((done, read(folder)?))
}

/// Removes every rule that `which` picks, and gives them.
pub fn remove(folder: &Folder, which: impl Fn(&Entry) -> bool) -> Result<Vec<Entry>, Failure> {
    let _lock = lock(folder)?;
    // All of the folder has to be right before any of it is changed.
    read(folder)?;
    let mut gone = Vec::new();
    for path in folder.files()? {
        let mut here = Vec::new();
        for_each_try(|| {
            here = read(folder)?.entries;
            here.retain(|entry| entry.place().is_some_and(|it| it.0 == path) && which(entry));
            if here.is_empty() {
                return Ok(true);
            }
            let mut cut = |lines: &mut Lines, marks: Option<&Marks<'_>>, entries: &[Entry]| {
                // From the last to the first: the marks of those before stay right.
                let picked = entries.iter().enumerate().rev().filter(|(_, entry)| which(entry));
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
    let _lock = lock(folder)?;
    let mut done = true;
    for_each_try(|| {
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
        let mut set = |lines: &mut Lines, marks: Option<&Marks<'_>>, _: &[Entry]| {
            lines.upstream(marks, &fields)
        };
        let right = |before: &Says, after: &Says| {
            let set = after.upstream.as_ref() == upstream;
            (before.entries == after.entries && set).then_some(())
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

/// A time as the file has it: RFC 3339, whole seconds.
pub(crate) fn stamp(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

fn nowhere() -> Failure {
    Failure::new(Kind::Policy, "the rule stands in no file")
}

/// Tries until the file did not change under the edit.
fn for_each_try(mut edit: impl FnMut() -> Result<bool, Failure>) -> Result<(), Failure> {
    for _ in 0..ATTEMPTS {
        if edit()? {
            return Ok(());
        }
    }
    Err(Failure::new(Kind::Io, "the firewall's files change all the time")
        .because("another program writes them without pause"))
}

/// What a file says, wherever in it.
struct Says {
    entries: Vec<Entry>,
    upstream: Option<UpstreamRef>,
}

impl Says {
    fn of(file: decode::File) -> Self {
        let placeless = |mut entry: Entry| {
            entry.rule.origin = crate::policy::Origin::BuiltIn("file");
            entry
        };
        let entries = file.entries.into_iter().map(placeless).collect();
        Self { entries, upstream: file.upstream.map(|upstream| upstream.value) }
    }
}

type Edit<'a> = &'a mut dyn FnMut(&mut Lines, Option<&Marks<'_>>, &[Entry]) -> Option<()>;
type Right<'a> = &'a dyn Fn(&Says, &Says) -> Option<()>;

/// Edits one file, if the new text says what is `right`. False where somebody else changed the file
/// meanwhile, and nothing was written.
fn change(folder: &Folder, path: &Path, edit: Edit<'_>, right: Right<'_>) -> Result<bool, Failure> {
    let facts = match fs::symlink_metadata(path) {
        Ok(facts) => Some(facts),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(crate::policy::load::cannot_read(path, &error)),
    };
    let bytes = crate::edit::read(path)?.unwrap_or_default();
    let wrong = |problems: Vec<Problem>| crate::policy::problem::failure(&problems);
    let before = Says::of(decode::file(path, &bytes, folder).map_err(wrong)?);
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = Lines::new(&text);
    let edited = if crate::edit::says_nothing(&text) {
        lines.begin();
        edit(&mut lines, None, &before.entries)
    } else {
        let marks = Marks::of(path, &text).map_err(|problem| wrong(vec![problem]))?;
        edit(&mut lines, Some(&marks), &before.entries)
    };
    let text = lines.text();
    let after = decode::file(path, text.as_bytes(), folder).map(Says::of);
    // The list is full, or the file too large.
    let full = |problem: &Problem| {
        [" at most ", " larger than "].iter().any(|it| problem.what.contains(it))
    };
    match (edited, after) {
        (Some(()), Ok(after)) if right(&before, &after).is_some() => {
            replace(path, facts.as_ref(), &text)
        }
        (Some(()), Err(problems)) if problems.iter().any(full) => Err(wrong(problems)),
        _ => {
            let what = format!("cannot edit {} safely; nothing was changed", path.display());
            Err(Failure::new(Kind::Policy, what)
                .because("its layout is not the one that jail writes")
                .hint("put each rule on lines of its own, starting with `- `; or edit it by hand"))
        }
    }
}

/// Puts `text` in the place of the file that `old` describes.
fn replace(path: &Path, old: Option<&Metadata>, text: &str) -> Result<bool, Failure> {
    let cannot = |error: io::Error| {
        Failure::new(Kind::Io, format!("cannot write {}", path.display())).because(error)
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mode = old.map_or(0o644, |old| old.mode() & 0o7777);
    let mut new = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(folder)
        .map_err(cannot)?;
    new.write_all(text.as_bytes()).map_err(cannot)?;
    let made = new.as_file().metadata().map_err(cannot)?;
    if let Some(old) = old.filter(|old| (old.uid(), old.gid()) != (made.uid(), made.gid())) {
        std::os::unix::fs::fchown(new.as_file(), Some(old.uid()), Some(old.gid()))
            .map_err(|error| cannot(error).hint("the file belongs to somebody else"))?;
    }
    // After fchown, which may clear bits.
    new.as_file().set_permissions(Permissions::from_mode(mode)).map_err(cannot)?;
    new.as_file().sync_all().map_err(cannot)?;
    let now = match fs::symlink_metadata(path) {
        Ok(now) => Some(now),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(cannot(error)),
    };
    if old.map(version) != now.as_ref().map(version) {
        return Ok(false);
    }
    new.persist(path).map_err(|error| cannot(error.error))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(cannot)?;
    Ok(true)
}

/// What differs between two versions of a file.
fn version(facts: &Metadata) -> (u64, u64, u64, i64, i64) {
    (facts.dev(), facts.ino(), facts.len(), facts.mtime(), facts.mtime_nsec())
}

/// Makes the folder where it is missing, waits for our turn, and clears up after killed writers.
fn lock(folder: &Folder) -> Result<Flock<File>, Failure> {
    let path = folder.path();
    let cannot = |what: &str, path: &Path, error: io::Error| {
        Failure::new(Kind::Io, format!("cannot {what} {}", path.display())).because(error)
    };
    match fs::DirBuilder::new().mode(0o755).create(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(cannot("make", &path, error)),
    }
    let name = path.join(LOCK);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o644)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
        .open(&name)
        .map_err(|error| cannot("open", &name, error))?;
    let lock = Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_, errno)| cannot("lock", &name, errno.into()))?;
    for left in unfinished(&path).map_err(|error| cannot("read", &path, error))? {
        fs::remove_file(&left).map_err(|error| cannot("remove", &left, error))?;
    }
    Ok(lock)
}

fn unfinished(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            found.push(entry.path());
        }
    }
    Ok(found)
}
