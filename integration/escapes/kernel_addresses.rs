//! Reads kernel addresses, which exploits need.
//!
//! Stopped by: /proc/kallsyms shows zeros to those without capabilities.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "kernel_addresses",
    about: "addresses in /proc/kallsyms",
    requires: requires![root],
    attack: |_| {
        let text = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
        match text.lines().find(|line| !line.starts_with("0000000000000000")) {
            Some(_) => Verdict::Escaped("an address is shown".into()),
            None => Verdict::Refused("zeros only".into()),
        }
    },
    ..Attack::BASE
};
