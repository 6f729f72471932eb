//! What a run used, from the leaf's files.

use super::parse::keyed;
use std::fs;
use std::path::Path;

/// Use so far. `None`: the controller is not in the leaf, or the kernel does not count it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Usage {
    /// Most memory at one time, in bytes (`memory.peak`, Linux 5.19).
    pub memory_peak: Option<u64>,
    /// How often the memory limit was hit with nothing left to reclaim.
    pub oom: Option<u64>,
    /// Processes that the OOM killer ended. The kernel counts the one it chose twice when it ends the
    /// whole group with it, so this says whether, not how many.
    pub oom_kill: Option<u64>,
    /// Most processes at one time (`pids.peak`, Linux 6.1).
    pub pids_peak: Option<u64>,
    /// Forks that the process limit refused.
    pub pids_refused: Option<u64>,
    /// Processor time in microseconds.
    pub cpu_usec: Option<u64>,
    /// Periods in which the processor limit held the jail back.
    pub cpu_throttled: Option<u64>,
}

impl Usage {
    /// The memory limit ended the run: the kernel ends the whole leaf at once (`memory.oom.group`).
    pub fn out_of_memory(&self) -> bool {
        self.oom_kill.is_some_and(|kills| kills > 0)
    }

    pub(crate) fn read(dir: &Path) -> Self {
        let text = |name: &str| fs::read_to_string(dir.join(name)).ok();
        let number = |name: &str| text(name)?.trim().parse().ok();
        let entry = |name: &str, key: &str| keyed(&text(name)?, key);
        Self {
            memory_peak: number("memory.peak"),
            oom: entry("memory.events", "oom"),
            oom_kill: entry("memory.events", "oom_kill"),
            pids_peak: number("pids.peak"),
            pids_refused: entry("pids.events", "max"),
            cpu_usec: entry("cpu.stat", "usage_usec"),
            cpu_throttled: entry("cpu.stat", "nr_throttled"),
        }
    }
}
