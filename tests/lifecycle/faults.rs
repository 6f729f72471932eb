//! Every call of the set-up fails once: the run is refused, says where, and nothing is left.
//!
//! strace(1) changes the result of one call (`-e inject=CALL:error=EPERM:when=N`). It counts per
//! process, so that `when` is the N-th such call of the supervisor, of init and of the payload each:
//! what counts is which of them comes to it first. The connector writes a file into a host folder,
//! which must not appear: a refused run has run nothing.

use super::support::{Case, Outcome, Skip, jail_bin, skip, stderr, stdout, trial, wait};
use libtest_mimic::Trial;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("faults::name_the_stage_and_the_call", named),
        trial("faults::at_every_count_nothing_is_left", counted),
        trial("faults::of_exec_are_126_and_127", exec),
        trial("faults::of_the_report_pipe", report_pipe),
    ]
}

/// Call, error, stage and call as the refusal names them.
const NAMED: &[(&str, &str, &str, &str)] = &[
    ("clone3", "EPERM", "namespaces", "clone3"),
    ("clone3", "ENOSPC", "namespaces", "clone3"),
    ("clone3", "ENOSYS", "namespaces", "clone3"),
    ("setsid", "EPERM", "lifeline", "setsid"),
    ("keyctl", "EDQUOT", "process", "keyctl"),
    ("sethostname", "EPERM", "process", "sethostname"),
    ("socket", "EAFNOSUPPORT", "network", "socket"),
    ("mount", "EPERM", "mounts", "mount"),
    ("fsopen", "EPERM", "mounts", "fsopen"),
    ("fsconfig", "EINVAL", "mounts", "fsconfig"),
    ("fsmount", "EPERM", "mounts", "fsmount"),
    ("open_tree", "EPERM", "mounts", "open_tree"),
    ("mount_setattr", "EPERM", "mounts", "mount_setattr"),
    ("move_mount", "EPERM", "mounts", "move_mount"),
    ("openat2", "ELOOP", "mounts", "openat2"),
    ("mkdirat", "ENOSPC", "mounts", "mkdirat"),
    ("symlinkat", "ENOSPC", "mounts", "symlinkat"),
    ("pivot_root", "EPERM", "pivot", "pivot_root"),
    ("umount2", "EPERM", "pivot", "umount2"),
    ("fchdir", "EACCES", "pivot", "fchdir"),
    ("capset", "EPERM", "capabilities", "capset"),
    // The question for the version fails as well.
    ("landlock_create_ruleset", "EINVAL", "landlock", "this kernel has no Landlock"),
    ("landlock_add_rule", "EINVAL", "landlock", "landlock_add_rule"),
    ("landlock_restrict_self", "E2BIG", "landlock", "landlock_restrict_self"),
    ("seccomp", "EINVAL", "seccomp", "seccomp"),
];

/// `jail run` under strace; the connector leaves a file where it ran.
fn inject(case: &Case, rule: &str, command: &[&str]) -> Result<Output, Skip> {
    let ran = case.path("ran");
    std::fs::create_dir_all(&ran).unwrap();
    let mut strace = Command::new("strace");
    case.surround(&mut strace);
    strace
        .args(["-f", "-qq", "-o"])
        .arg(case.path("trace"))
        .args(["-e", &format!("inject={rule}")])
        .arg(jail_bin())
        .args(["run", "-q", "--workspace"])
        .arg(format!("host:{}", ran.display()))
        .arg("--")
        .args(command)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    match strace.spawn() {
        Ok(child) => Ok(wait(child, Duration::from_secs(20))),
        Err(_) => Err(Skip("strace(1) is not installed".into())),
    }
}

const LEAVE_A_FILE: [&str; 3] = ["sh", "-c", "echo > /workspace/file"];

/// strace must be able to follow, and know the call.
fn usable(case: &Case) -> Outcome {
    let output = inject(case, "sync:error=EPERM", &LEAVE_A_FILE)?;
    if output.status.code() != Some(0) {
        return skip(format!("strace cannot follow a jail here: {}", stderr(&output)));
    }
    std::fs::remove_file(case.path("ran/file")).unwrap();
    Ok(())
}

fn named() -> Outcome {
    let case = Case::new();
    usable(&case)?;
    let mut wrong = Vec::new();
    for (call, errno, stage, shown) in NAMED {
        // Later than the calls that the dynamic linker and the policy loader make.
        let output = inject(&case, &format!("{call}:error={errno}:when=1+"), &LEAVE_A_FILE)?;
        let told = stderr(&output);
        let right = output.status.code() == Some(125)
            && stdout(&output).is_empty()
            && told.contains(&format!("(stage {stage})"))
            && told.contains(&format!("caused by: {shown}"))
            && (told.contains(&format!("({errno})")) || shown != call)
            && !case.path("ran/file").exists();
        if !right {
            wrong.push(format!("{call} {errno}: {:?} {told}", output.status.code()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    case.assert_nothing_left();
    Ok(())
}

/// The N-th of the calls that are made often: whatever fails, it is 125 or it did not matter.
fn counted() -> Outcome {
    let case = Case::new();
    usable(&case)?;
    let calls: &[(&str, &[u32])] = &[
        ("openat2", &[2, 9, 20, 40]),
        ("move_mount", &[2, 5, 12]),
        ("mkdirat", &[2, 7]),
        ("fsconfig", &[2, 6, 11]),
        ("mount_setattr", &[2, 6]),
        ("write", &[1, 2, 3, 4, 5, 6]),
        ("prctl", &[1, 2, 3, 20, 45, 46, 47, 48]),
        ("prlimit64", &[1, 3, 5, 8]),
        ("close_range", &[1, 2]),
        ("rt_sigprocmask", &[1, 2, 3]),
        ("rt_sigaction", &[1, 9, 20, 40, 70]),
        ("dup2", &[1]),
        ("chdir", &[1, 2]),
        ("pipe2", &[1, 2]),
        ("setsid", &[1, 2]),
        ("poll", &[1, 2]),
        ("signalfd4", &[1]),
        ("waitid", &[1]),
        ("statfs", &[1, 5]),
    ];
    let mut wrong = Vec::new();
    for (call, counts) in calls {
        for count in *counts {
            let rule = format!("{call}:error=EPERM:when={count}");
            let output = inject(&case, &rule, &LEAVE_A_FILE)?;
            let ran = std::fs::remove_file(case.path("ran/file")).is_ok();
            let told = stderr(&output);
            let quiet = stdout(&output).is_empty();
            let right = match output.status.code() {
                Some(0) => ran && quiet,
                Some(125) if told.contains("its end cannot be recorded") => ran && quiet,
                // init confines itself once the connector has begun: how far that came is chance.
                Some(125) if told.contains("the confined connector had begun") => quiet,
                Some(125) => !ran && quiet && (told.contains("error:") || told.is_empty()),
                // Injected into the connector itself, or into the loader of jail.
                Some(1 | 2 | 127) => !ran && quiet,
                // Rust's runtime gives up before main.
                None => !ran && quiet && count == &1 && ["poll", "rt_sigaction"].contains(call),
                _ => false,
            };
            if !right {
                wrong.push(format!("{rule}: {:?}, ran: {ran}: {told}", output.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    case.assert_nothing_left();
    Ok(())
}

fn exec() -> Outcome {
    let case = Case::new();
    usable(&case)?;
    // The first exec is jail's own, by strace; every process counts for itself.
    for (errno, code) in [("EACCES", 126), ("ENOEXEC", 126), ("E2BIG", 126), ("ENOENT", 127)] {
        let rule = format!("execve:error={errno}:when=1");
        let output = inject(&case, &rule, &["sh", "-c", "echo > /workspace/file"])?;
        let told = stderr(&output);
        if told.contains("strace: exec") {
            return skip("this strace counts its own exec");
        }
        assert_eq!(output.status.code(), Some(code), "{errno}: {told}");
        assert!(told.contains("(stage exec)") && told.contains(&format!("({errno})")), "{told}");
        assert!(!case.path("ran/file").exists());
    }
    case.assert_nothing_left();
    Ok(())
}

/// init cannot tell anybody: the run must not pass for a good one.
fn report_pipe() -> Outcome {
    let case = Case::new();
    usable(&case)?;
    for count in 1..40 {
        // Writes of the supervisor (the audit log), init (id maps, files, reports), payload (proof).
        let rule = format!("write:error=EIO:when={count}");
        let output = inject(&case, &rule, &["true"])?;
        let code = output.status.code();
        // 137: nobody heard how it ended.
        assert!(
            matches!(code, Some(0 | 125 | 137)),
            "write {count}: {:?} {}",
            output.status,
            stderr(&output)
        );
    }
    case.assert_nothing_left();
    Ok(())
}
