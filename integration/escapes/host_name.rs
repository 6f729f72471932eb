//! Learns the name of the machine.
//!
//! Stopped by: the uts namespace.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "host_name",
    about: "gethostname",
    setup: |fixture| {
        let name = nix::unistd::gethostname().expect("a name").to_string_lossy().into_owned();
        fixture.set("name", &name);
    },
    attack: |env| {
        let name = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned());
        match name {
            Ok(name) if name == env.get("name") => Verdict::Escaped("it is the machine's".into()),
            other => Verdict::Refused(format!("{other:?}")),
        }
    },
    ..Attack::BASE
};
