//! Compose files on the disk: which are meant, and their bytes.

use super::dotenv;
use super::interpolate::Variables;
use super::project::Request;
use crate::failure::{Failure, Kind};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The names that docker compose looks for, in its order; the first that is there counts.
const NAMES: &[&str] =
    &["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// What is merged into it, where it is there.
const OVERRIDES: &[&str] = &[
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// At most so many bytes of a regular file, and one more where there are more.
pub fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    // A pipe must not make us wait.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The files of this folder that have one of the names that `docker compose` looks for.
fn in_folder(folder: &Path) -> Vec<PathBuf> {
    let first =
        |names: &[&str]| names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    let Some(file) = first(NAMES) else { return Vec::new() };
    [Some(file), first(OVERRIDES)].into_iter().flatten().collect()
}

/// True where `docker compose` would find a project in this folder itself.
pub fn has_project(folder: &Path) -> Result<bool, Failure> {
    let environment = environment();
    if !in_folder(folder).is_empty() || !named(&environment, folder).is_empty() {
        return Ok(true);
    }
    Ok(!named(&variables_of(&env_files(&[], folder), folder, &environment)?, folder).is_empty())
}

fn environment() -> Variables {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The files of variables that are asked for: by option, or by `COMPOSE_ENV_FILES`.
fn env_files(given: &[PathBuf], cwd: &Path) -> Vec<PathBuf> {
    let listed = match given {
        [] => std::env::var("COMPOSE_ENV_FILES").unwrap_or_default(),
        _ => String::new(),
    };
    let listed = listed.split(',').filter(|name| !name.is_empty()).map(PathBuf::from);
    let all = given.iter().cloned().chain(listed);
    all.map(|path| super::paths::clean(&cwd.join(path))).collect()
}

/// The environment, and below it what these files say, or the folder's `.env` where there are none.
fn variables_of(
    files: &[PathBuf],
    folder: &Path,
    environment: &Variables,
) -> Result<Variables, Failure> {
    let own = [folder.join(".env")];
    let mut found = Variables::new();
    for file in if files.is_empty() { &own } else { files } {
        let bytes = match read(file, dotenv::MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if files.is_empty() && error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                let what = format!("cannot read {}", file.display());
                return Err(Failure::new(Kind::Io, what).because(error));
            }
        };
        let own = dotenv::read(file, &bytes, environment);
        found.extend(own.map_err(|problem| Failure::new(Kind::Usage, problem.to_string()))?);
    }
    found.extend(environment.clone());
    Ok(found)
}

/// The files that `COMPOSE_FILE` names.
fn named(variables: &Variables, folder: &Path) -> Vec<PathBuf> {
    let Some(named) = variables.get("COMPOSE_FILE").filter(|named| !named.is_empty()) else {
        return Vec::new();
    };
    let mark = variables.get("COMPOSE_PATH_SEPARATOR").filter(|mark| !mark.is_empty());
    let all = named.split(mark.map_or(":", String::as_str));
    all.map(|name| super::paths::clean(&folder.join(name))).collect()
}

/// The files of a project that nobody named, and the variables that are known by then.
fn find(
    cwd: &Path,
    env_files: &[PathBuf],
    environment: Variables,
) -> Result<(Vec<PathBuf>, Variables), Failure> {
    // Of a file of variables that is asked for, relative paths start here, wherever the project is.
    let from_here = named(&environment, cwd);
    if !from_here.is_empty() {
        return Ok((from_here, environment));
    }
    for folder in cwd.ancestors() {
        let there = in_folder(folder);
        if there.is_empty() && folder != cwd {
            continue;
        }
        let variables = variables_of(env_files, folder, &environment)?;
        let base = if env_files.is_empty() { folder } else { cwd };
        let named = named(&variables, base);
        if !named.is_empty() {
            return Ok((named, variables));
        }
        if !there.is_empty() {
            return Ok((there, variables));
        }
    }
    let what = format!("there is no compose file in {}", cwd.display());
    Err(Failure::new(Kind::Usage, what)
        .because(format!("neither here nor above is one of {}", NAMES.join(", ")))
        .hint("name the files: jail compose check FILE…"))
}

/// A request with the environment of this process. Without files, those that `COMPOSE_FILE` names, in the
/// environment or in a file of variables, or that are found from here upward.
pub fn request(files: &[PathBuf], given: &[PathBuf], cwd: &Path) -> Result<Request, Failure> {
    let environment = environment();
    let home = environment.get("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    let env_files = env_files(given, cwd);
    let absolute = |path: &PathBuf| super::paths::clean(&cwd.join(path));
    let (files, variables) = match files {
        [] => find(cwd, &env_files, environment)?,
        _ => (files.iter().map(absolute).collect(), environment),
    };
    Ok(Request { files, env_files, variables, home })
}
