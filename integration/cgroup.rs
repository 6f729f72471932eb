//! Limits that bite, on a kernel that has them: memory, processor, processes, kill, removal, sweep.
//!
//! Needs a delegated cgroup v2 (or root, or systemd's user manager). Elsewhere each test is counted as
//! ignored with the reason; `JAIL_TEST_MUST_RUN=cgroup_v2` makes that a failure. One thread: children
//! are forked.
#![expect(clippy::expect_used, reason = "tests")]

use jail::confine::cgroup::{Controller, Controllers, How, Leaf, Limits, Support, sweep_stale};
use jail::policy::{Bytes, Cpus};
use jail::sys::probe::{Outcome, Prober};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use nix::errno::Errno;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

type Test = fn(&Support);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let tests: [(&str, Test); 8] = [
        ("memory_ends_the_whole_jail", memory),
        ("processes_are_limited", pids),
        ("processor_time_is_limited", cpu),
        ("everything_is_killed_at_once", kill),
        ("dropping_a_leaf_ends_what_is_in_it", drop_ends),
        ("a_leaf_without_limits_counts", unlimited),
        ("the_leaf_of_a_killed_supervisor_is_swept", sweep),
        ("a_limit_that_cannot_be_had_is_an_error", no_such_disk),
    ];
    let trials = tests.map(|(name, test)| Trial::ignorable_test(name, move || run(test)));
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

fn run(test: Test) -> Result<Completion, Failed> {
    let support = Support::probe(&needs());
    if let How::NoneBecause { reason, .. } = &support.how {
        let must = std::env::var("JAIL_TEST_MUST_RUN").unwrap_or_default();
        if must.split(',').any(|m| m == "cgroup_v2") {
            return Err(reason.into());
        }
        return Ok(Completion::ignored_with(reason));
    }
    test(&support);
    Ok(Completion::Completed)
}

fn needs() -> Controllers {
    Controllers::from([Controller::Cpu, Controller::Memory, Controller::Pids])
}

fn leaf(support: &Support, name: &str, limits: &Limits) -> Leaf {
    let run = format!("{name}-{}", std::process::id());
    Leaf::create(support, &run, limits).expect("leaf")
}

fn inside(leaf: &Leaf, body: impl FnOnce() -> Outcome) -> Outcome {
    Prober::new().expect("one thread").child_in(0, Some(leaf.dir_fd()), body)
}

fn memory(support: &Support) {
    let limits = Limits { memory: Some(Bytes(32 << 20)), ..Limits::default() };
    let leaf = leaf(support, "memory", &limits);
    // The control: half of it is to be had.
    let touch = |bytes: usize| {
        std::hint::black_box(vec![1u8; bytes]);
        Ok("touched".to_owned())
    };
    inside(&leaf, || touch(16 << 20)).expect("below the limit");
    let outcome = inside(&leaf, || touch(64 << 20));
    assert_eq!(outcome.expect_err("over the limit").note, "killed by SIGKILL");
    let usage = leaf.usage();
    assert!(usage.oom_kill.is_some_and(|n| n >= 1), "{usage:?}");
    assert!(usage.memory_peak.is_none_or(|peak| peak <= 32 << 20), "{usage:?}");
    leaf.remove().expect("removed");
}

fn pids(support: &Support) {
    let leaf = leaf(support, "pids", &Limits { pids: Some(3), ..Limits::default() });
    let nest = || nested(1);
    let outcome = inside(&leaf, nest);
    let fail = outcome.expect_err("the fourth must be refused");
    assert_eq!((fail.errno, fail.call.as_str()), (Some(Errno::EAGAIN), "fork at depth 3"));
    let usage = leaf.usage();
    assert!(usage.pids_refused.is_some_and(|n| n >= 1), "{usage:?}");
    assert!(usage.pids_peak.is_none_or(|peak| peak == 3), "{usage:?}");
}

/// Forks until it is refused; says at which depth.
fn nested(depth: u32) -> Outcome {
    if depth > 8 {
        return Ok("never refused".into());
    }
    Prober::new().expect("one thread").child(0, || nested(depth + 1)).map_err(|mut fail| {
        if fail.call == "fork" {
            fail.call = format!("fork at depth {depth}");
        }
        fail
    })
}

fn cpu(support: &Support) {
    let leaf = leaf(support, "cpu", &Limits { cpus: Some(Cpus(200)), ..Limits::default() });
    let start = Instant::now();
    inside(&leaf, || {
        while start.elapsed() < Duration::from_secs(2) {
            std::hint::spin_loop();
        }
        Ok(String::new())
    })
    .expect("burn");
    let usage = leaf.usage();
    let share = usage.cpu_usec.expect("counted") as f64 / start.elapsed().as_micros() as f64;
    assert!((0.05..0.35).contains(&share), "a fifth was allowed, {share} was used: {usage:?}");
    assert!(usage.cpu_throttled.is_some_and(|n| n > 0), "{usage:?}");
}

/// A process that sleeps in the leaf. (Moved there: only a test has to.)
fn sleeper(leaf: &Leaf) -> Child {
    let child = Command::new("sleep").arg("600").spawn().expect("sleep");
    std::fs::write(leaf.path().join("cgroup.procs"), child.id().to_string()).expect("move");
    child
}

fn kill(support: &Support) {
    let leaf = leaf(support, "kill", &Limits::default());
    let mut all = [sleeper(&leaf), sleeper(&leaf)];
    leaf.kill().expect("killed");
    for child in &mut all {
        assert_eq!(child.wait().expect("wait").signal(), Some(9));
    }
    let path = leaf.path().to_path_buf();
    leaf.remove().expect("removed");
    assert!(!path.exists());
}

fn drop_ends(support: &Support) {
    let leaf = leaf(support, "drop", &Limits::default());
    let mut child = sleeper(&leaf);
    let path = leaf.path().to_path_buf();
    drop(leaf);
    assert_eq!(child.wait().expect("wait").signal(), Some(9));
    assert!(!path.exists());
}

fn unlimited(support: &Support) {
    let leaf = leaf(support, "plain", &Limits::default());
    inside(&leaf, || Ok(String::new())).expect("child");
    assert!(leaf.usage().cpu_usec.is_some());
}

fn sweep(support: &Support) {
    let living = leaf(support, "living", &Limits::default());
    let parent = living.path().parent().expect("parent").to_path_buf();
    let support = Support { parent: Some(parent.clone()), ..Support::probe(&needs()) };
    let path = Prober::new().expect("one thread").child(0, || {
        let run = format!("orphan-{}", std::process::id());
        let limits = Limits { pids: Some(4), ..Limits::default() };
        let leaf = Leaf::create(&support, &run, &limits).expect("leaf");
        let path = leaf.path().display().to_string();
        std::mem::forget(leaf); // as SIGKILL would
        Ok(path)
    });
    let path = std::path::PathBuf::from(path.expect("made"));
    if support.how == How::UserManagerScope {
        // The whole scope of the dead supervisor is systemd's to remove, and it does.
        let until = Instant::now() + Duration::from_secs(60);
        while path.exists() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
        }
    } else {
        assert!(path.exists());
        assert_eq!(sweep_stale(path.parent().expect("parent")), Ok(1));
    }
    assert!(!path.exists() && living.path().exists());
}

fn no_such_disk(support: &Support) {
    let limit = jail::policy::IoLimit { read: Some(Bytes(1 << 20)), write: None };
    let io = vec![jail::confine::cgroup::IoMax { major: 250, minor: 250, limit }];
    let limits = Limits { io, ..Limits::default() };
    let error = Leaf::create(support, "no-disk", &limits).expect_err("no such disk");
    assert!(error.errno.is_some() || error.detail.is_some(), "{error:?}");
}
