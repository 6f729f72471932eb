//! Leaves an .envrc, and takes the name that it would be moved to: the run's number is in the log.
//!
//! Stopped by: the quarantine takes another name.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "trap_name_taken",
    about: "create .envrc and the name of its quarantine",
    setup: |fixture| {
        fixture.workspace();
        fixture.write("root/.cloned/connectors/x.yaml", "command: [x]\n");
        fixture.set_path("root", "root");
        let root = fixture.at("root");
        fixture.hook(move |command| _ = command.current_dir(&root));
    },
    jail_args: &["--workspace", "host:{host_ws}", "--read", "{root}"],
    attack: |env| {
        let ws = env.path("ws");
        let log = fs::read_to_string(env.path("root").join(".cloned/audit.log")).unwrap_or_default();
        for id in log.split('"').filter(|word| word.len() >= 8) {
            let _ = fs::write(ws.join(format!(".envrc.jail-quarantine-{id}")), "");
        }
        Verdict::Tried(format!("{:?}", fs::write(ws.join(".envrc"), "evil")))
    },
    effect: Some(|fixture, _| fixture.at("ws/.envrc").exists().then(|| ".envrc is there".into())),
    ..Attack::BASE
};
