//! How much of the machine it may take: what its cgroup says, and what its engine was told where that cannot be
//! read.

use super::Book;
use crate::doctor::containers::{Container, rules};

pub(super) fn judge(container: &Container, book: &mut Book) {
    let host = &container.inspect["HostConfig"];
    let number = |name: &str| host[name].as_i64().unwrap_or(0);
    let kernel = container.live.as_ref().and_then(|live| live.limits.as_ref());
    let missing = |told: bool, found: Option<Option<u64>>, names: &str| match found {
        Some(None) if told => Some(format!("{names}, and its cgroup has no such limit")),
        Some(None) => Some("its cgroup has no such limit".to_owned()),
        None if !told => Some(format!("{names}: there is none")),
        _ => None,
    };
    let memory = kernel.map(|limits| limits.memory);
    if let Some(evidence) = missing(number("Memory") > 0, memory, "Memory") {
        let fix = "mem_limit: 8g (--memory), what it needs and no more";
        book.note(&rules::MEMORY, evidence, fix);
    }
    let told = number("NanoCpus") > 0 || number("CpuQuota") > 0;
    let cpus = kernel.map(|limits| limits.cpus);
    if let Some(evidence) = missing(told, cpus, "NanoCpus and CpuQuota") {
        book.note(&rules::CPUS, evidence, "cpus: 4 (--cpus)");
    }
    let pids = kernel.map(|limits| limits.pids);
    if let Some(evidence) = missing(number("PidsLimit") > 0, pids, "PidsLimit") {
        book.note(&rules::PIDS, evidence, "pids_limit: 256 (--pids-limit)");
    }
    let parent = host["CgroupParent"].as_str().unwrap_or_default();
    // What an engine writes there itself.
    if !parent.is_empty() && !["user.slice", "system.slice", "machine.slice"].contains(&parent) {
        book.note(&rules::CGROUP_PARENT, format!("CgroupParent is {parent}"), "take it out");
    }
    if host["OomKillDisable"].as_bool() == Some(true) {
        book.note(&rules::OOM, "OomKillDisable is true", "take it out");
    }
    if number("OomScoreAdj") < 0 {
        let evidence = format!("OomScoreAdj is {}", number("OomScoreAdj"));
        book.note(&rules::OOM, evidence, "take it out");
    }
}
