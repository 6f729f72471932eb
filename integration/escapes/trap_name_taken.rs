//! Leaves an .envrc, and takes the name that it would be moved to: the run's number is in the log.
//!
//! Stopped by: the quarantine takes another name.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "trap_name_taken",
    about: "create .envrc and the name of its quarantine",
    setup: |fixture| {
        fixture.workspace();
        fixture.write("ws/.cloned/connectors/x.yaml", "command: [x]\n");
        let ws = fixture.at("ws");
        fixture.hook(move |command| _ = command.current_dir(&ws));
    },
    jail_args: &["--workspace", "host:{host_ws}"],
    attack: |env| {
        let ws = env.path("ws");
        let log = fs::read_to_string(ws.join(".cloned/audit.log")).unwrap_or_default();
        for id in log.split('"').filter(|word| word.len() >= 8) {
            let _ = fs::write(ws.join(format!(".envrc.jail-quarantine-{id}")), "");
        }
        Verdict::Tried(format!("{:?}", fs::write(ws.join(".envrc"), "evil")))
    },
    effect: Some(|fixture, _| fixture.at("ws/.envrc").exists().then(|| ".envrc is there".into())),
    ..Attack::BASE
};
