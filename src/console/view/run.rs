//! A run, with what confines it.

use super::super::show::{self, When};
use super::{Tag, Tone};
use crate::api::follow::Started;
use crate::audit::{Applied, Network, Sandbox, Verdict};
use crate::egress::Counters;
use crate::plan::human;
use crate::runs::{Confinement, Kind, Running};
use std::time::SystemTime;

/// What is known of a run that goes on.
#[derive(Debug, Clone)]
pub(in crate::console) struct RunFacts {
    /// As the API lists it.
    pub(in crate::console) running: Running,
    /// What the audit log has of it; nothing of what listens.
    pub(in crate::console) started: Option<Started>,
    /// As the kernel has them: name and value.
    pub(in crate::console) limits: Vec<(&'static str, String)>,
    /// Requests of it that wait.
    pub(in crate::console) waiting: u64,
}

#[derive(Debug, Clone)]
pub(in crate::console) struct RunView {
    pub(in crate::console) run: String,
    pub(in crate::console) connector: String,
    pub(in crate::console) tool: Option<String>,
    pub(in crate::console) command: String,
    pub(in crate::console) pid: u32,
    pub(in crate::console) since: When,
    pub(in crate::console) sandbox: Tag,
    pub(in crate::console) walls: Option<String>,
    pub(in crate::console) network: Tag,
    pub(in crate::console) proof: Tag,
    pub(in crate::console) stages: Vec<String>,
    pub(in crate::console) gaps: Vec<String>,
    pub(in crate::console) traced: bool,
    pub(in crate::console) limits: Vec<(&'static str, String)>,
    pub(in crate::console) counters: Option<CountersView>,
    pub(in crate::console) refused: u64,
    pub(in crate::console) waiting: u64,
}

#[derive(Debug, Clone)]
pub(in crate::console) struct CountersView {
    pub(in crate::console) open: u64,
    pub(in crate::console) allowed: u64,
    pub(in crate::console) denied: u64,
    pub(in crate::console) sent: String,
    pub(in crate::console) received: String,
}

pub(in crate::console) fn run(facts: &RunFacts, now: SystemTime) -> RunView {
    let running = &facts.running;
    let started = facts.started.as_ref();
    let (start, applied) =
        (started.map(|it| &it.start), started.and_then(|it| it.applied.as_ref()));
    // Of our own making: it can always be read.
    let since = humantime::parse_rfc3339_weak(running.since.as_str()).unwrap_or(now);
    let text = |text: &crate::audit::Text| show::text(text.as_str());
    RunView {
        run: text(&running.run),
        connector: text(&running.connector),
        tool: running.tool.as_ref().map(text),
        command: text(&running.command),
        pid: running.pid,
        since: When::new(since, now),
        sandbox: sandbox(running.sandbox),
        walls: running.confinement.as_ref().and_then(walls),
        network: match running.kind {
            Kind::Listener => Tag::new("listens: each connection is a run", Tone::Plain),
            Kind::Run => network(start.and_then(|it| it.network)),
        },
        proof: proof(applied),
        stages: applied.iter().flat_map(|it| it.stages.iter().map(text)).collect(),
        gaps: start.iter().flat_map(|it| it.gaps.iter().map(text)).collect(),
        traced: start.is_some_and(|it| it.traced),
        limits: facts.limits.clone(),
        counters: running.network.as_ref().map(counters),
        refused: started.map_or(0, |it| it.refused),
        waiting: facts.waiting,
    }
}

fn sandbox(sandbox: Sandbox) -> Tag {
    match sandbox {
        Sandbox::Namespace => Tag::new("namespaces, Landlock, seccomp", Tone::Good),
        Sandbox::Landlock => Tag::new("Landlock and seccomp, no namespaces", Tone::Care),
        Sandbox::Container => Tag::new("container", Tone::Plain),
        Sandbox::None => Tag::new("not confined", Tone::Bad),
    }
}

/// In short: `mnt, net, pid; Landlock 7; seccomp default`.
fn walls(it: &Confinement) -> Option<String> {
    let namespaces: Vec<String> =
        it.namespaces.iter().map(|name| show::text(name.as_str())).collect();
    let parts = [
        (!namespaces.is_empty()).then(|| namespaces.join(", ")),
        it.landlock_abi.map(|abi| format!("Landlock {abi}")),
        it.seccomp.as_ref().map(|name| format!("seccomp {}", show::text(name.as_str()))),
        it.cgroup.then(|| "cgroup".to_owned()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn network(network: Option<Network>) -> Tag {
    match network {
        Some(Network::None) => Tag::new("none", Tone::Good),
        Some(Network::Proxy) => Tag::new("what rules allow", Tone::Good),
        Some(Network::Host) => Tag::new("everything", Tone::Bad),
        None => Tag::new("not recorded", Tone::Care),
    }
}

fn proof(applied: Option<&Applied>) -> Tag {
    let Some(applied) = applied else { return Tag::new("not recorded", Tone::Care) };
    let count = |wanted| applied.proof.iter().filter(|probe| probe.verdict == wanted).count();
    let (held, broken, skipped) =
        (count(Verdict::Held), count(Verdict::Broken), count(Verdict::Skipped));
    let rest = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    match broken {
        0 => Tag::new(format!("{held} probes held{rest}"), Tone::Good),
        _ => Tag::new(format!("{broken} probes broken, {held} held{rest}"), Tone::Bad),
    }
}

fn counters(counters: &Counters) -> CountersView {
    CountersView {
        open: counters.open,
        allowed: counters.allowed,
        denied: counters.denied,
        sent: human(counters.bytes_out),
        received: human(counters.bytes_in),
    }
}
