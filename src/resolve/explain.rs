//! After execve failed inside the jail: which file is missing there.

use super::{files, libs, shebang, walk};
use std::path::{Path, PathBuf};

/// Says what `errno` of execve means for `program`, one line each, most likely first.
///
/// `jail_has` tells whether a path exists inside; the host's files are read to find what is asked
/// for.
pub fn explain_exec_failure(
    program: &Path,
    errno: i32,
    jail_has: &dyn Fn(&Path) -> bool,
) -> Vec<String> {
    match errno {
        libc::ENOENT | libc::ENOTDIR => missing(program, jail_has, 0),
        libc::EACCES => vec![
            format!("{} may not be executed inside the jail", program.display()),
            "either it lies on a mount without exec (/tmp and the workspace are such), or its \
             file mode, or that of a folder above, forbids it"
                .to_owned(),
        ],
        libc::ENOEXEC => vec![format!(
            "{} is not in a format that this kernel runs: it has no `#!` line, or was built for \
             another machine",
            program.display()
        )],
        libc::ELOOP => vec![format!("too many symbolic links from {}", program.display())],
        libc::E2BIG => vec!["the arguments and the environment are too large together".to_owned()],
        libc::ETXTBSY => vec![format!("{} is being written to just now", program.display())],
        libc::ENOMEM | libc::EAGAIN => {
            vec!["the jail's memory or process limit is too small to start it".to_owned()]
        }
        libc::EPERM => vec![format!(
            "the kernel refused to execute {}: a security module or a seccomp rule forbids it",
            program.display()
        )],
        _ => Vec::new(),
    }
}

fn missing(program: &Path, jail_has: &dyn Fn(&Path) -> bool, depth: usize) -> Vec<String> {
    let Ok(walk) = walk::follow(program) else {
        return vec![format!("{} does not exist on this machine", program.display())];
    };
    for path in walk.links.iter().map(|link| &link.path).chain([&walk.real]) {
        if !jail_has(path) {
            return vec![absent(path), grant(&walk.real)];
        }
    }
    match interpreters(&walk.real).into_iter().find(|path| !jail_has(path)) {
        Some(interpreter) => {
            let asked = format!("{} asks for {}", program.display(), interpreter.display());
            let mut lines = vec![asked];
            if depth < 4 {
                lines.extend(missing(&interpreter, jail_has, depth + 1));
            }
            lines
        }
        None => vec![format!("{} is there, but something that it needs is not", program.display())],
    }
}

fn absent(path: &Path) -> String {
    format!("{} is not in the jail", path.display())
}

fn grant(path: &Path) -> String {
    format!("add to the manifest: filesystem.read: [\"{}\"]", path.display())
}

/// What the kernel opens for this file besides itself.
fn interpreters(real: &Path) -> Vec<PathBuf> {
    let Ok(head) = files::head(real, shebang::HEAD) else { return Vec::new() };
    match shebang::parse(&head) {
        Some(Ok(line)) => vec![line.interpreter],
        Some(Err(_)) => Vec::new(),
        None => libs::loader_of(real).into_iter().collect(),
    }
}
