//! On the machine that runs the tests: what is there is resolved for real.

use crate::policy::SystemTree;
use crate::resolve::{NeedKind, Request, ResolveError, Resolved, resolve};
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn on_host(command: &str, args: &[&str]) -> Result<Resolved, ResolveError> {
    let args: Vec<OsString> = args.iter().map(OsString::from).collect();
    let path_var = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("HOME").map(PathBuf::from);
    resolve(&Request {
        command: OsStr::new(command),
        args: &args,
        path_var: &path_var,
        cwd: Path::new("/"),
        home: home.as_deref(),
        covered: &[],
        system: SystemTree::Usr,
    })
}

#[test]
fn system_shell_needs_nothing() {
    let found = on_host("/bin/sh", &["-c", "true"]).unwrap();
    assert_eq!(found.program, Path::new("/bin/sh"));
    assert_eq!(found.needs, []);
}

#[test]
fn python_of_pyenv_is_found_behind_its_shim() {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    if !home.join(".pyenv/shims/python3").exists() {
        println!("skipped: no pyenv here");
        return;
    }
    let found = on_host(home.join(".pyenv/shims/python3").to_str().unwrap(), &[]).unwrap();
    assert!(found.program.starts_with(home.join(".pyenv/versions")), "{found:?}");
    assert_eq!(found.needs.len(), 1, "{found:?}");
    assert_eq!(found.needs[0].kind, NeedKind::Tree);
}

#[test]
fn node_of_the_system_needs_nothing() {
    for command in ["/usr/bin/node", "/usr/bin/npx", "/usr/bin/npm"] {
        if Path::new(command).exists() {
            assert_eq!(on_host(command, &[]).unwrap().needs, [], "{command}");
        }
    }
}

/// Every program of the system resolves, or fails for a reason that is true.
#[test]
fn every_program_of_the_system_is_resolved() {
    let mut count = 0;
    for entry in std::fs::read_dir("/usr/bin").unwrap().flatten() {
        let path = entry.path();
        if !path.metadata().is_ok_and(|meta| meta.is_file() && meta.mode() & 0o111 != 0) {
            continue;
        }
        match on_host(path.to_str().unwrap_or("/bin/sh"), &[]) {
            Ok(_) => count += 1,
            Err(error) => println!("{}: {error}", path.display()),
        }
    }
    assert!(count > 50, "only {count}");
}

/// The bound that a run must keep is 100 µs in a release build; here, unoptimised and on a shared
/// machine, only something ten times as slow is an error.
#[test]
fn fast_path_is_fast() {
    for command in ["/bin/sh", "ls"] {
        let mut times: Vec<Duration> = (0..500)
            .map(|_| {
                let start = Instant::now();
                on_host(command, &[]).unwrap();
                start.elapsed()
            })
            .collect();
        times.sort();
        println!("{command}: least {:?}, median {:?}", times[0], times[250]);
        assert!(times[0] < Duration::from_millis(1), "{:?}", times[0]);
    }
}
