//! Why a command cannot be run, in the words of the person who typed it.

use crate::failure::{Failure, Kind};
use crate::plan::Stage;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// Why `resolve` gave up. Each variant names the file to look at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    #[error("cannot read {}: {source}", .path.display())]
    CannotRead { path: PathBuf, source: io::Error },
    #[error("{} is a damaged program: {why}", .path.display())]
    DamagedElf { path: PathBuf, why: &'static str },
    #[error("{} is a symbolic link to {}, which does not exist", .link.display(), .target.display())]
    DanglingLink { link: PathBuf, target: PathBuf },
    #[error("permission denied in folder {}", .folder.display())]
    Denied { folder: PathBuf },
    #[error("no command was given")]
    EmptyCommand,
    #[error("{} is a program for {machine}, not for this machine", .path.display())]
    ForeignMachine { path: PathBuf, machine: String },
    #[error("the scripts that run {} call each other too deeply", .script.display())]
    InterpreterChain { script: PathBuf },
    #[error("{} asks for the interpreter {:?}, which {problem}", .script.display(), .interpreter)]
    InterpreterMissing { script: PathBuf, interpreter: OsString, problem: String },
    #[error("{} is a directory", .path.display())]
    IsDirectory { path: PathBuf },
    #[error("{} needs the shared library {name}, which is not on this machine", .asker.display())]
    LibraryMissing { name: String, asker: PathBuf },
    #[error("too many symbolic links from {}", .path.display())]
    LinkLoop { path: PathBuf },
    #[error("{} needs the loader {}, which does not exist", .path.display(), .loader.display())]
    LoaderMissing { path: PathBuf, loader: PathBuf },
    #[error("{} is not a program: {why}", .path.display())]
    NotAProgram { path: PathBuf, why: String },
    #[error("{} is not executable", .path.display())]
    NotExecutable { path: PathBuf },
    #[error("command {:?} was not found", .command)]
    NotFound { command: OsString, searched: Vec<PathBuf>, near: Vec<String> },
    #[error("{}, {why}, lies where secrets are kept", .path.display())]
    Secret { path: PathBuf, why: String },
    #[error("{} is a shim of {manager}, and {problem}", .shim.display())]
    Shim { shim: PathBuf, manager: &'static str, problem: String, ask: String },
    #[error("{} is a snap, which only snapd can start", .path.display())]
    Snap { path: PathBuf },
}

impl ResolveError {
    /// Turns an error of the file system into the variant that says what to do about it.
    pub(super) fn from_io(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied { folder: blocking_folder(path) },
            _ => Self::CannotRead { path: path.to_owned(), source },
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } | Self::EmptyCommand | Self::DanglingLink { .. } => {
                Kind::NotFound
            }
            _ => Kind::CannotStart,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotFound { command, searched, near } => not_found_hints(command, searched, near),
            Self::NotExecutable { path } => vec![format!("chmod +x {}", path.display())],
            Self::NotAProgram { path, .. } => {
                vec![format!("if it is a shell script, run it as: sh {}", path.display())]
            }
            Self::InterpreterMissing { interpreter, .. } => interpreter_hints(interpreter),
            Self::LibraryMissing { name, .. } => vec![format!(
                "install the package that provides {name}; a library that only LD_LIBRARY_PATH \
                 finds is not seen by the jail"
            )],
            Self::LoaderMissing { loader, .. } => loader_hints(loader),
            Self::Shim { ask, .. } => {
                vec![format!("put the path that this prints in place of the command: {ask}")]
            }
            Self::Snap { .. } => vec![
                "install the program in another way (its own installer, the distribution's \
                 package, Homebrew): snapd confines it by itself and cannot do so in a jail"
                    .to_owned(),
            ],
            Self::Secret { path, .. } => vec![format!(
                "a link or a settings file leads there; if that is meant, add it by name: --read {}",
                path.display()
            )],
            Self::Denied { folder } => {
                vec![format!("look at: namei -l {}", folder.display())]
            }
            _ => Vec::new(),
        }
    }
}

fn not_found_hints(command: &OsString, searched: &[PathBuf], near: &[String]) -> Vec<String> {
    let mut hints = Vec::new();
    if !near.is_empty() {
        hints.push(format!("did you mean {}?", near.join(", ")));
    }
    let text = command.to_string_lossy();
    if let Some((program, _)) = text.split_once(' ')
        && !text.contains('/')
    {
        hints.push(format!(
            "the command holds a space: give program and arguments apart, as in: jail run -- {text} \
             (here {program:?} is the program)"
        ));
    }
    match searched {
        [] => {}
        dirs => {
            let list: Vec<_> = dirs.iter().map(|dir| dir.display().to_string()).collect();
            hints.push(format!("looked in PATH: {}", list.join(":")));
        }
    }
    hints
}

fn interpreter_hints(interpreter: &OsString) -> Vec<String> {
    let text = interpreter.to_string_lossy();
    if text.ends_with('\r') {
        return vec![
            "its first line ends as Windows ends lines; `sed -i 's/\\r$//' FILE` mends that"
                .to_owned(),
        ];
    }
    if text.contains(' ') {
        return vec!["to pass arguments in a `#!` line, write `#!/usr/bin/env -S …`".to_owned()];
    }
    vec!["install it, or put one that is there into the first line of the script".to_owned()]
}

fn loader_hints(loader: &Path) -> Vec<String> {
    if loader.to_string_lossy().contains("musl") {
        return vec![
            "it was built for musl (Alpine): take its glibc build, or install musl".to_owned(),
        ];
    }
    vec!["it was built for another distribution: take a build for this one".to_owned()]
}

/// The outermost folder on the way to `path` that may not be entered.
fn blocking_folder(path: &Path) -> PathBuf {
    let mut folders: Vec<&Path> = path.ancestors().skip(1).collect();
    folders.reverse();
    let enterable =
        |folder: &Path| nix::unistd::eaccess(folder, nix::unistd::AccessFlags::X_OK).is_ok();
    folders.iter().find(|folder| !enterable(folder)).unwrap_or(&path).to_path_buf()
}

impl From<ResolveError> for Failure {
    fn from(error: ResolveError) -> Self {
        let mut failure = Self::new(error.kind(), error.to_string()).at(Stage::Resolve);
        for hint in error.hints() {
            failure = failure.hint(hint);
        }
        failure
    }
}
