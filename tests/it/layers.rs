//! Layers over each other: built-in defaults, the user's defaults, the manifest, options.

use clap::Parser;
use jail::failure::{Failure, Kind};
use jail::firewall::Effect;
use jail::policy::load::{self, Sources, WorkspaceRoot};
use jail::policy::{
    Backend, Bytes, ConnectorName, Cpus, EnvValue, NetworkMode, Origin, Overrides, Policy,
    SeccompChoice, SecretSource, SecretTarget, SystemTree, Workspace,
};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// A workspace `w`, a home `home` and a configuration folder `config`, side by side.
struct Machine {
    dir: TempDir,
}

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["w/.cloned/connectors", "w/sub/folder", "home", "config/jail"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        Self { dir }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn manifest(self, name: &str, text: &str) -> Self {
        self.file(&format!("w/.cloned/connectors/{name}.yaml"), text)
    }

    fn file(self, path: &str, text: &str) -> Self {
        fs::write(self.path(path), text).unwrap();
        self
    }

    fn sources(&self) -> Sources {
        Sources {
            cwd: self.path("w/sub"),
            home: Some(self.path("home")),
            config_home: Some(self.path("config")),
        }
    }

    fn connector(&self, name: &str, options: &[&str]) -> Result<Policy, Failure> {
        load::connector(&name.parse().unwrap(), &self.sources(), &overrides(options))
    }

    fn ad_hoc(&self, argv: &[&str], options: &[&str]) -> Result<Policy, Failure> {
        let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
        load::ad_hoc(&argv, &self.sources(), &overrides(options))
    }
}

fn overrides(options: &[&str]) -> Overrides {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        overrides: Overrides,
    }
    let line = std::iter::once("jail").chain(options.iter().copied());
    Line::try_parse_from(line).unwrap().overrides
}

fn place(origin: &Origin) -> (String, u32, u32) {
    match origin {
        Origin::File { path, line, column } => {
            (path.file_name().unwrap().to_string_lossy().into_owned(), *line, *column)
        }
        other => panic!("{other:?} is no file"),
    }
}

const SMALL: &str = "name: a\ncommand: server\n";

#[test]
fn without_settings_the_built_in_defaults_hold() {
    let machine = Machine::new().manifest("a", SMALL);
    let policy = machine.connector("a", &[]).unwrap();
    assert_eq!(policy.name.as_str(), "a");
    assert_eq!(policy.command.value, ["server"]);
    assert_eq!(place(&policy.command.origin), ("a.yaml".into(), 2, 10));
    assert_eq!(policy.limits.memory.value, Bytes(256 << 20));
    assert_eq!(policy.limits.cpus.value, Cpus(1000));
    assert_eq!(policy.limits.pids.value, 64);
    assert_eq!(policy.limits.files.value, 1024);
    assert_eq!(policy.limits.nice.value, 0);
    assert_eq!(policy.limits.timeout, None);
    assert_eq!(policy.filesystem.scratch.value, Bytes(64 << 20));
    assert_eq!(policy.filesystem.workspace.value, Workspace::Tmpfs { size: Bytes(256 << 20) });
    assert_eq!(policy.filesystem.system.value, SystemTree::Usr);
    assert_eq!(policy.seccomp.value, SeccompChoice::BuiltIn("default".into()));
    assert_eq!(policy.sandbox.value, Backend::Namespace);
    assert!(!policy.network.loopback.value && policy.network.rules.is_empty());
    assert_eq!(policy.network.mode.value, NetworkMode::Proxy);
    assert_eq!((policy.network.connections.value, policy.network.bandwidth), (256, None));
    assert_eq!(policy.eof_grace.value, Some(Duration::from_secs(10)));
    assert!(!policy.limits.memory.origin.is_explicit());
}

#[test]
fn a_later_layer_wins_and_its_place_is_kept() {
    let machine = Machine::new()
        .file("config/jail/defaults.yaml", "limits:\n  memory: 100M\n  cpus: 2\n  pids: 10\n")
        .manifest("a", "name: a\ncommand: server\nlimits:\n  cpus: 3\n  pids: 20\n");
    let policy = machine.connector("a", &["--pids", "30"]).unwrap();
    assert_eq!(policy.limits.memory.value, Bytes(100 << 20));
    assert_eq!(place(&policy.limits.memory.origin), ("defaults.yaml".into(), 2, 11));
    assert_eq!(policy.limits.cpus.value, Cpus(3000));
    assert_eq!(place(&policy.limits.cpus.origin), ("a.yaml".into(), 4, 9));
    assert_eq!(policy.limits.pids.value, 30);
    assert_eq!(policy.limits.pids.origin, Origin::Flag("--pids"));
}

#[test]
fn lists_add_up_and_the_same_key_is_replaced() {
    let machine = Machine::new()
        .file(
            "config/jail/defaults.yaml",
            "env: {A: '1', B: '1'}\nfilesystem: {read: [/one, /two]}\nnetwork: {allow: [a.example]}\n",
        )
        .manifest(
            "a",
            "name: a\ncommand: server\nenv: {B: '2', C: '2'}\nfilesystem: {write: [/two]}\n\
             network: {allow: [a.example, b.example]}\n",
        );
    let policy = machine.connector("a", &["--env", "C=3=3", "--env", "D"]).unwrap();
    let env = |name: &str| {
        let found: Vec<_> = policy.env.iter().filter(|entry| entry.value.name == name).collect();
        assert_eq!(found.len(), 1, "{name}");
        found[0].clone()
    };
    assert_eq!(env("A").value.value, EnvValue::Literal("1".into()));
    assert_eq!(env("B").value.value, EnvValue::Literal("2".into()));
    assert_eq!(env("C").value.value, EnvValue::Literal("3=3".into()));
    assert_eq!(env("D").value.value, EnvValue::FromHost);
    assert_eq!(env("C").origin, Origin::Flag("--env"));
    let paths = |rules: &[jail::policy::Setting<jail::policy::PathRule>]| -> Vec<PathBuf> {
        rules.iter().map(|rule| rule.value.path.clone()).collect()
    };
    assert_eq!(paths(&policy.filesystem.read), [Path::new("/one")], "/two became writable");
    assert_eq!(paths(&policy.filesystem.write), [Path::new("/two")]);
    assert_eq!(policy.network.rules.len(), 2);
}

#[test]
fn paths_start_where_they_were_written() {
    let machine = Machine::new()
        .manifest("a", "name: a\ncommand: ./server\nfilesystem: {read: [data, ~/notes]}\n");
    let policy = machine.connector("a", &["--read", "here", "--workspace", "copy:there"]).unwrap();
    let read: Vec<_> = policy.filesystem.read.iter().map(|rule| rule.value.path.clone()).collect();
    let expected = ["w/data", "home/notes", "w/sub/here"].map(|path| machine.path(path));
    assert_eq!(read, expected);
    assert_eq!(policy.command.value, [machine.path("w/server")]);
    let copy = Workspace::Copy { path: machine.path("w/sub/there"), size: Bytes(256 << 20) };
    assert_eq!(policy.filesystem.workspace.value, copy);
}

#[test]
fn every_field_arrives() {
    let text = include_str!("../manifests/good/everything.yaml");
    let machine = Machine::new().manifest("everything", text);
    let policy = machine.connector("everything", &[]).unwrap();
    assert_eq!(policy.tool.unwrap().value.as_str(), "cloned.mcp.web.search@v1");
    let command = ["/usr/bin/env", "-S", "node", "server.js", "--flag=a b", ""];
    assert_eq!(policy.command.value, command);
    assert_eq!(policy.env.len(), 7);
    let secrets: Vec<_> =
        policy.secrets.iter().map(|it| (&it.value.source, &it.value.target)).collect();
    let words = ["pass", "show", "mcp/api key"].map(str::to_owned).to_vec();
    assert_eq!(secrets[0].0, &SecretSource::File(machine.path("home/.config/token")));
    assert_eq!(secrets[1], (&SecretSource::Fd(3), &SecretTarget::File("key.pem".into())));
    assert_eq!(secrets[2].1, &SecretTarget::Env("API_KEY".into()));
    assert_eq!(secrets[3].0, &SecretSource::Command(words));
    assert_eq!(place(&policy.secrets[1].origin), ("everything.yaml".into(), 18, 11));
    let shown: Vec<String> = policy.network.rules.iter().map(ToString::to_string).collect();
    let expected = [
        "api.example.com:443 (Authorization from proxy-only)",
        "*.example.org:443",
        "db.example.com:5432 (raw, private)",
        "10.0.0.7:6379 (raw)",
        "[2001:db8::1]:443",
        "[::1]:443 (ech)",
        "localhost:8080",
        "metrics.example.org",
        "*.ads.example.org:80",
    ];
    assert_eq!(shown, expected);
    let [api, .., ads, _] = policy.network.rules.as_slice() else { panic!() };
    assert_eq!(place(&api.origin), ("everything.yaml".into(), 43, 13));
    let inject = api.inject.as_ref().unwrap();
    assert_eq!((inject.secret.as_str(), inject.format.as_str()), ("proxy-only", "Bearer %s"));
    assert_eq!(
        (ads.effect, ads.because.as_deref()),
        (Effect::Deny, Some("tells others what we do"))
    );
    assert_eq!(policy.network.connections.value, 32);
    assert_eq!(policy.network.bandwidth.as_ref().unwrap().value, Bytes(10 << 20));
    assert_eq!(policy.network.mode.value, NetworkMode::Proxy);
    assert_eq!(secrets[4].1, &SecretTarget::Egress);
    assert_eq!(secrets[5].1, &SecretTarget::Egress);
    assert!(policy.network.loopback.value && policy.network.loopback.origin.is_explicit());
    let ports: Vec<_> = policy.ports.iter().map(|it| (it.value.listen, it.value.publish)).collect();
    assert_eq!(ports[2], (3002, None));
    assert_eq!(ports[1].1.unwrap().to_string(), "[::1]:3001");
    let io = policy.limits.io.unwrap().value;
    assert_eq!((io.read, io.write), (Some(Bytes(50 << 20)), Some(Bytes(20 << 20))));
    assert_eq!(policy.limits.timeout.unwrap().value, Duration::from_secs(600));
    assert_eq!(policy.limits.file_size.unwrap().value, Bytes(1 << 30));
    let rpc = policy.rpc.unwrap().value;
    assert_eq!(rpc.methods.unwrap().len(), 4);
    assert_eq!(rpc.tools.unwrap(), ["search", "fetch"]);
    assert_eq!(rpc.max_frame, Some(Bytes(4 << 20)));
    assert_eq!(policy.filesystem.unprotect.len(), 2);
    assert_eq!(policy.allow_missing.len(), 5);
    assert_eq!(policy.eof_grace.value, Some(Duration::from_secs(3600)));
}

/// An empty list of the guard allows nothing; it must not become "no list", which allows all.
#[test]
fn an_empty_guard_list_stays_a_list() {
    let machine = Machine::new().manifest("a", &format!("{SMALL}rpc: {{methods: []}}\n"));
    let rpc = machine.connector("a", &[]).unwrap().rpc.unwrap().value;
    assert_eq!((rpc.methods, rpc.tools), (Some(Vec::new()), None));
}

#[test]
fn texts_are_taken_as_written() {
    let text = include_str!("../manifests/good/texts.yaml");
    let policy = Machine::new().manifest("texts", text).connector("texts", &[]).unwrap();
    let args = [
        "server",
        "plain words",
        "it's quoted",
        "line\nbreak\ttab",
        "several\nlines\n",
        "folded line",
        "<<",
        "*",
        "0755",
        "null_and_void",
    ];
    assert_eq!(policy.command.value, args);
    let values: Vec<_> = policy.env.iter().map(|entry| entry.value.value.clone()).collect();
    let literal = |text: &str| EnvValue::Literal(text.to_owned());
    assert_eq!(values, [literal("no"), literal("déjà vu"), literal("1.10")]);
}

#[test]
fn a_command_without_a_manifest() {
    let machine = Machine::new().file("config/jail/defaults.yaml", "limits: {nice: 7}\n");
    let policy = machine
        .ad_hoc(
            &["/opt/My Tool", "--flag"],
            &[
                "--memory",
                "1G",
                "--allow",
                "a.example",
                "--sandbox",
                "none",
                "--timeout",
                "2m",
                "--allow-missing",
                "io,landlock",
                "--eof-grace",
                "3s",
                "--seccomp",
                "./p.json",
                "--system",
                "minimal",
                "--scratch",
                "1M",
                "--files",
                "2048",
                "--cpus",
                "0.5",
            ],
        )
        .unwrap();
    assert_eq!(policy.name.as_str(), "my-tool");
    assert_eq!(policy.command.value, ["/opt/My Tool", "--flag"]);
    assert_eq!(policy.limits.nice.value, 7);
    assert_eq!(policy.limits.memory.value, Bytes(1 << 30));
    assert_eq!(policy.limits.cpus.value, Cpus(500));
    assert_eq!(policy.limits.timeout.unwrap().value, Duration::from_secs(120));
    assert_eq!(policy.allow_missing.len(), 2);
    assert_eq!(policy.eof_grace.value, Some(Duration::from_secs(3)));
    assert_eq!(policy.seccomp.value, SeccompChoice::File(machine.path("w/sub/p.json")));
    assert_eq!(policy.sandbox.value, Backend::None);

    assert_eq!(machine.ad_hoc(&["cat"], &[]).unwrap().eof_grace.value, None);
    assert_eq!(machine.ad_hoc(&[], &[]).unwrap_err().kind, Kind::Usage);
    assert_eq!(machine.ad_hoc(&[""], &[]).unwrap_err().kind, Kind::Usage);
}

#[test]
fn options_of_the_network_lie_over_the_manifest() {
    let text = format!(
        "{SMALL}ports: [{{listen: 3000}}]\nnetwork: {{allow: [a.example, {{host: b.example, raw: true}}]}}\n"
    );
    let machine = Machine::new().manifest("a", &text);
    let shown = |policy: &Policy| -> Vec<String> {
        let rules = policy.network.rules.iter();
        rules.map(|rule| format!("{:?} {rule} by {}", rule.effect, rule.origin)).collect()
    };
    let options = ["--allow", "B.example.", "--deny", "*.example.com", "--deny", "c.example:80"];
    let policy = machine.connector("a", &options).unwrap();
    let manifest = machine.path("w/.cloned/connectors/a.yaml");
    let expected = [
        format!("Allow a.example:443 by {}:4", manifest.display()),
        // Not raw: the later layer says it anew.
        "Allow b.example:443 by --allow".to_owned(),
        "Deny *.example.com by --deny".to_owned(),
        "Deny c.example:80 by --deny".to_owned(),
    ];
    assert_eq!(shown(&policy), expected);

    let policy = machine.connector("a", &["--network", "none", "--publish", "8080:3000"]).unwrap();
    assert_eq!(policy.network.mode.value, NetworkMode::None);
    assert_eq!(policy.network.mode.origin, Origin::Flag("--network"));
    assert_eq!(policy.network.rules.len(), 2, "of no use, and no contradiction");
    let [port] = policy.ports.as_slice() else { panic!("{:?}", policy.ports) };
    assert_eq!((port.value.listen, port.value.publish), (3000, "127.0.0.1:8080".parse().ok()));

    let modes = [(&[][..], NetworkMode::Auto), (&["--network", "proxy"][..], NetworkMode::Proxy)];
    for (options, mode) in modes {
        assert_eq!(machine.ad_hoc(&["cat"], options).unwrap().network.mode.value, mode);
    }
}

#[test]
fn options_of_the_network_that_contradict_are_refused() {
    let machine = Machine::new();
    for (options, what) in [
        (
            &["--network", "none", "--allow", "a.example"][..],
            "--allow: allows `a.example`, but the network is `none` (--network)",
        ),
        (
            &["--allow", "a.example", "--deny", "a.example"][..],
            "--allow: `a.example` is denied as well (--deny)",
        ),
        (
            &["--allow", "a.example", "--allow", "A.example:443"][..],
            "--allow: `a.example` is listed twice (--allow)",
        ),
    ] {
        let failure = machine.ad_hoc(&["cat"], options).unwrap_err();
        assert_eq!((failure.kind, failure.what.as_str()), (Kind::Usage, what));
    }
}

#[test]
fn wrong_options_are_told_by_their_name() {
    let machine = Machine::new();
    let failure = machine.ad_hoc(&["cat"], &["--read", "../other"]).unwrap_err();
    assert_eq!(failure.kind, Kind::Usage);
    assert!(failure.what.starts_with("--read: expected a path without `..`"), "{failure}");
    let failure = machine.ad_hoc(&["cat"], &["--read", "x", "--write", "x"]).unwrap_err();
    assert!(failure.what.starts_with("--write: "), "{failure}");
    let home = format!("host:{}", machine.path("home").display());
    assert!(machine.ad_hoc(&["cat"], &["--workspace", &home]).is_err());
}

#[test]
fn defaults_are_not_one_connector() {
    for (text, field) in [
        ("name: a\n", "name"),
        ("command: a\n", "command"),
        ("args: [a]\n", "args"),
        ("package: npm:a@1.2.3\n", "package"),
        ("tool: a@v1\n", "tool"),
    ] {
        let machine = Machine::new().file("config/jail/defaults.yaml", text).manifest("a", SMALL);
        let failure = machine.connector("a", &[]).unwrap_err();
        let expected = format!("defaults.yaml:1:{}: field {field}: belongs", field.len() + 3);
        assert!(failure.what.contains(&expected), "{failure}");
        assert_eq!(failure.kind, Kind::Policy);
    }
}

#[test]
fn the_nearest_workspace_counts() {
    let machine = Machine::new();
    let root = WorkspaceRoot::find(&machine.path("w/sub/folder")).unwrap().unwrap();
    assert_eq!(root.path, machine.path("w"));
    fs::create_dir(machine.path("w/sub/.cloned")).unwrap();
    assert_eq!(
        WorkspaceRoot::find(&machine.path("w/sub/folder")).unwrap().unwrap().path,
        machine.path("w/sub")
    );
    fs::remove_dir(machine.path("w/sub/.cloned")).unwrap();
    fs::write(machine.path("w/sub/.cloned"), "a file is no workspace").unwrap();
    assert_eq!(
        WorkspaceRoot::find(&machine.path("w/sub")).unwrap().unwrap().path,
        machine.path("w")
    );
}

#[test]
fn an_unknown_connector_is_told_the_near_name() {
    let machine = Machine::new().manifest("github", "").manifest("slack", "");
    let failure = machine.connector("gihub", &[]).unwrap_err();
    assert_eq!(failure.kind, Kind::Policy);
    assert_eq!(failure.hints, ["did you mean `github`?"]);
    let failure = machine.connector("postgres", &[]).unwrap_err();
    assert_eq!(failure.hints, ["there are: github, slack"]);
}

#[test]
fn a_link_does_not_lead_to_the_policy() {
    let machine =
        Machine::new().manifest("a", &format!("{SMALL}filesystem: {{write: [link]}}\n")).manifest(
            "b",
            "name: b\ncommand: server\nfilesystem: {workspace: {host: link/connectors}}\n",
        );
    symlink(machine.path("w/.cloned"), machine.path("w/link")).unwrap();
    // A place that is still to be made, behind the link.
    let machine =
        machine.manifest("c", "name: c\ncommand: server\nfilesystem: {write: [link/new/folder]}\n");
    for name in ["a", "b", "c"] {
        let failure = machine.connector(name, &[]).unwrap_err();
        assert!(failure.what.contains("writable from inside"), "{failure}");
    }
    // The other way round: `.cloned` is itself a link to a folder elsewhere.
    let machine = Machine::new().manifest("a", SMALL);
    fs::rename(machine.path("w/.cloned"), machine.path("policies")).unwrap();
    symlink(machine.path("policies"), machine.path("w/.cloned")).unwrap();
    let write = machine.path("policies");
    assert!(machine.connector("a", &["--write", write.to_str().unwrap()]).is_err());
    assert!(machine.connector("a", &[]).is_ok());
}

#[test]
fn a_file_that_others_can_write_is_no_policy() {
    let machine = Machine::new().manifest("a", SMALL);
    let path = machine.path("w/.cloned/connectors/a.yaml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let failure = machine.connector("a", &[]).unwrap_err();
    assert!(failure.what.contains("written by everybody"), "{failure}");
    assert!(failure.hints[0].starts_with("chmod o-w "));
}

#[test]
fn what_is_no_file_does_not_hang() {
    let machine = Machine::new();
    let path = machine.path("w/.cloned/connectors/a.yaml");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(machine.connector("a", &[]).unwrap_err().what.contains("not a regular file"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(machine.connector("a", &[]).is_err());
}

#[test]
fn without_a_workspace_only_commands_run() {
    let dir = tempfile::tempdir().unwrap();
    let sources = Sources { cwd: dir.path().to_owned(), home: None, config_home: None };
    let name: ConnectorName = "a".parse().unwrap();
    let failure = load::connector(&name, &sources, &Overrides::default()).unwrap_err();
    assert!(failure.what.starts_with("no `.cloned` folder in "), "{failure}");
    let policy = load::ad_hoc(&["cat".into()], &sources, &Overrides::default()).unwrap();
    assert_eq!(policy.name.as_str(), "cat");
    assert_eq!(load::connectors(&sources).unwrap(), None);
}
