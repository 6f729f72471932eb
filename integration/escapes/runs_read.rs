//! Reads what jail keeps of other runs: their records and logs, in the folder of runs.
//!
//! Stopped by: the mount namespace (the folder is not there), Landlock.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "runs_read",
    about: "read the log of another run in XDG_RUNTIME_DIR/cloned",
    setup: |fixture| {
        let log = "run/cloned/jail/ended/0123456789ab-00000000/stderr.log";
        let secret = fixture.read("home/.ssh/id_rsa");
        fixture.write(log, &secret);
        fixture.set_path("file", log);
    },
    attack: |env| judge_secret(fs::read(env.get("file")), env.get("marker")),
    ..Attack::BASE
};
