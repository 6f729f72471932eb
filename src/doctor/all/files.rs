//! Who may change the files of `.cloned`.

use super::rules;
use crate::doctor::finding::Finding;
use crate::host::group;
use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// `.cloned`, its folders, what is in those.
const DEEP: usize = 3;
/// More files than any workspace has there.
const MOST: usize = 10_000;

/// What is wrong below this folder.
pub fn examine(folder: &Path) -> io::Result<Vec<Finding>> {
    let own = nix::unistd::geteuid().as_raw();
    let mut found = Vec::new();
    for (path, meta) in all(folder)? {
        let (uid, mode) = (meta.uid(), meta.mode() & 0o7777);
        let subject = path.display().to_string();
        if open_to_others(&path, &meta, own) {
            let fix = format!("chmod go-w {}", path.display());
            let evidence = format!("mode {mode:04o}");
            let (rule, safe_fix) = (&rules::OPEN_FILE, uid == own || own == 0);
            let severity = rule.severity;
            let subject = subject.clone();
            found.push(Finding { rule, severity, subject, evidence, fix, safe_fix, place: None });
        }
        if uid != own && uid != 0 {
            let (rule, evidence) = (&rules::FOREIGN_FILE, format!("user {uid}"));
            let fix = format!("chown {own} {}", path.display());
            let severity = rule.severity;
            found.push(Finding {
                rule,
                severity,
                subject,
                evidence,
                fix,
                safe_fix: false,
                place: None,
            });
        }
    }
    Ok(found)
}

/// Whether a group has others in it is known of our own, and of what can be opened.
fn open_to_others(path: &Path, meta: &Metadata, own: u32) -> bool {
    let judged = || -> io::Result<bool> {
        let file = opened(path)?;
        let meta = file.metadata()?;
        Ok(group::others_can_write(&file, meta.mode(), meta.gid()))
    };
    meta.mode() & 0o022 != 0 && (meta.uid() != own || judged().unwrap_or(true))
}

/// Through a descriptor that follows no link: the path may be another one's by now.
fn opened(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    File::options().read(true).custom_flags(flags).open(path)
}

/// Folder and files, links left out: what they lead to is not of the workspace.
fn all(folder: &Path) -> io::Result<Vec<(PathBuf, Metadata)>> {
    let mut found = vec![(folder.to_owned(), fs::symlink_metadata(folder)?)];
    let mut next: Vec<(PathBuf, usize)> = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = next.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let meta = match entry.metadata() {
                Ok(meta) => meta,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if meta.is_dir() && depth + 1 < DEEP {
                next.push((entry.path(), depth + 1));
            }
            if meta.is_dir() || meta.is_file() {
                found.push((entry.path(), meta));
            }
            if found.len() > MOST {
                return Err(io::Error::other(format!("more than {MOST} files")));
            }
        }
    }
    Ok(found)
}

/// Takes the right to write from others.
pub fn close(path: &Path) -> io::Result<()> {
    let file = opened(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() && !meta.is_dir() {
        return Err(io::Error::other("it is neither a file nor a folder any more"));
    }
    file.set_permissions(Permissions::from_mode(meta.mode() & 0o7777 & !0o022))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_may_write_to_is_found_and_closed() {
        let folder = tempfile::tempdir().unwrap();
        let cloned = folder.path().join(".cloned");
        fs::create_dir_all(cloned.join("connectors")).unwrap();
        let file = cloned.join("connectors/a.yaml");
        fs::write(&file, "").unwrap();
        for path in [&cloned, &cloned.join("connectors")] {
            fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        }
        fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
        std::os::unix::fs::symlink("/", cloned.join("link")).unwrap();
        let found = examine(&cloned).unwrap();
        let [one] = &found[..] else { panic!("{found:?}") };
        assert_eq!((one.rule.id, one.safe_fix), ("policy.open-file", true));
        assert_eq!(one.subject, file.display().to_string());
        close(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o644);
        assert_eq!(examine(&cloned).unwrap(), []);
        assert!(close(&cloned.join("link")).is_err());
    }
}
