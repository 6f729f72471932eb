//! The shared libraries of a program, found as ld.so(8) finds them.

use super::elf::{self, BadElf, Elf};
use super::ldcache::Cache;
use super::{ResolveError, files, shebang, walk};
use std::cell::OnceCell;
use std::collections::{HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Objects in one program; a browser has about 200.
const MAX_OBJECTS: usize = 2048;
const CACHE: &str = "/etc/ld.so.cache";

/// Built into glibc's and musl's loaders, over the distributions.
const DEFAULT_DIRS: &[&str] = &[
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
    "/usr/local/lib",
];

/// What `$LIB` stands for, over the distributions.
const LIB_NAMES: &[&str] = &["lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu", "lib64", "lib"];

/// Asks whether the jail has an object, and with it everything that it asks for.
pub(super) type Covered<'a> = dyn Fn(&Path) -> bool + 'a;

/// A file that a program loads, and the one that asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) path: PathBuf,
    pub(super) asker: PathBuf,
    pub(super) is_loader: bool,
}

/// All that loading a program opens.
#[derive(Debug, Default)]
pub(super) struct Closure {
    pub(super) objects: Vec<Object>,
    /// Some library is found only through `/etc/ld.so.cache`.
    pub(super) cache: Option<PathBuf>,
}

/// An object whose DT_NEEDED are still to be found.
struct Loaded {
    path: PathBuf,
    elf: Elf,
    /// DT_RPATH of those that led here, nearest first, with their folders.
    inherited: Vec<(OsString, PathBuf)>,
}

struct Search<'a> {
    covered: &'a Covered<'a>,
    cache: OnceCell<Cache>,
    loader: Option<PathBuf>,
    closure: Closure,
}

/// Finds the loader and the libraries of the program at `real`, and those of the `modules` that it
/// may load later: what these miss is their own affair.
pub(super) fn closure(
    real: &Path,
    modules: &[PathBuf],
    covered: &Covered<'_>,
) -> Result<Closure, ResolveError> {
    let elf = open_elf(real)?;
    let mut search = Search {
        covered,
        cache: OnceCell::new(),
        loader: elf.loader.clone(),
        closure: Closure::default(),
    };
    let Some(loader) = elf.loader.clone() else {
        // Static, or itself a loader: there is nobody to load anything.
        return Ok(search.closure);
    };
    let walk = walk::follow(&loader).map_err(|_| ResolveError::LoaderMissing {
        path: real.to_owned(),
        loader: loader.clone(),
    })?;
    open_elf(&walk.real)?;
    search.closure.objects.push(Object { path: loader, asker: real.to_owned(), is_loader: true });
    search.libraries(Loaded { path: real.to_owned(), elf, inherited: Vec::new() })?;
    for path in modules {
        if let Ok(elf) = open_elf(path) {
            // An extension that lacks a library fails alone, when it is imported.
            search.libraries(Loaded { path: path.clone(), elf, inherited: Vec::new() }).ok();
        }
    }
    Ok(search.closure)
}

/// Reads an object, and says what is wrong with it by name.
fn open_elf(path: &Path) -> Result<Elf, ResolveError> {
    let file = files::open(path).map_err(|error| ResolveError::from_io(path, error))?;
    let path = path.to_owned();
    elf::read(file).map_err(|bad| match bad {
        BadElf::NotElf => {
            ResolveError::NotAProgram { path, why: "it has no ELF header".to_owned() }
        }
        BadElf::Foreign(machine) => ResolveError::ForeignMachine { path, machine },
        BadElf::Damaged(why) => ResolveError::DamagedElf { path, why },
    })
}

impl Search<'_> {
    /// Breadth first, as ld.so does: the first object to bring a name in decides for all.
    fn libraries(&mut self, program: Loaded) -> Result<(), ResolveError> {
        let mut seen: HashSet<OsString> = HashSet::new();
        let mut queue = VecDeque::from([program]);
        while let Some(loaded) = queue.pop_front() {
            for name in loaded.elf.needed.clone() {
                if !seen.insert(name.clone()) || self.is_loader(&name) {
                    continue;
                }
                let path =
                    self.find(&name, &loaded).ok_or_else(|| ResolveError::LibraryMissing {
                        name: name.to_string_lossy().into_owned(),
                        asker: loaded.path.clone(),
                    })?;
                let asker = loaded.path.clone();
                self.closure.objects.push(Object { path: path.clone(), asker, is_loader: false });
                if seen.len() > MAX_OBJECTS {
                    return Err(ResolveError::DamagedElf {
                        path: loaded.path,
                        why: "it needs more libraries than any program does",
                    });
                }
                if let Some(next) = self.enter(path, &loaded)? {
                    queue.push_back(next);
                }
            }
        }
        Ok(())
    }

    /// The loader is in memory already, and musl's is the C library as well.
    fn is_loader(&self, name: &OsStr) -> bool {
        let Some(loader) = &self.loader else { return false };
        let file = loader.file_name().unwrap_or_default().as_bytes();
        let musl = file.starts_with(b"ld-musl-");
        file == name.as_bytes()
            || (musl && (name == "libc.so" || name.as_bytes().starts_with(b"libc.musl-")))
    }

    /// The object at `path`, to be searched for what it needs; `None` where the jail has it all.
    fn enter(&self, path: PathBuf, parent: &Loaded) -> Result<Option<Loaded>, ResolveError> {
        let real = walk::follow(&path)?.real;
        if (self.covered)(&real) {
            return Ok(None);
        }
        let elf = open_elf(&real)?;
        // DT_RPATH counts for what is loaded further down, unless DT_RUNPATH takes its place.
        let mut inherited = parent.inherited.clone();
        if let (Some(rpath), None) = (&parent.elf.rpath, &parent.elf.runpath) {
            inherited.insert(0, (rpath.clone(), folder(&parent.path)));
        }
        Ok(Some(Loaded { path, elf, inherited }))
    }

    fn find(&mut self, name: &OsStr, asker: &Loaded) -> Option<PathBuf> {
        let origin = folder(&asker.path);
        if name.as_bytes().contains(&b'/') {
            return expand(name, &origin).into_iter().find(|path| is_usable(path));
        }
        let mut lists: Vec<(&OsStr, &Path)> = Vec::new();
        match (&asker.elf.rpath, &asker.elf.runpath) {
            (_, Some(runpath)) => lists.push((runpath, &origin)),
            (Some(rpath), None) => lists.push((rpath, &origin)),
            (None, None) => {}
        }
        if asker.elf.runpath.is_none() {
            lists.extend(asker.inherited.iter().map(|(list, of)| (list.as_os_str(), of.as_path())));
        }
        lists
            .into_iter()
            .find_map(|(list, origin)| in_list(name, list, origin))
            .or_else(|| self.in_system(name))
    }

    /// The cache, then the folders built into the loader, then the loader's own: that is where a
    /// loader of Nix or Homebrew has its C library.
    fn in_system(&mut self, name: &OsStr) -> Option<PathBuf> {
        let own = self.loader.iter().flat_map(|loader| {
            let real = walk::follow(loader).map(|walk| folder(&walk.real)).ok();
            [Some(folder(loader)), real].into_iter().flatten()
        });
        let own: Vec<PathBuf> = own.collect();
        let foreign =
            !own.iter().any(|dir| DEFAULT_DIRS.iter().any(|known| dir == Path::new(known)));
        let built_in = DEFAULT_DIRS.iter().map(PathBuf::from);
        let mut dirs: Vec<PathBuf> = own.clone();
        dirs.extend(built_in);
        let by_dir = || dirs.iter().map(|dir| dir.join(name)).find(|path| is_usable(path));
        if foreign {
            // Such a loader does not read the distribution's cache.
            return own.iter().map(|dir| dir.join(name)).find(|path| is_usable(path));
        }
        let cached = self
            .cache
            .get_or_init(|| Cache::load(Path::new(CACHE)))
            .find(name)
            .filter(|path| is_usable(path));
        if let Some(path) = cached {
            if !dirs.contains(&folder(&path)) {
                self.closure.cache = Some(PathBuf::from(CACHE));
            }
            return Some(path);
        }
        by_dir()
    }
}

fn folder(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("/")).to_owned()
}

/// Looks through a DT_RPATH or DT_RUNPATH.
fn in_list(name: &OsStr, list: &OsStr, origin: &Path) -> Option<PathBuf> {
    let dirs = list.as_bytes().split(|byte| *byte == b':').filter(|dir| !dir.is_empty());
    dirs.flat_map(|dir| expand(OsStr::from_bytes(dir), origin))
        .map(|dir| dir.join(name))
        .find(|path| is_usable(path))
}

/// Puts in `$ORIGIN`, `$LIB` and `$PLATFORM`; several answers where the distribution decides.
/// Relative results are dropped: they would depend on the jail's current folder.
fn expand(text: &OsStr, origin: &Path) -> Vec<PathBuf> {
    let platform = std::env::consts::ARCH.as_bytes();
    let text = replace(text.as_bytes(), "ORIGIN", origin.as_os_str().as_bytes());
    let text = replace(&text, "PLATFORM", platform);
    let libs = LIB_NAMES.iter().map(|lib| replace(&text, "LIB", lib.as_bytes()));
    let mut paths: Vec<PathBuf> =
        libs.map(|path| PathBuf::from(OsString::from_vec(path))).collect();
    paths.dedup();
    paths.retain(|path| path.is_absolute());
    paths
}

/// Replaces `$NAME` and `${NAME}`.
fn replace(text: &[u8], name: &str, by: &[u8]) -> Vec<u8> {
    let plain = format!("${name}");
    let braced = format!("${{{name}}}");
    let mut result = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.first() {
        if let Some(after) = rest.strip_prefix(braced.as_bytes()) {
            result.extend(by);
            rest = after;
        } else if let Some(after) = rest.strip_prefix(plain.as_bytes()) {
            result.extend(by);
            rest = after;
        } else {
            result.push(*first);
            rest = &rest[1..];
        }
    }
    result
}

/// ld.so passes over what is absent, unreadable, or for another machine.
fn is_usable(path: &Path) -> bool {
    files::open(path).is_ok_and(|mut file| elf::check_ident(&mut file).is_ok())
}

/// The loader that the program at `real` names; `None` if it names none or cannot be read.
pub(super) fn loader_of(real: &Path) -> Option<PathBuf> {
    elf::read(files::open(real).ok()?).ok()?.loader
}

/// Where the Python at `real` has its standard library; nothing for other programs.
pub(super) fn standard_library(real: &Path) -> Vec<PathBuf> {
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    let prefix = real.parent().and_then(Path::parent);
    let (Some(prefix), "python") = (prefix, shebang::family(real).as_str()) else {
        return Vec::new();
    };
    let lib = prefix.join("lib");
    [lib.join(name.as_ref()), lib.join("python3")].into_iter().filter(|dir| dir.is_dir()).collect()
}

/// The compiled part of a standard library (`_ssl`, `_ctypes`), which brings libraries of its own.
pub(super) fn extension_modules(standard_library: &[PathBuf]) -> Vec<PathBuf> {
    let folders = standard_library.iter().map(|lib| lib.join("lib-dynload"));
    let files = folders.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let paths = files.take(MAX_OBJECTS).flatten().map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "so")).collect()
}
