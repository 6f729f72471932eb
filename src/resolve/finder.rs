//! From a name to the program behind it, and the PATH that leads there again inside the jail.

use super::path_lookup::{self, is_path};
use super::shims::{self, Asked, Real};
use super::{Request, ResolveError, files, walk};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Where a folder comes on the jail's PATH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// The manager says so.
    Pinned,
    /// The place on the user's PATH: what shadows what must stay as it is.
    User(usize),
    /// Not on the user's PATH.
    Beside,
}

/// Looks commands up, and remembers where they were.
pub(super) struct Finder<'a> {
    request: &'a Request<'a>,
    dirs: Vec<PathBuf>,
    used: Vec<(Rank, PathBuf)>,
}

impl<'a> Finder<'a> {
    pub(super) fn new(request: &'a Request<'a>) -> Self {
        let dirs = path_lookup::path_dirs(request.path_var, request.cwd);
        Self { request, dirs, used: Vec::new() }
    }

    /// The program that `command` means; a shim is looked behind.
    pub(super) fn find(&mut self, command: &OsStr) -> Result<PathBuf, ResolveError> {
        let mut skip: Vec<PathBuf> = Vec::new();
        let mut program = path_lookup::find(command, &self.dirs, self.request.cwd, &skip)?;
        loop {
            let rank = self.rank(&program);
            match self.behind(&program)? {
                Real::Itself => {
                    if !is_path(command) {
                        self.remember(rank, program.parent());
                    }
                    return Ok(program);
                }
                Real::Program { path, pinned } => {
                    self.remember(Rank::Pinned, pinned.as_deref());
                    self.remember(rank, path.parent());
                    return Ok(path);
                }
                Real::Next { skip: folder } => {
                    if skip.contains(&folder) {
                        return Ok(program);
                    }
                    skip.push(folder);
                    let name = program.file_name().unwrap_or(command);
                    program = path_lookup::find(name, &self.dirs, self.request.cwd, &skip)?;
                }
            }
        }
    }

    /// What `env NAME` in a `#!` line runs. Failing PATH, a program beside the script: a client with
    /// a short PATH may still name `~/.nvm/…/bin/npx` in full.
    pub(super) fn find_for(
        &mut self,
        command: &OsStr,
        script: &Path,
    ) -> Result<PathBuf, ResolveError> {
        self.pinned(command).map_or_else(|| self.find(command), Ok).or_else(|error| {
            let beside = script.with_file_name(command);
            if is_path(command) || !files::is_executable(&beside) {
                return Err(error);
            }
            self.remember(Rank::Beside, beside.parent());
            Ok(beside)
        })
    }

    fn pinned(&self, command: &OsStr) -> Option<PathBuf> {
        let folders = self.used.iter().filter(|(rank, _)| *rank == Rank::Pinned);
        folders.map(|(_, folder)| folder.join(command)).find(|path| files::is_executable(path))
    }

    fn behind(&self, program: &Path) -> Result<Real, ResolveError> {
        // What is wrong with a link is told by whoever opens the program.
        let Ok(walk) = walk::follow(program) else { return Ok(Real::Itself) };
        let Request { cwd, home, .. } = *self.request;
        shims::real(&Asked { shim: program, real: &walk.real, cwd, home })
    }

    fn rank(&self, program: &Path) -> Rank {
        let place = self.dirs.iter().position(|dir| program.parent() == Some(dir));
        place.map_or(Rank::Beside, Rank::User)
    }

    fn remember(&mut self, rank: Rank, folder: Option<&Path>) {
        let Some(folder) = folder else { return };
        if !self.used.iter().any(|(_, known)| known == folder) {
            self.used.push((rank, folder.to_owned()));
        }
    }

    /// The folders that were of use, in the order of the user's PATH.
    pub(super) fn path_dirs(mut self) -> Vec<PathBuf> {
        self.used.sort_by_key(|(rank, _)| *rank);
        self.used.into_iter().map(|(_, folder)| folder).collect()
    }
}
