//! Writes a kernel setting. Root's connectors are still root to /proc/sys.
//!
//! Stopped by: a read-only /proc.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "kernel_settings",
    about: "write /proc/sys/vm/drop_caches-like settings",
    requires: requires![root],
    attack: |_| {
        // The value that it has already.
        let path = "/proc/sys/kernel/printk_ratelimit";
        judge(fs::read(path).and_then(|value| fs::write(path, value)))
    },
    ..Attack::BASE
};
