//! Compiles `seccomp-profiles/*.json` into the binary, and fails where one of them is wrong.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    reason = "files of src/ that are used in part; a build stops by panicking"
)]

#[path = "src/seccomp/arch.rs"]
mod arch;
#[path = "src/seccomp/bpf.rs"]
mod bpf;
#[path = "src/seccomp/compile.rs"]
mod compile;
#[path = "src/seccomp/notify.rs"]
mod notify;
#[path = "src/seccomp/oci.rs"]
mod oci;
#[path = "src/seccomp/prove.rs"]
mod prove;
#[path = "src/seccomp/table.rs"]
mod table;
#[path = "src/seccomp/tree.rs"]
mod tree;

use arch::Arch;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

const PROFILES: &str = "seccomp-profiles";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={PROFILES}");
    println!("cargo::rerun-if-changed=src/seccomp");
    let target = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo names the target");
    let target = Arch::from_name(&target)
        .unwrap_or_else(|| panic!("jail has no seccomp profiles for {target}"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo gives a folder"));
    let mut list = "const BUILT_IN: &[Embedded] = &[\n".to_owned();
    for path in profiles() {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a plain file name");
        let compiled = compile(&path, target).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let [bpf, telling] = ["bpf", "telling.bpf"].map(|form| out.join(format!("{name}.{form}")));
        fs::write(&bpf, compiled.0).expect("OUT_DIR is writable");
        fs::write(&telling, compiled.1).expect("OUT_DIR is writable");
        let json = path.canonicalize().expect("the profile exists");
        writeln!(
            list,
            "Embedded {{ name: {name:?}, json: include_str!({json:?}), \
             bpf: include_bytes!({bpf:?}), telling: include_bytes!({telling:?}) }},"
        )
        .expect("a string takes all");
    }
    list.push_str("];\n");
    fs::write(out.join("seccomp_built_in.rs"), list).expect("OUT_DIR is writable");
}

/// The profiles in alphabetical order.
fn profiles() -> Vec<PathBuf> {
    let entries =
        fs::read_dir(Path::new(PROFILES)).expect("seccomp-profiles/ is part of the source");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    paths.sort();
    paths
}

/// The program of one profile, after libseccomp's program has been found to be the same, and its telling
/// form, after that has been found to tell exactly what the other one refuses.
fn compile(path: &Path, target: Arch) -> Result<(Vec<u8>, Vec<u8>), oci::Error> {
    let json = fs::read(path).map_err(|e| oci::Error(e.to_string()))?;
    let profile = oci::Profile::parse(&json)?;
    profile.check_built_in()?;
    let table = table::Table::new(&profile, target)?;
    let program = tree::emit(&table)?;
    let reference = compile::reference(&table, Arch::NATIVE, compile::Shape::Linear)?;
    // The tests try more; a build script is not optimised and runs in every build.
    prove::equal(&table, Arch::NATIVE, &program, Some(&reference), prove::Effort::QUICK)?;
    let telling = notify::telling(&program)?;
    prove::telling(&table, &telling, prove::Effort::QUICK)?;
    Ok((bpf::encode(&program), bpf::encode(&telling)))
}
