//! What the seccomp profiles say that services name. `security_opt` takes a path on the host; docker compose
//! reads the file, from the project's folder, and hands the text to the engine.
//!
//! Engines take more than `seccomp::oci` does (conditions on capabilities, other architectures), so only what
//! decides is looked at here: what becomes of a call that no rule names.

use super::model::{Project, Service};
use super::project::Reader;
use crate::seccomp::oci::Action;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Most bytes of a profile: docker's has 25 KiB.
const MAX_BYTES: usize = 1024 * 1024;
/// More than any project has.
const MOST: usize = 64;

/// What a profile comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profile {
    /// It refuses what no rule names.
    Refuses,
    /// It lets through what no rule names.
    Allows(&'static str),
    /// Why nobody can say.
    Unknown(String),
}

/// The names that are no files.
const WORDS: &[&str] = &["unconfined", "builtin"];

/// The path of a `seccomp` option; nothing where it names no file.
pub(super) fn path_of(option: &str) -> Option<&str> {
    let (name, value) = option.split_once('=').or_else(|| option.split_once(':'))?;
    (name == "seccomp" && !value.is_empty() && !WORDS.contains(&value)).then_some(value)
}

/// Reads the profile of every service, each file once.
pub(super) fn read(project: &mut Project, reader: Reader<'_>) {
    let mut found: BTreeMap<PathBuf, Profile> = BTreeMap::new();
    for service in &project.services {
        for path in paths_of(service, project) {
            if found.contains_key(&path) {
                continue;
            }
            let profile = match found.len() < MOST {
                true => of_file(&path, reader),
                false => Profile::Unknown(format!("it is one of more than {MOST} profiles")),
            };
            found.insert(path, profile);
        }
    }
    project.profiles = found;
}

fn paths_of(service: &Service, project: &Project) -> Vec<PathBuf> {
    let options = service.texts("security_opt").filter_map(|(option, _)| path_of(option));
    options.map(|path| project.path(path)).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    default_action: Action,
}

fn of_file(path: &std::path::Path, reader: Reader<'_>) -> Profile {
    let bytes = match reader(path, MAX_BYTES) {
        Ok(bytes) if bytes.len() > MAX_BYTES => {
            return Profile::Unknown(format!("it is larger than {MAX_BYTES} bytes"));
        }
        Ok(bytes) => bytes,
        Err(error) => return Profile::Unknown(format!("it cannot be read: {error}")),
    };
    // Without what stands there: a compose file can name any file of ours.
    match serde_json::from_slice::<Head>(&bytes) {
        Err(_) => Profile::Unknown("it is no seccomp profile".to_owned()),
        Ok(Head { default_action: Action::Allow }) => Profile::Allows("SCMP_ACT_ALLOW"),
        Ok(Head { default_action: Action::Log }) => Profile::Allows("SCMP_ACT_LOG"),
        Ok(_) => Profile::Refuses,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::path::Path;

    #[test]
    fn what_decides_is_the_default() {
        let of = |text: &str| {
            let text = text.to_owned();
            of_file(Path::new("/p.json"), &move |_: &Path, most: usize| {
                Ok(text.bytes().take(most + 1).collect())
            })
        };
        let allows = |action| Profile::Allows(action);
        assert_eq!(of(r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#), allows("SCMP_ACT_ALLOW"));
        assert_eq!(of(r#"{"x": 1, "defaultAction": "SCMP_ACT_LOG"}"#), allows("SCMP_ACT_LOG"));
        for action in ["ERRNO", "KILL", "KILL_PROCESS", "KILL_THREAD", "TRAP"] {
            let text = format!(r#"{{"defaultAction": "SCMP_ACT_{action}", "syscalls": []}}"#);
            assert_eq!(of(&text), Profile::Refuses, "{action}");
        }
        for text in ["", "{}", "[]", r#"{"defaultAction": "SCMP_ACT_OTHER"}"#, "root:x:0:0"] {
            assert_eq!(of(text), Profile::Unknown("it is no seccomp profile".to_owned()), "{text}");
        }
        assert!(matches!(of(&" ".repeat(MAX_BYTES + 1)), Profile::Unknown(_)));
        let gone = |_: &Path, _| Err(io::ErrorKind::NotFound.into());
        assert!(matches!(of_file(Path::new("/p.json"), &gone), Profile::Unknown(_)));
    }

    #[test]
    fn paths_of_options() {
        assert_eq!(path_of("seccomp=./a:b.json"), Some("./a:b.json"));
        assert_eq!(path_of("seccomp:./a.json"), Some("./a.json"));
        for option in ["seccomp=unconfined", "seccomp:builtin", "seccomp=", "label:a", "seccomp"] {
            assert_eq!(path_of(option), None, "{option}");
        }
    }
}
