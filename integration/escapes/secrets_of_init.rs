//! Reads a secret that jail holds for *another* purpose than this connector's environment: the memory
//! and descriptors of init, which read the secrets' files.
//!
//! Stopped by: init is undumpable, hidden, and keeps one descriptor.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "secrets_of_init",
    about: "read /proc/PID/{fd,maps,auxv,mem} of init or a neighbour",
    setup: |fixture| {
        let me = std::env::current_exe().expect("my path");
        let pid = fixture.neighbour(std::process::Command::new(me).arg("--sleep"));
        fixture.set("pid", &pid.to_string());
    },
    attack: |env| {
        let pid = if env.jailed { "1" } else { env.get("pid") };
        let list = fs::read_dir(format!("/proc/{pid}/fd")).map(|entries| entries.count());
        let files = ["maps", "auxv", "environ", "io", "stack", "syscall", "mem"];
        let open = || {
            let opened = files.iter().map(|file| fs::File::open(format!("/proc/{pid}/{file}")));
            opened.into_iter().find(Result::is_ok)
        };
        match open() {
            Some(file) => judge(file),
            None => judge(list),
        }
    },
    ..Attack::BASE
};
