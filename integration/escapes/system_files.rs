//! Looks at the machine: /sys, the machine's id, its users.
//!
//! Stopped by: none of them is in the jail.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "system_files",
    about: "read /sys and /etc/machine-id",
    attack: |_| {
        let sys = fs::read_dir("/sys/class/net").map(|entries| entries.count());
        let id = || fs::read("/etc/machine-id").map(|bytes| bytes.len());
        judge(sys.or_else(|_| id()))
    },
    ..Attack::BASE
};
