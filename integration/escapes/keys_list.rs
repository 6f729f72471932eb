//! Lists the person's keys.
//!
//! Stopped by: /proc/keys is masked.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "keys_list",
    about: "read /proc/keys",
    requires: requires![keyring],
    attack: |_| {
        let text = fs::read_to_string("/proc/keys").unwrap_or_default();
        match text.lines().count() {
            0 => Verdict::Refused("nothing is listed".into()),
            number => Verdict::Escaped(format!("{number} keys")),
        }
    },
    ..Attack::BASE
};
