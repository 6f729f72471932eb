//! What the kernel opens, one after another, to start a program.

use super::finder::Finder;
use super::needs::Needs;
use super::shebang::{self, Shebang};
use super::walk::{self, Walk};
use super::{Request, ResolveError, Resolved, files, libs, prefix, script};
use crate::policy::SystemTree;
use nix::unistd::{AccessFlags, eaccess};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

/// Scripts run by scripts; the kernel itself stops at about this many.
const MAX_CHAIN: usize = 4;

/// A file with a `#!` line.
struct Script<'s> {
    named: &'s Path,
    real: &'s Path,
    head: &'s [u8],
    line: Shebang,
}

/// One resolution under way.
pub(super) struct Resolver<'a> {
    request: &'a Request<'a>,
    needs: Needs<'a>,
    finder: Finder<'a>,
    /// Interpreters below virtual environments: these may name each other in a circle.
    bases: HashSet<PathBuf>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(request: &'a Request<'a>) -> Self {
        let (needs, finder) = (Needs::new(request), Finder::new(request));
        Self { request, needs, finder, bases: HashSet::new() }
    }

    pub(super) fn resolve(mut self) -> Result<Resolved, ResolveError> {
        let program = self.finder.find(self.request.command)?;
        self.program(&program, 0, "the command")?;
        self.script_argument(&program)?;
        self.companions(&program)?;
        let path_dirs = self.finder.path_dirs();
        Ok(Resolved { program, needs: self.needs.finish(), path_dirs })
    }

    /// A file that is handed to execve, by the user or by the kernel for a script.
    fn program(&mut self, named: &Path, depth: usize, why: &str) -> Result<(), ResolveError> {
        let walk = walk::follow(named)?;
        if is_snap(named, &walk) {
            return Err(ResolveError::Snap { path: named.to_owned() });
        }
        check_executable(named, &walk.real)?;
        let head = read_head(&walk.real)?;
        self.passed(&walk, why)?;
        match head.as_deref() {
            // It may be run but not read: then nothing can be said about what it needs.
            None => Ok(()),
            Some(head) if head.starts_with(b"\x7fELF") => self.elf(&walk, why),
            Some(head) => match shebang::parse(head) {
                Some(Ok(line)) => {
                    let script = Script { named, real: &walk.real, head, line };
                    self.script(&script, depth)
                }
                Some(Err(bad)) => Err(not_a_program(named, bad.why())),
                None if head.is_empty() => Err(not_a_program(named, "it is empty")),
                None => Err(not_a_program(named, "it has neither an ELF header nor a `#!` line")),
            },
        }
    }

    fn elf(&mut self, walk: &Walk, why: &str) -> Result<(), ResolveError> {
        // Programs of a tree that the jail has find their libraries there: not even opened again.
        if self.needs.is_covered(&walk.real) {
            return Ok(());
        }
        let standard_library = libs::standard_library(&walk.real);
        // With all of /usr at hand an extension finds what it wants.
        let modules = match self.request.system {
            SystemTree::Minimal => libs::extension_modules(&standard_library),
            SystemTree::Usr => Vec::new(),
        };
        let covered = |path: &Path| self.needs.is_covered(path);
        let closure = libs::closure(&walk.real, &modules, &covered)?;
        for object in &closure.objects {
            let asker = object.asker.display();
            let role = if object.is_loader { "the loader" } else { "a library" };
            self.passed(&walk::follow(&object.path)?, &format!("{role} of {asker}"))?;
        }
        if let Some(cache) = &closure.cache {
            self.needs.file(cache, "the loader's index of libraries");
        }
        for tree in &standard_library {
            self.needs.tree_if_narrow(tree, &format!("the standard library of {why}"));
        }
        Ok(())
    }

    fn script(&mut self, script: &Script<'_>, depth: usize) -> Result<(), ResolveError> {
        let Script { named, real, head, line } = script;
        if depth >= MAX_CHAIN {
            return Err(ResolveError::InterpreterChain { script: named.to_path_buf() });
        }
        let why = format!("the interpreter of {}", named.display());
        let missing = |error: ResolveError| as_interpreter(error, named, line);
        // A relative interpreter is looked for in the current folder, as the kernel does.
        let interpreter = self.request.cwd.join(&line.interpreter);
        self.program(&interpreter, depth + 1, &why).map_err(missing)?;
        let mut runs = line.interpreter.clone();
        if let Some(name) = shebang::env_target(line) {
            let found = self.finder.find_for(&name, named).map_err(missing)?;
            self.program(&found, depth + 1, &why).map_err(missing)?;
            runs = found;
        }
        if let Some(python) = shebang::polyglot_interpreter(head) {
            self.program(&python, depth + 1, &why).map_err(missing)?;
        }
        if script::is_node(&runs) {
            self.package_of(real);
        } else if script::is_launcher_of_node(real) {
            // Without Node.js it fails by itself, in its own words.
            if let Ok(node) = self.finder.find_for("node".as_ref(), named) {
                self.program(&node, depth + 1, &why)?;
            }
        }
        Ok(())
    }

    /// The script that an interpreter is given: asked for as plainly as the command itself.
    fn script_argument(&mut self, program: &Path) -> Result<(), ResolveError> {
        let request = self.request;
        let Some(script) = script::entry(program, request.args, request.cwd) else {
            return Ok(());
        };
        let walk = walk::follow(&script)?;
        self.passed(&walk, "the script that you asked to run")?;
        if script::is_node(program) {
            self.package_of(&walk.real);
        }
        Ok(())
    }

    /// Programs that start a neighbour by its place rather than through PATH.
    fn companions(&mut self, program: &Path) -> Result<(), ResolveError> {
        let Some(neighbour) = program.file_name().and_then(|name| match name.to_str()? {
            "uvx" | "uvw" => Some("uv"),
            _ => None,
        }) else {
            return Ok(());
        };
        let place = program.with_file_name(neighbour);
        if files::is_executable(&place) {
            let why = format!("what {} starts", program.display());
            self.program(&place, 0, &why)?;
        }
        Ok(())
    }

    /// Records what lies on a way: each link, the file at its end, and the folders they belong to.
    fn passed(&mut self, walk: &Walk, why: &str) -> Result<(), ResolveError> {
        if self.needs.is_secret(&walk.real) {
            return Err(ResolveError::Secret { path: walk.real.clone(), why: why.to_owned() });
        }
        for link in &walk.links {
            if !self.in_prefix(&link.path, why)? {
                self.needs.link(link, why);
            }
        }
        if !self.in_prefix(&walk.real, why)? {
            self.needs.file(&walk.real, why);
        }
        Ok(())
    }

    /// Adds the prefix that a path lies in; `false` if there is none, or none that may be shown.
    fn in_prefix(&mut self, path: &Path, why: &str) -> Result<bool, ResolveError> {
        if self.needs.is_system(path) {
            return Ok(true);
        }
        let mut inside = false;
        for found in prefix::of(path, &|folder| self.needs.is_too_wide(folder)) {
            let text = format!("{}, where {why} lives", found.what);
            inside |= self.needs.tree(&found.root, &text);
            for file in &found.files {
                self.needs.file(file, "what Node.js reads beside its packages");
            }
            for tree in &found.trees {
                inside |= self.needs.tree(tree, "Node.js packages") && path.starts_with(tree);
            }
            for program in &found.programs {
                self.base_of(program, &found.root)?;
            }
        }
        Ok(inside)
    }

    /// The interpreter below a virtual environment, which has the standard library.
    fn base_of(&mut self, program: &Path, root: &Path) -> Result<(), ResolveError> {
        if !self.bases.insert(program.to_owned()) {
            return Ok(());
        }
        let why = format!("the interpreter below {}", root.display());
        self.passed(&walk::follow(program)?, &why)
    }

    /// The package around a script of Node's: its manifest, its code, its `node_modules`.
    fn package_of(&mut self, script: &Path) {
        if self.needs.is_system(script) {
            return;
        }
        let in_modules = script.iter().any(|part| part == "node_modules");
        let Some(folder) = script.parent().filter(|_| !in_modules) else { return };
        let packages = script::packages_above(folder, &|folder| self.needs.is_too_wide(folder));
        let Some(root) = packages.root else { return };
        let why = format!("code of the package of {}", script.display());
        let (trees, files) = script::package_code(script, &root);
        for tree in trees.iter().chain(&packages.modules) {
            self.needs.tree_if_narrow(tree, &why);
        }
        for file in files.iter().chain(&packages.manifests) {
            self.needs.file(file, &why);
        }
    }
}

fn check_executable(named: &Path, real: &Path) -> Result<(), ResolveError> {
    let meta = std::fs::metadata(real).map_err(|error| ResolveError::from_io(real, error))?;
    let path = named.to_owned();
    if meta.is_dir() {
        return Err(ResolveError::IsDirectory { path });
    }
    if !meta.is_file() {
        return Err(not_a_program(named, "it is a device, a pipe or a socket"));
    }
    if eaccess(real, AccessFlags::X_OK).is_err() {
        return Err(ResolveError::NotExecutable { path });
    }
    Ok(())
}

/// What the kernel reads of a program first; `None` if it may not be read.
fn read_head(real: &Path) -> Result<Option<Vec<u8>>, ResolveError> {
    match files::head(real, shebang::HEAD) {
        Ok(head) => Ok(Some(head)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        Err(error) => Err(ResolveError::CannotRead { path: real.to_owned(), source: error }),
    }
}

fn is_snap(named: &Path, walk: &Walk) -> bool {
    named.starts_with("/snap")
        || named.starts_with("/var/lib/snapd")
        || walk.real.starts_with("/snap")
        || (walk.real.ends_with("usr/bin/snap") && named.file_name() != walk.real.file_name())
}

fn not_a_program(path: &Path, why: &str) -> ResolveError {
    ResolveError::NotAProgram { path: path.to_owned(), why: why.to_owned() }
}

/// What is wrong with an interpreter is told as the script's trouble; deeper causes pass as they are.
fn as_interpreter(error: ResolveError, script: &Path, line: &Shebang) -> ResolveError {
    let problem = match &error {
        ResolveError::NotFound { .. } => "does not exist".to_owned(),
        ResolveError::NotExecutable { .. } => "is not executable".to_owned(),
        ResolveError::IsDirectory { .. } => "is a directory".to_owned(),
        ResolveError::DanglingLink { link, .. } => {
            format!("is reached through {}, a link to nothing", link.display())
        }
        _ => return error,
    };
    let interpreter =
        shebang::env_target(line).unwrap_or_else(|| line.interpreter.clone().into_os_string());
    ResolveError::InterpreterMissing { script: script.to_owned(), interpreter, problem }
}
