//! What killed supervisors left, and what is too old or too much.
//!
//! A run at its start looks at a few of the living only: thousands may start at once. `jail ps`, `stop` and
//! `logs` look at all.

use super::entry::{RECORD, is_over};
use super::log::{NEWER, OLDER};
use super::{ENDED, RUNS};
use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Runs of one workspace that are kept when they have ended.
pub const KEPT: usize = 20;
/// And of all.
pub const KEPT_IN_ALL: usize = 100;
/// For so long.
const AGE: Duration = Duration::from_secs(7 * 24 * 3600);
/// A start tolerates some more, so that only every eighth has to look at times.
const SLACK: usize = 8;
/// As many of the living are looked at at a start.
const LOOKS: usize = 16;
/// An entry that was begun and never appeared.
const UNBORN: Duration = Duration::from_secs(60);

/// At a start.
pub(super) fn clean(place: &Path, bucket: &str) {
    let names = names(&place.join(RUNS));
    // Wherever a killed one is among many that live, some start comes to it.
    let random = RandomState::new().hash_one(std::process::id());
    let first = usize::try_from(random).unwrap_or(0) % names.len().max(1);
    for name in names.iter().cycle().skip(first).take(LOOKS.min(names.len())) {
        bury(place, name);
    }
    let kept = self::names(&place.join(ENDED));
    let of_bucket: Vec<&String> = kept.iter().filter(|name| name.ends_with(bucket)).collect();
    if of_bucket.len() > KEPT + SLACK {
        drop_oldest(place, of_bucket.into_iter(), KEPT);
    }
    if kept.len() > KEPT_IN_ALL + SLACK {
        drop_oldest(place, kept.iter(), KEPT_IN_ALL);
    }
}

/// Everything.
pub(super) fn clean_all(place: &Path) {
    for name in names(&place.join(RUNS)) {
        bury(place, &name);
    }
    let kept = names(&place.join(ENDED));
    let mut buckets: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for name in &kept {
        buckets.entry(name.rsplit('-').next().unwrap_or_default()).or_default().push(name);
    }
    for names in buckets.into_values() {
        drop_oldest(place, names.into_iter(), KEPT);
    }
    drop_oldest(place, kept.iter(), KEPT_IN_ALL);
    for name in &kept {
        let folder = place.join(ENDED).join(name);
        if ended(&folder).is_some_and(|at| at.elapsed().is_ok_and(|age| age > AGE)) {
            remove(&folder);
        }
    }
}

/// An entry among the living whose supervisor is gone is one of those that have ended.
fn bury(place: &Path, name: &str) {
    let folder = place.join(RUNS).join(name);
    if name.starts_with('.') {
        let begun = fs::symlink_metadata(&folder).and_then(|meta| meta.modified());
        let old = begun.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > UNBORN));
        if old && is_over(&folder).is_none_or(|(over, _)| over) {
            remove(&folder);
        }
        return;
    }
    match is_over(&folder) {
        // Where somebody else was faster, it is there already.
        Some((true, _)) => drop(fs::rename(&folder, place.join(ENDED).join(name))),
        Some((false, _)) => {}
        // No record, or none that can be read: nothing of ours.
        None => remove(&folder),
    }
}

fn drop_oldest<'a>(place: &Path, names: impl Iterator<Item = &'a String>, keep: usize) {
    let mut folders: Vec<(Option<SystemTime>, PathBuf)> = names
        .map(|name| place.join(ENDED).join(name))
        .filter(|folder| folder.exists())
        .map(|folder| (ended(&folder), folder))
        .collect();
    let Some(excess) = folders.len().checked_sub(keep) else { return };
    folders.sort();
    for (_, folder) in folders.iter().take(excess) {
        remove(folder);
    }
}

/// When its log was written last: at its end.
fn ended(folder: &Path) -> Option<SystemTime> {
    fs::symlink_metadata(folder.join(NEWER)).and_then(|meta| meta.modified()).ok()
}

/// Removes an entry whose supervisor is gone, and nothing but what jail puts there.
fn remove(folder: &Path) {
    if is_over(folder).is_some_and(|(over, _)| !over) {
        return;
    }
    // What another one has removed meanwhile, or what resists, is there for the next time.
    for name in [OLDER, NEWER, RECORD] {
        drop(fs::remove_file(folder.join(name)));
    }
    drop(fs::remove_dir(folder));
}

pub(super) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}
