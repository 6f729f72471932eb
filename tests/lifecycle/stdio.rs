//! The connector's three streams: untouched, and never a reason to hang.

use super::support::{Case, Outcome, assert_code, jail_bin, stderr, stdout, trial, wait};
use libtest_mimic::Trial;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("stdio::64_mib_through_pipes", pipes),
        trial("stdio::64_mib_through_a_socket", socket),
        trial("stdio::64_mib_through_files", files),
        trial("stdio::dev_null", null),
        trial("stdio::same_file_descriptions", same_files),
        trial("stdio::a_million_lines_of_stderr", many_lines),
        trial("stdio::stderr_reader_gone", stderr_gone),
        trial("stdio::missing_descriptors", missing),
        trial("stdio::no_other_descriptor_gets_in", no_other),
    ]
}

const LONG: Duration = Duration::from_secs(60);
const SIZE: usize = 64 << 20;

/// Bytes that no compression, line ending or encoding would survive; the same in every run.
fn noise() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(SIZE);
    while bytes.len() < SIZE {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

fn same(bytes: &[u8], expected: &[u8]) {
    assert_eq!(bytes.len(), expected.len());
    assert!(bytes == expected, "bytes were changed");
}

fn pipes() -> Outcome {
    let case = Case::new();
    let mut child =
        case.script(&[], "exec cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        let bytes = noise();
        input.write_all(&bytes).unwrap();
        bytes
    });
    let output = wait(child, LONG);
    assert_code(&output, 0);
    same(&output.stdout, &writer.join().unwrap());
    Ok(())
}

fn socket() -> Outcome {
    let case = Case::new();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let theirs: OwnedFd = theirs.into();
    let child = case
        .script(&[], "exec cat")
        .stdin(theirs.try_clone().unwrap())
        .stdout(theirs)
        .spawn()
        .unwrap();
    let mut writing = ours.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        let bytes = noise();
        writing.write_all(&bytes).unwrap();
        writing.shutdown(std::net::Shutdown::Write).unwrap();
        bytes
    });
    let mut reading = ours;
    let mut echoed = vec![0; SIZE];
    reading.read_exact(&mut echoed).unwrap();
    same(&echoed, &writer.join().unwrap());
    assert_code(&wait(child, LONG), 0);
    Ok(())
}

fn files() -> Outcome {
    let case = Case::new();
    let bytes = noise();
    let (from, to) = (case.path("from"), case.path("to"));
    std::fs::write(&from, &bytes).unwrap();
    let child = case
        .script(&[], "exec cat")
        .stdin(File::open(&from).unwrap())
        .stdout(File::create(&to).unwrap())
        .spawn()
        .unwrap();
    assert_code(&wait(child, LONG), 0);
    same(&std::fs::read(&to).unwrap(), &bytes);
    Ok(())
}

fn null() -> Outcome {
    let case = Case::new();
    let child = case
        .script(&["--eof-grace", "300ms"], "cat; sleep 0.5; exit 3")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_code(&wait(child, LONG), 3);
    Ok(())
}

/// stdin and stdout are not copied through jail: the connector holds the client's own pipe.
fn same_files() -> Outcome {
    let case = Case::new();
    let (out_read, out_write) = nix::unistd::pipe().unwrap();
    let (in_read, _in_write) = nix::unistd::pipe().unwrap();
    let inode = |fd: &OwnedFd| nix::sys::stat::fstat(fd).unwrap().st_ino;
    let expected = format!("pipe:[{}] pipe:[{}]\n", inode(&in_read), inode(&out_write));
    let child = case
        .script(&[], "echo $(readlink /proc/$$/fd/0) $(readlink /proc/$$/fd/1 <&0 3>&1)")
        .stdin(in_read)
        .stdout(out_write)
        .spawn()
        .unwrap();
    assert_code(&wait(child, LONG), 0);
    let mut text = String::new();
    File::from(out_read).read_to_string(&mut text).unwrap();
    assert_eq!(text, expected);
    Ok(())
}

fn many_lines() -> Outcome {
    const LINES: u32 = 1_000_000;
    let case = Case::new();
    let mut child = case
        .script(&[], &format!("seq {LINES} >&2; echo end"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let reader = BufReader::with_capacity(4096, child.stderr.take().unwrap());
    let mut next = 1;
    for read in reader.lines() {
        assert_eq!(read.unwrap(), next.to_string());
        if next % 50_000 == 0 {
            std::thread::sleep(Duration::from_millis(50));
        }
        next += 1;
    }
    assert_eq!(next, LINES + 1);
    let output = wait(child, LONG);
    assert_eq!(stdout(&output), "end\n");
    Ok(())
}

fn stderr_gone() -> Outcome {
    let case = Case::new();
    let mut child = case
        .script(&["--report", "json"], "seq 100000 >&2 && echo alive; exit 4")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    let output = wait(child, LONG);
    assert_eq!(stdout(&output), "alive\n");
    assert_code(&output, 4);
    Ok(())
}

/// With descriptors 0 to 2 missing, the next ones that are opened get their numbers: a pipe of jail's
/// own, or the audit log, would become the connector's stdout.
fn missing() -> Outcome {
    let case = Case::new();
    let look = "at() { readlink /proc/$$/fd/$1; }; seen=\"$(at 0; at 1; at 2)\"; \
                echo \"$seen\" > /workspace/fds; \
                echo noise >&2; cat; exit 5";
    for closed in ["<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"] {
        let out = case.path("out");
        std::fs::create_dir_all(&out).unwrap();
        let mut command = Command::new("sh");
        case.surround(&mut command);
        command
            .args(["-c", &format!("exec \"$0\" \"$@\" {closed}")])
            .arg(jail_bin())
            .args(["run", "-q", "--workspace"])
            .arg(format!("host:{}", out.display()))
            .args(["--", "sh", "-c", look])
            .stdin(Stdio::null())
            .stdout(File::create(case.path("stdout")).unwrap())
            .stderr(File::create(case.path("stderr")).unwrap());
        let output = wait(command.spawn().unwrap(), LONG);
        assert_code(&output, 5);
        let seen = std::fs::read_to_string(out.join("fds")).unwrap();
        let seen: Vec<&str> = seen.lines().collect();
        assert_eq!(seen.len(), 3, "{closed}: {seen:?}");
        for (number, redirection) in ["<&-", ">&-", "2>&-"].iter().enumerate() {
            let shown = seen[number];
            // stderr is always the relay's pipe; the other two are what jail was given, or nothing.
            let right = match (number, closed.split(' ').any(|c| c == *redirection)) {
                (2, _) => shown.starts_with("pipe:"),
                (0, _) | (_, true) => shown.ends_with("/dev/null"),
                (_, false) => shown.ends_with("stdout"),
            };
            assert!(right, "{closed}: descriptor {number} is {shown}");
        }
        let log = case.audit_log();
        assert!(log.lines().all(|line| line.starts_with('{')), "the audit log was written into");
        std::fs::remove_file(out.join("fds")).unwrap();
    }
    Ok(())
}

fn no_other() -> Outcome {
    let case = Case::new();
    let mut command = Command::new("bash");
    case.surround(&mut command);
    let script = "exec 3</etc/hostname 7>/dev/null 200</etc/passwd; exec \"$0\" \"$@\"";
    command.args(["-c", script]).arg(jail_bin()).args([
        "run",
        "-q",
        "--",
        "bash",
        "-c",
        "for f in /proc/$$/fd/*; do echo ${f##*/}; done",
    ]);
    let output = command.output().unwrap();
    assert_code(&output, 0);
    let mut seen: Vec<String> = stdout(&output).lines().map(str::to_owned).collect();
    // bash keeps one descriptor of its own for the script.
    seen.retain(|number| number != "255");
    let few: Vec<&str> = seen.iter().map(String::as_str).collect();
    assert!(few.starts_with(&["0", "1", "2"]) && few.len() <= 4, "{few:?} {}", stderr(&output));
    assert!(!few.contains(&"7") && !few.contains(&"200"), "{few:?}");
    Ok(())
}
