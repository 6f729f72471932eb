//! `--apply`, on the host of a scene: what the program does itself, and what it refuses.

use super::Scene;
use super::tool::{PATH, Tool};
use super::world::*;
use nix::pty::openpty;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub const ALL: &[Scene] = &[
    ("apply_loads_looks_and_records_and_removes", whole),
    ("apply_asks_on_a_terminal_and_refuses_without", asks),
    ("apply_finds_out_that_the_rules_are_not_those", tampered),
    ("apply_leaves_nothing_of_rules_that_are_refused", refused),
];

/// A workspace with a registry, a state folder, and `PATH`.
struct Desk {
    folder: tempfile::TempDir,
    format: &'static str,
    path: String,
}

pub fn jail() -> PathBuf {
    if let Some(path) = std::env::var_os("JAIL") {
        return path.into();
    }
    let beside = std::env::current_exe().expect("my path").with_file_name("jail");
    if beside.is_file() { beside } else { Path::new(env!("CARGO_BIN_EXE_jail")).into() }
}

impl Desk {
    fn new(tool: &Tool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["bin", ".cloned"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let registry = "version: 1\nservices:\n  localai: {port: 8080}\n";
        fs::write(folder.path().join(".cloned/ports.yaml"), registry).expect("a registry");
        let path = tool.path(&folder.path().join("bin"));
        let format = if tool.iptables() { "iptables" } else { "nftables" };
        Self { folder, format, path }
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(jail());
        command.args(["firewall", "export", "--host", "--format", self.format]).args(more);
        command.current_dir(self.folder.path()).env_clear().env("PATH", &self.path);
        command.env("XTABLES_LOCKFILE", self.folder.path().join("lock"));
        command.stdin(Stdio::null());
        command
    }

    fn apply(&self, more: &[&str]) -> Output {
        self.command(&[&["--apply"], more].concat()).output().expect("jail")
    }

    fn log(&self) -> Vec<serde_json::Value> {
        let text =
            fs::read_to_string(self.folder.path().join(".cloned/audit.log")).unwrap_or_default();
        let event = |line: &str| {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON")["event"].take()
        };
        text.lines().map(event).collect()
    }
}

fn said(output: &Output) -> String {
    format!("{} {}", output.status, String::from_utf8_lossy(&output.stderr))
}

fn whole(tool: &Tool) {
    let world = build();
    world.host.serve_tcp(ANY6, 8080);
    world.host.serve_tcp(ANY6, 9999);
    tool.furnish();
    let before = tool.everything();
    let desk = Desk::new(tool);
    world.outside.reaches(HOST4, 8080);
    let mut once = String::new();
    for round in 0..2 {
        let output = desk.apply(&["--yes"]);
        assert!(output.status.success() && output.stdout.is_empty(), "{}", said(&output));
        assert!(said(&output).contains("tcp 8080 (localai)"), "{}", said(&output));
        for to in [HOST4, HOST6] {
            world.outside.hears_nothing(to, 8080);
            world.outside.reaches(to, 9999);
            world.host.reaches(to, 8080);
        }
        if round == 0 {
            once = tool.everything();
        }
        assert_eq!(tool.everything(), once);
    }
    // The same as by hand.
    let by_hand = desk.command(&[]).output().expect("jail");
    assert!(by_hand.status.success() && !by_hand.stdout.is_empty(), "{}", said(&by_hand));
    let output = desk.apply(&["--yes", "--remove"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(tool.everything(), before);
    world.outside.reaches(HOST4, 8080);
    // With nothing there it is no error.
    assert!(desk.apply(&["--yes", "--remove"]).status.success());
    let log = desk.log();
    let short = |event: &serde_json::Value| {
        format!("{} {} {}", event["kind"], event["change"], event["closed"])
    };
    let told: Vec<String> = log.iter().map(short).collect();
    let applied = r#""firewall" "applied" ["tcp 8080 (localai)"]"#;
    let removed = r#""firewall" "removed" null"#;
    assert_eq!(told, [applied, applied, removed, removed]);
    let digest = jail::audit::Digest::of(&by_hand.stdout).to_string();
    assert_eq!(log[0]["rules_sha256"], digest.as_str());
    let mut verify = Command::new(jail());
    run(verify.args(["audit", "verify"]).current_dir(desk.folder.path()));
}

fn asks(tool: &Tool) {
    let world = build();
    world.host.serve_tcp(ANY6, 8080);
    let desk = Desk::new(tool);
    let before = tool.everything();
    let output = desk.apply(&[]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("--yes"), "{}", said(&output));
    for (answer, code) in [("n\n", 1), ("\n", 1), ("yesterday\n", 1), ("y\n", 0)] {
        assert_eq!(tool.everything().contains("8080"), before.contains("8080"));
        world.outside.reaches(HOST4, 8080);
        let terminal = openpty(None, None).expect("a terminal");
        let ours = terminal.slave.try_clone().expect("a descriptor");
        let mut command = desk.command(&["--apply"]);
        command.stdin(terminal.slave).stderr(ours);
        File::from(terminal.master.try_clone().expect("a descriptor"))
            .write_all(answer.as_bytes())
            .expect("an answer");
        let status = command.status().expect("jail");
        assert_eq!(status.code(), Some(code), "{answer:?}");
    }
    world.outside.hears_nothing(HOST4, 8080);
}

/// The program is told one thing on the host, and another before.
fn tampered(tool: &Tool) {
    let _world = build();
    let desk = Desk::new(tool);
    let name = if tool.iptables() { "ip6tables-restore" } else { "nft" };
    let bin = desk.folder.path().join("bin");
    let real = if tool.iptables() {
        fs::rename(bin.join(name), bin.join("real")).expect("renamed");
        format!("exec -a {name} {}", tool.program)
    } else {
        format!("exec {}", tool.program)
    };
    let seen = desk.folder.path().join("seen");
    // The second to load is the one on the host; whoever takes it all away is let do so.
    let script = format!(
        "#!/bin/bash\ncase \"$*\" in\n\"-f -\"|*--noflush)\n  echo >>{seen}\n  \
         if [ \"$(wc -l <{seen})\" = 2 ]; then sed 's/8080/8089/' >{seen}.rules; {real} \"$@\" <{seen}.rules; fi\nesac\n\
         {real} \"$@\"\n",
        seen = seen.display(),
    );
    fs::write(bin.join(name), script).expect("a script");
    fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).expect("its mode");
    let output = desk.apply(&["--yes"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("not those that were loaded") && text.contains("8089"), "{text}");
    assert!(text.contains("none of jail's rules is loaded now"), "{text}");
    let left = tool.everything();
    assert!(!left.contains("jail_host") && !left.contains("JAIL_HOST"), "{left}");
    assert!(desk.log()[0]["failed"].is_string(), "{:?}", desk.log());
}

/// The second family does not work: the first is not left half done.
fn refused(tool: &Tool) {
    let _world = build();
    let desk = Desk::new(tool);
    let name = if tool.iptables() { "ip6tables-restore" } else { "nft" };
    let path = desk.folder.path().join("bin").join(name);
    drop(fs::remove_file(&path));
    fs::write(&path, "#!/bin/sh\necho no such thing here >&2\nexit 3\n").expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    let output = desk.apply(&["--yes"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("no such thing here"), "{text}");
    let left = tool.everything();
    assert!(!left.contains("jail_host") && !left.contains("JAIL_HOST"), "{left}");
}

/// On the machine itself, but nothing is done there: who is not root is refused before.
pub fn is_for_root() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("jail");
    fs::copy(jail(), &program).expect("a copy");
    for path in [folder.path(), &program] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
    }
    for format in ["nftables", "iptables"] {
        let mut command = Command::new(&program);
        if nix::unistd::geteuid().is_root() {
            command.uid(65534).gid(65534);
        }
        command.args(["firewall", "export", "--host", "--format", format, "--apply", "--yes"]);
        let output = command.current_dir(folder.path()).env_clear().env("PATH", PATH).output();
        let output = output.expect("jail");
        let text = said(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("only root") && text.contains("sudo"), "{text}");
    }
}
