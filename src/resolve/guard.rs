//! What may never be bound as a whole tree, however a prefix was found.
//!
//! Prefixes are guessed from folder names and marker files. A stray `~/pyvenv.cfg` or
//! `~/package.json` must not turn the home folder into "the runtime's own prefix", so every tree
//! passes here, after links are resolved.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// Folders whose direct children hold things of many owners, and so are too wide themselves.
const SHARED_PARENTS: &[&str] = &[
    "/etc",
    "/home",
    "/media",
    "/mnt",
    "/nix/var",
    "/run",
    "/run/media",
    "/run/user",
    "/usr",
    "/usr/local",
    "/usr/share",
    "/var",
    "/var/lib",
    "/var/log",
    "/var/run",
];

/// Folders of a home that may be bound though their names start with a dot.
const DOTTED_PREFIXES: &[&str] = &[
    ".anaconda3",
    ".linuxbrew",
    ".mambaforge",
    ".micromamba",
    ".miniconda3",
    ".miniforge3",
    ".node_modules",
    ".venv",
    ".virtualenv",
];

/// Plain folders of a home that are a person's own, or that many programs share.
const HOME_SHARED: &[&str] = &[
    "Desktop",
    "Documents",
    "Downloads",
    "Dropbox",
    "Library",
    "Music",
    "Nextcloud",
    "OneDrive",
    "Pictures",
    "Public",
    "Templates",
    "Videos",
    "bin",
    "code",
    "dev",
    "git",
    "go",
    "go/bin",
    "go/pkg",
    "lib",
    "opt",
    "projects",
    "repos",
    "snap",
    "src",
    "tmp",
    "work",
    "workspace",
];

/// Below a home: each of these is too wide, and so is each direct child.
const HOME_SHARED_PARENTS: &[&str] = &[
    ".asdf",
    ".aws",
    ".cache",
    ".cargo",
    ".config",
    ".docker",
    ".gnupg",
    ".kube",
    ".local",
    ".local/lib",
    ".local/share",
    ".local/state",
    ".mozilla",
    ".npm",
    ".nvm",
    ".password-store",
    ".pyenv",
    ".rustup",
    ".ssh",
    ".volta",
    ".volta/tools",
    ".volta/tools/image",
];

/// Below a home: collections of runtimes, of which one at a time may be bound.
const HOME_COLLECTIONS: &[&str] = &[
    ".nvm/versions/node",
    ".config/nvm/versions/node",
    ".config/nvm/versions",
    ".local/share/fnm/node-versions",
    ".local/share/mise/installs",
    ".local/share/mise/shims",
    ".local/share/pipx/venvs",
    ".local/share/uv/python",
    ".local/share/uv/tools",
    ".local/pipx/venvs",
    ".conda/envs",
    ".volta/tools/image/node",
    ".volta/tools/image/packages",
];

/// A child of one of these that is bound whole after all: package managers keep nothing else there.
const HOME_EXCEPTIONS: &[&str] = &[".local/share/pnpm"];

/// Why `path` (absolute, links resolved) may not be bound as a tree; `None` if it may.
///
/// `home` is the home folder of the user; `/root` and `/home/*` count as homes too.
#[must_use]
pub fn too_wide(path: &Path, home: Option<&Path>) -> Option<&'static str> {
    let plain = path.components().all(|c| matches!(c, Component::RootDir | Component::Normal(_)));
    if !path.is_absolute() || !plain {
        return Some("it is not a plain absolute path");
    }
    // The root and its children: /usr, /opt, /tmp, /root and whatever else is mounted there.
    if path.components().count() <= 2 {
        return Some("it is a top-level folder");
    }
    if holds_secrets(path, home) {
        return Some("secrets are kept there");
    }
    if path.parent().is_some_and(|parent| is_one_of(parent, SHARED_PARENTS)) {
        return Some("programs and people of all sorts keep things there");
    }
    let homes = home.map(Path::to_owned).into_iter().chain(usual_home(path));
    homes.into_iter().find_map(|home| too_wide_at_home(path, &home))
}

/// The home that a path under `/root` or `/home/NAME` belongs to. `/home/linuxbrew` is no person.
fn usual_home(path: &Path) -> Option<PathBuf> {
    if path.starts_with("/root") {
        return Some(PathBuf::from("/root"));
    }
    let name = path.strip_prefix("/home").ok()?.components().next()?;
    (name.as_os_str() != "linuxbrew").then(|| Path::new("/home").join(name))
}

fn too_wide_at_home(path: &Path, home: &Path) -> Option<&'static str> {
    if home.starts_with(path) {
        return Some("it holds the home folder");
    }
    let inside = path.strip_prefix(home).ok()?;
    if is_one_of(inside, HOME_EXCEPTIONS) {
        return None;
    }
    if let Some(name) = only_component(inside) {
        return too_wide_child_of_home(name);
    }
    if is_one_of(inside, HOME_SHARED)
        || is_one_of(inside, HOME_COLLECTIONS)
        || inside.parent().is_some_and(|parent| is_one_of(parent, HOME_SHARED_PARENTS))
    {
        return Some("programs of all sorts keep things there, secrets among them");
    }
    None
}

fn too_wide_child_of_home(name: &OsStr) -> Option<&'static str> {
    if is_one_of(Path::new(name), HOME_SHARED) {
        return Some("it is a folder of the user's own");
    }
    let hidden = name.as_encoded_bytes().starts_with(b".");
    (hidden && !is_one_of(Path::new(name), DOTTED_PREFIXES))
        .then_some("it is a hidden folder of the home, where settings and secrets are")
}

/// Below a home: where keys, tokens and profiles lie. Not even one file of these is shown because
/// a link or a settings file of somebody's project leads there.
const SECRET_PLACES: &[&str] = &[
    ".aws",
    ".azure",
    ".claude.json",
    ".claude/.credentials.json",
    ".config/gcloud",
    ".config/gh",
    ".config/google-chrome",
    ".config/chromium",
    ".docker/config.json",
    ".git-credentials",
    ".gnupg",
    ".kube",
    ".local/share/keyrings",
    ".mcp-auth",
    ".mozilla",
    ".netrc",
    ".npmrc",
    ".password-store",
    ".pki",
    ".pypirc",
    ".ssh",
];

/// Does `path` (absolute, links resolved) lie where secrets are kept?
#[must_use]
pub fn holds_secrets(path: &Path, home: Option<&Path>) -> bool {
    let homes = home.map(Path::to_owned).into_iter().chain(usual_home(path));
    homes
        .into_iter()
        .filter_map(|home| path.strip_prefix(home).ok().map(Path::to_owned))
        .any(|inside| SECRET_PLACES.iter().any(|place| inside.starts_with(place)))
}

fn only_component(path: &Path) -> Option<&OsStr> {
    let mut components = path.components();
    let first = components.next()?;
    components.next().is_none().then_some(first.as_os_str())
}

fn is_one_of(path: &Path, list: &[&str]) -> bool {
    list.iter().any(|entry| path == Path::new(entry))
}
