//! pyenv, and the managers that were made after rbenv's pattern.

use super::super::{ResolveError, files};
use super::versions::{self, choose, program_in};
use super::{Asked, Real, found};

/// One manager of the family.
pub(super) struct Manager {
    name: &'static str,
    /// In the project's folder or one above.
    local_file: &'static str,
    /// What a version may be called in front of its number.
    prefix: &'static str,
}

pub(super) const MANAGERS: &[Manager] = &[
    Manager { name: "pyenv", local_file: ".python-version", prefix: "python-" },
    Manager { name: "rbenv", local_file: ".ruby-version", prefix: "ruby-" },
    Manager { name: "nodenv", local_file: ".node-version", prefix: "node-" },
    Manager { name: "goenv", local_file: ".go-version", prefix: "go-" },
];

impl Manager {
    /// `exec "/home/u/.pyenv/libexec/pyenv" exec …` or `exec pyenv exec …`.
    pub(super) fn is_shim(&self, text: &str) -> bool {
        ["\" exec ", "' exec ", " exec "]
            .iter()
            .any(|end| text.contains(&format!("{}{end}", self.name)))
    }
}

pub(super) fn real(asked: &Asked<'_>, manager: &Manager) -> Result<Real, ResolveError> {
    let root = asked.root();
    let global = root.join("version");
    let (file, wanted) = versions::nearest(manager.local_file, asked.cwd)
        .or_else(|| Some((global.clone(), versions::words(&files::text(&global)?))))
        .unwrap_or_else(|| (global.clone(), vec!["system".to_owned()]));
    let collection = root.join("versions");
    let mut absent = None;
    for version in &wanted {
        if version == "system" {
            return Ok(Real::Next { skip: root.join("shims") });
        }
        let bare = version.strip_prefix(manager.prefix).unwrap_or(version);
        match choose(&collection, version).or_else(|| choose(&collection, bare)) {
            Some(folder) => {
                if let Some(path) = program_in(&folder, asked.name()) {
                    return Ok(found(path));
                }
            }
            None => absent = Some(version),
        }
    }
    let problem = match absent {
        Some(version) => {
            format!("version {version}, which {} names, is not installed", file.display())
        }
        None => format!(
            "no version that {} names ({}) has this program",
            file.display(),
            wanted.join(", ")
        ),
    };
    Err(asked.unclear(manager.name, problem))
}
