//! `--listen unix:PATH`: one jail for each connection.

use super::support::{
    Case, Outcome, Skip, assert_code, assert_refused, is_root, line, signal, skip, trial, wait,
    within,
};
use libtest_mimic::Trial;
use nix::sys::signal::Signal;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("listen::two_connections_two_jails", two),
        trial("listen::for_the_same_user_only", other_user),
        trial("listen::what_is_in_the_way", in_the_way),
        trial("listen::sigterm_ends_all", sigterm),
        trial("listen::killed_and_started_again", killed),
        trial("listen::a_hundred_connections", hundred),
        trial("listen::a_bad_policy_is_refused_at_once", bad_policy),
    ]
}

const LONG: Duration = Duration::from_secs(15);

struct Server {
    child: Child,
    path: PathBuf,
}

impl Server {
    fn start(case: &Case, script: &str) -> Self {
        let path = case.path("work/socket");
        let address = format!("unix:{}", path.display());
        let child = case
            .script(&["--listen", &address], script)
            .stdout(Stdio::piped())
            .stderr(fs::File::create(case.path("server.log")).unwrap())
            .spawn()
            .unwrap();
        let up = within(LONG, || UnixStream::connect(&path).is_ok());
        assert!(up, "{}", fs::read_to_string(case.path("server.log")).unwrap());
        Self { child, path }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    fn stop(self) {
        signal(&self.child, Signal::SIGTERM);
        assert_code(&wait(self.child, LONG), 0);
        assert!(!self.path.exists(), "the socket is left");
    }
}

fn ask(stream: &mut UnixStream, question: &str) -> String {
    writeln!(stream, "{question}").unwrap();
    line(stream)
}

const SHELL: &str = "while read -r question; do eval \"$question\"; done";

fn two() -> Outcome {
    let case = Case::new();
    let server = Server::start(&case, SHELL);
    let meta = server.path.metadata().unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    let (mut one, mut two) = (server.connect(), server.connect());
    assert_eq!(ask(&mut one, "echo first > /workspace/x; cat /workspace/x"), "first");
    assert_eq!(ask(&mut two, "cat /workspace/x 2>/dev/null || echo none"), "none");
    assert_eq!(ask(&mut one, "cat /workspace/x"), "first");
    let spaces = "echo $(readlink /proc/self/ns/mnt /proc/self/ns/net /proc/self/ns/pid)";
    assert_ne!(ask(&mut one, spaces), ask(&mut two, spaces));
    drop(two);
    assert_eq!(ask(&mut one, "echo alive"), "alive");
    drop(one);
    // A client that has gone takes its jail with it, and only its own.
    let gone =
        within(LONG, || case.processes().iter().filter(|(_, c)| c.starts_with("sh ")).count() == 0);
    assert!(gone, "{:?}", case.processes());
    server.stop();
    case.assert_nothing_left();
    Ok(())
}

/// Even root's client is another user's, and even a socket with a mode for everybody lets nobody in.
fn other_user() -> Outcome {
    if !is_root() {
        return skip("needs root, to connect as somebody else");
    }
    let case = Case::new();
    let server = Server::start(&case, SHELL);
    let open_to_all =
        |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode));
    for folder in server.path.ancestors().skip(1).take(2) {
        open_to_all(folder, 0o755).unwrap();
    }
    let client = "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
                  s.sendall(b'echo inside\\n')\nprint('got', s.recv(100))";
    let as_nobody = || {
        Command::new("setpriv")
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .args(["/usr/bin/python3", "-c", client])
            .arg(&server.path)
            .output()
    };
    let Ok(output) = as_nobody() else { return Err(Skip("setpriv(1) is not installed".into())) };
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    if told.contains("python3") && told.contains("No such file") {
        return skip("/usr/bin/python3 is not installed");
    }
    assert!(told.contains("PermissionError"), "{told}");
    open_to_all(&server.path, 0o666).unwrap();
    let output = as_nobody().unwrap();
    let got = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!got.contains("inside"), "{got}");
    let log = fs::read_to_string(case.path("server.log")).unwrap();
    assert!(log.contains("another user"), "{log}");
    assert_eq!(ask(&mut server.connect(), "echo still served"), "still served");
    server.stop();
    Ok(())
}

fn in_the_way() -> Outcome {
    let case = Case::new();
    let path = case.path("work/socket");
    let address = format!("unix:{}", path.display());
    let start = || case.script(&["--listen", &address], "cat").output().unwrap();
    fs::write(&path, "precious").unwrap();
    assert_refused(&start(), 125, &["no socket is in the way"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    assert_refused(&start(), 125, &["in the way"]);
    fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    assert_refused(&start(), 125, &["listening there already"]);
    assert!(path.exists(), "the socket of the one that serves was removed");
    drop(other);
    // Nobody behind it any more: replaced.
    let server = Server::start(&case, SHELL);
    assert_refused(&start(), 125, &["listening there already"]);
    assert_eq!(ask(&mut server.connect(), "echo ours"), "ours");
    server.stop();
    let missing = format!("unix:{}", case.path("no/such/folder/socket").display());
    let output = case.script(&["--listen", &missing], "cat").output().unwrap();
    assert_refused(&output, 125, &["cannot listen"]);
    Ok(())
}

fn sigterm() -> Outcome {
    let case = Case::new();
    let server = Server::start(
        &case,
        "trap '' TERM; setsid sleep 400 & echo up; while :; do sleep 0.1; done",
    );
    let mut streams: Vec<UnixStream> = (0..3).map(|_| server.connect()).collect();
    for stream in &mut streams {
        assert_eq!(line(stream), "up");
    }
    server.stop();
    // Those that were killed die a moment after their supervisors.
    assert!(within(LONG, || case.processes().is_empty()), "{:?}", case.processes());
    for stream in &mut streams {
        let mut rest = Vec::new();
        // A reset is an end as well.
        drop(stream.read_to_end(&mut rest));
        assert!(rest.is_empty());
    }
    case.assert_nothing_left();
    // A connector that obeys: every run has its end in the audit log.
    let server = Server::start(&case, "echo up; exec sleep 400");
    let mut streams: Vec<UnixStream> = (0..3).map(|_| server.connect()).collect();
    for stream in &mut streams {
        assert_eq!(line(stream), "up");
    }
    let ends = || {
        case.audit_log().matches("run-end").count().max(case.audit_log().matches("run-end").count())
    };
    let before = ends();
    server.stop();
    assert!(ends() >= before + 3, "{}", case.audit_log());
    case.assert_nothing_left();
    Ok(())
}

fn killed() -> Outcome {
    let case = Case::new();
    let server = Server::start(&case, "setsid sleep 401 & echo up; sleep 402");
    let mut stream = server.connect();
    assert_eq!(line(&mut stream), "up");
    let Server { mut child, path } = server;
    signal(&child, Signal::SIGKILL);
    child.wait().unwrap();
    assert!(within(LONG, || case.processes().is_empty()), "{:?}", case.processes());
    assert!(path.exists(), "nobody could have removed it");
    let server = Server::start(&case, SHELL);
    assert_eq!(ask(&mut server.connect(), "echo again"), "again");
    server.stop();
    case.assert_nothing_left();
    Ok(())
}

fn hundred() -> Outcome {
    let case = Case::new();
    let server = Server::start(&case, SHELL);
    let descriptors =
        || fs::read_dir(format!("/proc/{}/fd", server.child.id())).map_or(0, Iterator::count);
    assert_eq!(ask(&mut server.connect(), "echo warm"), "warm");
    let settled = |expected| within(LONG, || descriptors() <= expected);
    std::thread::sleep(Duration::from_millis(500));
    let before = descriptors();
    for number in 0..100 {
        let mut stream = server.connect();
        assert_eq!(ask(&mut stream, &format!("echo {number}; exit 0")), number.to_string());
    }
    assert!(settled(before), "{} descriptors, {before} before", descriptors());
    let only = within(LONG, || case.processes().len() == 1);
    assert!(only, "{:?}", case.processes());
    server.stop();
    case.assert_nothing_left();
    Ok(())
}

fn bad_policy() -> Outcome {
    let case = Case::new();
    let path = case.path("work/socket");
    let address = format!("unix:{}", path.display());
    let output =
        case.jail(&["run", "--listen", &address, "--read", "/", "--", "cat"]).output().unwrap();
    assert_refused(&output, 125, &["never granted whole"]);
    assert!(!path.exists());
    let output = case.jail(&["run", "--listen", "tcp:1234", "--", "cat"]).output().unwrap();
    assert_refused(&output, 125, &["unix:PATH"]);
    Ok(())
}
