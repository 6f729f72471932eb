//! Learns from /proc/self/mountinfo where on the host its folders are.
//!
//! Not stopped: the kernel shows the source of each bind; programs need the file.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "mount_paths",
    about: "host paths in /proc/self/mountinfo",
    setup: |fixture| drop(fixture.workspace()),
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        if !env.jailed || text.contains(&format!("{}/ws", env.get("marker"))) {
            Verdict::Escaped("the host path is shown".into())
        } else {
            Verdict::Refused("it is not shown".into())
        }
    },
    by_design: Some("the kernel names the source of binds, and programs read mountinfo"),
    ..Attack::BASE
};
