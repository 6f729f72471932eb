//! Secrets get in, and are nowhere else.

use super::support::{
    Case, Outcome, assert_code, assert_refused, contains, files_below, jail_bin, stderr, stdout,
    trial,
};
use libtest_mimic::Trial;
use std::fs;
use std::process::{Command, Output, Stdio};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("secrets::from_everywhere_into_both", everywhere),
        trial("secrets::are_in_no_output_of_jail", nowhere),
        trial("secrets::that_cannot_be_read", unreadable),
    ]
}

const SCRIPT: &str = "echo $FROM_FILE $FROM_FD $FROM_ENV $FROM_COMMAND; \
    cat /run/secrets/a; echo; stat -c '%a %u' /run/secrets/a; echo x > /run/secrets/a || echo sealed; \
    cat /run/secrets/b; cat /proc/1/environ /proc/1/cmdline || echo hidden";

fn case() -> Case {
    let case = Case::new();
    fs::write(case.path("home/key"), "hush-file\n").unwrap();
    case.manifest(
        "keys",
        &format!(
            "command: sh\nargs: [\"-c\", {}]\nsecrets:\n\
             \x20 - {{name: file-env, from: {{file: {key}}}, to: {{env: FROM_FILE}}}}\n\
             \x20 - {{name: fd-env, from: {{fd: 7}}, to: {{env: FROM_FD}}}}\n\
             \x20 - {{name: env-env, from: {{env: CALLERS}}, to: {{env: FROM_ENV}}}}\n\
             \x20 - {{name: command-env, from: {{command: [echo, hush-command]}}, to: {{env: FROM_COMMAND}}}}\n\
             \x20 - {{name: file-file, from: {{file: {key}}}, to: {{file: a}}}}\n\
             \x20 - {{name: env-file, from: {{env: CALLERS}}, to: {{file: b}}}}\n",
            serde_json::to_string(SCRIPT).unwrap(),
            key = case.path("home/key").display(),
        ),
    );
    case
}

/// Through a shell, for descriptor 7.
fn run(case: &Case, args: &str) -> Output {
    let mut command = Command::new("sh");
    case.surround(&mut command);
    let script = format!("printf hush-fd > ../fd; exec 7< ../fd; rm ../fd; exec \"$0\" {args}");
    command.args(["-c", &script]).arg(jail_bin()).env("CALLERS", "hush-env");
    command.stdin(Stdio::null()).output().unwrap()
}

fn everywhere() -> Outcome {
    let case = case();
    let output = run(&case, "run -q keys");
    assert_code(&output, 0);
    assert_eq!(
        stdout(&output),
        "hush-file hush-fd hush-env hush-command\nhush-file\n400 1000\nsealed\nhush-envhidden\n",
        "{}",
        stderr(&output)
    );
    Ok(())
}

/// Not in reports, plans, the audit log, errors, or a file of any sort.
fn nowhere() -> Outcome {
    let case = case();
    let report = case.path("report.json");
    let words = [
        "run -q --report json keys",
        "run -q --dry-run keys",
        "run --dry-run --json keys",
        "explain keys",
        "check",
        "run -q --report json --report-file ../report.json keys",
        "run -q --memory nonsense keys",
        "run -q --read /nowhere keys",
    ];
    for args in words {
        let output = run(&case, args);
        assert!(!stderr(&output).contains("hush"), "{args}: {}", stderr(&output));
        if !args.contains("report") {
            assert!(!stdout(&output).contains("hush"), "{args}: {}", stdout(&output));
        }
    }
    assert!(report.exists());
    // The connector itself printed them to its stdout, which nothing records.
    let key = case.path("home/key");
    for path in files_below(&case.path("")).into_iter().filter(|path| *path != key) {
        let bytes = fs::read(&path).unwrap_or_default();
        assert!(!contains(&bytes, b"hush-f") && !contains(&bytes, b"hush-e"), "{}", path.display());
    }
    Ok(())
}

fn unreadable() -> Outcome {
    let case = Case::new();
    for (source, words) in [
        ("{file: /no/such/key}", "/no/such/key"),
        ("{fd: 77}", "77"),
        ("{env: NOT_SET}", "NOT_SET"),
        ("{command: [\"false\"]}", "false"),
        ("{command: [no-such-program]}", "no-such-program"),
        ("{command: [printf, '']}", "empty"),
        ("{command: [sh, -c, 'head -c 99999 /dev/zero']}", "64 KiB"),
        ("{command: [printf, 'a\\0b']}", "NUL"),
    ] {
        case.manifest("keys", &format!("command: echo\nargs: [ran]\nsecrets: [{{name: k, from: {source}, to: {{env: KEY}}}}]\n"));
        let output = case.jail(&["run", "-q", "keys"]).output().unwrap();
        assert_refused(&output, 125, &["cannot read the secret `k`", words]);
    }
    Ok(())
}
