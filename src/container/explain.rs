//! A run in a container, in words and as JSON.

use super::engine::Engine;
use super::translate::{self, User};
use crate::plan::{Plan, explain};
use crate::policy::SecretTarget;
use serde_json::{Value, json};
use std::ffi::OsString;

/// What is shown.
pub struct Shown<'a> {
    pub plan: &'a Plan,
    pub engine: &'a Engine,
    pub user: User,
    pub image: &'a str,
    pub args: &'a [OsString],
}

impl Shown<'_> {
    /// For people.
    pub fn text(&self) -> String {
        let Self { plan, engine, user, image, args } = self;
        let mut out = format!("connector {}\n", plan.policy.name.as_str());
        for (name, value, origin) in explain::settings(plan) {
            out += &format!("  {name:<12} {value:<32} set by {origin}\n");
        }
        let rootless = if engine.rootless { "rootless" } else { "rootful" };
        let (kind, version, cgroup) = (engine.kind.name(), &engine.version, engine.cgroup);
        out += &format!("\nengine\n  {kind} {version}, {rootless}, cgroup version {cgroup}\n");
        out += &format!("  image {image}\n");
        let whose = if user.own { "your own, to files that it shares" } else { "nobody's" };
        out += &format!("  user {}:{} inside, {whose}\n", user.uid, user.gid);
        out += "\ncommand\n";
        for line in translate::shell(&engine.program, args).lines() {
            out += &format!("  {line}\n");
        }
        out += "\nwhat jail's entry does in it, before the connector starts\n";
        for step in self.steps() {
            out += &format!("  {step}\n");
        }
        out += "\nenvironment\n";
        for (name, value) in &plan.exec.env {
            out += &format!("  {}={}\n", name.to_string_lossy(), value.to_string_lossy());
        }
        for gap in plan.missing() {
            out += &format!("\nnot enforced: {gap}\n  fix: {}\n", gap.fix);
        }
        out
    }

    fn steps(&self) -> Vec<String> {
        let plan = self.plan;
        let mut steps = vec![
            "take stdin, stdout and stderr through the door: no byte passes the engine".to_owned(),
        ];
        for secret in &plan.policy.secrets {
            let name = &secret.value.name;
            match &secret.value.target {
                SecretTarget::Env(variable) => {
                    steps
                        .push(format!("take the secret {name} through the door, into ${variable}"));
                }
                SecretTarget::File(file) => steps.push(format!(
                    "take the secret {name} through the door, into /run/secrets/{file} (in memory)"
                )),
                SecretTarget::Egress => {}
            }
        }
        if matches!(plan.network, crate::plan::NetworkPlan::Proxied(_)) {
            steps.push(
                "listen on 127.0.0.1:3128 (HTTP proxy) and 127.0.0.1:1080 (SOCKS5), and hand the sockets to \
                 the egress process"
                    .to_owned(),
            );
        }
        steps.push(
            "show what it sees of itself; a control that is not in force ends the run".to_owned(),
        );
        steps.push("wait until the run is recorded".to_owned());
        steps.extend(
            plan.rlimits.iter().map(|limit| format!("set {} to {}", limit.name, limit.value)),
        );
        if let Some(rules) = &plan.landlock {
            steps.push(format!(
                "restrict itself by Landlock (ABI {}), {} rules: what its mounts are, once more",
                rules.abi,
                rules.paths.len()
            ));
        }
        let (name, length) = (&plan.seccomp.name, plan.seccomp.program.len() / 8);
        steps.push(format!(
            "load the seccomp profile {name} ({length} instructions), as a jail does"
        ));
        steps.push(format!("execve {}", plan.exec.program.display()));
        steps
    }

    /// For programs. `v` counts changes that break a reader.
    pub fn json(&self) -> Value {
        let Self { plan, engine, user, image, args } = self;
        let settings: Vec<Value> = explain::settings(plan)
            .into_iter()
            .map(|(name, value, origin)| {
                json!({ "name": name, "value": value, "set_by": origin.to_string() })
            })
            .collect();
        let env: serde_json::Map<String, Value> = plan
            .exec
            .env
            .iter()
            .map(|(name, value)| {
                (name.to_string_lossy().into_owned(), value.to_string_lossy().into())
            })
            .collect();
        let mut command = vec![engine.program.display().to_string()];
        command.extend(args.iter().map(|arg| arg.to_string_lossy().into_owned()));
        json!({
            "v": 1,
            "connector": plan.policy.name.as_str(),
            "settings": settings,
            "engine": {
                "kind": engine.kind.name(),
                "version": engine.version,
                "rootless": engine.rootless,
                "cgroup": engine.cgroup,
            },
            "image": image,
            "user": { "uid": user.uid, "gid": user.gid, "own": user.own },
            "command": command,
            "entry": self.steps(),
            "environment": env,
            "gaps": plan.missing().collect::<Vec<_>>(),
        })
    }
}
