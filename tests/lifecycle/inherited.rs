//! What a connector inherits of the caller, and what it must not.

use super::support::{Case, Outcome, assert_code, jail_bin, stdout, trial, wait};
use libtest_mimic::Trial;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("inherited::empty_signal_mask", mask),
        trial("inherited::default_actions", actions),
        trial("inherited::ignored_sigchld_does_not_hang", sigchld),
        trial("inherited::nohup_is_honoured", nohup),
        trial("inherited::umask", umask),
        trial("inherited::environment_is_made_from_nothing", environment),
        trial("inherited::ten_thousand_variables", many_variables),
        trial("inherited::arguments_byte_for_byte", arguments),
        trial("inherited::own_session_and_group", session),
    ]
}

const LONG: Duration = Duration::from_secs(20);

/// Python sets masks and dispositions as asked; no shell does.
fn from_python(case: &Case, prepare: &str, script: &str) -> Option<Output> {
    let program = format!("import os, signal, sys\n{prepare}\nos.execv(sys.argv[1], sys.argv[1:])");
    let mut command = Command::new("/usr/bin/python3");
    case.surround(&mut command);
    command.args(["-c", &program]).arg(jail_bin());
    command.args(["run", "-q", "--", "sh", "-c", script]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    Some(wait(command.spawn().ok()?, LONG))
}

const STATUS: &str = "exec grep -E '^Sig(Blk|Ign):' /proc/self/status";

macro_rules! python {
    ($case:expr, $prepare:expr, $script:expr) => {
        match from_python($case, $prepare, $script) {
            Some(output) => output,
            None => return super::support::skip("/usr/bin/python3 is not installed"),
        }
    };
}

fn mask() -> Outcome {
    let case = Case::new();
    let block = "signal.pthread_sigmask(signal.SIG_BLOCK, \
                 [signal.SIGTERM, signal.SIGINT, signal.SIGUSR2, signal.SIGCHLD, signal.SIGALRM])";
    let output = python!(&case, block, STATUS);
    assert_code(&output, 0);
    assert!(stdout(&output).contains("SigBlk:\t0000000000000000"), "{}", stdout(&output));
    // A connector that could not be ended politely would be killed by every client.
    let output = python!(&case, block, "kill -TERM $$; exit 1");
    assert_code(&output, 143);
    Ok(())
}

fn actions() -> Outcome {
    let case = Case::new();
    let ignore = "for s in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGHUP, \
                  signal.SIGINT, signal.SIGQUIT}: signal.signal(s, signal.SIG_IGN)";
    let output = python!(&case, ignore, STATUS);
    let text = stdout(&output);
    let bits = text.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
    // glibc's posix_spawn, which started Python, leaves its own two ignored.
    let bits = u64::from_str_radix(bits, 16).unwrap() & !(0b11 << 31);
    assert_eq!(bits, 0, "{text}");
    Ok(())
}

/// An ignored SIGCHLD is never sent: whoever waits for it waits for ever.
fn sigchld() -> Outcome {
    let case = Case::new();
    let ignore = "signal.signal(signal.SIGCHLD, signal.SIG_IGN)";
    let output = python!(&case, ignore, "(exit 3) & wait $! ; exit $?");
    assert_code(&output, 3);
    case.assert_nothing_left();
    Ok(())
}

/// nohup(1) ignores SIGHUP for what it starts, also behind a wrapper.
fn nohup() -> Outcome {
    let case = Case::new();
    let ignore = "signal.signal(signal.SIGHUP, signal.SIG_IGN)";
    assert_code(&python!(&case, ignore, "kill -HUP $$; exit 5"), 5);
    assert_code(&case.run(&[], "kill -HUP $$; exit 5"), 129);
    Ok(())
}

/// It is the connector's; what jail makes itself has the modes of the plan.
fn umask() -> Outcome {
    let case = Case::new();
    let shape = "ls -ld / /etc /etc/passwd /tmp /workspace /home/jail /dev/null | cut -c1-10 | tr '\\n' ' '";
    let mut shapes = Vec::new();
    for mask in ["0000", "0022", "0077", "0177"] {
        let mut command = Command::new("sh");
        case.surround(&mut command);
        command.args(["-c", &format!("umask {mask}; exec \"$0\" \"$@\"")]).arg(jail_bin());
        command.args(["run", "-q", "--", "sh", "-c", &format!("umask; {shape}")]);
        let output = command.output().unwrap();
        assert_code(&output, 0);
        let text = stdout(&output);
        let (inside, modes) = text.split_once('\n').unwrap();
        assert_eq!(inside, mask);
        shapes.push(modes.to_owned());
    }
    assert!(shapes.windows(2).all(|pair| pair[0] == pair[1]), "{shapes:#?}");
    Ok(())
}

fn environment() -> Outcome {
    let case = Case::new();
    let run = |args: &[&str]| {
        let mut command = case.jail(&["run", "-q"]);
        command.args(args).args(["--", "env"]);
        command
            .env("LEAK", "secret-1")
            .env("AWS_SECRET_ACCESS_KEY", "secret-2")
            .env("WANTED", "yes");
        command.env("LD_PRELOAD_X", "secret-3").env("SSH_AUTH_SOCK", "secret-4");
        let output = command.output().unwrap();
        assert_code(&output, 0);
        stdout(&output)
    };
    let text = run(&[]);
    assert!(!text.contains("secret") && !text.contains("WANTED"), "{text}");
    assert!(text.contains("HOME=/home/jail\n") && text.contains("PATH="), "{text}");
    let text =
        run(&["--env", "WANTED", "--env", "SET=a b=c", "--env", "ABSENT", "--env", "EMPTY="]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.contains(&"WANTED=yes") && lines.contains(&"SET=a b=c"), "{text}");
    assert!(lines.contains(&"EMPTY=") && !text.contains("ABSENT"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    Ok(())
}

fn many_variables() -> Outcome {
    let case = Case::new();
    // Of the caller: none of jail's business.
    let mut command = case.jail(&["run", "-q", "--", "sh", "-c", "env | wc -l"]);
    for number in 0..10_000 {
        command.env(format!("CALLERS_{number}"), "x".repeat(50));
    }
    let output = command.output().unwrap();
    assert_code(&output, 0);
    assert!(stdout(&output).trim().parse::<u32>().unwrap() < 30);
    // Named: all of them.
    let mut args = vec!["run".to_owned(), "-q".to_owned()];
    for number in 0..10_000 {
        args.push(format!("--env=NAMED_{number}={number}"));
    }
    args.extend(["--", "sh", "-c", "env | grep -c ^NAMED_"].map(str::to_owned));
    let output = case.jail(&args).output().unwrap();
    assert_code(&output, 0);
    assert_eq!(stdout(&output), "10000\n");
    Ok(())
}

fn arguments() -> Outcome {
    let case = Case::new();
    let odd = ["", " ", "-x", "--", "a\nb", "\u{fffd}ü", "$(id)", "'\"\\", "*"];
    let mut args = vec!["run", "-q", "--", "printf", "%s|"];
    args.extend(odd);
    let output = case.jail(&args).output().unwrap();
    assert_code(&output, 0);
    assert_eq!(stdout(&output), odd.map(|arg| format!("{arg}|")).concat());
    // No valid text, but valid bytes.
    let bytes = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff\xfe");
    let bytes: &std::ffi::OsStr = bytes;
    let output = case.jail(&["run", "-q", "--", "printf", "%s"]).arg(bytes).output().unwrap();
    assert_eq!(output.stdout, b"\xff\xfe");
    Ok(())
}

fn session() -> Outcome {
    let case = Case::new();
    let mut command = case.script(&[], "cut -d' ' -f1,5,6,7 /proc/$$/stat");
    let output = command.process_group(0).output().unwrap();
    let text = stdout(&output);
    let fields: Vec<&str> = text.split_whitespace().collect();
    assert!(fields[0] == fields[1] && fields[1] == fields[2] && fields[3] == "0", "{fields:?}");
    Ok(())
}
