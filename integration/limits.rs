//! What `jail run` itself does with limits, on a kernel that can enforce them: they hold, they are
//! told, and nothing is left behind. The leaf alone is tested in `cgroup.rs`.
//!
//! This binary is its own payload: `jail run … -- limits --act NAME`. Needs a cgroup v2 with memory,
//! pids and cpu that this user may use (root, a delegated group, or systemd's user manager); elsewhere
//! each test is a counted skip with the reason, or a failure where `JAIL_TEST_MUST_RUN` says
//! `cgroup_v2`, `all` or the test's name. The program under test is `JAIL`, or what lies beside this
//! binary, or what cargo built. `JAIL_TEST_SANDBOX=landlock` tries the weaker tier. `integration/vm/` has
//! machines to run it in.

#![allow(unreachable_pub, clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

#[path = "limits/acts.rs"]
mod acts;
#[path = "limits/disk.rs"]
mod disk;
#[path = "limits/rig.rs"]
mod rig;

use jail::confine::cgroup::{Controller, Controllers, How, Support};
use libtest_mimic::{Arguments, Failed, Trial};
use nix::sys::stat::{Mode, umask};
use rig::{Rig, eventually};
use std::path::Path;
use std::process::ExitCode;

type Test = fn(&Support);

const TESTS: &[(&str, Test)] = &[
    ("a_memory_bomb_ends_alone_and_is_told", memory_bomb),
    ("memory_below_the_limit_is_to_be_had", memory_below),
    ("a_fork_bomb_is_held_and_told", fork_bomb),
    ("a_fifth_of_a_processor_is_a_fifth", processor),
    ("a_disk_is_as_fast_as_allowed", disk::limited),
    ("limits_are_accepted_and_read_back", read_back),
    ("the_connector_is_born_in_its_leaf", born_inside),
    ("what_the_umask_takes_is_not_missed", masked),
    ("two_jails_have_a_leaf_each", two_at_once),
    ("many_start_while_others_end", many),
    ("a_normal_end_leaves_nothing", normal_end),
    ("a_timeout_leaves_nothing", timeout),
    ("a_killed_supervisor_takes_its_jail_along", killed_supervisor),
    ("a_limit_too_small_for_the_jail_is_a_refusal", too_small),
    ("without_delegation_the_run_is_refused", no_delegation),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).is_some_and(|arg| arg == "--act") {
        return acts::act(&args[2..]);
    }
    let mut arguments = Arguments::from_args();
    // They count what is left in the whole hierarchy.
    arguments.test_threads = Some(1);
    let needs = Controllers::from([Controller::Cpu, Controller::Memory, Controller::Pids]);
    let support = Support::probe(&needs);
    let trials = TESTS.iter().map(|(name, test)| trial(name, *test, &support)).collect();
    let done = libtest_mimic::run(&arguments, trials);
    if done.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn trial(name: &'static str, test: Test, support: &Support) -> Trial {
    let unmet = match &support.how {
        How::NoneBecause { reason, .. } => Some(("cgroup_v2", reason.clone())),
        _ if name.starts_with("without_delegation") => {
            rig::undelegated().err().map(|why| ("undelegated", why))
        }
        _ if name.starts_with("a_disk") => disk::unmet().map(|why| ("disk", why)),
        _ if rig::tier() && name.starts_with("the_connector_is_born") => {
            Some(("namespaces", "the weaker tier has no cgroup namespace to look from".into()))
        }
        _ if rig::tier() && name.starts_with("what_the_umask") => Some((
            "namespaces",
            "the weaker tier cannot enter its own folders below that umask".into(),
        )),
        _ => None,
    };
    let Some((need, reason)) = unmet else {
        let support = support.clone();
        return Trial::test(name, move || {
            test(&support);
            rig::nothing_left(&support)
        });
    };
    let must = std::env::var("JAIL_TEST_MUST_RUN").unwrap_or_default();
    if must.split(',').any(|word| word == "all" || word == name || word == need) {
        return Trial::test(name, move || Err(Failed::from(format!("must run, but {reason}"))));
    }
    println!("skip {name}: {reason}");
    Trial::test(name, || Ok(())).with_ignored_flag(true)
}

/// 512 MiB at most, should the limit not hold.
fn memory_bomb(_: &Support) {
    let rig = Rig::new();
    let mut sibling = rig.start(&["--memory", "64M"], &["echo"]);
    assert_eq!(sibling.line(), "ready");
    let bomb = rig.run(&["--memory", "64M"], &["eat", "512"]);
    assert_eq!(bomb.code, Some(137), "{bomb:?}");
    assert_eq!(
        (bomb.report["ended_by"].as_str(), bomb.report["exit_code"].as_i64()),
        (Some("oom"), Some(137)),
        "{bomb:?}"
    );
    let usage = &bomb.report["usage"];
    assert!(usage["oom_kill"].as_u64().is_some_and(|n| n > 0), "{usage}");
    assert!(usage["memory_peak"].as_u64().is_none_or(|peak| peak <= 64 << 20), "{usage}");
    let summary = "the memory limit of 64 MiB (set by --memory) was reached";
    assert!(
        bomb.errors.contains(summary) && bomb.errors.contains("--memory raises it"),
        "{bomb:?}"
    );
    let denial = bomb.audit("denial");
    assert_eq!(
        (denial["mechanism"].as_str(), denial["object"].as_str()),
        (Some("cgroup"), Some("memory")),
        "{denial}"
    );
    let end = bomb.audit("run-end");
    assert_eq!(end["how"]["by"], "oom", "{end}");
    assert_eq!(end["cpu_ms"].as_u64(), usage["cpu_usec"].as_u64().map(|n| n / 1000), "{usage}");
    assert!(end["peak_memory"].as_u64().is_none_or(|peak| peak > 32 << 20), "{end}");
    sibling.say("still here");
    assert_eq!(sibling.line(), "still here");
    assert_eq!(sibling.end().code, Some(0));
}

/// The control of the bomb: the same act, below the same limit.
fn memory_below(_: &Support) {
    let rig = Rig::new();
    let done = rig.run(&["--memory", "64M"], &["eat", "32"]);
    assert_eq!((done.code, done.output.as_str()), (Some(0), "ate 32 MiB\n"), "{done:?}");
    assert_eq!(done.report["usage"]["oom_kill"], 0);
    assert!(done.events.iter().all(|event| event["kind"] != "denial"), "{done:?}");
    assert!(!done.errors.contains("was reached"), "{done:?}");
}

/// 400 processes at most, should the limit not hold.
fn fork_bomb(_: &Support) {
    let rig = Rig::new();
    let done = rig.run(&["--pids", "20"], &["fork", "400"]);
    // Two of the twenty are init and the connector itself.
    assert_eq!((done.code, done.output.as_str()), (Some(0), "18 forks, then EAGAIN\n"), "{done:?}");
    let usage = &done.report["usage"];
    assert!(usage["pids_refused"].as_u64().is_some_and(|n| n > 0), "{usage}");
    assert!(usage["pids_peak"].as_u64().is_none_or(|peak| peak == 20), "{usage}");
    let summary = "the limit of 20 processes (set by --pids) refused";
    assert!(done.errors.contains(summary) && done.errors.contains("--pids raises it"), "{done:?}");
    let denial = done.audit("denial");
    assert_eq!(
        (denial["mechanism"].as_str(), denial["object"].as_str()),
        (Some("cgroup"), Some("fork")),
        "{denial}"
    );
    assert_eq!(done.audit("run-end")["how"]["by"], "exited");
    // Below the limit the same act is not refused.
    let done = rig.run(&["--pids", "20"], &["fork", "10"]);
    assert_eq!(done.output, "10 forks\n", "{done:?}");
}

/// More than was allowed is never to be had; less may be had where others want the processors, too, so
/// that a machine has three tries to give what it could.
fn processor(_: &Support) {
    let rig = Rig::new();
    // Long enough that the start, which the cgroup counts too, does not weigh.
    let millis = (3000 * rig::patience()).to_string();
    let mut shares = Vec::new();
    let found = (0..3).any(|_| {
        // Two threads, so that a limit for each of them would show as two fifths.
        let done = rig.run(&["--cpus", "0.2"], &["burn", &millis]);
        assert_eq!(done.code, Some(0), "{done:?}");
        let mut numbers =
            done.output.split_whitespace().map(|n| n.parse::<f64>().expect("a number"));
        let (cpu, wall) = (numbers.next().expect("cpu"), numbers.next().expect("wall"));
        let usage = &done.report["usage"];
        let counted = usage["cpu_usec"].as_f64().expect("counted")
            / (done.report["wall_ms"].as_f64().expect("wall") * 1000.0);
        assert!(cpu / wall <= 0.22 && counted <= 0.23, "0.2 was allowed: {done:?}");
        assert!(usage["cpu_throttled"].as_u64().is_some_and(|n| n > 10), "{usage}");
        shares.push((cpu / wall, counted));
        cpu / wall >= 0.18 && counted >= 0.17
    });
    assert!(
        found,
        "0.2 was allowed, and no run of three got it, by its own count and the cgroup's: {shares:.3?}"
    );
}

fn read_back(support: &Support) {
    let rig = Rig::new();
    let mut running = rig.start(&["--memory", "96M", "--cpus", "0.5", "--pids", "40"], &["echo"]);
    assert_eq!(running.line(), "ready");
    let leaf = running.leaf(support);
    let read = |name: &str| {
        std::fs::read_to_string(leaf.join(name)).ok().map(|text| text.trim().to_owned())
    };
    let is = |name: &str, value: &str| assert_eq!(read(name).as_deref(), Some(value), "{name}");
    is("memory.max", &(96u64 << 20).to_string());
    is("memory.oom.group", "1");
    is("cpu.max", "50000 100000");
    is("pids.max", "40");
    assert!(read("memory.swap.max").is_none_or(|swap| swap == "0"));
    let done = running.end();
    assert_eq!(done.code, Some(0), "{done:?}");
    for control in ["memory", "cpus", "pids"] {
        let gaps = done.report["gaps"].as_array().expect("gaps");
        assert!(gaps.iter().all(|gap| gap["control"] != control), "{done:?}");
        assert!(!done.errors.contains(control), "{done:?}");
    }
}

fn masked(_: &Support) {
    let rig = Rig::new();
    // Its folders are there, as they are after anybody's first run.
    assert_eq!(rig.run(&["--memory", "64M"], &["own-cgroup"]).code, Some(0));
    // Not even its owner may enter a folder that is made so. The tests run one after the other.
    let before = umask(Mode::from_bits_truncate(0o177));
    let mut running = rig.start(&["--memory", "64M"], &["own-cgroup"]);
    umask(before);
    assert_eq!(running.line(), "0::/");
    assert_eq!(running.end().code, Some(0));
}

fn born_inside(support: &Support) {
    let rig = Rig::new();
    let mut running = rig.start(&["--memory", "64M"], &["own-cgroup"]);
    // Its cgroup namespace begins where it was born: a later move would show as a path, or as `/..`.
    assert_eq!(running.line(), "0::/");
    let leaf = running.leaf(support);
    let name = leaf.file_name().expect("a name").to_string_lossy().into_owned();
    let mut inside = rig::procs(&leaf);
    let mut family = running.family();
    inside.sort_unstable();
    family.sort_unstable();
    assert_eq!(family.len(), 2, "init and the connector: {family:?}");
    assert_eq!(inside, family, "the leaf holds these two and nobody else");
    for pid in family {
        let seen = rig::cgroup_of(support, pid).expect("it is still there");
        assert_eq!(seen, leaf);
    }
    assert_ne!(rig::cgroup_of(support, running.pid()).expect("the supervisor"), leaf);
    let done = running.end();
    assert_eq!(name, format!("jail-{}", done.report["run"].as_str().expect("an id")));
    assert_eq!(done.code, Some(0), "{done:?}");
}

fn two_at_once(support: &Support) {
    let rig = Rig::new();
    let mut first = rig.start(&["--memory", "64M"], &["echo"]);
    let mut second = rig.start(&["--memory", "80M"], &["echo"]);
    assert_eq!((first.line(), second.line()), ("ready".into(), "ready".into()));
    let (one, two) = (first.leaf(support), second.leaf(support));
    assert_ne!(one, two);
    let memory =
        |leaf: &Path| std::fs::read_to_string(leaf.join("memory.max")).expect("memory.max");
    assert_eq!(
        (memory(&one), memory(&two)),
        (format!("{}\n", 64 << 20), format!("{}\n", 80 << 20))
    );
    assert_eq!(first.end().code, Some(0));
    assert!(!one.exists() && two.exists());
    second.say("and I?");
    assert_eq!(second.line(), "and I?");
    assert_eq!(second.end().code, Some(0));
    assert!(!two.exists());
}

/// The one that ends last removes the group of all, which others are about to use.
fn many(_: &Support) {
    let one_after_another = || {
        let rig = Rig::new();
        for _ in 0..10 {
            let done = rig.run(&["--memory", "64M"], &["eat", "1"]);
            assert_eq!((done.code, done.output.as_str()), (Some(0), "ate 1 MiB\n"), "{done:?}");
        }
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..3).map(|_| scope.spawn(one_after_another)).collect();
        all.into_iter().for_each(|thread| thread.join().expect("each run is as it should be"));
    });
}

fn normal_end(support: &Support) {
    let rig = Rig::new();
    let mut running = rig.start(&["--memory", "64M"], &["echo"]);
    assert_eq!(running.line(), "ready");
    let leaf = running.leaf(support);
    assert!(leaf.exists());
    assert_eq!(running.end().code, Some(0));
    assert!(!leaf.exists(), "it is gone when the supervisor is");
    // Also where the connector leaves others behind.
    let done = rig.run(&["--memory", "64M"], &["orphans"]);
    assert_eq!((done.code, done.output.as_str()), (Some(7), "leaving\n"), "{done:?}");
}

fn timeout(support: &Support) {
    let rig = Rig::new();
    let time = format!("{}s", 3 * rig::patience());
    let mut running = rig.start(&["--memory", "64M", "--timeout", &time], &["stubborn"]);
    assert_eq!(running.line(), "ready");
    let (leaf, family) = (running.leaf(support), running.family());
    assert_eq!(family.len(), 5, "init, the connector and its children: {family:?}");
    let done = running.end();
    assert_eq!(
        (done.code, done.report["ended_by"].as_str()),
        (Some(124), Some("timeout")),
        "{done:?}"
    );
    assert!(!leaf.exists() && family.iter().all(|pid| !rig::alive(*pid)));
}

fn killed_supervisor(support: &Support) {
    let rig = Rig::new();
    let mut running = rig.start(&["--memory", "64M"], &["stubborn"]);
    assert_eq!(running.line(), "ready");
    let (leaf, family) = (running.leaf(support), running.family());
    running.kill();
    assert!(
        eventually(|| family.iter().all(|pid| !rig::alive(*pid))),
        "the jail lives on: {family:?}"
    );
    if support.how != How::UserManagerScope {
        assert!(leaf.exists(), "nobody is there to remove it");
        // A leaf of someone who lives is not swept.
        let mut living = rig.start(&["--memory", "64M"], &["echo"]);
        assert_eq!(living.line(), "ready");
        assert!(!leaf.exists(), "the next run removes it");
        let second = rig.run(&["--memory", "64M"], &["eat", "1"]);
        assert_eq!(second.code, Some(0), "{second:?}");
        assert!(living.leaf(support).exists());
        assert_eq!(living.end().code, Some(0));
    }
}

fn too_small(_: &Support) {
    let rig = Rig::new();
    for options in [["--pids", "1"], ["--memory", "64K"]] {
        let done = rig.run(&options, &["eat", "1"]);
        assert_eq!(done.code, Some(125), "{options:?}: {done:?}");
        assert!(done.errors.contains("too small for the jail itself"), "{options:?}: {done:?}");
        assert!(
            done.errors.contains(&format!("{} raises it", options[0])),
            "{options:?}: {done:?}"
        );
        assert_eq!(done.audit("run-end")["how"]["by"], "refused");
    }
}

fn no_delegation(_: &Support) {
    let rig = Rig::new();
    let done = rig.run_undelegated(&["--memory", "64M"], &["eat", "1"]);
    assert_eq!((done.code, done.output.as_str()), (Some(125), ""), "{done:?}");
    assert!(
        done.errors.contains("the memory limit (--memory) cannot be enforced here"),
        "{done:?}"
    );
    assert!(done.errors.contains("is not delegated to this user"), "{done:?}");
    assert!(
        done.errors.contains("hint:") && done.errors.contains("loginctl enable-linger"),
        "{done:?}"
    );
    // And it can be run without, where that is said.
    let options = ["--allow-missing", "memory,cpus,pids"];
    let done = rig.run_undelegated(&options, &["eat", "1"]);
    assert_eq!((done.code, done.output.as_str()), (Some(0), "ate 1 MiB\n"), "{done:?}");
    assert!(done.errors.contains("not enforced: memory, cpus"), "{done:?}");
}
