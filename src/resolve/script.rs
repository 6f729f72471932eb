//! Scripts given as an argument, and what of their package they cannot do without.

use super::files;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// How far above a script its package may begin.
const MAX_LEVELS: usize = 24;
/// More folders than this beside a script are not its package's code.
const MAX_SIBLINGS: usize = 64;
/// Arguments looked at for paths.
const MAX_ARGUMENTS: usize = 4096;

/// How an interpreter's command line is read up to the script.
struct Interpreter {
    names: &'static [&'static str],
    /// Options that take the next word.
    with_value: &'static [&'static str],
    /// Options after which no script file follows.
    without_script: &'static [&'static str],
    /// Words before the script: `deno run x.ts`.
    verbs: &'static [&'static str],
    node: bool,
}

const INTERPRETERS: &[Interpreter] = &[
    Interpreter {
        names: &["node", "nodejs"],
        with_value: &[
            "-r",
            "--require",
            "--import",
            "-C",
            "--conditions",
            "--loader",
            "--experimental-loader",
            "--env-file",
            "--title",
            "--input-type",
        ],
        without_script: &["-e", "--eval", "-p", "--print", "-pe", "--test", "-i", "--run"],
        verbs: &[],
        node: true,
    },
    Interpreter {
        names: &["bun"],
        with_value: &["-r", "--preload", "--cwd", "-c", "--config", "--env-file"],
        without_script: &["-e", "--eval", "-p", "--print"],
        verbs: &["run"],
        node: true,
    },
    Interpreter {
        names: &["deno"],
        with_value: &["-c", "--config", "--import-map", "--lock"],
        without_script: &[],
        verbs: &["run", "serve"],
        node: true,
    },
    Interpreter {
        names: &["tsx", "ts-node"],
        with_value: &["-r", "--require", "--import", "--tsconfig", "-P", "--project"],
        without_script: &["-e", "--eval", "-p", "--print"],
        verbs: &["watch"],
        node: true,
    },
    Interpreter {
        names: &["python", "pypy", "pythonw"],
        with_value: &["-W", "-X", "--check-hash-based-pycs"],
        without_script: &["-c", "-m"],
        verbs: &[],
        node: false,
    },
    Interpreter {
        names: &["ruby"],
        with_value: &["-I", "-r", "-C", "-E"],
        without_script: &["-e"],
        verbs: &[],
        node: false,
    },
    Interpreter {
        names: &["perl"],
        with_value: &["-I"],
        without_script: &["-e", "-E"],
        verbs: &[],
        node: false,
    },
    Interpreter {
        names: &["sh", "bash", "dash", "zsh", "ksh"],
        with_value: &["-o", "+o", "-O", "+O", "--rcfile", "--init-file"],
        without_script: &["-c", "-s"],
        verbs: &[],
        node: false,
    },
];

fn interpreter(program: &Path) -> Option<&'static Interpreter> {
    let family = super::shebang::family(program);
    INTERPRETERS.iter().find(|known| known.names.contains(&family.as_str()))
}

/// Does this program run JavaScript, and so look for packages around its script?
pub(super) fn is_node(program: &Path) -> bool {
    interpreter(program).is_some_and(|known| known.node)
}

/// Is this one of the `sh` scripts that pnpm and yarn write to start a package with `node`?
pub(super) fn is_launcher_of_node(script: &Path) -> bool {
    let folder = script.parent().unwrap_or(script);
    folder.ends_with("node_modules/.bin") || folder.ends_with(".local/share/pnpm")
}

/// The script file among the arguments of a known interpreter, if there is one and it exists.
pub(super) fn entry(program: &Path, args: &[OsString], cwd: &Path) -> Option<PathBuf> {
    let known = interpreter(program)?;
    let mut args = args.iter().take(MAX_ARGUMENTS);
    let mut verbs = known.verbs;
    let mut options = true;
    while let Some(arg) = args.next() {
        let bytes = arg.as_bytes();
        if options && bytes == b"--" {
            options = false;
        } else if options && (bytes.starts_with(b"-") || bytes.starts_with(b"+")) {
            if listed(known.without_script, arg) || short_cluster_stops(known, bytes) {
                return None;
            }
            if listed(known.with_value, arg) {
                args.next()?;
            }
        } else if listed(verbs, arg) {
            verbs = &[];
        } else {
            return existing_script(&cwd.join(arg), known.node);
        }
    }
    None
}

fn listed(list: &[&str], arg: &OsStr) -> bool {
    list.iter().any(|entry| arg == *entry)
}

/// `-Ic`, `-lc`, `-Imjson.tool`: short options joined, one of which leaves no script.
fn short_cluster_stops(known: &Interpreter, bytes: &[u8]) -> bool {
    // Joined long-looking words (`--eval=…`) and values (`-I/x`, `-Wdefault`) are not clusters.
    let Some(letters) = bytes.strip_prefix(b"-").filter(|rest| !rest.starts_with(b"-")) else {
        return false;
    };
    let stops = |letter: u8| known.without_script.iter().any(|o| o.as_bytes() == [b'-', letter]);
    let takes = |letter: u8| known.with_value.iter().any(|o| o.as_bytes() == [b'-', letter]);
    if known.node {
        return false;
    }
    letters.iter().take_while(|letter| !takes(**letter)).any(|letter| stops(*letter))
}

/// The file itself, or what Node makes of a name without ending or of a folder.
fn existing_script(path: &Path, node: bool) -> Option<PathBuf> {
    let path: PathBuf = path.components().collect();
    if path.is_file() {
        return Some(path);
    }
    if !node {
        // `python3 folder/` runs its __main__.py.
        return Some(path.join("__main__.py")).filter(|main| main.is_file());
    }
    let with_ending = |ending: &str| {
        let mut name = path.clone().into_os_string();
        name.push(ending);
        PathBuf::from(name)
    };
    [with_ending(".js"), with_ending(".mjs"), with_ending(".cjs"), path.join("index.js")]
        .into_iter()
        .find(|candidate| candidate.is_file())
        .or_else(|| Some(path.join("package.json")).filter(|manifest| manifest.is_file()))
}

/// What Node finds on its way up from a folder.
#[derive(Debug, Default)]
pub(super) struct Packages {
    /// `package.json` files.
    pub(super) manifests: Vec<PathBuf>,
    /// `node_modules` folders beside them.
    pub(super) modules: Vec<PathBuf>,
    /// The innermost folder with a `package.json`.
    pub(super) root: Option<PathBuf>,
}

/// Walks up from `folder` to the first folder that is too wide to belong to a package: a
/// `node_modules` in `/tmp` or in the home folder is somebody else's way in.
pub(super) fn packages_above(folder: &Path, too_wide: &dyn Fn(&Path) -> bool) -> Packages {
    let mut packages = Packages::default();
    for level in folder.ancestors().take(MAX_LEVELS).take_while(|level| !too_wide(level)) {
        let manifest = level.join("package.json");
        if !files::is_plain(&manifest) {
            continue;
        }
        packages.manifests.push(manifest);
        packages.root.get_or_insert_with(|| level.to_owned());
        let modules = level.join("node_modules");
        // A link to elsewhere is followed by whoever asks for it, not bound as if it were here.
        if std::fs::symlink_metadata(&modules).is_ok_and(|meta| meta.is_dir()) {
            packages.modules.push(modules);
        }
    }
    packages
}

/// The code of a package around `script`: its own folder below the package's root (`dist/`,
/// `build/`), or, where the script lies in the root itself, the folders and scripts beside it that
/// are not hidden. Never the root as a whole: `.env` and `.git` lie there.
pub(super) fn package_code(script: &Path, root: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let Some(inside) = script.strip_prefix(root).ok() else {
        return (Vec::new(), Vec::new());
    };
    let mut parts = inside.components();
    let first = parts.next();
    if let Some(first) = first.filter(|_| parts.next().is_some()) {
        return (vec![root.join(first)], Vec::new());
    }
    let visible = std::fs::read_dir(root).into_iter().flatten().take(1024).flatten();
    let mut trees = Vec::new();
    let mut files = Vec::new();
    for entry in visible.filter(|entry| !entry.file_name().as_bytes().starts_with(b".")) {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => trees.push(entry.path()),
            Ok(kind) if kind.is_file() && is_code(&entry.path()) => files.push(entry.path()),
            Ok(_) | Err(_) => {}
        }
    }
    if trees.len() > MAX_SIBLINGS {
        trees.clear();
    }
    trees.sort();
    files.sort();
    (trees, files)
}

fn is_code(path: &Path) -> bool {
    const CODE: &[&str] = &["js", "mjs", "cjs", "ts", "mts", "cts", "jsx", "tsx", "wasm", "node"];
    let named = path.file_name().is_some_and(|name| name == "package.json" || name == "deno.json");
    named || path.extension().is_some_and(|end| CODE.iter().any(|code| end == *code))
}

/// Paths among the arguments that exist: proposed to the user (`--read P`), never granted.
///
/// `--option=PATH` counts; the order is that of the arguments, without repetition.
#[must_use]
pub fn candidate_paths(args: &[OsString], cwd: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for arg in args.iter().take(MAX_ARGUMENTS) {
        let Some(text) = path_part(arg.as_bytes()) else { continue };
        let path: PathBuf = cwd.join(OsString::from_vec(text.to_vec())).components().collect();
        let known = found.contains(&path);
        if !known && std::fs::symlink_metadata(&path).is_ok() {
            found.push(path);
        }
    }
    found
}

fn path_part(arg: &[u8]) -> Option<&[u8]> {
    let text = match arg.strip_prefix(b"-") {
        None => arg,
        Some(_) => {
            let equals = arg.iter().position(|byte| *byte == b'=')?;
            &arg[equals + 1..]
        }
    };
    (!text.is_empty() && text.len() < 4096 && !text.contains(&0)).then_some(text)
}
