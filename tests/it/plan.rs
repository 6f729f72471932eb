//! The plan is a pure function: these facts and that policy give exactly this plan, or this refusal.
//!
//! Each case is kept as text and as JSON in `tests/golden/`. A change there is a change of what jails
//! do or of what users read: look at it, then `JAIL_UPDATE_GOLDEN=1 cargo test --test it plan`.

use jail::failure::Failure;
use jail::plan::{CgroupFacts, Facts, Kind, PathFact, Plan, SeccompPlan, build, explain};
use jail::policy::load::{self, Sources};
use jail::policy::{Overrides, Places, Policy, manifest};
use jail::resolve::{Need, NeedKind, Resolved};
use jail::sys::fd::Identity;
use std::fs;
use std::path::{Path, PathBuf};

/// A merged-/usr machine of the user `u` (1000), with Landlock ABI 7 and no cgroups to use.
fn facts() -> Facts {
    let mut facts = Facts {
        uid: 1000,
        gid: 100,
        user_home: Some("/home/u".into()),
        entries: Vec::new(),
        landlock_abi: 7,
        landlock_errno: 0,
        runs: Some("/home/u/.cache/jail/runs".into()),
        time_namespace: true,
        overlay: true,
        ipv6: true,
        firewall: jail::plan::FirewallFacts::default(),
        ports: jail::plan::PortFacts::default(),
        now: std::time::UNIX_EPOCH,
        cgroup: CgroupFacts {
            why: "no controller is delegated".into(),
            fix: "run in a systemd user session".into(),
            ..CgroupFacts::default()
        },
        root_links: ["bin", "lib", "lib64", "sbin"]
            .map(|name| (name.to_owned(), PathBuf::from("usr").join(name)))
            .into(),
        paths: Default::default(),
        proc_masks: vec![("/proc/kcore".into(), Kind::File), ("/proc/acpi".into(), Kind::Dir)],
        environment: [("LANG".to_owned(), "de_DE.UTF-8".to_owned())].into(),
        search_path: "/usr/local/bin:/usr/bin:/bin".into(),
    };
    for folder in
        ["/usr", "/etc/ssl/certs", "/", "/tmp", "/run", "/home", "/home/u", "/w", "/w/data"]
    {
        exists(&mut facts, folder, Kind::Dir);
    }
    for file in ["/etc/ld.so.cache", "/etc/localtime", "/etc/shadow", "/w/notes.txt"] {
        exists(&mut facts, file, Kind::File);
    }
    facts
}

fn exists(facts: &mut Facts, path: &str, kind: Kind) {
    let bits = if kind == Kind::Dir { libc::S_IFDIR } else { libc::S_IFREG };
    let identity = Identity { device: 1, inode: facts.paths.len() as u64 + 10, kind: bits };
    let fact = PathFact { canonical: path.into(), identity, kind };
    facts.paths.insert(path.into(), fact);
}

fn resolved(program: &str) -> Resolved {
    Resolved { program: program.into(), needs: Vec::new(), path_dirs: Vec::new() }
}

fn ad_hoc(command: &[&str], options: &[&str]) -> Policy {
    #[derive(clap::Parser)]
    struct Options {
        #[command(flatten)]
        overrides: Overrides,
    }
    let arguments = ["jail"].iter().chain(options);
    let parsed = <Options as clap::Parser>::try_parse_from(arguments).unwrap();
    let sources = Sources { cwd: "/w".into(), home: Some("/home/u".into()), config_home: None };
    let argv: Vec<_> = command.iter().map(Into::into).collect();
    load::ad_hoc(&argv, &sources, &parsed.overrides).unwrap()
}

fn from_manifest(text: &str) -> Policy {
    let places = Places {
        root: "/w".into(),
        home: Some("/home/u".into()),
        protected: vec!["/w/.cloned".into(), "/home/u/.config/jail".into()],
    };
    let path = Path::new("/w/.cloned/connectors/server.yaml");
    manifest(path, "server", text.as_bytes(), &places).unwrap()
}

fn plan(policy: Policy, facts: &Facts, resolved: &Resolved) -> Result<Plan, Failure> {
    let program = vec![0; 24];
    let telling = Some(program.clone().into());
    let seccomp = SeccompPlan { name: "default".into(), program: program.into(), telling };
    build(policy, facts, resolved, seccomp, "RUN".into())
}

/// Compares with the file, or writes it where that was asked for.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("JAIL_UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == text,
        "{} differs; JAIL_UPDATE_GOLDEN=1 writes it. Now:\n{text}",
        path.display()
    );
}

fn planned(name: &str, policy: Policy, facts: &Facts, resolved: &Resolved) -> Plan {
    let plan = plan(policy, facts, resolved).unwrap_or_else(|failure| panic!("{failure}"));
    golden(&format!("{name}.txt"), &explain::text(&plan));
    golden(&format!("{name}.json"), &format!("{:#}\n", explain::json(&plan)));
    plan
}

fn refused(name: &str, policy: Policy, facts: &Facts) {
    let failure = plan(policy, facts, &resolved("/usr/bin/true")).map(drop).unwrap_err();
    golden(&format!("{name}.txt"), &format!("{failure}\n"));
}

#[test]
fn ad_hoc_as_user() {
    planned("ad-hoc", ad_hoc(&["true"], &[]), &facts(), &resolved("/usr/bin/true"));
}

#[test]
fn ad_hoc_as_root() {
    let facts = Facts { uid: 0, gid: 0, user_home: Some("/root".into()), ..facts() };
    let plan = planned("root", ad_hoc(&["true"], &[]), &facts, &resolved("/usr/bin/true"));
    assert!(plan.ids.drop_groups);
}

const EVERYTHING: &str = "\
name: server
tool: cloned.mcp.web.search@v1
command: node
args: [server.js, --port=3000, \"a b\"]
env: {LOG_LEVEL: info, LANG: , ABSENT: }
secrets:
  - {name: token, from: {file: ~/.config/token}, to: {env: TOKEN}}
  - {name: key, from: {fd: 3}, to: {file: key.pem}}
filesystem:
  read: [data, notes.txt]
  write: [out]
  workspace: {tmpfs: 128M}
  system: minimal
  scratch: 32M
  unprotect: [.envrc]
network: {loopback: true}
ports: [{listen: 3000}]
limits:
  {memory: 512M, cpus: 1.25, pids: 128, io: {read: 50M, write: 20M}, files: 4096, file_size: 1G, timeout: 10m, nice: 5}
seccomp: default
allow_missing: [io]
eof_grace: 30s
";

#[test]
fn everything() {
    let mut facts = facts();
    exists(&mut facts, "/w/out", Kind::Dir);
    exists(&mut facts, "/w/server.js", Kind::File);
    exists(&mut facts, "/opt/node/bin/node", Kind::File);
    exists(&mut facts, "/opt/node", Kind::Dir);
    facts.cgroup = CgroupFacts { memory: true, cpu: true, pids: true, ..facts.cgroup };
    let need = |path: &str, kind, why: &str| Need { path: path.into(), why: why.into(), kind };
    let resolved = Resolved {
        program: "/usr/local/bin/node".into(),
        needs: vec![
            need(
                "/usr/local/bin/node",
                NeedKind::Symlink { target: "/opt/node/bin/node".into() },
                "",
            ),
            need("/opt/node", NeedKind::Tree, "the folder of node"),
            need("/w/server.js", NeedKind::File, "the script"),
        ],
        path_dirs: vec!["/opt/node/bin".into()],
    };
    let plan = planned("everything", from_manifest(EVERYTHING), &facts, &resolved);
    // A secret is named, never shown.
    assert!(!explain::text(&plan).contains("BEGIN"));
    assert_eq!(plan.eof_grace, Some(std::time::Duration::from_secs(30)));
}

const SERVER: &str = "\
name: server
command: node
ports:
  - {listen: 3000, publish: \"127.0.0.1:3000\"}
  - {listen: 3001, publish: \"127.0.0.1:3150\"}
";

/// Facts of a workspace with this registry.
fn registered(text: &str) -> Facts {
    let path = Path::new("/w/.cloned/ports.yaml");
    let registry = jail::ports::store::decode::registry(path, text.as_bytes()).unwrap();
    Facts { ports: jail::plan::PortFacts { registry, user: Some("u".into()) }, ..facts() }
}

#[test]
fn what_manifest_and_registry_grant_is_published() {
    let registry = "version: 1\nservices:\n  web: {port: 3000, connector: server, owner: u}\n\
                    reserved:\n  server: [3100-3199]\n";
    let plan = planned("published", from_manifest(SERVER), &registered(registry), &resolved("/n"));
    let ports: Vec<String> =
        plan.published.iter().map(|port| format!("{} {}", port.at, port.listen)).collect();
    assert_eq!(ports, ["127.0.0.1:3000 3000", "127.0.0.1:3150 3001"]);
}

/// What each registry says to the manifest above, whose second port is reserved, or to this command.
#[test]
fn what_the_registry_does_not_grant_is_not_published() {
    let reserved = "reserved: {server: [3150]}";
    let mut all = String::new();
    let mut told = |who: &str, policy: Policy, registry: &str| {
        let facts = registered(&format!("version: 1\n{registry}\n"));
        let done = plan(policy, &facts, &resolved("/usr/bin/node"));
        let text = match done {
            Ok(plan) => plan.published.iter().map(|it| format!("{}: {}\n", it.at, it.by)).collect(),
            Err(failure) => {
                assert_eq!(failure.kind, jail::failure::Kind::Refused);
                format!("{failure}\n")
            }
        };
        all += &format!("$ {who}, with {registry}\n{text}\n");
    };
    for services in [
        "",
        "services: {a: {port: 3000, connector: other}}",
        "services: {a: {port: 3000}}",
        "services: {a: {port: 3000, container: x, bind: 0.0.0.0}}",
        "services: {a: {port: 3000, connector: server, bind: \"::1\"}}",
        "services: {a: {port: 3000, connector: server, owner: root}}",
        "services: {a: {port: 3000, connector: server, owner: 1000}}",
        "services: {a: {port: 3000, connector: server, proto: udp}}",
        "services: {server: {port: 9, connector: server}, server-3000: {port: 10}}",
    ] {
        let registry = format!("{reserved}\n{services}");
        told("jail run server", from_manifest(SERVER), &registry);
    }
    told("jail run server", from_manifest(SERVER), "");
    told("jail run server", from_manifest(SERVER), "reserved: {other: [3000-3999]}");
    for registry in [
        "",
        "services: {a: {port: 3000}}",
        "services: {a: {port: 3000, owner: alice}}",
        "services: {a: {port: 3000, connector: node}}",
        "services: {a: {port: 3000, program: x, bind: 127.0.0.2}}",
        "reserved: {node: [3000-3999]}",
        "policy: {unregistered: deny}",
        "policy: {unregistered: deny}\nservices: {a: {port: 3000}}",
    ] {
        let policy = ad_hoc(&["node"], &["--publish", "3000"]);
        told("jail run --publish 3000 -- node", policy, registry);
    }
    golden("not-published.txt", &all);
}

#[test]
fn no_landlock() {
    let facts = Facts { landlock_abi: 0, ..facts() };
    refused("no-landlock", ad_hoc(&["true"], &[]), &facts);
    let allowed = ad_hoc(&["true"], &["--allow-missing", "landlock"]);
    planned("no-landlock-allowed", allowed, &facts, &resolved("/usr/bin/true"));
}

#[test]
fn old_landlock() {
    let facts = Facts { landlock_abi: 2, ..facts() };
    planned("landlock-2", ad_hoc(&["true"], &[]), &facts, &resolved("/usr/bin/true"));
}

/// `--sandbox=landlock`, and what else.
fn tier(more: &[&str]) -> Policy {
    ad_hoc(&["true"], &[&["--sandbox", "landlock"], more].concat())
}

#[test]
fn without_namespaces() {
    let mut facts = facts();
    for file in ["/etc/passwd", "/proc/meminfo", "/dev/tty"] {
        exists(&mut facts, file, Kind::File);
    }
    let policy = tier(&["--read", "/w/notes.txt", "--write", "/w/data"]);
    let plan = planned("tier", policy, &facts, &resolved("/usr/bin/true"));
    assert!(plan.namespaces == 0 && plan.mounts.is_empty());
    let rules = plan.landlock.unwrap().paths;
    // Landlock counts for all that is below: a rule there would open everything.
    assert!(
        rules
            .iter()
            .all(|rule| !["/", "/proc", "/etc", "/dev"].map(Path::new).contains(&&*rule.path))
    );
}

#[test]
fn without_namespaces_on_old_kernels_and_for_root() {
    refused(
        "tier-landlock-0",
        tier(&[]),
        &Facts { landlock_abi: 0, landlock_errno: 95, ..facts() },
    );
    let all = ["--allow-missing", "landlock,signals,user"];
    refused("tier-landlock-2", tier(&all), &Facts { landlock_abi: 2, ..facts() });
    let signals = Facts { landlock_abi: 5, ..facts() };
    refused("tier-landlock-5", tier(&[]), &signals);
    let plan = plan(tier(&all), &signals, &resolved("/usr/bin/true")).unwrap();
    assert!(plan.missing().any(|gap| gap.control == "signals"));
    assert!(!plan.probes.contains(&jail::plan::Probe::SignalInit));
    let root = Facts { uid: 0, gid: 0, ..facts() };
    refused("tier-root", tier(&[]), &root);
    let plan = self::plan(tier(&all), &root, &resolved("/usr/bin/true")).unwrap();
    assert!(plan.missing().any(|gap| gap.control == "user"));
    assert!(!plan.probes.contains(&jail::plan::Probe::BecomeRoot));
}

#[test]
fn what_takes_a_namespace_is_refused_without() {
    refused("tier-network", tier(&["--allow", "example.com"]), &facts());
    refused("tier-pids", tier(&["--pids", "10"]), &facts());
    refused("tier-size", tier(&["--workspace", "tmpfs:1M"]), &facts());
    // One that nobody asked for is none.
    let unsaid = from_manifest("name: server\ncommand: \"true\"\nsandbox: landlock\n");
    let plan = plan(unsaid, &facts(), &resolved("/usr/bin/true")).unwrap();
    assert_eq!(plan.network, jail::plan::NetworkPlan::Barred);
}

#[test]
fn explicit_limits_without_a_cgroup() {
    refused("memory-without-cgroup", ad_hoc(&["true"], &["--memory", "1G"]), &facts());
    let root = Facts { uid: 0, gid: 0, ..facts() };
    refused("pids-of-root-without-cgroup", ad_hoc(&["true"], &["--pids", "9"]), &root);
    let allowed = ad_hoc(&["true"], &["--memory", "1G", "--allow-missing", "memory"]);
    planned("memory-allowed-missing", allowed, &facts(), &resolved("/usr/bin/true"));
}

#[test]
fn cgroup_present() {
    let cgroup =
        CgroupFacts { memory: true, cpu: true, pids: true, io: true, ..CgroupFacts::default() };
    let facts = Facts { cgroup, ..facts() };
    let policy = ad_hoc(&["true"], &["--memory", "1G", "--cpus", "0.5"]);
    planned("cgroup", policy, &facts, &resolved("/usr/bin/true"));
}

#[test]
fn grants_that_are_too_wide() {
    let mut all = String::new();
    let mut facts = facts();
    for path in ["/proc/sys", "/sys/fs", "/etc", "/opt", "/var", "/dev"] {
        exists(&mut facts, path, Kind::Dir);
    }
    for (option, path) in [
        ("--read", "/"),
        ("--read", "/run"),
        ("--read", "/tmp"),
        ("--read", "/home"),
        ("--read", "/home/u"),
        ("--read", "/var"),
        ("--read", "/dev"),
        ("--read", "/proc/sys"),
        ("--read", "/sys/fs"),
        ("--read", "/missing"),
        ("--write", "/usr"),
        ("--write", "/etc"),
        ("--write", "/opt"),
    ] {
        let policy = ad_hoc(&["true"], &[option, path]);
        let failure = plan(policy, &facts, &resolved("/usr/bin/true")).map(drop).unwrap_err();
        all += &format!("$ jail run {option} {path}\n{failure}\n\n");
    }
    golden("too-wide.txt", &all);
}

#[test]
fn a_link_to_a_wide_folder() {
    // What counts is where it leads.
    let mut facts = facts();
    exists(&mut facts, "/w/link", Kind::Dir);
    facts.paths.get_mut(Path::new("/w/link")).unwrap().canonical = "/home/u".into();
    refused("link-to-home", ad_hoc(&["true"], &["--read", "/w/link"]), &facts);
}

#[test]
fn unmerged_usr() {
    let mut facts = Facts { root_links: Vec::new(), ..facts() };
    for folder in ["/bin", "/sbin", "/lib", "/lib64"] {
        exists(&mut facts, folder, Kind::Dir);
    }
    planned("unmerged-usr", ad_hoc(&["true"], &[]), &facts, &resolved("/bin/true"));
}

#[test]
fn protected_places() {
    let mut facts = facts();
    for folder in [".git", ".git/hooks", ".vscode"] {
        exists(&mut facts, &format!("/w/data/{folder}"), Kind::Dir);
    }
    exists(&mut facts, "/w/data/.git/config", Kind::File);
    let policy = ad_hoc(&["true"], &["--workspace", "host:/w/data"]);
    let plan = planned("protected", policy, &facts, &resolved("/usr/bin/true"));
    let existed = plan.protections.iter().filter(|place| place.existed).count();
    // `.git` itself is one of them: pinned, so that it cannot be moved away.
    assert_eq!((existed, plan.protections.len() > 10), (4, true));
}

#[test]
fn overlapping_grants() {
    let mut facts = facts();
    exists(&mut facts, "/w/data/out", Kind::Dir);
    exists(&mut facts, "/w/data/in", Kind::Dir);
    let options = ["--read", "/w/data", "--write", "/w/data/out", "--read", "/w/data/in"];
    planned("overlap", ad_hoc(&["true"], &options), &facts, &resolved("/usr/bin/true"));
}

#[test]
fn workspace_copy() {
    let policy = ad_hoc(&["true"], &["--workspace", "copy:/w/data"]);
    planned("copy", policy, &facts(), &resolved("/usr/bin/true"));
}

#[test]
fn the_same_inputs_give_the_same_plan() {
    let text = || {
        let plan =
            plan(from_manifest("name: server\ncommand: x\n"), &facts(), &resolved("/usr/bin/x"));
        explain::text(&plan.unwrap())
    };
    assert_eq!(text(), text());
}

/// A golden file that no test reads would be believed for ever.
#[test]
fn every_golden_file_is_used() {
    let source = include_str!("plan.rs");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let stem = name.split('.').next().unwrap();
        assert!(source.contains(&format!("\"{stem}")), "{name} belongs to no test");
    }
}
