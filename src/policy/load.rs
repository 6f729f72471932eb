//! Finds and reads policy files: the only file of `policy` that touches the disk.
//!
//! Layers, lowest first: built-in defaults, `$XDG_CONFIG_HOME/jail/defaults.yaml`,
//! `.cloned/connectors/<name>.yaml`, command-line options.

use super::decode::{self, AD_HOC, FileKind, Places};
use super::expect::nearest;
use super::layer::{Layer, merge};
use super::problem::did_you_mean;
use super::{
    ConnectorName, Origin, Overrides, Policy, Problem, Setting, Workspace, problem, rules, yaml,
};
use crate::failure::{Failure, Kind};
use crate::host::look;
use crate::planted::{Control, broken};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The folder that makes its parent a workspace.
pub const FOLDER: &str = ".cloned";
/// Where the manifests are within it.
pub const CONNECTORS: &str = "connectors";

/// Where policies are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// The current folder; absolute.
    pub cwd: PathBuf,
    /// HOME, where it is set and absolute.
    pub home: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME`, or `~/.config`; the defaults are at `jail/defaults.yaml` below it.
    pub config_home: Option<PathBuf>,
}

impl Sources {
    /// The sources of this process. Fails where the current folder is gone.
    pub fn of_process() -> Result<Self, Failure> {
        let cwd = std::env::current_dir().map_err(|error| {
            Failure::new(Kind::Io, "cannot tell the current folder").because(error)
        })?;
        let folder = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let absolute = |path: &PathBuf| path.is_absolute();
        let home = folder("HOME").filter(absolute);
        // The XDG specification: a relative path is to be ignored.
        let config_home = folder("XDG_CONFIG_HOME")
            .filter(absolute)
            .or_else(|| home.as_ref().map(|home| home.join(".config")));
        Ok(Self { cwd, home, config_home })
    }

    /// The user-wide defaults; the file need not exist.
    pub fn defaults(&self) -> Option<PathBuf> {
        self.config_home.as_ref().map(|config| config.join("jail/defaults.yaml"))
    }

    fn places(&self, root: Option<&WorkspaceRoot>) -> Places {
        let folder = root.map(|root| root.path.join(FOLDER));
        let config = self.config_home.as_ref().map(|config| config.join("jail"));
        // The audit log is there where no workspace has one.
        let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        let log = crate::audit::path_for(None, state.as_deref(), self.home.as_deref());
        let state = log.and_then(|log| Some(log.parent()?.to_owned()));
        Places {
            root: root.map_or_else(|| self.cwd.clone(), |root| root.path.clone()),
            home: self.home.clone(),
            protected: folder.into_iter().chain(config).chain(state).collect(),
        }
    }
}

/// A folder that holds `.cloned`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceRoot {
    pub path: PathBuf,
}

impl WorkspaceRoot {
    /// The nearest folder from `cwd` upward that holds `.cloned`.
    pub fn find(cwd: &Path) -> Result<Option<Self>, Failure> {
        for folder in cwd.ancestors() {
            let own = folder.join(FOLDER);
            // One that was missed by mistake would take its rules along.
            if look::found(&own, fs::metadata(&own))?.is_some_and(|found| found.is_dir()) {
                return Ok(Some(Self { path: folder.to_owned() }));
            }
        }
        Ok(None)
    }

    /// The folder of the manifests.
    pub fn connectors(&self) -> PathBuf {
        self.path.join(FOLDER).join(CONNECTORS)
    }

    /// The manifest of this connector; it need not exist.
    pub fn manifest(&self, name: &ConnectorName) -> PathBuf {
        self.connectors().join(format!("{name}.yaml"))
    }
}

/// Why there is no policy: a file cannot be read, or what it says is wrong.
#[derive(Debug, Clone)]
pub enum Rejection {
    Unreadable(Failure),
    Wrong(Vec<Problem>),
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Unreadable(failure) => failure,
            Rejection::Wrong(problems) => problem::failure(&problems),
        }
    }
}

impl From<Failure> for Rejection {
    fn from(failure: Failure) -> Self {
        Self::Unreadable(failure)
    }
}

impl From<Vec<Problem>> for Rejection {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Wrong(problems)
    }
}

/// The policy of a connector that has a manifest. Fails with `Kind::Policy` where there is none or it
/// is wrong, `Kind::Usage` where an option is, `Kind::Io` where a file cannot be read.
pub fn connector(
    name: &ConnectorName,
    sources: &Sources,
    overrides: &Overrides,
) -> Result<Policy, Failure> {
    inspect(name, sources, overrides).map_err(Failure::from)
}

/// As `connector`, with all problems apart.
pub fn inspect(
    name: &ConnectorName,
    sources: &Sources,
    overrides: &Overrides,
) -> Result<Policy, Rejection> {
    let root = WorkspaceRoot::find(&sources.cwd)?.ok_or_else(|| no_workspace(&sources.cwd))?;
    let places = sources.places(Some(&root));
    let path = root.manifest(name);
    let Some(bytes) = read(&path)? else {
        return Err(unknown(name, &root).into());
    };
    let kind = FileKind::Manifest { stem: name.as_str() };
    let mut layers = defaults(sources, &places)?;
    layers.push(decode::file(&path, kind, &bytes, &places)?);
    layers.push(overrides.layer(&sources.cwd, sources.home.as_deref())?);
    let policy = decode::connector(name.as_str(), layers, &places)?;
    real(policy, &places)
}

/// The policy of a command without a manifest: `argv` is the program and its arguments.
pub fn ad_hoc(
    argv: &[OsString],
    sources: &Sources,
    overrides: &Overrides,
) -> Result<Policy, Failure> {
    let Some(program) = argv.first().filter(|program| !program.is_empty()) else {
        return Err(Failure::new(Kind::Usage, "no command was given"));
    };
    let name = ConnectorName::of_command(program);
    let command = Setting::new(argv.to_vec(), Origin::Flag("COMMAND"));
    let root = WorkspaceRoot::find(&sources.cwd)?;
    let places = sources.places(root.as_ref());
    let layered = || -> Result<Policy, Rejection> {
        let mut layers = defaults(sources, &places)?;
        layers.push(overrides.layer(&sources.cwd, sources.home.as_deref())?);
        let policy = merge(name, command, &AD_HOC, layers)?;
        real(rules::check(policy, &places)?, &places)
    };
    layered().map_err(Failure::from)
}

/// The names of all connectors of the workspace, sorted, and the files among them that no connector
/// can be read from. `None` where there is no workspace.
pub fn connectors(sources: &Sources) -> Result<Option<Listing>, Failure> {
    let Some(root) = WorkspaceRoot::find(&sources.cwd)? else { return Ok(None) };
    list(&root).map(Some)
}

/// What a folder of manifests holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Sorted.
    pub names: Vec<ConnectorName>,
    /// Files that are not called `<name>.yaml`, so that nothing reads them. Sorted.
    pub strays: Vec<PathBuf>,
}

fn list(root: &WorkspaceRoot) -> Result<Listing, Failure> {
    let folder = root.connectors();
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Listing::default()),
        Err(error) => return Err(cannot_read(&folder, &error)),
    };
    let mut listing = Listing::default();
    for entry in entries {
        let entry = entry.map_err(|error| cannot_read(&folder, &error))?;
        let file = entry.file_name();
        let name = file.to_str().and_then(|file| file.strip_suffix(".yaml"));
        match name.map(str::parse) {
            Some(Ok(name)) => listing.names.push(name),
            // Editors keep their own files beside ours.
            _ if file.to_string_lossy().starts_with('.') => {}
            _ => listing.strays.push(entry.path()),
        }
    }
    listing.names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    listing.strays.sort();
    Ok(listing)
}

/// The failure of a verb that needs a workspace where there is none.
pub fn no_workspace(cwd: &Path) -> Failure {
    let what = format!("no `{FOLDER}` folder in {} or above it", cwd.display());
    Failure::new(Kind::Policy, what)
        .hint("`jail init` makes one; `jail run -- COMMAND` runs a command without a manifest")
}

fn unknown(name: &ConnectorName, root: &WorkspaceRoot) -> Failure {
    let what = format!("no connector `{name}`: {} does not exist", root.manifest(name).display());
    let failure = Failure::new(Kind::Policy, what);
    // The listing only serves the hint; where it fails there is no hint.
    let known = list(root).unwrap_or_default().names;
    let known: Vec<&str> = known.iter().map(ConnectorName::as_str).collect();
    match nearest(name.as_str(), known.iter().copied()) {
        Some(word) => failure.hint(did_you_mean(word)),
        None if known.is_empty() => failure.hint("`jail init` writes an example"),
        None => failure.hint(format!("there are: {}", known.join(", "))),
    }
}

fn defaults(sources: &Sources, places: &Places) -> Result<Vec<Layer>, Rejection> {
    let Some(path) = sources.defaults() else { return Ok(Vec::new()) };
    match read(&path)? {
        None => Ok(Vec::new()),
        Some(bytes) => Ok(vec![decode::file(&path, FileKind::Defaults, &bytes, places)?]),
    }
}

/// At most one byte more than a policy may have; `None` where there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    // Without O_NONBLOCK a named pipe in this place would make us wait for ever.
    let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let file = match File::options().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot_read(path, &error)),
    };
    trusted(path, &file)?;
    let mut bytes = Vec::new();
    let most = yaml::MAX_BYTES as u64 + 1;
    file.take(most).read_to_end(&mut bytes).map_err(|error| cannot_read(path, &error))?;
    Ok(Some(bytes))
}

/// A policy counts only where nobody else could have written it: a `.cloned` that a stranger put
/// into `/tmp` must not decide for whoever works below it.
fn trusted(path: &Path, file: &File) -> Result<(), Failure> {
    let facts = file.metadata().map_err(|error| cannot_read(path, &error))?;
    let shown = path.display();
    if !facts.is_file() {
        return Err(Failure::new(Kind::Policy, format!("{shown} is not a regular file")));
    }
    let us = nix::unistd::geteuid().as_raw();
    if facts.uid() != us && facts.uid() != 0 {
        let what = format!("{shown} belongs to user {}, not to you", facts.uid());
        return Err(Failure::new(Kind::Policy, what)
            .hint(format!("read it; if you trust it: chown {us} {shown}")));
    }
    if facts.mode() & 0o002 != 0 {
        let what = format!("{shown} can be written by everybody");
        return Err(Failure::new(Kind::Policy, what).hint(format!("chmod o-w {shown}")));
    }
    Ok(())
}

pub(crate) fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Kind::Io, format!("cannot read {}", path.display())).because(error)
}

/// `path` without symbolic links, as far as it exists.
fn resolve(path: &Path) -> Result<PathBuf, Failure> {
    for top in path.ancestors() {
        let Some(real) = look::found(top, fs::canonicalize(top))? else { continue };
        return Ok(match path.strip_prefix(top) {
            Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
            // Joining nothing would add a slash, and a file is no folder.
            _ => real,
        });
    }
    Ok(path.to_owned())
}

/// Tries the writable paths again without symbolic links: a link must not lead to the policy.
fn real(policy: Policy, places: &Places) -> Result<Policy, Rejection> {
    let protected =
        places.protected.iter().map(|path| resolve(path)).collect::<Result<_, Failure>>()?;
    let places = Places { protected, ..places.clone() };
    let host = match &policy.filesystem.workspace {
        Setting { value: Workspace::Host { path }, origin } => Some((path, origin)),
        _ => None,
    };
    let writes = policy.filesystem.write.iter().map(|rule| (&rule.value.path, &rule.origin));
    let mut problems = Vec::new();
    for (field, path, origin) in writes
        .map(|(path, origin)| ("filesystem.write", path, origin))
        .chain(host.map(|(path, origin)| ("filesystem.workspace", path, origin)))
    {
        let what = rules::writable(&resolve(path)?, &places);
        let what = what.filter(|_| !broken(Control::Writable));
        problems.extend(what.map(|what| Problem::new(origin, field, what)));
    }
    if problems.is_empty() { Ok(policy) } else { Err(problems.into()) }
}
