//! The compose files that are shipped: clean as they are, and each knob of them, loosened or taken out, is
//! noticed. The knobs are read from the files, so that a new one without an entry below fails.

use jail::compose::check::check;
use jail::compose::node::{Node, Value as Of};
use jail::compose::project::{Rejection, Request};
use jail::compose::{disk, yaml};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const FILES: &[&str] =
    &["compose.egress-alternatives.yaml", "compose.egress-proxy.yaml", "compose.local-llm.yaml"];

/// What is given with another file, and changes it.
const OVERRIDE: [&str; 2] = ["compose.local-llm.yaml", "compose.local-llm.podman.yaml"];

/// What taking a knob out does.
enum Out {
    /// This rule notices.
    Noticed(&'static str),
    /// Nothing is open then that was not before; why.
    Harmless(&'static str),
}
use Out::{Harmless, Noticed};

/// What is noticed of something that only stops working.
const BROKEN: &str = "compose.unreachable-port";

/// A knob, what happens without it, and looser values, each with the rule that notices.
type Knob = (&'static str, Out, &'static [(&'static str, &'static str)]);

const NAMED: &str = "a name, which confines nothing";
const WORKS: &str = "without it the program does not work; it opens nothing";

#[rustfmt::skip]
const KNOBS: &[Knob] = &[
    ("container_name", Harmless(NAMED), &[]),
    ("profiles[*]", Harmless("whether it is started is not what it may do"), &[]),
    ("image", Noticed("compose.no-digest"), &[
        (r#""localai/localai:v4.2.0""#, "compose.no-digest"),
        (r#""localai/localai:latest""#, "compose.moving-tag"),
        (r#""localai/localai""#, "compose.moving-tag"),
        (r#""localai/localai:v1@sha256:short""#, "compose.no-digest"),
    ]),
    ("build.context", Harmless(WORKS), &[]),
    ("build.dockerfile", Harmless("another file of ours, or none"), &[]),
    ("command[*]", Harmless(WORKS), &[]),
    ("entrypoint[*]", Harmless(WORKS), &[]),
    ("working_dir", Harmless(WORKS), &[]),
    ("user", Noticed("compose.user-unset"), &[
        (r#""0:0""#, "compose.root-user"),
        (r#""root""#, "compose.root-user"),
        (r#""+0""#, "compose.root-user"),
        (r#""-0:65532""#, "compose.root-user"),
        (r#""65532:0""#, "compose.root-group"),
        (r#""""#, "compose.user-unset"),
    ]),
    ("read_only", Noticed("compose.writable-root"), &[("false", "compose.writable-root")]),
    ("tmpfs[*]", Harmless("nothing can be written there then"), &[
        (r#""/tmp""#, "compose.tmpfs-options"),
        (r#""/tmp:rw,nosuid,nodev,size=1g""#, "compose.tmpfs-options"),
        (r#""/tmp:rw,noexec,nodev,size=1g""#, "compose.tmpfs-options"),
        (r#""/tmp:rw,noexec,nosuid,size=1g""#, "compose.tmpfs-options"),
        (r#""/tmp:rw,noexec,nosuid,nodev""#, "compose.tmpfs-size"),
        (r#""/tmp:rw,noexec,nosuid,nodev,exec,size=1g""#, "compose.tmpfs-options"),
        (r#""/tmp:rw,noexec,nosuid,nodev,size=0""#, "compose.tmpfs-size"),
    ]),
    ("volumes[*]", Harmless("less of the host is inside"), &[
        (r#""./models:/models""#, "compose.writable-bind"),
        (r#""./models:/models:rw""#, "compose.writable-bind"),
        (r#""./models:/models:ro,rshared""#, "compose.mount-propagation"),
        (r#""/:/models:ro""#, "compose.sensitive-bind"),
        (r#""/etc:/models:ro""#, "compose.sensitive-bind"),
        (r#""~/.ssh:/models:ro""#, "compose.sensitive-bind"),
        (r#""/var/run/docker.sock:/models:ro""#, "compose.engine-socket"),
        (r#"{"type": "bind", "source": "./models", "target": "/models"}"#, "compose.writable-bind"),
    ]),
    ("cap_drop[*]", Noticed("compose.cap-drop"), &[
        (r#""NET_RAW""#, "compose.cap-drop"),
    ]),
    ("security_opt[no-new-privileges]", Noticed("compose.new-privileges"), &[
        (r#""no-new-privileges:false""#, "compose.new-privileges"),
    ]),
    ("security_opt[seccomp]", Noticed("compose.seccomp-default"), &[
        (r#""seccomp=builtin""#, "compose.seccomp-default"),
        (r#""seccomp=./seccomp/none.json""#, "compose.seccomp-file"),
        (r#""seccomp=unconfined""#, "compose.seccomp-off"),
        (r#""seccomp:unconfined""#, "compose.seccomp-off"),
        (r#""apparmor=unconfined""#, "compose.security-module-off"),
        (r#""systempaths=unconfined""#, "compose.unmasked-paths"),
    ]),
    ("ports[*]", Harmless("nobody reaches it then"), &[
        (r#""8080:8080""#, "compose.published-everywhere"),
        (r#""8080""#, "compose.published-everywhere"),
        (r#""0.0.0.0:8080:8080""#, "compose.published-everywhere"),
        (r#""[::]:8080:8080""#, "compose.published-everywhere"),
        (r#""192.168.1.2:8080:8080""#, "compose.published-everywhere"),
        (r#"{"target": 8080, "published": 8080}"#, "compose.published-everywhere"),
    ]),
    ("networks[*]", Harmless("the front without the other, or the other way round, opens nothing"), &[
        (r#""default""#, "compose.open-egress"),
    ]),
    // No rule is about names: integration/containers/local_llm.rs shows that none leaves.
    ("dns[*]", Harmless("names leave then as they do from every other container"), &[]),
    ("networks.cloned_sandbox", Harmless("nobody of ours reaches it then"), &[]),
    ("networks.cloned_outside", Harmless("it has no way out then"), &[]),
    ("environment.LOCALAI_API_KEY", Noticed("compose.unused-allow"), &[
        (r#""ghp_0123456789abcdef""#, "compose.secret-in-file"),
    ]),
    ("labels.jail.allow.compose.secret-in-environment", Noticed("compose.secret-in-environment"), &[]),
    ("environment.*", Harmless(WORKS), &[(r#""ghp_0123456789abcdef""#, "compose.secret-in-file")]),
    ("mem_limit", Noticed("compose.memory-limit"), &[
        ("0", "compose.memory-limit"),
        ("-1", "compose.memory-limit"),
    ]),
    ("cpus", Noticed("compose.cpu-limit"), &[("0", "compose.cpu-limit")]),
    ("pids_limit", Noticed("compose.pids-limit"), &[
        ("-1", "compose.pids-limit"),
        ("0", "compose.pids-limit"),
    ]),
    ("healthcheck.test", Noticed("compose.healthcheck"), &[
        (r#"["NONE"]"#, "compose.healthcheck"),
        ("[]", "compose.healthcheck"),
    ]),
    ("healthcheck.interval", Harmless("the engine's, 30 s"), &[]),
    ("healthcheck.timeout", Harmless("the engine's, 30 s"), &[]),
    ("healthcheck.retries", Harmless("the engine's, 3"), &[]),
    ("healthcheck.start_period", Harmless("it is called unwell earlier"), &[]),
    ("logging.driver", Harmless("json-file is the engine's own choice, with the options that follow"), &[]),
    ("logging.options.max-size", Noticed("compose.log-rotation"), &[
        (r#""-1""#, "compose.log-rotation"),
    ]),
    ("logging.options.max-file", Harmless("one file then, of the same size"), &[]),
    ("restart", Harmless("it is not started again at all"), &[
        (r#""always""#, "compose.restart-loop"),
        (r#""unless-stopped""#, "compose.restart-loop"),
        (r#""on-failure""#, "compose.restart-loop"),
        (r#""on-failure:0""#, "compose.restart-loop"),
    ]),
    ("top.name", Harmless(NAMED), &[]),
    ("top.networks.*.name", Harmless(NAMED), &[]),
    ("top.networks.*.internal", Noticed("compose.open-egress"), &[
        ("false", "compose.open-egress"),
    ]),
    ("top.networks.*.ipam.config[*].subnet", Harmless("the engine chooses one, and refuses the addresses"), &[]),
    ("top.networks.*.ipam.config[*].gateway", Noticed("compose.open-egress"), &[
        (r#""10.213.77.6""#, "compose.open-egress"),
    ]),
    ("top.networks.*.ipam.config[*].aux_addresses.DefaultGatewayIPv4", Noticed("compose.open-egress"), &[
        (r#""10.213.77.1""#, "compose.open-egress"),
    ]),
];

/// What loosens a service that has not the field at all, and the rule that notices.
#[rustfmt::skip]
const ADDED: &[(&str, &str, &str)] = &[
    ("privileged", "true", "compose.privileged"),
    ("network_mode", r#""host""#, "compose.host-network"),
    ("network_mode", r#""bridge""#, "compose.open-egress"),
    ("network_mode", r#""container:other""#, "compose.shared-network"),
    ("pid", r#""host""#, "compose.host-namespace"),
    ("ipc", r#""host""#, "compose.host-namespace"),
    ("uts", r#""host""#, "compose.host-namespace"),
    ("userns_mode", r#""host""#, "compose.host-namespace"),
    ("cgroup", r#""host""#, "compose.host-namespace"),
    ("cgroup_parent", r#""/""#, "compose.cgroup-parent"),
    ("cap_add", r#"["SYS_ADMIN"]"#, "compose.dangerous-capability"),
    ("cap_add", r#"["CHOWN"]"#, "compose.added-capability"),
    ("devices", r#"["/dev/mem"]"#, "compose.raw-device"),
    ("devices", r#"["/dev/snd"]"#, "compose.device"),
    ("devices", r#"["/dev/dri:/dev/dri"]"#, "compose.gpu"),
    ("gpus", r#""all""#, "compose.gpu"),
    ("device_cgroup_rules", r#"["a *:* rwm"]"#, "compose.device-rule"),
    ("group_add", r#"["docker"]"#, "compose.root-group"),
    ("group_add", r#"["+0"]"#, "compose.root-group"),
    ("post_start", r#"[{"command": ["x", "--password", "hunter2"]}]"#, "compose.secret-in-file"),
    ("devices", r#"["/dev/:/dev/"]"#, "compose.raw-device"),
    ("devices", r#"["/dev/./nbd0"]"#, "compose.raw-device"),
    ("extra_hosts", r#"["host.docker.internal:host-gateway"]"#, "compose.host-gateway"),
    ("sysctls", r#"{"net.ipv4.ip_forward": 1}"#, "compose.sysctl"),
    ("volumes_from", r#"["other"]"#, "compose.volumes-from"),
    ("use_api_socket", "true", "compose.engine-socket"),
    ("memswap_limit", "-1", "compose.unlimited-swap"),
    ("oom_kill_disable", "true", "compose.oom-kill-off"),
    ("env_file", r#"[{"path": ".env.none", "required": false}]"#, "compose.env-file"),
    ("post_start", r#"[{"command": "x", "privileged": true}]"#, "compose.privileged"),
    ("deploy", r#"{"restart_policy": {"condition": "any"}}"#, "compose.restart-loop"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docker")
}

/// Rules that are broken, each with its service; `None` where the file is refused.
fn judged(file: &str, text: Option<String>) -> Option<Vec<(String, String)>> {
    merged(&[file], text)
}

/// The same of files together; `text` is what the last one says.
fn merged(files: &[&str], text: Option<String>) -> Option<Vec<(String, String)>> {
    let files: Vec<PathBuf> = files.iter().map(|file| folder().join(file)).collect();
    let path = files.last().unwrap().clone();
    let file = path.display();
    let request = Request {
        files,
        env_files: vec![folder().join(".env.example")],
        home: Some(PathBuf::from("/home/somebody")),
        ..Request::default()
    };
    let reader = |wanted: &Path, most: usize| match &text {
        Some(text) if wanted == path => Ok(text.clone().into_bytes()),
        _ if wanted.ends_with(".env.none") => Err(io::ErrorKind::NotFound.into()),
        _ => disk::read(wanted, most),
    };
    match check(&request, &[], &reader) {
        Ok(checked) => {
            let id = |it: &jail::compose::check::Judged| {
                (it.finding.rule.id.to_owned(), format!("{}: {}", it.service, it.finding.evidence))
            };
            Some(checked.found.iter().map(id).collect())
        }
        Err(Rejection::Wrong(_)) => None,
        Err(Rejection::Unreadable(failure)) => panic!("{file}: {failure}"),
    }
}

#[test]
fn shipped_files_are_clean() {
    for file in FILES {
        assert_eq!(judged(file, None), Some(Vec::new()), "{file}");
    }
    let there = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let there: BTreeSet<String> = there.map(|name| name.into_string().unwrap()).collect();
    let compose = there.iter().filter(|name| name.contains("compose") && *name != OVERRIDE[1]);
    assert_eq!(compose.collect::<Vec<_>>(), FILES, "a file that this test does not know");
}

/// The file for podman takes no wall of the other one away, and each of its lines counts.
#[test]
fn the_file_for_podman_counts() {
    assert_eq!(merged(&OVERRIDE, None), Some(Vec::new()));
    let ours = fs::read_to_string(folder().join(OVERRIDE[1])).unwrap();
    let reason = ours.lines().find(|line| line.contains("jail.allow")).unwrap();
    // `None`: the files are refused.
    let cases = [
        ("!override ", "", None),
        ("!override [cloned_sandbox]", "!override [cloned_front]", None),
        ("!override [cloned_sandbox]", "!override [default]", Some("compose.open-egress")),
        (
            "noexec,nosuid,nodev,size=1m\n      - /var",
            "nosuid,nodev,size=1m\n      - /var",
            Some("compose.tmpfs-options"),
        ),
        ("nodev,size=1m\n    labels", "nodev\n    labels", Some("compose.tmpfs-size")),
        (reason, "      a: b", Some("compose.unreachable-port")),
    ];
    for (from, to, rule) in cases {
        assert_eq!(ours.matches(from).count(), 1, "{from}");
        let found = merged(&OVERRIDE, Some(ours.replace(from, to)));
        let rules = found.map(|found| found.into_iter().map(|(rule, _)| rule).collect::<Vec<_>>());
        match rule {
            Some(rule) => assert!(rules.is_some_and(|it| it.iter().any(|it| it == rule)), "{to}"),
            None => assert_eq!(rules, None, "{to}"),
        }
    }
}

fn value(node: &Node) -> Value {
    match &node.value {
        Of::Null => Value::Null,
        Of::Scalar(scalar) => json!(scalar.text),
        Of::List(items) => items.iter().map(value).collect(),
        Of::Map(entries) => {
            let pair = |it: &jail::compose::node::Entry| (it.key.clone(), value(&it.value));
            Value::Object(entries.iter().map(pair).collect::<Map<_, _>>())
        }
    }
}

fn tree(file: &str) -> Value {
    let path = folder().join(file);
    let read = yaml::read(&path, &fs::read(&path).unwrap()).unwrap();
    value(&read.documents[0])
}

/// Every leaf with the pointer to it.
fn leaves(value: &Value, pointer: &str, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                let key = key.replace('~', "~0").replace('/', "~1");
                leaves(value, &format!("{pointer}/{key}"), into);
            }
        }
        Value::Array(items) if !items.is_empty() && !pointer.ends_with("/test") => {
            for (number, value) in items.iter().enumerate() {
                leaves(value, &format!("{pointer}/{number}"), into);
            }
        }
        _ => into.push(pointer.to_owned()),
    }
}

/// A pointer as the table has it: `services/x/tmpfs/0` is `tmpfs[*]`.
fn name(root: &Value, pointer: &str) -> String {
    let parts: Vec<&str> = pointer.split('/').skip(1).collect();
    let number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let joined = |parts: &[&str]| {
        let mut out = String::new();
        for part in parts {
            match number(part) {
                true => out += "[*]",
                false if out.is_empty() => out += part,
                false => out += &format!(".{part}"),
            }
        }
        out
    };
    match parts[..] {
        ["services", _, "security_opt", _] => {
            let text = root.pointer(pointer).and_then(Value::as_str).unwrap();
            format!("security_opt[{}]", text.split([':', '=']).next().unwrap())
        }
        ["services", _, "environment", key] if key != "LOCALAI_API_KEY" => {
            "environment.*".to_owned()
        }
        ["services", _, ref rest @ ..] => joined(rest),
        ["networks", _, ref rest @ ..] => format!("top.networks.*.{}", joined(rest)),
        ref rest => format!("top.{}", joined(rest)),
    }
}

/// The file with a leaf taken out, and with it what is then empty.
fn without(root: &Value, pointer: &str) -> Value {
    let mut root = root.clone();
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let last = last.replace("~1", "/").replace("~0", "~");
    match root.pointer_mut(parent).unwrap() {
        Value::Object(fields) => drop(fields.remove(&last)),
        Value::Array(items) => drop(items.remove(last.parse().unwrap())),
        other => panic!("{other}"),
    }
    root
}

fn with(root: &Value, pointer: &str, value: Value) -> Value {
    let mut root = root.clone();
    *root.pointer_mut(pointer).unwrap() = value;
    root
}

/// What is broken now and was not before.
fn new(before: &[(String, String)], after: &[(String, String)]) -> Vec<String> {
    let mut left = before.to_vec();
    let fresh = after.iter().filter(|it| match left.iter().position(|known| known == *it) {
        Some(at) => {
            left.swap_remove(at);
            false
        }
        None => true,
    });
    fresh.map(|(rule, _)| rule.clone()).collect()
}

#[test]
fn every_knob_of_every_shipped_file_counts() {
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let mut wrong = Vec::new();
    let mut tried = 0;
    for file in FILES {
        let root = tree(file);
        // Comments are gone, and with them what they allow.
        let before = judged(file, Some(root.to_string())).unwrap();
        let mut pointers = Vec::new();
        leaves(&root, "", &mut pointers);
        for pointer in pointers.iter().filter(|pointer| !pointer.starts_with("/x-")) {
            let name = name(&root, pointer);
            let Some((known, out, looser)) = KNOBS.iter().find(|(known, ..)| *known == name) else {
                wrong.push(format!("{file}: {name} has no entry in KNOBS"));
                continue;
            };
            used.insert(known);
            let mut tell =
                |what: &str, expected: Result<&str, &str>, after: Option<Vec<String>>| {
                    tried += 1;
                    let fine = match (expected, &after) {
                        (Ok(rule), Some(after)) => after.iter().any(|it| it == rule),
                        (Ok(_), None) => false,
                        // A file that is refused opens nothing.
                        (Err(_), None) => true,
                        (Err(_), Some(after)) => after.iter().all(|it| it == BROKEN),
                    };
                    if !fine {
                        wrong.push(format!(
                            "{file}: {name} {what}: expected {expected:?}, found {after:?}"
                        ));
                    }
                };
            let judge = |root: &Value| Some(new(&before, &judged(file, Some(root.to_string()))?));
            // What is built here has no digest.
            let built =
                name == "image" && root.pointer(&pointer.replace("/image", "/build")).is_some();
            let expected = match out {
                Noticed(_) if built => Err("it is built here"),
                Noticed(rule) => Ok(*rule),
                Harmless(why) => Err(*why),
            };
            tell("taken out", expected, judge(&without(&root, pointer)));
            for (value, rule) in looser.iter().filter(|_| !built) {
                let value: Value = serde_json::from_str(value).unwrap();
                tell(&value.to_string(), Ok(rule), judge(&with(&root, pointer, value.clone())));
            }
        }
        for service in root["services"].as_object().unwrap().keys() {
            for (field, value, rule) in ADDED {
                let mut changed = root.clone();
                let fields = changed["services"][service].as_object_mut().unwrap();
                if *field == "network_mode" {
                    fields.remove("networks");
                }
                fields.insert((*field).to_owned(), serde_json::from_str(value).unwrap());
                let after = judged(file, Some(changed.to_string()));
                let fresh = after.map(|after| new(&before, &after)).unwrap_or_default();
                tried += 1;
                // A way out that was there is no new one.
                let known = before.iter().any(|(known, _)| known == rule);
                if !known && !fresh.iter().any(|it| it == rule) {
                    wrong.push(format!("{file}: {service} with {field}: {value}: {fresh:?}"));
                }
            }
        }
    }
    let unused: Vec<_> = KNOBS.iter().map(|knob| knob.0).filter(|it| !used.contains(it)).collect();
    assert!(unused.is_empty(), "in KNOBS, and in no file: {unused:?}");
    assert!(wrong.is_empty(), "{} of {tried}:\n  {}", wrong.len(), wrong.join("\n  "));
    assert!(tried > 250, "only {tried} changes were tried");
}

/// A profile of ours that is loosened is noticed, in every service that names it.
#[test]
fn a_loosened_profile_is_noticed() {
    let path = folder().join("seccomp/default.json");
    let ours: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let with_default = |action: &str| {
        let mut profile = ours.clone();
        profile["defaultAction"] = json!(action);
        profile.to_string().into_bytes()
    };
    let cases: [(&str, io::Result<Vec<u8>>); 6] = [
        ("compose.seccomp-off", Ok(with_default("SCMP_ACT_ALLOW"))),
        ("compose.seccomp-off", Ok(with_default("SCMP_ACT_LOG"))),
        ("compose.seccomp-off", Ok(br#"{"defaultAction": "SCMP_ACT_ALLOW"}"#.to_vec())),
        ("compose.seccomp-file", Ok(b"{}".to_vec())),
        ("compose.seccomp-file", Ok(Vec::new())),
        ("compose.seccomp-file", Err(io::ErrorKind::NotFound.into())),
    ];
    for file in FILES {
        let request = Request {
            files: vec![folder().join(file)],
            env_files: vec![folder().join(".env.example")],
            home: Some(PathBuf::from("/home/somebody")),
            ..Request::default()
        };
        for (rule, profile) in &cases {
            let reader = |wanted: &Path, most: usize| match profile {
                _ if wanted != path => disk::read(wanted, most),
                Ok(bytes) => Ok(bytes.clone()),
                Err(error) => Err(error.kind().into()),
            };
            let checked = check(&request, &[], &reader).unwrap_or_else(|why| panic!("{why:?}"));
            let services: BTreeSet<&str> =
                checked.found.iter().map(|it| it.service.as_str()).collect();
            let all: BTreeSet<&str> = checked.services.iter().map(String::as_str).collect();
            assert_eq!(services, all, "{file}: {rule}");
            assert!(checked.found.iter().all(|it| it.finding.rule.id == *rule), "{file}: {rule}");
        }
    }
}

/// The files name a profile that is there, and is the one that jail has.
#[test]
fn the_seccomp_profile_is_ours() {
    for file in FILES {
        let text = fs::read_to_string(folder().join(file)).unwrap();
        assert!(text.contains("seccomp=./seccomp/default.json"), "{file}");
    }
    let profile = fs::read_to_string(folder().join("seccomp/default.json")).unwrap();
    assert_eq!(profile, jail::seccomp::built_in_json("default").unwrap());
}
