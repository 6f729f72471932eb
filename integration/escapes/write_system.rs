//! Writes into /etc and /usr, which root may outside.
//!
//! Stopped by: read-only mounts, Landlock, no capabilities.

use super::prelude::*;

const PLACES: [&str; 2] = ["/etc/jail-escapes-test", "/usr/jail-escapes-test"];

pub const ATTACK: Attack = Attack {
    name: "write_system",
    about: "create a file in /etc and /usr",
    requires: requires![root],
    attack: |_| {
        let made = PLACES.iter().map(|path| fs::write(path, "x")).find(Result::is_ok);
        judge(made.unwrap_or_else(|| fs::write(PLACES[0], "x")))
    },
    effect: Some(|_, _| {
        let made = PLACES.iter().filter(|path| fs::remove_file(path).is_ok()).count();
        (made > 0).then(|| format!("{made} files were made"))
    }),
    ..Attack::BASE
};
