//! Makes a device node and opens it.
//!
//! Stopped by: no capability in the first user namespace, nodev, Landlock.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "device_node",
    about: "mknod a character device in the workspace",
    requires: requires![root],
    setup: |fixture| drop(fixture.workspace()),
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        let node = std::ffi::CString::new(env.path("ws").join("node").to_string_lossy().as_bytes());
        let mode = libc::S_IFCHR | 0o666;
        let device = libc::makedev(1, 3);
        judge(syscall!(libc::SYS_mknodat, libc::AT_FDCWD, node.expect("a path").as_ptr(), mode, device))
    },
    effect: Some(|fixture, _| fixture.at("ws/node").exists().then(|| "the node is there".into())),
    ..Attack::BASE
};
