//! Finds a command as the user's shell would.

use super::ResolveError;
use nix::unistd::{AccessFlags, eaccess};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How many names "did you mean" looks at: a slow network folder on PATH must not stall an error.
const MAX_NAMES: usize = 20_000;
const MAX_SUGGESTIONS: usize = 3;

/// The command's absolute path as named: links are not followed.
///
/// `skip` are folders to leave out: the shims of a version manager that says "use the system's".
pub(super) fn find(
    command: &OsStr,
    dirs: &[PathBuf],
    cwd: &Path,
    skip: &[PathBuf],
) -> Result<PathBuf, ResolveError> {
    if command.is_empty() {
        return Err(ResolveError::EmptyCommand);
    }
    if is_path(command) {
        let path = tidy(&cwd.join(command));
        return if path.is_dir() { Err(ResolveError::IsDirectory { path }) } else { Ok(path) };
    }
    let mut refused = None;
    for dir in dirs.iter().filter(|dir| !skip.contains(dir)) {
        let candidate = dir.join(command);
        match std::fs::metadata(&candidate) {
            Ok(meta) if meta.is_file() => {
                if eaccess(&candidate, AccessFlags::X_OK).is_ok() {
                    return Ok(candidate);
                }
                refused.get_or_insert(candidate);
            }
            Ok(_) | Err(_) => {}
        }
    }
    // As execvp(3): a file that may not be executed is reported only if no other was found.
    Err(match refused {
        Some(path) => ResolveError::NotExecutable { path },
        None => ResolveError::NotFound {
            command: command.to_owned(),
            near: near_names(command, dirs),
            searched: dirs.to_vec(),
        },
    })
}

/// Is the command a path rather than a name to look up?
pub(super) fn is_path(command: &OsStr) -> bool {
    command.as_bytes().contains(&b'/')
}

/// The folders of PATH, absolute; an empty element is the current folder.
pub(super) fn path_dirs(path_var: &OsStr, cwd: &Path) -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = Vec::new();
    for element in path_var.as_bytes().split(|byte| *byte == b':') {
        let dir = stable_dir(tidy(&cwd.join(OsStr::from_bytes(element))));
        if !dirs.contains(&dir) {
            dirs.push(dir);
        }
    }
    dirs
}

/// `/a/./b/` becomes `/a/b`; `..` stays, since a link may stand before it.
fn tidy(path: &Path) -> PathBuf {
    path.components().collect()
}

/// fnm puts a link of one shell's life on PATH (`…/fnm_multishells/PID/bin`): what it leads to
/// outlives the shell, and needs nothing of `/run/user` in the jail.
fn stable_dir(dir: PathBuf) -> PathBuf {
    let fleeting = dir.as_os_str().as_bytes().windows(16).any(|part| part == b"/fnm_multishells");
    if fleeting { std::fs::canonicalize(&dir).unwrap_or(dir) } else { dir }
}

/// Names on PATH that differ from `command` by a typing mistake or two, nearest first.
fn near_names(command: &OsStr, dirs: &[PathBuf]) -> Vec<String> {
    let wanted = command.to_string_lossy();
    let allowed = if wanted.chars().count() <= 3 { 1 } else { 2 };
    let mut near: Vec<(usize, String)> = dirs
        .iter()
        .filter_map(|dir| std::fs::read_dir(dir).ok())
        .flatten()
        .take(MAX_NAMES)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some((distance(&wanted, &name, allowed)?, name)))
        .collect();
    near.sort();
    near.dedup();
    near.into_iter().map(|(_, name)| name).take(MAX_SUGGESTIONS).collect()
}

/// Edit distance with neighbours swapped counting one; `None` above `limit`.
fn distance(left: &str, right: &str, limit: usize) -> Option<usize> {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    if left.len().abs_diff(right.len()) > limit || left.len() > 64 {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, r) in right.iter().enumerate() {
            let mut best = (above[j] + usize::from(l != r)).min(above[j + 1] + 1).min(row[j] + 1);
            let swapped = i > 0 && j > 0 && *l == right[j - 1] && left[i - 1] == *r;
            if swapped {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().filter(|found| *found <= limit)
}
