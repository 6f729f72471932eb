//! How much of the machine a service may take.

use super::{Bench, rules};
use crate::compose::fields::{bytes, number, whole};
use crate::compose::fix::Edit;
use crate::compose::model::said;
use crate::compose::node::{Node, Spot};

rules! {
    MEMORY = "compose.memory-limit", Warning,
        "no limit of memory",
        "It can take all of it: the kernel then kills what it thinks best, which may be anything on the machine.";
    CPUS = "compose.cpu-limit", Warning,
        "no limit of processor time",
        "It can take every processor, and everything else is slow.";
    PIDS = "compose.pids-limit", Warning,
        "no limit of processes",
        "A fork bomb takes the last process number of the machine: nobody can log in to end it.";
    SWAP = "compose.unlimited-swap", Warning,
        "swap without a limit",
        "The limit of memory is none: what is over it goes to the disk, and the machine with it.";
    OOM = "compose.oom-kill-off", Warning,
        "it is not ended when memory is short",
        "The kernel ends something else, or everything waits.";
    LOGS = "compose.log-rotation", Info,
        "logs that are never rotated",
        "The json-file driver writes into one file without end; whoever makes the service log fills the disk.";
}

pub(super) fn judge(bench: &mut Bench<'_>) {
    memory(bench);
    processor(bench);
    processes(bench);
    logs(bench);
}

/// Where a missing or useless limit is, and what it says.
fn unlimited(
    bench: &Bench<'_>,
    (name, deployed): (&str, &str),
    fine: impl Fn(&str) -> bool,
) -> Option<(Spot, String)> {
    let service = bench.service;
    match service.limit(name, deployed) {
        None => Some((
            service.at.clone(),
            format!("neither `{name}` nor `deploy.resources.limits.{deployed}`"),
        )),
        Some(node) if node.text().is_some_and(fine) => None,
        Some(node) => Some((node.spot.clone(), format!("{name}: {}", said(node)))),
    }
}

fn memory(bench: &mut Bench<'_>) {
    let fine = |text: &str| bytes(text).is_some_and(|bytes| bytes > 0);
    if let Some((spot, evidence)) = unlimited(bench, ("mem_limit", "memory"), fine) {
        bench.find(&MEMORY, &spot, evidence, "`mem_limit: 512m`, or what it needs");
    }
    let service = bench.service;
    if let Some((text, spot)) = service.text("memswap_limit")
        && bytes(text) == Some(-1)
    {
        bench.find(&SWAP, spot, "memswap_limit: -1", "`memswap_limit` as large as `mem_limit`");
    }
    if let Some((true, spot)) = service.flag("oom_kill_disable") {
        bench.find(&OOM, spot, "oom_kill_disable: true", "take `oom_kill_disable` out");
    }
    if let Some((text, spot)) = service.text("oom_score_adj")
        && whole(text).is_some_and(|score| score < 0)
    {
        let evidence = format!("oom_score_adj: {}", crate::policy::expect::shown(text, 20));
        bench.find(&OOM, spot, evidence, "take `oom_score_adj` out");
    }
}

fn processor(bench: &mut Bench<'_>) {
    let quota = bench.service.find(&["cpu_quota"]).and_then(Node::text).and_then(whole);
    if quota.is_some_and(|quota| quota > 0) {
        return;
    }
    let fine = |text: &str| number(text).is_some_and(|cpus| cpus > 0.0);
    if let Some((spot, evidence)) = unlimited(bench, ("cpus", "cpus"), fine) {
        bench.find(&CPUS, &spot, evidence, "`cpus: 1`, or what it needs");
    }
}

fn processes(bench: &mut Bench<'_>) {
    let fine = |text: &str| whole(text).is_some_and(|pids| pids > 0);
    let Some((spot, evidence)) = unlimited(bench, ("pids_limit", "pids"), fine) else { return };
    let service = bench.service;
    let edit = match service.limit("pids_limit", "pids").and_then(Node::text) {
        None => Edit::insert(service, "pids_limit", "256"),
        Some(old) => Edit::replace(&spot, old, "256"),
    };
    bench.find(&PIDS, &spot, evidence, "`pids_limit: 256`, or what it needs").mend(edit);
}

fn logs(bench: &mut Bench<'_>) {
    let service = bench.service;
    let logging = service.find(&["logging"]);
    let driver = service.find(&["logging", "driver"]).and_then(Node::text).unwrap_or("json-file");
    if !matches!(driver, "json-file") {
        return;
    }
    let size = service.find(&["logging", "options", "max-size"]);
    if size.is_some_and(|size| size.text().is_some_and(|text| !matches!(text, "" | "-1"))) {
        return;
    }
    let fix = "`logging: {driver: local}`, or `options: {max-size: 10m, max-file: \"3\"}`";
    let spot = service.place_of("logging");
    let found = bench.find(&LOGS, &spot, "json-file without `max-size`", fix);
    if logging.is_none() {
        found.mend(Edit::insert(service, "logging", "{driver: local}"));
    }
}
