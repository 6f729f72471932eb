//! Starts a set-uid root program and looks whether it became root.
//!
//! Stopped by: nosuid on every mount, no_new_privs, a user namespace without uid 0.

use super::prelude::*;
use std::process::{Command, Stdio};

pub const ATTACK: Attack = Attack {
    name: "setuid_program",
    about: "become root by /usr/bin/su",
    requires: requires![not_root, su],
    attack: |_| {
        let mut su = match Command::new("/usr/bin/su").stdin(Stdio::piped()).stdout(Stdio::null()).spawn() {
            Ok(su) => su,
            Err(error) => return Verdict::Refused(error.to_string()),
        };
        std::thread::sleep(std::time::Duration::from_millis(150));
        let status = fs::read_to_string(format!("/proc/{}/status", su.id())).unwrap_or_default();
        let _ = su.kill();
        let uids = status.lines().find(|line| line.starts_with("Uid:")).unwrap_or("gone").to_owned();
        if uids.split_whitespace().nth(2) == Some("0") {
            Verdict::Escaped(uids)
        } else {
            Verdict::Refused(uids)
        }
    },
    ..Attack::BASE
};
