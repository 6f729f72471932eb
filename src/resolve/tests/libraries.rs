//! Shared libraries, found as the loader finds them.

use super::fixture::{Elf, Home, LOADER};
use crate::failure::Failure;
use crate::policy::SystemTree;
use crate::resolve::{NeedKind, ResolveError};
use std::path::Path;

fn program(needed: &[&'static str]) -> Elf {
    Elf { loader: Some(LOADER), needed: needed.to_vec(), ..Elf::default() }
}

#[test]
fn system_libraries_of_a_lone_program_need_nothing() {
    let home = Home::new(&["bin"]);
    home.elf("bin/x", &program(&["libc.so.6"]));
    home.expect("x", "bin/x", &["file bin/x"], &["bin"]);
}

#[test]
fn runpath_from_the_origin_and_what_the_library_needs_in_turn() {
    let home = Home::new(&["app/bin"]);
    home.elf("app/bin/x", &Elf { runpath: Some("$ORIGIN/../lib"), ..program(&["liba.so"]) });
    home.elf(
        "app/lib/liba.so",
        &Elf { needed: vec!["libb.so"], runpath: Some("${ORIGIN}/deep"), ..Elf::default() },
    );
    home.elf("app/lib/deep/libb.so", &Elf::default());
    let needs = ["file app/bin/x", "file app/lib/deep/libb.so", "file app/lib/liba.so"];
    home.expect("x", "app/bin/x", &needs, &["app/bin"]);
}

#[test]
fn runpath_is_not_inherited_but_rpath_is() {
    let chain = |top: Elf| {
        let home = Home::new(&["app"]);
        home.elf("app/x", &top);
        home.elf("app/lib/liba.so", &Elf { needed: vec!["libb.so"], ..Elf::default() });
        home.elf("app/lib/libb.so", &Elf::default());
        home.resolve("x").map(|found| home.brief(&found.needs))
    };
    let rpath = chain(Elf { rpath: Some("$ORIGIN/lib"), ..program(&["liba.so"]) }).unwrap();
    assert_eq!(rpath, ["file app/lib/liba.so", "file app/lib/libb.so", "file app/x"]);
    let runpath = chain(Elf { runpath: Some("$ORIGIN/lib"), ..program(&["liba.so"]) });
    assert!(matches!(runpath, Err(ResolveError::LibraryMissing { name, .. }) if name == "libb.so"));
}

#[test]
fn libraries_that_need_each_other_end() {
    let home = Home::new(&["app"]);
    home.elf("app/x", &Elf { rpath: Some("$ORIGIN"), ..program(&["liba.so"]) });
    home.elf("app/liba.so", &Elf { needed: vec!["libb.so", "liba.so"], ..Elf::default() });
    home.elf("app/libb.so", &Elf { needed: vec!["liba.so"], ..Elf::default() });
    let found = home.resolve("x").unwrap();
    assert_eq!(found.needs.len(), 3);
}

#[test]
fn library_for_another_machine_is_passed_over() {
    let home = Home::new(&["app"]);
    home.elf("app/x", &Elf { runpath: Some("$ORIGIN/a:$ORIGIN/b"), ..program(&["lib.so"]) });
    home.elf("app/a/lib.so", &Elf { machine: Some(8), ..Elf::default() });
    home.elf("app/b/lib.so", &Elf::default());
    home.expect("x", "app/x", &["file app/b/lib.so", "file app/x"], &["app"]);
}

#[test]
fn missing_library_is_named_with_its_asker() {
    let home = Home::new(&["app"]);
    home.elf("app/x", &Elf { runpath: Some("$ORIGIN"), ..program(&["liba.so"]) });
    home.elf("app/liba.so", &program(&["libnowhere.so.7"]));
    let failure = Failure::from(home.resolve("x").unwrap_err());
    assert!(failure.what.contains("libnowhere.so.7"), "{failure}");
    assert!(failure.what.contains("liba.so needs"), "{failure}");
    assert_eq!(failure.run_code(), 126);
}

#[test]
fn missing_loader_tells_of_musl() {
    let home = Home::new(&["app"]);
    home.elf("app/x", &Elf { loader: Some("/lib/ld-musl-nowhere.so.1"), ..Elf::default() });
    let failure = Failure::from(home.resolve("x").unwrap_err());
    assert!(failure.what.contains("/lib/ld-musl-nowhere.so.1"), "{failure}");
    assert!(failure.hints[0].contains("musl"), "{failure}");
}

#[test]
fn library_of_another_keg_brings_that_keg() {
    let home = Home::new(&["brew/bin"]);
    home.elf(
        "brew/Cellar/git/2/bin/git",
        &Elf { runpath: Some("$ORIGIN/../../../../opt/pcre2/lib"), ..program(&["libpcre2.so"]) },
    );
    home.elf("brew/Cellar/pcre2/10/lib/libpcre2.so", &Elf::default());
    home.link("brew/opt/pcre2", "../Cellar/pcre2/10");
    home.link("brew/bin/git", "../Cellar/git/2/bin/git");
    let needs = [
        "link brew/bin/git -> ../Cellar/git/2/bin/git",
        "link brew/opt/pcre2 -> ../Cellar/pcre2/10",
        "tree brew/Cellar/git/2",
        "tree brew/Cellar/pcre2/10",
    ];
    home.expect("git", "brew/bin/git", &needs, &["brew/bin"]);
}

#[test]
fn minimal_system_needs_loader_and_libraries_and_every_link() {
    let mut home = Home::new(&[]);
    home.system = SystemTree::Minimal;
    let found = home.resolve("/bin/ls").unwrap();
    let has = |path: &str, kind: &dyn Fn(&NeedKind) -> bool| {
        let real = Path::new(path).canonicalize().unwrap();
        found.needs.iter().any(|need| need.path == real && kind(&need.kind))
    };
    assert!(has("/bin/ls", &|kind| *kind == NeedKind::File));
    assert!(has(LOADER, &|kind| *kind == NeedKind::File));
    if std::fs::symlink_metadata("/bin").unwrap().is_symlink() {
        let link = found.needs.iter().find(|need| need.path == Path::new("/bin")).unwrap();
        assert!(matches!(&link.kind, NeedKind::Symlink { target } if target.ends_with("usr/bin")));
    }
}
