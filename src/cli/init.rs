//! `jail init`: a `.cloned` folder to start from.

use super::ui;
use crate::exit;
use crate::failure::{Failure, Kind};
use crate::policy::load::{CONNECTORS, FOLDER};
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Make a `.cloned` folder with an example manifest and a registry of ports. Nothing that exists is changed.
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// The workspace; the current folder without this.
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
}

/// The example is commented in full, and is itself a manifest that works.
pub const EXAMPLE: &str = include_str!("example.yaml");
/// The registry of ports: comments alone.
pub const PORTS: &str = include_str!("ports.example.yaml");
/// What belongs to this machine and its runs, not to the project.
const IGNORED: &str = "state.db\nstate.db-*\naudit.log\naudit.head*\nrun/\npolicy/.lock\n\
                       .ports.lock\n";

pub fn run(args: &InitArgs) -> Result<u8, Failure> {
    let done = make(&args.dir)?;
    let line = |(path, made): &(PathBuf, bool)| {
        let verb = if *made { "created" } else { "exists, left as it is:" };
        format!("{verb} {}\n", path.display())
    };
    let text: String = done.iter().map(line).collect();
    ui::data(&text)
        .map_err(|error| Failure::new(Kind::Io, "cannot print the result").because(error))?;
    Ok(exit::OK)
}

/// Every path of a new workspace, and whether it was made now.
fn make(dir: &Path) -> Result<Vec<(PathBuf, bool)>, Failure> {
    let top = if dir == Path::new(".") { PathBuf::from(FOLDER) } else { dir.join(FOLDER) };
    let connectors = top.join(CONNECTORS);
    let mut done = Vec::new();
    for folder in [top.clone(), connectors.clone(), top.join("policy")] {
        let made = self::folder(&folder).map_err(|error| cannot(&folder, &error))?;
        done.push((folder, made));
    }
    for (path, text) in [
        (connectors.join("example.yaml"), EXAMPLE),
        (top.join(crate::ports::FILE), PORTS),
        (top.join(".gitignore"), IGNORED),
    ] {
        let made = file(&path, text).map_err(|error| cannot(&path, &error))?;
        done.push((path, made));
    }
    Ok(done)
}

fn folder(path: &Path) -> io::Result<bool> {
    // Never for the group, as a umask of 002 would have it: `jail run` refuses to keep its log where
    // others could swap it.
    match fs::DirBuilder::new().mode(0o755).create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes beside the place and then gives it its name, which fails where the name is taken: a reader
/// sees all of the file or none, and two of us cannot overwrite each other.
fn file(path: &Path, text: &str) -> io::Result<bool> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".jail-init-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error),
    }
}

fn cannot(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::new(Kind::Io, format!("cannot make {}", path.display())).because(error);
    match error.kind() {
        io::ErrorKind::NotFound => {
            failure.hint("the folder of the workspace must be there already")
        }
        io::ErrorKind::AlreadyExists => failure.hint("a file of that name is in the way"),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{self, Places};

    fn places() -> Places {
        Places {
            root: "/w".into(),
            home: Some("/home/a".into()),
            protected: vec!["/w/.cloned".into()],
        }
    }

    #[test]
    fn a_second_init_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert!(make(dir.path()).unwrap().iter().all(|(_, made)| *made));
        let example = dir.path().join(".cloned/connectors/example.yaml");
        fs::write(&example, "mine").unwrap();
        assert!(make(dir.path()).unwrap().iter().all(|(_, made)| !made));
        assert_eq!(fs::read_to_string(example).unwrap(), "mine");
        let left: Vec<_> = fs::read_dir(dir.path().join(".cloned")).unwrap().collect();
        assert_eq!(left.len(), 4, "no temporary file stays: {left:?}");
    }

    #[test]
    fn a_file_in_the_way_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".cloned"), "").unwrap();
        assert_eq!(make(dir.path()).unwrap_err().kind, Kind::Io);
    }

    #[test]
    fn the_example_is_a_manifest() {
        policy::manifest(Path::new("example.yaml"), "example", EXAMPLE.as_bytes(), &places())
            .unwrap();
    }

    /// Prose starts with `# ` and a letter; a setting that is commented out has no space there, or
    /// its own two spaces of indentation at least.
    #[test]
    fn every_setting_that_the_example_offers_is_right() {
        let open = |line: &str| match line.strip_prefix('#') {
            Some(rest) if rest.contains("package:") => String::new(),
            Some(rest) if rest.starts_with(' ') && !rest.starts_with("  ") => String::new(),
            Some(setting) => setting.to_owned(),
            None => line.to_owned(),
        };
        let text: String = EXAMPLE.lines().map(|line| open(line) + "\n").collect();
        let policy =
            policy::manifest(Path::new("example.yaml"), "example", text.as_bytes(), &places())
                .unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"));
        assert!(
            policy.limits.timeout.is_some() && policy.rpc.is_some() && !policy.ports.is_empty()
        );
    }

    #[test]
    fn the_registry_says_nothing_and_offers_what_is_right() {
        let read = |text: &str| {
            crate::ports::store::decode::registry(Path::new("ports.yaml"), text.as_bytes())
        };
        assert_eq!(read(PORTS), Ok(crate::ports::Registry::default()));
        let open = |line: &str| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(' ') && !rest.starts_with("  ") => String::new(),
            Some(setting) => setting.to_owned(),
            None => line.to_owned(),
        };
        let text: String = PORTS.lines().map(|line| open(line) + "\n").collect();
        let registry = read(&text).unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"));
        assert_eq!((registry.services.len(), registry.reserved.len()), (3, 1));
    }
}
