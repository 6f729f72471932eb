//! Odd places and circumstances to be started in: the run works, or says plainly why not.

use super::support::{
    Case, Outcome, assert_code, assert_refused, is_root, jail_bin, skip, stderr, stdout, trial,
};
use libtest_mimic::Trial;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("places::no_place_for_the_audit_log", no_log),
        trial("places::read_only_audit_log", read_only_log),
        trial("places::home_or_xdg_unset", unset),
        trial("places::path_unset", path_unset),
        trial("places::current_folder_deleted", deleted),
        trial("places::current_folder_unreadable", unreadable),
        trial("places::arguments_that_are_too_long", too_long),
        trial("places::root_of_a_user_namespace", namespace_root),
        trial("places::few_descriptors_and_processes", few),
    ]
}

fn no_log() -> Outcome {
    let case = Case::new();
    let mut command = case.jail(&["run", "-q", "--", "echo", "ran"]);
    let output = command.env_remove("HOME").env_remove("XDG_STATE_HOME").output().unwrap();
    assert_refused(&output, 125, &["audit log", "HOME"]);
    Ok(())
}

fn read_only_log() -> Outcome {
    let case = Case::new();
    let state = case.path("home/state");
    // Nobody, not even root, makes a folder where a file is.
    fs::write(&state, "").unwrap();
    let output = case.jail(&["run", "-q", "--", "echo", "ran"]).output().unwrap();
    assert_refused(&output, 125, &["audit log"]);
    fs::remove_file(&state).unwrap();
    if is_root() {
        return Ok(());
    }
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, PermissionsExt::from_mode(0o555)).unwrap();
    let output = case.jail(&["run", "-q", "--", "echo", "ran"]).output().unwrap();
    assert_refused(&output, 125, &["audit log", "Permission denied"]);
    fs::set_permissions(&state, PermissionsExt::from_mode(0o755)).unwrap();
    Ok(())
}

fn unset() -> Outcome {
    let case = Case::new();
    for name in ["HOME", "XDG_STATE_HOME", "TMPDIR"] {
        let mut command = case.jail(&["run", "-q", "--", "echo", "ran"]);
        assert_code(&command.env_remove(name).output().unwrap(), 0);
    }
    // A relative HOME is no HOME.
    let mut command = case.jail(&["run", "-q", "--", "sh", "-c", "echo $HOME"]);
    let output = command.env("HOME", "somewhere").output().unwrap();
    assert_code(&output, 0);
    assert_eq!(stdout(&output), "/home/jail\n");
    assert!(!case.path("work/somewhere").exists());
    Ok(())
}

fn path_unset() -> Outcome {
    let case = Case::new();
    for value in [None, Some(""), Some("relative:/nowhere")] {
        let mut command =
            case.jail(&["run", "-q", "--", "/bin/sh", "-c", "ls / >/dev/null && exit 3"]);
        match value {
            Some(path) => command.env("PATH", path),
            None => command.env_remove("PATH"),
        };
        assert_code(&command.output().unwrap(), 3);
    }
    let mut command = case.jail(&["run", "-q", "--", "true"]);
    assert_code(&command.env_remove("PATH").output().unwrap(), 0);
    Ok(())
}

fn deleted() -> Outcome {
    let case = Case::new();
    let mut command = Command::new("sh");
    case.surround(&mut command);
    command.args(["-c", "mkdir gone && cd gone && rmdir ../gone && exec \"$0\" run -- true"]);
    assert_refused(&command.arg(jail_bin()).output().unwrap(), 125, &["current folder"]);
    Ok(())
}

fn unreadable() -> Outcome {
    if is_root() {
        return skip("root reads every folder");
    }
    let case = Case::new();
    let mut command = Command::new("sh");
    case.surround(&mut command);
    let script = "mkdir dark && cd dark && chmod 0 . && \"$0\" run -q -- echo works; \
                  code=$?; cd .. ; chmod 700 dark; exit $code";
    let output = command.args(["-c", script]).arg(jail_bin()).output().unwrap();
    // The connector works in /workspace; its caller's folder is not needed.
    if output.status.code() == Some(0) {
        assert_eq!(stdout(&output), "works\n");
    } else {
        assert_refused(&output, 125, &["dark"]);
    }
    Ok(())
}

/// Inside, the environment is another: what fitted into jail's own exec may be too long for the next.
fn too_long() -> Outcome {
    let case = Case::new();
    let long = "x".repeat(131_000);
    let output = case.jail(&["run", "-q", "--", "printf", "%s", &long]).output().unwrap();
    assert_eq!(output.stdout.len(), 131_000, "{}", stderr(&output));
    // One argument of more than 128 KiB (MAX_ARG_STRLEN) can only come from a manifest.
    case.manifest("long", &format!("command: echo\nargs: [\"{}\"]\n", "x".repeat(200_000)));
    let output = case.jail(&["run", "-q", "long"]).output().unwrap();
    assert_refused(&output, 126, &["cannot start", "E2BIG"]);
    Ok(())
}

/// `unshare -r`, rootless containers: uid 0 that cannot leave its groups.
fn namespace_root() -> Outcome {
    let case = Case::new();
    let mut command = Command::new("unshare");
    case.surround(&mut command);
    command.args(["--user", "--map-root-user"]).arg(jail_bin());
    command.args(["run", "-q", "--", "sh", "-c", "id -u; exit 4"]);
    let Ok(output) = command.output() else { return skip("unshare(1) is not installed") };
    if stderr(&output).starts_with("unshare:") {
        return skip(stderr(&output));
    }
    assert_code(&output, 4);
    assert_eq!(stdout(&output), "1000\n");
    Ok(())
}

/// Out of something during the set-up: refused with the reason, never half a jail.
fn few() -> Outcome {
    let case = Case::new();
    for number in (3..16).rev() {
        let mut command = Command::new("sh");
        case.surround(&mut command);
        command.args(["-c", &format!("ulimit -n {number}; exec \"$0\" run -q -- sh -c 'exit 6'")]);
        let output = command.arg(jail_bin()).output().unwrap();
        match output.status.code() {
            Some(6) => {}
            Some(125) => assert_refused(&output, 125, &["error:", "caused by:"]),
            // Too few for the dynamic linker of jail itself, or of the connector.
            Some(127) => assert!(stderr(&output).contains("shared librar"), "{}", stderr(&output)),
            other => panic!("ulimit -n {number}: {other:?} {}", stderr(&output)),
        }
    }
    case.assert_nothing_left();
    Ok(())
}
