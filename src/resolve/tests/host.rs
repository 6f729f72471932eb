//! On the machine that runs the tests: what is there is resolved for real.

use crate::policy::SystemTree;
use crate::resolve::{Request, ResolveError, Resolved, resolve};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Instant;

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
fn show() {
    for command in ["python3", "node", "npx", "npm", "cargo", "pip", "rustup"] {
        println!("{command}: {:#?}", on_host(command, &[]));
    }
}

#[test]
fn fast_path_is_fast() {
    let best = (0..200)
        .map(|_| {
            let start = Instant::now();
            on_host("ls", &[]).unwrap();
            start.elapsed()
        })
        .min()
        .unwrap();
    println!("fast path: {best:?}");
}
