//! This program, to be bound into a container: the file itself, or with its loader and libraries where it is
//! not static, so that the image need not have any.
//!
//! A loader obeys the environment and files before any code of ours runs, and both can be the image's: what it
//! would obey is emptied.

use crate::failure::{Failure, Kind};
use crate::plan::Stage;
use crate::resolve;
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where its files are inside.
pub const FOLDER: &str = "/.jail";

/// Lists libraries that every program of the image's root gets, ours too.
pub const PRELOAD: &str = "/etc/ld.so.preload";

/// Variables with which an image can have a loader run its code in our place, whether it has them or not.
const OBEYED: [&str; 4] = ["LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH", "GLIBC_TUNABLES"];

/// What is bound, and how it is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// Host file and place inside.
    pub files: Vec<(PathBuf, String)>,
    pub entrypoint: String,
    /// Before its own arguments.
    pub args: Vec<OsString>,
}

impl Own {
    /// This program as it runs now.
    pub fn of_process() -> Result<Self, Failure> {
        let program =
            std::env::current_exe().and_then(|path| path.canonicalize()).map_err(|error| {
                Failure::new(Kind::Io, "cannot find jail's own program")
                    .at(Stage::Resolve)
                    .because(error)
            })?;
        Self::of(&program)
    }

    /// A loader starts it, and obeys what it finds.
    pub fn has_loader(&self) -> bool {
        !self.args.is_empty()
    }

    fn of(program: &Path) -> Result<Self, Failure> {
        let objects = resolve::objects(program)?;
        let jail = format!("{FOLDER}/jail");
        let mut files = vec![(program.to_owned(), jail.clone())];
        let mut loader = None;
        for (path, is_loader) in objects {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let inside = format!("{FOLDER}/{name}");
            if is_loader {
                loader = Some(inside.clone());
            }
            let real = path.canonicalize().unwrap_or(path);
            if !files.iter().any(|(_, taken)| *taken == inside) {
                files.push((real, inside));
            }
        }
        Ok(match loader {
            None => Self { files, entrypoint: jail, args: Vec::new() },
            Some(loader) => {
                let args = ["--library-path", FOLDER, &jail].map(OsString::from).to_vec();
                Self { files, entrypoint: loader, args }
            }
        })
    }
}

/// The variables that are to be empty for the entry: those of [`OBEYED`], and all others of the image
/// (`Config` of `inspect`) that are a loader's by their name.
pub fn emptied(image: &Value) -> Vec<String> {
    let mut names: Vec<String> = OBEYED.iter().map(ToString::to_string).collect();
    let entries = image["Config"]["Env"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for name in entries.map(|entry| entry.split('=').next().unwrap_or_default()) {
        if name.starts_with("LD_") && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_loader_obeys_is_emptied() {
        assert_eq!(emptied(&Value::Null), OBEYED);
        let env = ["PATH=/bin", "LD_PRELOAD=/evil.so", "LD_PROFILE=x", "OLD_X=1", "LD_DEBUG"];
        let found = emptied(&serde_json::json!({"Config": {"Env": env}}));
        assert_eq!(found[..OBEYED.len()], OBEYED);
        assert_eq!(found[OBEYED.len()..], ["LD_PROFILE", "LD_DEBUG"]);
    }

    #[test]
    fn a_program_brings_what_it_needs() {
        let own = Own::of_process().unwrap();
        let inside: Vec<&str> = own.files.iter().map(|(_, inside)| inside.as_str()).collect();
        assert!(inside.contains(&"/.jail/jail"));
        assert!(inside.contains(&own.entrypoint.as_str()));
        assert!(own.files.iter().all(|(host, _)| host.is_file()));
        // A test binary is linked with libc, as a debug build is.
        assert!(own.args.is_empty() || inside.iter().any(|file| file.contains("libc.")));
    }
}
