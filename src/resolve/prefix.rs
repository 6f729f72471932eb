//! Where a runtime lives in its own folder: which folder that is.
//!
//! Only the one version, tool or package that is asked for is bound, never the collection it is in.

use super::{files, script, shebang};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// `(the folders that mark the place, what it is)`: the prefix ends with the last word. `*` is any
/// one name; the words may stand anywhere in a path, since most managers let their root be moved.
const LAYOUTS: &[(&[&str], &str)] = &[
    (&[".nvm", "versions", "node", "*"], "Node.js of nvm"),
    (&["nvm", "versions", "node", "*"], "Node.js of nvm"),
    (&["fnm", "node-versions", "*", "installation"], "Node.js of fnm"),
    (&[".fnm", "node-versions", "*", "installation"], "Node.js of fnm"),
    (&[".volta", "tools", "image", "packages", "@*", "*"], "package of Volta"),
    (&[".volta", "tools", "image", "*", "*"], "tool of Volta"),
    (&["mise", "installs", "*", "*"], "tool of mise"),
    (&["rtx", "installs", "*", "*"], "tool of rtx"),
    (&[".asdf", "installs", "*", "*"], "tool of asdf"),
    (&[".pyenv", "versions", "*"], "Python of pyenv"),
    (&[".rbenv", "versions", "*"], "Ruby of rbenv"),
    (&[".nodenv", "versions", "*"], "Node.js of nodenv"),
    (&[".goenv", "versions", "*"], "Go of goenv"),
    (&["uv", "tools", "*"], "tool of uv"),
    (&["uv", "python", "*"], "Python of uv"),
    (&["pipx", "venvs", "*"], "tool of pipx"),
    (&[".rustup", "toolchains", "*"], "Rust toolchain"),
    (&[".sdkman", "candidates", "*", "*"], "tool of SDKMAN"),
    (&["Cellar", "*", "*"], "Homebrew package"),
    (&[".local", "share", "pnpm"], "packages of pnpm"),
];

/// A folder that belongs together, and what else it cannot do without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prefix {
    pub(super) root: PathBuf,
    pub(super) what: String,
    /// Files outside, needed as they are (`package.json` beside `node_modules`).
    pub(super) files: Vec<PathBuf>,
    /// Programs outside whose own prefix is needed too: the interpreter below a virtual environment.
    pub(super) programs: Vec<PathBuf>,
    /// Other trees outside.
    pub(super) trees: Vec<PathBuf>,
}

impl Prefix {
    fn new(root: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Self {
            root: root.into(),
            what: what.into(),
            files: Vec::new(),
            programs: Vec::new(),
            trees: Vec::new(),
        }
    }
}

/// The prefixes that `path` (links resolved) lies in; often none, and two
/// where a virtual environment lies inside a runtime.
pub(super) fn of(path: &Path, too_wide: &dyn Fn(&Path) -> bool) -> Vec<Prefix> {
    if path.starts_with("/nix/store") && path != Path::new("/nix/store") {
        // A store path names others of its closure in its bytes: only the whole is sure to do.
        return vec![Prefix::new("/nix/store", "Nix store")];
    }
    let found: Vec<Prefix> =
        [by_layout(path), marked(path, too_wide)].into_iter().flatten().collect();
    if !found.is_empty() {
        return found;
    }
    in_opt(path).or_else(|| in_node_modules(path, too_wide)).into_iter().collect()
}

/// The path before `path` that one of `LAYOUTS` matches; `path` itself is not its own prefix.
fn by_layout(path: &Path) -> Option<Prefix> {
    let parts: Vec<Component<'_>> = path.components().collect();
    let (words, end, what) = LAYOUTS.iter().find_map(|(words, what)| {
        let start = parts.windows(words.len()).position(|window| matches(words, window))?;
        Some((*words, start + words.len(), *what))
    })?;
    if end >= parts.len() {
        return None;
    }
    let root: PathBuf = parts[..end].iter().collect();
    let stars =
        words.iter().zip(&parts[end - words.len()..end]).filter(|(word, _)| word.contains('*'));
    let names: Vec<_> = stars.map(|(_, part)| part.as_os_str().to_string_lossy()).collect();
    let what =
        if names.is_empty() { what.to_owned() } else { format!("{what}: {}", names.join(" ")) };
    Some(Prefix::new(root, what))
}

fn matches(words: &[&str], window: &[Component<'_>]) -> bool {
    words.iter().zip(window).all(|(word, part)| match *word {
        "*" => !part.as_os_str().as_bytes().starts_with(b"@"),
        "@*" => part.as_os_str().as_bytes().starts_with(b"@"),
        plain => part.as_os_str() == plain,
    })
}

/// The nearest folder above `path` with a marker: a virtual environment, a conda environment, or a
/// Python that can be moved about.
fn marked(path: &Path, too_wide: &dyn Fn(&Path) -> bool) -> Option<Prefix> {
    path.ancestors().skip(1).take_while(|folder| folder.parent().is_some()).find_map(|folder| {
        let config = folder.join("pyvenv.cfg");
        if config.is_file() && !too_wide(folder) {
            let mut prefix = Prefix::new(folder, "Python virtual environment");
            prefix.programs = base_interpreter(&config).into_iter().collect();
            return Some(prefix);
        }
        if folder.join("conda-meta").is_dir() && !too_wide(folder) {
            return Some(Prefix::new(folder, "conda environment"));
        }
        let holds_python = folder.join("bin") == path.parent()?
            && is_python(path)
            && has_python_library(&folder.join("lib"))
            && !too_wide(folder);
        holds_python.then(|| Prefix::new(folder, "Python"))
    })
}

fn is_python(program: &Path) -> bool {
    ["python", "pypy"].contains(&shebang::family(program).as_str())
}

fn has_python_library(lib: &Path) -> bool {
    std::fs::read_dir(lib).into_iter().flatten().take(4096).flatten().any(|entry| {
        entry.file_name().as_bytes().starts_with(b"python") && entry.path().join("os.py").is_file()
    })
}

/// The interpreter that `pyvenv.cfg` names: `executable`, else a `python3` in `home`.
fn base_interpreter(config: &Path) -> Option<PathBuf> {
    let text = files::text(config)?;
    let value = |key: &str| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            (name.trim() == key).then(|| PathBuf::from(value.trim()))
        })
    };
    let home = value("home")?;
    let named = value("executable").filter(|program| program.starts_with(&home));
    named
        .into_iter()
        .chain(["python3", "python"].map(|name| home.join(name)))
        // The file comes with a project: it may name a Python, but nothing else of the user's.
        .find(|program| is_python(program) && program.is_absolute() && program.is_file())
}

/// `/opt/NAME`: one product, by the file system's standard.
fn in_opt(path: &Path) -> Option<Prefix> {
    let inside = path.strip_prefix("/opt").ok()?;
    let mut parts = inside.components();
    let name = parts.next()?;
    parts.next()?;
    Some(Prefix::new(Path::new("/opt").join(name), "installed under /opt"))
}

/// The outermost `node_modules` that holds `path`, with what Node looks at beside and above it.
fn in_node_modules(path: &Path, too_wide: &dyn Fn(&Path) -> bool) -> Option<Prefix> {
    let outermost = path
        .ancestors()
        .skip(1)
        .filter(|folder| folder.file_name() == Some(OsStr::new("node_modules")))
        .last()?;
    let mut prefix = Prefix::new(outermost, "Node.js packages");
    let above = script::packages_above(outermost.parent()?, too_wide);
    prefix.files = above.manifests;
    prefix.trees = above.modules.into_iter().filter(|tree| tree != outermost).collect();
    let beside = outermost.with_file_name("package.json");
    if files::is_plain(&beside) && !prefix.files.contains(&beside) {
        prefix.files.push(beside);
    }
    Some(prefix)
}
