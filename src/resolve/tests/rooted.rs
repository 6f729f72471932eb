//! The proof: an empty root with nothing but the needs in it, and the program runs there.
//!
//! Wants util-linux and user namespaces (or root); where they are missing the tests say so and end.

use super::fixture::Home;
use crate::policy::SystemTree;
use crate::resolve::{NeedKind, Request, ResolveError, Resolved, resolve};
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn quote(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

/// A shell script that builds the root from the needs and runs the program in it.
fn build(found: &Resolved, system: SystemTree, args: &[&str]) -> String {
    let mut script = String::from("set -e\nR=/mnt\nmount -t tmpfs none $R\n");
    script.push_str("mkdir -p $R/dev $R/proc $R/tmp\n");
    script.push_str(
        "for d in null urandom; do touch $R/dev/$d; mount --bind /dev/$d $R/dev/$d; done\n",
    );
    script.push_str("mount --rbind /proc $R/proc\n");
    if system == SystemTree::Usr {
        script.push_str("mkdir $R/usr; mount --rbind /usr $R/usr\n");
        script.push_str("for d in bin sbin lib lib64; do test -L /$d && cp -a /$d $R/$d || { test -d /$d && mkdir $R/$d && mount --rbind /$d $R/$d; } || true; done\n");
        script.push_str("mkdir -p $R/etc; cp /etc/ld.so.cache $R/etc/ 2>/dev/null || true\n");
    }
    for need in &found.needs {
        let (path, parent) = (quote(&need.path), quote(need.path.parent().unwrap()));
        writeln!(script, "mkdir -p $R{parent}").unwrap();
        let line = match &need.kind {
            NeedKind::Tree => format!("mkdir -p $R{path}; mount --bind {path} $R{path}"),
            NeedKind::File => format!("touch $R{path}; mount --bind {path} $R{path}"),
            NeedKind::Symlink { target } => format!("ln -s {} $R{path}", quote(target)),
        };
        writeln!(script, "{line}").unwrap();
    }
    let dirs: Vec<String> = found.path_dirs.iter().map(|dir| dir.display().to_string()).collect();
    let args: Vec<String> = args.iter().map(|arg| quote(Path::new(arg))).collect();
    // chroot(1) is outside the new root once it has changed to it, so it execs the program itself.
    writeln!(
        script,
        "exec env -i HOME=/tmp PATH='{}:/usr/bin:/bin' {} $R {} {}",
        dirs.join(":"),
        which("chroot").unwrap().display(),
        quote(&found.program),
        args.join(" ")
    )
    .unwrap();
    script
}

fn which(name: &str) -> Option<PathBuf> {
    let places = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    places.iter().map(|dir| Path::new(dir).join(name)).find(|path| path.exists())
}

fn can_build_roots() -> bool {
    let mut probe = unshare("mount -t tmpfs none /mnt");
    probe.output().is_ok_and(|output| output.status.success()) && which("chroot").is_some()
}

fn unshare(script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["-rm", "--propagation", "private", "sh", "-c", script]);
    command
}

fn run(found: &Resolved, system: SystemTree, args: &[&str]) -> Output {
    unshare(&build(found, system, args)).output().unwrap()
}

/// Resolves on this machine with its own PATH; `None` (and a word why) where it is not installed.
fn here(command: &str, args: &[&str], system: SystemTree) -> Option<Resolved> {
    if !can_build_roots() {
        println!("skipped: no user namespaces here");
        return None;
    }
    let args: Vec<OsString> = args.iter().map(OsString::from).collect();
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let path_var = std::env::var_os("PATH").unwrap_or_default();
    let request = Request {
        command: OsStr::new(command),
        args: &args,
        path_var: &path_var,
        cwd: Path::new("/"),
        home: home.as_deref(),
        covered: &[],
        system,
    };
    match resolve(&request) {
        Ok(found) => Some(found),
        Err(error @ ResolveError::NotFound { .. }) => {
            println!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn runs(command: &str, args: &[&str], system: SystemTree, wanted: &str) {
    let Some(found) = here(command, args, system) else { return };
    let output = run(&found, system, args);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains(wanted), "{found:#?}\n{text}\n{errors}");
}

#[test]
fn python_runs_from_its_prefix() {
    runs("python3", &["-c", "import json, encodings; print('alive')"], SystemTree::Usr, "alive");
}

#[test]
fn node_and_npx_run() {
    runs("node", &["-p", "'al' + 'ive'"], SystemTree::Usr, "alive");
    runs("npx", &["--version"], SystemTree::Usr, ".");
}

#[test]
fn cargo_runs_from_its_toolchain() {
    runs("cargo", &["--version"], SystemTree::Usr, "cargo");
}

#[test]
fn minimal_root_is_enough_for_a_program() {
    runs("/bin/ls", &["/"], SystemTree::Minimal, "usr");
    runs("node", &["-p", "'al' + 'ive'"], SystemTree::Minimal, "alive");
}

#[test]
fn minimal_root_is_enough_for_the_system_python() {
    if Path::new("/usr/bin/python3").exists() {
        runs(
            "/usr/bin/python3",
            &["-c", "import json; print('alive')"],
            SystemTree::Minimal,
            "alive",
        );
    }
}

#[test]
fn real_venv_runs() {
    let home = Home::new(&[]);
    let Some(python) = here("python3", &[], SystemTree::Usr) else { return };
    let venv = home.at("venv");
    let made =
        Command::new(&python.program).args(["-m", "venv", "--without-pip"]).arg(&venv).status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: python3 -m venv does not work here");
        return;
    }
    let program = venv.join("bin/python");
    let script = home.file("server.py", "import sys, json; print(sys.prefix)\n");
    let wanted = venv.display().to_string();
    runs(program.to_str().unwrap(), &[script.to_str().unwrap()], SystemTree::Usr, &wanted);
    let with_libraries = ["-c", "import ssl, ctypes; print('alive')"];
    runs(program.to_str().unwrap(), &with_libraries, SystemTree::Minimal, "alive");
}

#[test]
fn package_script_runs_with_its_modules() {
    let home = Home::new(&[]);
    home.file("proj/package.json", r#"{"type":"module"}"#);
    home.file("proj/node_modules/dep/package.json", r#"{"name":"dep","main":"i.js"}"#);
    home.file("proj/node_modules/dep/i.js", "module.exports = 'alive'");
    home.file("proj/dist/part.js", "import dep from 'dep'; export default dep");
    let script = home.file("proj/dist/index.js", "import p from './part.js'; console.log(p)");
    runs("node", &[script.to_str().unwrap()], SystemTree::Usr, "alive");
}
