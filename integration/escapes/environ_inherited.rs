//! Looks for the client's credentials in its own environment.
//!
//! Every credential stealer. Stopped by: only named variables are passed on.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "environ_inherited",
    about: "AWS_SECRET_ACCESS_KEY and SSH_AUTH_SOCK of the client",
    setup: |fixture| {
        let secret = fixture.secret.clone();
        fixture.hook(move |command| {
            command.env("AWS_SECRET_ACCESS_KEY", &secret).env("SSH_AUTH_SOCK", "/tmp/agent");
        });
    },
    attack: |_| {
        let names = ["AWS_SECRET_ACCESS_KEY", "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR"];
        match names.iter().find(|name| std::env::var_os(name).is_some()) {
            Some(name) => Verdict::Escaped(format!("{name} is set")),
            None => Verdict::Refused("none is set".into()),
        }
    },
    ..Attack::BASE
};
