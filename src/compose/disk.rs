//! Compose files on the disk: which are meant, and their bytes.

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

/// The files of the nearest folder, from this one upward, that has any.
pub fn find(cwd: &Path) -> Option<Vec<PathBuf>> {
    cwd.ancestors().map(in_folder).find(|files| !files.is_empty())
}

/// The files of this folder that `docker compose` would take there.
pub fn in_folder(folder: &Path) -> Vec<PathBuf> {
    let first =
        |names: &[&str]| names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    let Some(file) = first(NAMES) else { return Vec::new() };
    [Some(file), first(OVERRIDES)].into_iter().flatten().collect()
}

/// A request with the environment of this process. Without files, those that `COMPOSE_FILE` names or that
/// are found from here upward.
pub fn request(files: &[PathBuf], env_files: &[PathBuf], cwd: &Path) -> Result<Request, Failure> {
    let variables: Variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let absolute = |path: &PathBuf| super::paths::clean(&cwd.join(path));
    let mut files: Vec<PathBuf> = files.iter().map(absolute).collect();
    if files.is_empty()
        && let Some(named) = variables.get("COMPOSE_FILE").filter(|named| !named.is_empty())
    {
        let mark = variables.get("COMPOSE_PATH_SEPARATOR").map_or(":", String::as_str);
        files = named.split(mark).map(|name| absolute(&PathBuf::from(name))).collect();
    }
    if files.is_empty() {
        files = find(cwd).ok_or_else(|| {
            let what = format!("there is no compose file in {}", cwd.display());
            Failure::new(Kind::Usage, what)
                .because(format!("neither here nor above is one of {}", NAMES.join(", ")))
                .hint("name the files: jail compose check FILE…")
        })?;
    }
    let home = variables.get("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    let env_files = env_files.iter().map(absolute).collect();
    Ok(Request { files, env_files, variables, home })
}
