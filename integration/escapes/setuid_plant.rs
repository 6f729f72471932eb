//! Makes a set-uid program in a host folder: another user of the host runs it with its owner's rights.
//! Where root runs jail that owner is root.
//!
//! Stopped by: seccomp refuses the set-uid and set-gid bits.

use super::prelude::*;
use std::os::unix::fs::PermissionsExt;

pub const ATTACK: Attack = Attack {
    name: "setuid_plant",
    about: "chmod u+s in the workspace",
    setup: |fixture| {
        fixture.workspace();
        fixture.write("ws/program", "x");
    },
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        let file = env.path("ws").join("program");
        let path = std::ffi::CString::new(file.to_string_lossy().as_bytes()).expect("a path");
        let open = fs::File::open(&file).expect("the file");
        let at = libc::AT_FDCWD;
        let tries = [
            syscall!(libc::SYS_fchmodat, at, path.as_ptr(), 0o4755),
            syscall!(libc::SYS_chmod, path.as_ptr(), 0o6755),
            syscall!(libc::SYS_fchmod, std::os::fd::AsRawFd::as_raw_fd(&open), 0o2755),
            syscall!(452, at, path.as_ptr(), 0o4755, 0),
        ];
        judge(tries.into_iter().reduce(|a, b| a.or(b)).expect("tries"))
    },
    effect: Some(|fixture, _| {
        let mode = fs::metadata(fixture.at("ws/program")).map_or(0, |meta| meta.permissions().mode());
        (mode & 0o6000 != 0).then(|| format!("its mode is {mode:o}"))
    }),
    ..Attack::BASE
};
