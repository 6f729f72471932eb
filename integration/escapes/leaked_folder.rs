//! Uses the folder that the supervisor was started in.
//!
//! CVE-2024-21626 again. Stopped by: chdir after the pivot.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "leaked_folder",
    about: "read ./id_rsa of the folder that jail was started in",
    setup: |fixture| {
        let folder = fixture.at("home/.ssh");
        fixture.hook(move |command| _ = command.current_dir(&folder));
    },
    attack: |env| {
        let found = fs::read("id_rsa").or_else(|_| fs::read("/proc/self/cwd/id_rsa"));
        judge_secret(found, env.get("marker"))
    },
    ..Attack::BASE
};
