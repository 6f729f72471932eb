//! Reads the folder.

use super::{Overlay, POLICY, decode};
use crate::policy::load::{self, FOLDER, Rejection, WorkspaceRoot};
use crate::policy::{Origin, Problem};
use std::io;
use std::path::{Path, PathBuf};

/// Where the firewall's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    root: PathBuf,
    home: Option<PathBuf>,
}

impl Folder {
    /// `home` is what `~` is in the file name of credentials.
    pub fn new(root: &WorkspaceRoot, home: Option<&Path>) -> Self {
        Self { root: root.path.clone(), home: home.map(Path::to_owned) }
    }

    /// `.cloned/policy`; it need not exist.
    pub fn path(&self) -> PathBuf {
        self.root.join(FOLDER).join(POLICY)
    }

    /// The folder that holds `.cloned`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// The `*.yaml` of the folder, in the order of their names.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>, Rejection> {
        let path = self.path();
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(load::cannot_read(&path, &error).into()),
        };
        let mut files = Vec::new();
        let mut strays = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| load::cannot_read(&path, &error))?;
            let name = entry.file_name();
            match Path::new(&name).extension().and_then(|extension| extension.to_str()) {
                _ if name.to_string_lossy().starts_with('.') => {}
                Some("yaml") => files.push(entry.path()),
                // Somebody thinks that it counts.
                Some("yml") => strays.push(stray(&entry.path())),
                _ => {}
            }
        }
        if strays.is_empty() {
            files.sort();
            return Ok(files);
        }
        Err(Rejection::Wrong(strays))
    }
}

fn stray(path: &Path) -> Problem {
    let origin = Origin::File { path: path.to_owned(), line: 1, column: 1 };
    Problem::new(&origin, "", "is not read: a file of the firewall is called NAME.yaml")
}

/// Everything that the folder says; without the folder, nothing.
pub fn read(folder: &Folder) -> Result<Overlay, Rejection> {
    let mut overlay = Overlay::default();
    let mut problems = Vec::new();
    for path in folder.files()? {
        let Some(bytes) = crate::edit::read(&path)? else { continue };
        match decode::file(&path, &bytes, folder) {
            Err(found) => problems.extend(found),
            Ok(file) => {
                overlay.entries.extend(file.entries);
                match (&overlay.unlisted, file.unlisted) {
                    (Some(first), Some(second)) => {
                        let what = format!("is given already ({})", first.origin);
                        problems.push(Problem::new(&second.origin, "unlisted", what));
                    }
                    (None, given) => overlay.unlisted = given,
                    (Some(_), None) => {}
                }
                match (&overlay.upstream, file.upstream) {
                    (Some(first), Some(second)) => {
                        let what = format!("the upstream is given already ({})", first.origin);
                        problems.push(Problem::new(&second.origin, "upstream", what));
                    }
                    (None, given) => overlay.upstream = given,
                    (Some(_), None) => {}
                }
            }
        }
    }
    if problems.is_empty() { Ok(overlay) } else { Err(Rejection::Wrong(problems)) }
}
