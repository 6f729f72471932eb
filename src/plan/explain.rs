//! A plan, in words and as JSON: the same steps that the executor is given.

use super::{Plan, Stage, human, publish};
use crate::confine::{
    capabilities, identity, limits, no_new_privs, pivot, process as process_stage, seccomp,
};
use crate::firewall::Effect;
use crate::policy::{Network, Origin, SecretTarget, Setting, Workspace};
use serde_json::{Value, json};
use std::fmt::{Display, Write};

/// The steps of one stage, numbered as faults number them.
pub fn steps(plan: &Plan, stage: Stage) -> Vec<String> {
    let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    match stage {
        Stage::Resolve => vec![format!("run {}", plan.exec.program.display())],
        Stage::Secrets => plan.policy.secrets.iter().map(secret).collect(),
        Stage::Cgroup => cgroup(plan),
        Stage::Namespaces if plan.host_view.is_some() => vec!["clone3: no namespace".to_owned()],
        Stage::Namespaces => vec![format!("clone3: {}", namespaces(plan.namespaces).join(", "))],
        Stage::Lifeline => lifeline(plan),
        Stage::IdMap | Stage::Pivot if plan.host_view.is_some() => Vec::new(),
        Stage::IdMap => {
            let mut steps = own(&identity::STEPS);
            let (uid, gid) = (plan.ids.host_uid, plan.ids.host_gid);
            steps[1] += &format!(": {gid} outside is {} inside", super::INSIDE_ID);
            steps[2] += &format!(": {uid} outside is {} inside", super::INSIDE_ID);
            steps
        }
        Stage::Process => {
            let mut steps = own(&process_stage::STEPS);
            steps[1] += &format!(" to {}", plan.process.oom_score_adj);
            steps[2] += &format!(" to {}", plan.process.nice);
            match &plan.process.hostname {
                Some(hostname) => steps[3] += &format!(" to {hostname}"),
                None => steps.truncate(3),
            }
            steps.extend(plan.process.sysctls.iter().map(|sysctl| {
                let path = sysctl.path.to_string_lossy();
                format!("write {} to {path}: {}", sysctl.value, sysctl.why)
            }));
            steps
        }
        Stage::Network => plan.network.steps(),
        Stage::Mounts if plan.host_view.is_some() => plan
            .host_view
            .iter()
            .map(|view| format!("make the folders of the run below {}", view.folder.display()))
            .collect(),
        Stage::Mounts => plan.mounts.iter().map(ToString::to_string).collect(),
        Stage::Pivot => own(&pivot::STEPS),
        Stage::Capabilities => {
            let mut steps = own(&capabilities::STEPS);
            if plan.host_view.as_ref().is_some_and(|view| !view.root) {
                // The numbers stay those of the faults.
                for step in &mut steps[..2] {
                    *step = format!("(not {step}: that takes root; no_new_privs stands in)");
                }
            }
            steps
        }
        Stage::NoNewPrivs => own(&no_new_privs::STEPS),
        Stage::Landlock => landlock(plan),
        Stage::Payload => own(&[
            "fork the payload",
            "init keeps nothing but its report pipe",
            "the payload tells the supervisor that all of it holds",
            "wait until the run is recorded",
            "init hands out what hears the refusals of the connector's filter",
            "init comes under a filter of its own",
        ]),
        Stage::Limits => {
            let mut steps = own(&limits::STEPS);
            steps.extend(plan.rlimits.iter().map(|l| format!("set {} to {}", l.name, l.value)));
            steps
        }
        Stage::Seccomp => {
            let (name, length) = (&plan.seccomp.name, plan.seccomp.program.len() / 8);
            let mut steps =
                vec![format!("load the seccomp profile {name} ({length} instructions)")];
            if plan.seccomp.telling.is_some() {
                steps.extend(own(&seccomp::STEPS));
            }
            steps
        }
        Stage::Proof => {
            plan.probes.iter().map(|p| format!("must fail: {}", probe_text(plan, *p))).collect()
        }
        Stage::Exec => vec![format!("execve {}", plan.exec.program.display())],
    }
}

fn lifeline(plan: &Plan) -> Vec<String> {
    let death = match plan.host_view {
        None => "die with the supervisor (PR_SET_PDEATHSIG)",
        Some(_) => "end every process of the run at the supervisor's death (PR_SET_PDEATHSIG)",
    };
    let mut steps = vec![death, "leave the supervisor's session and process group"];
    if plan.exec.traced {
        steps.push("wait until the supervisor traces it (--trace), to see what is refused");
    }
    if plan.host_view.is_some() {
        steps.push("become the parent of all that lose theirs (PR_SET_CHILD_SUBREAPER)");
        steps.push("open the list of children");
    }
    steps.into_iter().map(ToOwned::to_owned).collect()
}

fn probe_text(plan: &Plan, probe: super::Probe) -> String {
    match probe {
        super::Probe::HostFile => format!("{} ({})", probe.text(), plan.canary.display()),
        _ => probe.text().to_owned(),
    }
}

/// What a fault's step number means.
pub fn step(plan: &Plan, stage: Stage, index: u16) -> Option<String> {
    steps(plan, stage).into_iter().nth(usize::from(index))
}

fn secret(setting: &Setting<crate::policy::Secret>) -> String {
    let to = match &setting.value.target {
        SecretTarget::Env(name) => format!("${name}"),
        SecretTarget::File(name) => format!("/run/secrets/{name}"),
        SecretTarget::Egress => "the proxy, not into the jail".to_owned(),
    };
    format!("read {} into {to} — set by {}", setting.value.name, setting.origin)
}

fn cgroup(plan: &Plan) -> Vec<String> {
    let mut steps = Vec::new();
    if let Some(memory) = plan.cgroup.memory {
        steps.push(format!("memory.max {} (no swap, oom.group)", human(memory.0)));
    }
    if let Some(cpus) = plan.cgroup.cpus {
        steps.push(format!("cpu.max {} of a processor", thousandths(cpus.0)));
    }
    if let Some(pids) = plan.cgroup.pids {
        steps.push(format!("pids.max {pids}"));
    }
    if let Some((io, path)) = &plan.cgroup.io {
        let rate = |bytes: Option<crate::policy::Bytes>| {
            bytes.map_or("unlimited".to_owned(), |b| format!("{}/s", human(b.0)))
        };
        let path = path.display();
        steps.push(format!(
            "io.max read {}, write {} for the disk of {path}",
            rate(io.read),
            rate(io.write)
        ));
    }
    steps
}

fn landlock(plan: &Plan) -> Vec<String> {
    let Some(landlock) = &plan.landlock else { return Vec::new() };
    let mut steps: Vec<String> = landlock
        .paths
        .iter()
        .map(|rule| format!("allow {} at {}", rule.text, rule.path.display()))
        .collect();
    let tcp = if landlock.handled_net == 0 {
        "TCP left to the network namespace".to_owned()
    } else {
        match (landlock.handles_connect(), landlock.bind_ports.as_slice()) {
            (true, []) => "no TCP bind or connect".to_owned(),
            (true, ports) => format!("no TCP connect; bind only {ports:?}"),
            (false, []) => "no TCP bind".to_owned(),
            (false, ports) => format!("TCP bind only {ports:?}"),
        }
    };
    let scope =
        if landlock.scoped == 0 { "" } else { "; abstract sockets and signals stay inside" };
    steps.push(format!("restrict (ABI {}): {tcp}{scope}", landlock.abi));
    steps
}

fn thousandths(value: u32) -> String {
    let text = format!("{}.{:03}", value / 1000, value % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The names of the namespaces in a flag word.
pub fn namespaces(flags: u64) -> Vec<&'static str> {
    const NAMES: [(i32, &str); 8] = [
        (libc::CLONE_NEWUSER, "user"),
        (libc::CLONE_NEWPID, "pid"),
        (libc::CLONE_NEWNS, "mount"),
        (libc::CLONE_NEWNET, "net"),
        (libc::CLONE_NEWIPC, "ipc"),
        (libc::CLONE_NEWUTS, "uts"),
        (libc::CLONE_NEWCGROUP, "cgroup"),
        (libc::CLONE_NEWTIME, "time"),
    ];
    NAMES.iter().filter(|(flag, _)| flags & *flag as u64 != 0).map(|(_, name)| *name).collect()
}

/// For people.
pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    match write_text(plan, &mut out) {
        Ok(()) => out,
        // Writing to a String cannot fail.
        Err(error) => error.to_string(),
    }
}

fn write_text(plan: &Plan, out: &mut String) -> std::fmt::Result {
    writeln!(out, "connector {}", plan.policy.name.as_str())?;
    if plan.host_view.is_some() {
        writeln!(out, "  THE WEAKER TIER: no namespaces; what that means is at the end")?;
    }
    for (name, value, origin) in settings(plan) {
        writeln!(out, "  {name:<12} {value:<32} set by {origin}")?;
    }
    for stage in Stage::ALL {
        let steps = steps(plan, *stage);
        if steps.is_empty() {
            continue;
        }
        writeln!(out, "\n{stage}")?;
        for step in steps {
            writeln!(out, "  {step}")?;
        }
    }
    writeln!(out, "\nenvironment")?;
    for (name, value) in &plan.exec.env {
        writeln!(out, "  {}={}", name.to_string_lossy(), value.to_string_lossy())?;
    }
    if let Some(landlock) = &plan.landlock {
        for beyond in &landlock.beyond {
            writeln!(out, "\nnote: not by Landlock here: {beyond}")?;
        }
    }
    for gap in plan.missing() {
        writeln!(out, "\nnot enforced: {gap}\n  fix: {}", gap.fix)?;
    }
    Ok(())
}

/// The values that somebody may want to change, each with who set it.
pub(crate) fn settings(plan: &Plan) -> Vec<(String, String, Origin)> {
    fn row<T>(name: &str, setting: &Setting<T>, value: impl Display) -> (String, String, Origin) {
        (name.to_owned(), value.to_string(), setting.origin.clone())
    }
    let policy = &plan.policy;
    let limits = &policy.limits;
    let command = policy.command.value.iter().map(|arg| arg.to_string_lossy().into_owned());
    let mut rows = vec![
        row("command", &policy.command, command.collect::<Vec<_>>().join(" ")),
        row("sandbox", &policy.sandbox, format!("{:?}", policy.sandbox.value).to_lowercase()),
        row("memory", &limits.memory, human(limits.memory.value.0)),
        row("cpus", &limits.cpus, thousandths(limits.cpus.value.0)),
        row("pids", &limits.pids, limits.pids.value),
        row("files", &limits.files, limits.files.value),
        row("seccomp", &policy.seccomp, &plan.seccomp.name),
    ];
    if let Some(tool) = &policy.tool {
        rows.push(row("tool", tool, tool.value.as_str()));
    }
    if let Some(timeout) = &limits.timeout {
        rows.push(row("timeout", timeout, format!("{:?}", timeout.value)));
    }
    let workspace = match &policy.filesystem.workspace.value {
        Workspace::Tmpfs { .. } if plan.host_view.is_some() => "empty, on disk".to_owned(),
        Workspace::Tmpfs { size } => format!("empty, {} of memory", human(size.0)),
        Workspace::Host { path } => format!("{}, writable", path.display()),
        Workspace::Copy { path, size } => {
            format!("a throw-away view of {}, {} of memory", path.display(), human(size.0))
        }
    };
    rows.push(row("workspace", &policy.filesystem.workspace, workspace));
    let scratch = match plan.host_view {
        Some(_) => "on disk, without a size".to_owned(),
        None => human(policy.filesystem.scratch.value.0),
    };
    rows.push(row("scratch", &policy.filesystem.scratch, scratch));
    let system = format!("{:?}", policy.filesystem.system.value).to_lowercase();
    rows.push(row("system", &policy.filesystem.system, system));
    rows.extend(network(&policy.network));
    let grace = policy.eof_grace.value.map_or("never".to_owned(), |grace| format!("{grace:?}"));
    rows.push(row("eof-grace", &policy.eof_grace, grace));
    for port in &policy.ports {
        rows.push(row("listen", port, port.value.listen));
    }
    rows.extend(publish::rows(&plan.published).map(|port| row("publish", &port, &port.value)));
    for (name, rules) in [("read", &policy.filesystem.read), ("write", &policy.filesystem.write)] {
        rows.extend(rules.iter().map(|rule| row(name, rule, rule.value.path.display())));
    }
    for entry in &policy.env {
        rows.push(row("env", entry, &entry.value.name));
    }
    rows
}

fn network(network: &Network) -> Vec<(String, String, Origin)> {
    let row = |name: &str, value: String, from: &Origin| (name.to_owned(), value, from.clone());
    let loopback = if network.loopback.value { "TCP between its processes" } else { "none" };
    let mut rows = vec![
        row("network", network.mode.value.name().to_owned(), &network.mode.origin),
        row("loopback", loopback.to_owned(), &network.loopback.origin),
        row("connections", network.connections.value.to_string(), &network.connections.origin),
    ];
    if let Some(bandwidth) = &network.bandwidth {
        rows.push(row("bandwidth", format!("{}/s", human(bandwidth.value.0)), &bandwidth.origin));
    }
    for rule in &network.rules {
        let name = match rule.effect {
            Effect::Allow => "allow",
            Effect::Deny => "deny",
        };
        rows.push(row(name, rule.to_string(), &rule.origin));
    }
    rows
}

/// For programs. `v` counts changes that break a reader.
pub fn json(plan: &Plan) -> Value {
    let stages: Vec<Value> = Stage::ALL
        .iter()
        .map(|stage| json!({ "stage": stage.name(), "steps": steps(plan, *stage) }))
        .collect();
    let settings: Vec<Value> = settings(plan)
        .into_iter()
        .map(|(name, value, origin)| {
            json!({ "name": name, "value": value, "set_by": origin.to_string() })
        })
        .collect();
    let env: serde_json::Map<String, Value> = plan
        .exec
        .env
        .iter()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into()))
        .collect();
    let beyond = plan.landlock.as_ref().map(|landlock| &landlock.beyond);
    json!({
        "v": 1,
        "connector": plan.policy.name.as_str(),
        "settings": settings,
        "stages": stages,
        "environment": env,
        "gaps": plan.missing().collect::<Vec<_>>(),
        "beyond_landlock": beyond,
    })
}
