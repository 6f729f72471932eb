//! Version files, and the choice among installed versions: what all managers have in common.

use super::super::files;
use std::cmp::Ordering;
use std::path::{Path, PathBuf};

/// How far up a version file is looked for.
const MAX_LEVELS: usize = 64;
/// Installed versions looked at.
const MAX_INSTALLED: usize = 4096;

/// The folders from `cwd` up, then the home folder (where it was not passed).
pub(super) fn levels(cwd: &Path, home: Option<&Path>) -> Vec<PathBuf> {
    let mut levels: Vec<PathBuf> = cwd.ancestors().take(MAX_LEVELS).map(Path::to_owned).collect();
    levels.extend(home.filter(|home| !cwd.starts_with(home)).map(Path::to_owned));
    levels
}

/// The nearest file of this name from `cwd` up, with its words: blanks, colons and line ends part
/// them, `#` starts a comment.
pub(super) fn nearest(name: &str, cwd: &Path) -> Option<(PathBuf, Vec<String>)> {
    cwd.ancestors().take(MAX_LEVELS).find_map(|level| {
        let path = level.join(name);
        let words = words(&files::text(&path)?);
        (!words.is_empty()).then_some((path, words))
    })
}

pub(super) fn words(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines
        .flat_map(|line| line.split(|c: char| c.is_whitespace() || c == ':'))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// `.tool-versions`: the versions of the first of `tools` that a line names.
pub(super) fn tool_versions(text: &str, tools: &[&str]) -> Option<Vec<String>> {
    text.lines().find_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let tool = words.next()?;
        let versions: Vec<String> = words.map(str::to_owned).collect();
        (tools.contains(&tool) && !versions.is_empty()).then_some(versions)
    })
}

/// The installed version that `wanted` means: the folder of that name, else the newest that it is
/// the beginning of (`3.11` means `3.11.9`), else, for `latest`, the newest. Links are resolved.
pub(super) fn choose(collection: &Path, wanted: &str) -> Option<PathBuf> {
    // A version is a name, not a way to leave the collection.
    if wanted.is_empty() || wanted.contains('/') || wanted.starts_with('.') {
        return None;
    }
    let bare = wanted.strip_prefix('v').unwrap_or(wanted);
    for name in [wanted, bare, &format!("v{bare}")] {
        let exact = collection.join(name);
        if exact.is_dir() {
            return std::fs::canonicalize(exact).ok();
        }
    }
    let mut fitting: Vec<String> = std::fs::read_dir(collection)
        .ok()?
        .take(MAX_INSTALLED)
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| wanted == "latest" || is_refined_by(bare, name))
        .filter(|name| name.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    fitting.sort_by(|left, right| compare(left, right));
    fitting.pop().map(|name| collection.join(name))
}

/// Is `name` a version within `wanted`: `3.11.9` within `3.11`, but not `3.110`?
fn is_refined_by(wanted: &str, name: &str) -> bool {
    let name = name.strip_prefix('v').unwrap_or(name);
    name.strip_prefix(wanted).is_some_and(|rest| rest.starts_with(['.', '-']))
}

/// By number where both have one: 3.9 before 3.11. A pre-release comes before its release.
fn compare(left: &str, right: &str) -> Ordering {
    key(left).cmp(&key(right))
}

fn key(version: &str) -> (Vec<u64>, bool, &str) {
    let bare = version.trim_start_matches('v');
    let end = bare.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(bare.len());
    let (numbers, rest) = bare.split_at(end);
    (numbers.split('.').map(|part| part.parse().unwrap_or(0)).collect(), rest.is_empty(), rest)
}

/// The program `name` of an installed version, in the places where the managers' plugins put it.
pub(super) fn program_in(version: &Path, name: &str) -> Option<PathBuf> {
    const PLACES: &[&str] =
        &["bin", "", "go/bin", "packages/bin", ".npm/bin", "libexec/bin", "sbin"];
    PLACES
        .iter()
        .map(|place| version.join(place).join(name))
        .find(|path| files::is_executable(path))
}
