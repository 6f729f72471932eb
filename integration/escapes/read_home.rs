//! Reads a private key in the person's home by its absolute path.
//!
//! Every credential stealer on npm and PyPI (SANDWORM_MODE, Shai-Hulud). Stopped by: the mount
//! namespace (the home is not there), Landlock.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "read_home",
    about: "read ~/.ssh/id_rsa",
    setup: |fixture| fixture.set_path("file", "home/.ssh/id_rsa"),
    attack: |env| judge_secret(fs::read(env.get("file")), env.get("marker")),
    ..Attack::BASE
};
