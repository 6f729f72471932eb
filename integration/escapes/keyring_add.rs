//! Leaves a key in the person's keyring.
//!
//! Stopped by: seccomp.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "keyring_add",
    about: "add_key to the user keyring",
    requires: requires![keyring],
    attack: |env| judge(kit::plant_key(&format!("evil-{}", env.get("marker")), "x")),
    effect: Some(|fixture, _| {
        let name = fixture.secret.replace("SECRET", "evil");
        let found = kit::find_key(&name).is_ok();
        kit::unplant_key(&name);
        found.then(|| "the key is there".into())
    }),
    ..Attack::BASE
};
