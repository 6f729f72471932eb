//! Exit codes: the connector's own, and the few that jail adds.

use super::support::{Case, Outcome, assert_code, assert_refused, stderr, stdout, trial};
use libtest_mimic::Trial;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("status::own_codes", own_codes),
        trial("status::signals_are_128_and_n", signals),
        trial("status::timeout_is_124", timeout),
        trial("status::refused_is_125", refused),
        trial("status::cannot_start_is_126", cannot_start),
        trial("status::not_found_is_127", not_found),
        trial("status::nothing_on_stdout_when_it_fails", silent),
    ]
}

fn own_codes() -> Outcome {
    let case = Case::new();
    for code in [0, 1, 2, 3, 42, 63, 64, 100, 124, 125, 126, 127, 128, 129, 137, 143, 200, 254, 255]
    {
        let output = case.run(&[], &format!("exit {code}"));
        assert_code(&output, code);
    }
    Ok(())
}

fn signals() -> Outcome {
    let case = Case::new();
    for (name, number) in [("HUP", 1), ("INT", 2), ("QUIT", 3), ("ABRT", 6), ("KILL", 9)] {
        assert_code(&case.run(&[], &format!("kill -{name} $$")), 128 + number);
    }
    for (name, number) in [("USR1", 10), ("SEGV", 11), ("PIPE", 13), ("TERM", 15), ("XCPU", 24)] {
        assert_code(&case.run(&[], &format!("kill -{name} $$")), 128 + number);
    }
    // A real-time signal, which not every library knows.
    assert_code(&case.run(&[], "kill -40 $$"), 168);
    Ok(())
}

fn timeout() -> Outcome {
    let case = Case::new();
    let started = Instant::now();
    let output = case.run(&["--timeout", "300ms"], "sleep 60");
    assert_code(&output, 124);
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
    // One that ignores SIGTERM is killed two seconds later, with everything that it started. The time is
    // enough for a busy machine to come as far as the trap.
    let started = Instant::now();
    let output = case.run(
        &["--timeout", "4s"],
        "trap 'echo asked' TERM; setsid sleep 60 & while :; do sleep 1; done",
    );
    assert_code(&output, 124);
    assert!(stdout(&output).contains("asked"), "{}", stdout(&output));
    assert!((6..30).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    case.assert_nothing_left();
    Ok(())
}

fn refused() -> Outcome {
    let case = Case::new();
    let run = |args: &[&str]| case.jail(args).output().unwrap();
    assert_refused(&run(&["run"]), 125, &["error:"]);
    assert_refused(&run(&["run", "--no-such-option", "--", "true"]), 125, &["--no-such-option"]);
    assert_refused(&run(&["run", "no-such-connector"]), 125, &[".cloned"]);
    assert_refused(&run(&["run", "--memory", "7lots", "--", "true"]), 125, &["--memory", "7lots"]);
    assert_refused(&run(&["run", "--pids", "0", "--", "true"]), 125, &["--pids"]);
    assert_refused(&run(&["run", "--timeout", "9", "--", "true"]), 125, &["--timeout"]);
    assert_refused(
        &run(&["run", "--read", "/nowhere", "--", "true"]),
        125,
        &["/nowhere", "--read"],
    );
    assert_refused(&run(&["run", "--read", "/", "--", "true"]), 125, &["never granted whole"]);
    assert_refused(&run(&["run", "--seccomp", "nope", "--", "true"]), 125, &["nope"]);
    assert_refused(&run(&["run", "--workspace", "what", "--", "true"]), 125, &["--workspace"]);
    assert_refused(&run(&["run", "--sandbox", "none", "--", "true"]), 125, &["no sandbox"]);
    Ok(())
}

fn cannot_start() -> Outcome {
    let case = Case::new();
    let file = case.path("work/data");
    std::fs::write(&file, "no program").unwrap();
    let run = |name: &str| case.jail(&["run", "-q", "--", name]).output().unwrap();
    assert_refused(&run("./data"), 126, &["data"]);
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    assert_refused(&run("./data"), 126, &["data"]);
    assert_refused(&run("/usr"), 126, &["/usr"]);
    Ok(())
}

fn not_found() -> Outcome {
    let case = Case::new();
    let run = |name: &str| case.jail(&["run", "-q", "--", name]).output().unwrap();
    assert_refused(&run("no-such-program-anywhere"), 127, &["no-such-program-anywhere"]);
    assert_refused(&run("./no-such-program"), 127, &["no-such-program"]);
    assert_refused(&run("/no/such/program"), 127, &["/no/such/program"]);
    let script = case.path("work/script");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    // The script is there: it cannot be started.
    assert_refused(&run("./script"), 126, &["/no/such/interpreter"]);
    Ok(())
}

/// stdout belongs to the connector's protocol: one foreign byte breaks a session.
fn silent() -> Outcome {
    let case = Case::new();
    for script in ["exit 7", "kill -9 $$", "head -c 9000000 /dev/zero > /workspace/x; exit 3"] {
        let output = case.jail(&["run", "--", "sh", "-c", script]).output().unwrap();
        assert_eq!(stdout(&output), "", "{script}");
        let report = case.run(&["--report", "json"], script);
        assert_eq!(stdout(&report), "", "{script}");
        assert!(stderr(&report).contains("\"exit_code\""), "{}", stderr(&report));
    }
    Ok(())
}
