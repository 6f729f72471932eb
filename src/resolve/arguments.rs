//! Relative paths among the arguments: the connector starts in /workspace, not where the user stands.

use super::{NeedKind, Request, Resolved};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// The arguments with those relative paths made absolute that the jail shows: the script of an
/// interpreter, and what begins with `.` and lies in a granted folder. All else stays word for word.
pub fn absolute_arguments(request: &Request<'_>, resolved: &Resolved) -> Vec<OsString> {
    request.args.iter().map(|argument| absolute(argument, request, resolved)).collect()
}

fn absolute(argument: &OsStr, request: &Request<'_>, resolved: &Resolved) -> OsString {
    let bytes = argument.as_bytes();
    if bytes.is_empty() || bytes.starts_with(b"-") || bytes.starts_with(b"/") {
        return argument.to_owned();
    }
    let path = join(request.cwd, Path::new(argument));
    let is_script = resolved.needs.iter().any(|need| match need.kind {
        NeedKind::File => need.path == path,
        NeedKind::Tree => path.starts_with(&need.path) && path.is_file(),
        NeedKind::Symlink { .. } => need.path == path,
    });
    let dotted = [".", ".."].iter().any(|dots| bytes == dots.as_bytes())
        || bytes.starts_with(b"./")
        || bytes.starts_with(b"../");
    let granted = dotted && request.covered.iter().any(|tree| path.starts_with(tree));
    if is_script || granted { path.into_os_string() } else { argument.to_owned() }
}

/// Joins without asking the file system: `..` takes off one name.
fn join(cwd: &Path, relative: &Path) -> PathBuf {
    let mut path = cwd.to_path_buf();
    for component in relative.components() {
        match component {
            Component::ParentDir => {
                path.pop();
            }
            Component::Normal(name) => path.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::super::Need;
    use super::*;
    use crate::policy::SystemTree;

    fn rewritten(argument: &str) -> String {
        let args = [OsString::from(argument)];
        let covered = [PathBuf::from("/home/u/proj/data")];
        let request = Request {
            command: OsStr::new("python3"),
            args: &args,
            path_var: OsStr::new("/usr/bin"),
            cwd: Path::new("/home/u/proj"),
            home: None,
            covered: &covered,
            system: SystemTree::Usr,
        };
        let script = Need {
            path: "/home/u/proj/server.py".into(),
            why: "the script that you asked to run".into(),
            kind: NeedKind::File,
        };
        let resolved =
            Resolved { program: "/usr/bin/python3".into(), needs: vec![script], path_dirs: vec![] };
        absolute_arguments(&request, &resolved)[0].to_string_lossy().into_owned()
    }

    #[test]
    fn what_the_jail_shows_is_named_absolutely() {
        assert_eq!(rewritten("server.py"), "/home/u/proj/server.py");
        assert_eq!(rewritten("./server.py"), "/home/u/proj/server.py");
        assert_eq!(rewritten("./data"), "/home/u/proj/data");
        assert_eq!(rewritten("../proj/data/x"), "/home/u/proj/data/x");
    }

    #[test]
    fn all_else_stays_as_typed() {
        for argument in ["data", "--data", "-", "", "/etc", "./other", "..", "search", "a=b"] {
            assert_eq!(rewritten(argument), argument);
        }
    }
}
