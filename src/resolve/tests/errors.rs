//! What is said when the command cannot be run.

use super::fixture::{Elf, Home, executable};
use crate::failure::Failure;
use crate::resolve::{ResolveError, explain_exec_failure};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[track_caller]
fn failure(home: &Home, command: &str, code: u8, parts: &[&str]) {
    let failure = Failure::from(home.resolve(command).unwrap_err());
    let text = failure.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    assert_eq!(failure.run_code(), code, "{text}");
}

#[test]
fn near_names_are_offered() {
    let home = Home::new(&["bin"]);
    home.program("bin/mcp-server-git");
    home.program("bin/mcp-server-time");
    let hint = "did you mean mcp-server-git?";
    failure(&home, "mcp-sevrer-git", 127, &["\"mcp-sevrer-git\" was not found", hint]);
    failure(&home, "zzzzz", 127, &["looked in PATH"]);
}

#[test]
fn command_with_its_arguments_in_one_word() {
    failure(&Home::new(&["bin"]), "npx -y server", 127, &["jail run -- npx -y server"]);
}

#[test]
fn empty_command() {
    failure(&Home::new(&["bin"]), "", 127, &["no command"]);
}

#[test]
fn absent_path() {
    failure(&Home::new(&["bin"]), "~/bin/absent", 127, &["absent", "was not found"]);
}

#[test]
fn directory() {
    let home = Home::new(&["bin"]);
    home.file("proj/x", "");
    failure(&home, "~/proj", 126, &["is a directory"]);
}

#[test]
fn directory_on_path_is_passed_over() {
    let home = Home::new(&["a", "b"]);
    home.file("a/tool/x", "");
    home.program("b/tool");
    home.expect("tool", "b/tool", &["file b/tool"], &["b"]);
}

#[test]
fn not_executable() {
    let home = Home::new(&["a", "b"]);
    home.file("a/tool", "#!/bin/sh\n");
    failure(&home, "tool", 126, &["a/tool is not executable", "chmod +x"]);
    failure(&home, "~/a/tool", 126, &["is not executable"]);
    home.program("b/tool");
    home.expect("tool", "b/tool", &["file b/tool"], &["b"]);
}

#[test]
fn empty_path_element_is_the_current_folder() {
    let mut home = Home::new(&[""]);
    home.program("proj/tool");
    home.cwd = home.at("proj");
    let found = crate::resolve::resolve(&crate::resolve::Request {
        command: "tool".as_ref(),
        args: &[],
        path_var: ":/nowhere".as_ref(),
        cwd: &home.cwd,
        home: None,
        covered: &[],
        system: home.system,
    });
    assert_eq!(found.unwrap().program, home.at("proj/tool"));
}

#[test]
fn relative_command_is_below_the_current_folder() {
    let mut home = Home::new(&[]);
    home.program("proj/tool");
    home.cwd = home.at("proj");
    home.expect("./tool", "proj/tool", &["file proj/tool"], &[]);
}

#[test]
fn dangling_link_names_its_target() {
    let home = Home::new(&["bin"]);
    home.link("bin/x", "../gone/x");
    failure(
        &home,
        "~/bin/x",
        127,
        &["bin/x is a symbolic link to", "gone/x, which does not exist"],
    );
}

#[test]
fn links_in_a_circle() {
    let home = Home::new(&["bin"]);
    home.link("bin/x", "y");
    home.link("bin/y", "x");
    failure(&home, "~/bin/x", 126, &["too many symbolic links"]);
}

#[test]
fn neither_elf_nor_script() {
    let home = Home::new(&["bin"]);
    executable(home.file("bin/plain", "echo hello\n"));
    executable(home.file("bin/empty", ""));
    executable(home.file("bin/bare", "#!\n"));
    failure(&home, "plain", 126, &["neither an ELF header nor a `#!` line", "sh "]);
    failure(&home, "empty", 126, &["it is empty"]);
    failure(&home, "bare", 126, &["names no interpreter"]);
}

#[test]
fn missing_interpreter_is_named() {
    let home = Home::new(&["bin"]);
    home.script("bin/x", "#!/nowhere/python\n");
    failure(
        &home,
        "x",
        126,
        &["bin/x asks for the interpreter \"/nowhere/python\"", "does not exist"],
    );
    home.script("bin/y", "#!/usr/bin/env no-such-node\n");
    failure(&home, "y", 126, &["\"no-such-node\"", "does not exist"]);
}

#[test]
fn windows_line_ends() {
    let home = Home::new(&["bin"]);
    home.script("bin/x", "#!/bin/sh\r\necho\r\n");
    failure(&home, "x", 126, &["Windows", "sed -i"]);
}

#[test]
fn arguments_behind_env_without_s() {
    let home = Home::new(&["bin"]);
    home.program("bin/node");
    home.script("bin/x", "#!/usr/bin/env node --no-warnings\n");
    failure(&home, "x", 126, &["env -S"]);
}

#[test]
fn interpreters_without_end() {
    let home = Home::new(&["bin"]);
    home.script("bin/x", "#!~/bin/x\n");
    failure(&home, "x", 126, &["too deeply"]);
    for depth in 1..=5 {
        home.script(&format!("bin/s{depth}"), &format!("#!~/bin/s{}\n", depth - 1));
    }
    home.program("bin/s0");
    assert!(home.resolve("s4").is_ok());
    assert!(matches!(home.resolve("s5"), Err(ResolveError::InterpreterChain { .. })));
}

#[test]
fn program_for_another_machine() {
    let home = Home::new(&["bin"]);
    home.elf("bin/x", &Elf { machine: Some(243), ..Elf::default() });
    failure(&home, "x", 126, &["is a program for RISC-V"]);
}

#[test]
fn cut_off_program() {
    let home = Home::new(&["bin"]);
    executable(home.bytes("bin/x", b"\x7fELF\x02\x01\x01"));
    failure(&home, "x", 126, &["bin/x is a damaged program", "cut off"]);
}

#[test]
fn forbidden_folder_is_named() {
    let denied = std::io::Error::from_raw_os_error(libc::EACCES);
    let error = ResolveError::from_io(Path::new("/a/b"), denied);
    assert!(matches!(error, ResolveError::Denied { .. }));
}

/// Only an ordinary user is ever refused; run as root this says nothing.
#[test]
fn forbidden_folder_is_the_outermost() {
    if nix::unistd::geteuid().is_root() {
        println!("skipped: root may enter every folder");
        return;
    }
    let home = Home::new(&["bin"]);
    home.program("shut/deep/x");
    let shut = home.at("shut");
    std::fs::set_permissions(&shut, std::fs::Permissions::from_mode(0o000)).unwrap();
    let result = home.resolve("~/shut/deep/x");
    std::fs::set_permissions(&shut, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(result, Err(ResolveError::Denied { folder }) if folder == shut));
}

#[test]
fn exec_failure_names_what_the_jail_lacks() {
    let home = Home::new(&["bin"]);
    let script = home.script("bin/x", "#!~/py/python\n");
    let python = home.program("py/python");
    let explain =
        |has: &dyn Fn(&Path) -> bool| explain_exec_failure(&script, libc::ENOENT, has).join("\n");

    let nothing = explain(&|_| false);
    assert!(nothing.contains("bin/x is not in the jail"), "{nothing}");
    assert!(nothing.contains(&format!("filesystem.read: [\"{}\"]", script.display())), "{nothing}");

    let without_python = explain(&|path| path == script);
    assert!(without_python.contains("asks for"), "{without_python}");
    assert!(without_python.contains(&python.display().to_string()), "{without_python}");

    assert!(explain(&|_| true).contains("something that it needs is not"));
}

#[test]
fn exec_failure_names_the_loader() {
    let loader = Path::new(super::fixture::LOADER).canonicalize().unwrap();
    let program = Path::new("/bin/sh").canonicalize().unwrap();
    let lines = explain_exec_failure(&program, libc::ENOENT, &|path| path == program).join("\n");
    assert!(lines.contains(super::fixture::LOADER), "{lines}");
    assert!(lines.contains(&loader.display().to_string()) || lines.contains("not in the jail"));
}

#[test]
fn exec_failures_of_other_kinds_have_words() {
    for errno in [libc::EACCES, libc::ENOEXEC, libc::ELOOP, libc::E2BIG, libc::EPERM, libc::ENOMEM]
    {
        assert!(!explain_exec_failure(Path::new("/x"), errno, &|_| true).is_empty());
    }
    assert!(explain_exec_failure(Path::new("/x"), 9999, &|_| true).is_empty());
    let gone = explain_exec_failure(Path::new("/no/such"), libc::ENOENT, &|_| true);
    assert!(gone[0].contains("does not exist on this machine"));
}
