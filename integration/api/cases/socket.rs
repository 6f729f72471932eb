//! Where it listens, who gets in, and how it ends.

use super::Case;
use crate::http;
use crate::rig::{Rig, for_all};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

pub const ALL: &[Case] = &[
    ("socket: its owner's alone", false, owner),
    ("socket: another user is refused", true, another_user),
    ("socket: a confined process of the same user is refused", false, confined),
    ("socket: only loopback addresses", false, loopback_alone),
    ("socket: one server a workspace", false, one_server),
    ("socket: gone after SIGTERM", false, ends),
    ("socket: served again after kill -9", false, killed),
];

fn owner() {
    let rig = Rig::new();
    let socket = Path::new(&rig.server.unix);
    assert_eq!(fs::metadata(socket).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(socket.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
    let answer = rig.unix("GET /v1/runs", None);
    assert_eq!((answer.status, answer.json()["runs"].as_array().unwrap().len()), (200, 0));
    assert_eq!(rig.unix("GET /healthz", None).json()["status"], "ok");
}

fn asked(command: &mut Command) -> String {
    let done = command.output().unwrap();
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

fn another_user() {
    let rig = Rig::new();
    let place = tempfile::tempdir().unwrap();
    let program = for_all(place.path());
    let ask =
        |path: &str| asked(Command::new(&program).args(["--ask", path]).uid(65534).gid(65534));
    assert_eq!(ask(&rig.server.unix), "no connection");
    // Everything that the file system could say, undone: the kernel still says who it is.
    let mut path = Path::new(&rig.server.unix);
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
    while let Some(parent) = path.parent().filter(|it| *it != Path::new("/tmp")) {
        fs::set_permissions(parent, fs::Permissions::from_mode(0o755)).unwrap();
        path = parent;
        if path == Path::new("/") || path == std::env::temp_dir() {
            break;
        }
    }
    assert_eq!(asked(Command::new(&program).args(["--ask", &rig.server.unix])), "200");
    assert_eq!(ask(&rig.server.unix), "403");
}

fn confined() {
    let rig = Rig::new();
    let program = std::env::current_exe().unwrap();
    let path = rig.server.unix.as_str();
    assert_eq!(asked(Command::new(&program).args(["--ask", path])), "200");
    assert_eq!(asked(Command::new(&program).args(["--ask-filtered", path])), "403");
    let inside = asked(
        Command::new("unshare")
            .args(["--user", "--map-root-user"])
            .arg(&program)
            .args(["--ask", path]),
    );
    // Where no user namespace can be made, nobody is in one.
    assert!(inside == "403" || inside.is_empty(), "{inside}");
}

fn loopback_alone() {
    let rig = Rig::new();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:7777", "127.0.0.2:0"] {
        let done = rig.command(&["api", "--listen", address]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(2), "{address}: {said}");
        assert!(said.contains("is not 127.0.0.1 or ::1: whoever reaches it"), "{said}");
    }
}

fn one_server() {
    let rig = Rig::new();
    let done = rig.command(&["api"]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success() && said.contains("served already"), "{said}");
    assert_eq!(rig.unix("GET /healthz", None).status, 200);
}

fn ends() {
    let mut rig = Rig::new();
    // One that waits is no reason to go on.
    let _idle = http::tcp(rig.server.port);
    let pid = nix::unistd::Pid::from_raw(i32::try_from(rig.server.child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(rig.server.child.wait().unwrap().code(), Some(0));
    assert!(!Path::new(&rig.server.unix).exists());
}

fn killed() {
    let mut rig = Rig::new();
    let (token, _) = rig.device();
    rig.server.child.kill().unwrap();
    rig.server.child.wait().unwrap();
    assert!(Path::new(&rig.server.unix).exists());
    rig.restart();
    assert_eq!(rig.unix("GET /v1/runs", None).status, 200);
    assert_eq!(rig.with(&token, "GET /v1/runs", None).status, 200);
}
