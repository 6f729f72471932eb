//! Every project of `tests/compose/good` with its table of verdicts, every file of `tests/compose/bad` with its
//! error; and the merged model beside that of docker compose.
//!
//! A good one is a folder: `compose.yaml`, or `1-*.yaml`, `2-*.yaml`, … in the order of the merge. `verdict` has
//! a line for each finding: its place, rule and service; `allowed` starts what was allowed.

use jail::compose::check::{check, project};
use jail::compose::model::Project;
use jail::compose::node::{Node, Value as Of};
use jail::compose::project::{Rejection, Request};
use jail::compose::{disk, interpolate::Variables};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose")
}

fn names(kind: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(kind)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect::<BTreeSet<String>>().into_iter().collect()
}

const VARIABLES: [(&str, &str); 2] = [("FOO", "bar"), ("HOME", "/home/me")];

fn request(folder: &Path) -> Request {
    let own = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name == "compose.yaml" || name.starts_with(|c: char| c.is_ascii_digit())
    };
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: BTreeSet<PathBuf> = entries.filter(own).collect();
    let variables = VARIABLES.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Request {
        files: files.into_iter().collect(),
        variables: Variables::from(variables),
        home: Some(PathBuf::from("/home/me")),
        ..Request::default()
    }
}

fn shown(rejection: Rejection) -> String {
    match rejection {
        Rejection::Unreadable(failure) => failure.to_string(),
        Rejection::Wrong(problems) => problems
            .iter()
            .map(|problem| match &problem.hint {
                Some(hint) => format!("{problem}; {hint}\n"),
                None => format!("{problem}\n"),
            })
            .collect(),
    }
}

/// Nearly every project names `seccomp.json`: where it is not there it is one that refuses.
fn reader(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    if path.ends_with("seccomp.json") && !path.exists() {
        return Ok(br#"{"defaultAction": "SCMP_ACT_ERRNO"}"#.to_vec());
    }
    disk::read(path, most)
}

/// The findings of a project, a line each.
fn verdict(folder: &Path) -> String {
    let checked = check(&request(folder), &[], &reader);
    let checked = checked.unwrap_or_else(|why| panic!("{}: {}", folder.display(), shown(why)));
    let line = |finding: &jail::doctor::finding::Finding| {
        let place = finding.place.as_ref().unwrap();
        let file = place.file.strip_prefix(folder).unwrap().display();
        let subject = finding.subject.trim_start_matches("service ");
        let subject = subject.strip_prefix(folder.to_str().unwrap()).unwrap_or(subject);
        let subject = subject.trim_start_matches('/');
        format!("{file}:{}:{} {} {subject}\n", place.line, place.column, finding.rule.id)
    };
    let mut lines: Vec<String> = checked.found.iter().map(|it| line(&it.finding)).collect();
    lines.extend(checked.allowed.iter().map(|it| format!("allowed {}", line(&it.finding))));
    lines.concat()
}

#[test]
fn verdicts_are_those_of_the_tables() {
    let mut wrong = Vec::new();
    let names = names("good");
    for name in &names {
        let folder = root().join("good").join(name);
        let found = verdict(&folder);
        let expected = fs::read_to_string(folder.join("verdict")).unwrap_or_default();
        let lines = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        if lines(&found) != lines(&expected) {
            let (found, expected): (BTreeSet<String>, BTreeSet<String>) =
                (lines(&found).into_iter().collect(), lines(&expected).into_iter().collect());
            let more: Vec<_> = found.difference(&expected).collect();
            let less: Vec<_> = expected.difference(&found).collect();
            wrong.push(format!("{name}: not in the table {more:#?}, not found {less:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(names.len() >= 40, "{}", names.len());
}

/// Every rule that a service can break is broken in one of the tables.
#[test]
fn every_rule_is_in_a_table() {
    let all: String = names("good")
        .iter()
        .map(|name| fs::read_to_string(root().join("good").join(name).join("verdict")).unwrap())
        .collect();
    let missing: Vec<_> = jail::compose::rules::ALL
        .iter()
        .map(|rule| rule.id)
        .filter(|id| *id != "compose.wrong" && !all.contains(&format!(" {id} ")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn bad_files_are_refused_with_their_place() {
    let mut wrong = Vec::new();
    for name in names("bad") {
        let path = root().join("bad").join(&name);
        let text = fs::read_to_string(&path).unwrap();
        let expected = text.lines().next().and_then(|line| line.strip_prefix("# expect: "));
        let expected = expected.expect("the first line is `# expect: …`");
        let request = Request { files: vec![path.clone()], ..Request::default() };
        let found = match check(&request, &[], &disk::read) {
            Ok(_) => "it was accepted".to_owned(),
            Err(why) => shown(why),
        };
        let rest = found.strip_prefix(path.to_str().unwrap()).unwrap_or("no place: ");
        // ` … ` stands for anything in between.
        let mut left = rest;
        let fits = expected.split(" … ").all(|part| match left.find(part) {
            Some(start) => {
                left = &left[start + part.len()..];
                true
            }
            None => false,
        });
        if !fits || !rest.starts_with(':') {
            wrong.push(format!("{name}\n  expected: {expected}\n     found: {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// === beside docker compose ===

/// Its program, where tests/compose/install.sh put it.
fn docker_compose() -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/compose/docker-compose");
    if program.exists() {
        return Some(program);
    }
    let list = std::env::var("JAIL_TEST_MUST_RUN").unwrap_or_default();
    let must = list.split(',').any(|word| word == "all" || word == "docker-compose");
    assert!(!must, "the comparison must run: {} is not there", program.display());
    let line =
        "skipped compose beside docker compose: tests/compose/install.sh has not put it there\n";
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    None
}

/// What docker compose makes of a project.
fn theirs(program: &Path, request: &Request) -> Result<Value, String> {
    let mut command = Command::new("timeout");
    command.arg("60").arg(program).args(["--profile", "*"]);
    for file in &request.files {
        command.arg("--file").arg(file);
    }
    command.args(["config", "--format", "json"]).env_clear().envs(VARIABLES);
    let output = command.output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap())
}

fn plain(node: &Node) -> Value {
    match &node.value {
        Of::Null => Value::Null,
        Of::Scalar(scalar) => json!(scalar.text),
        Of::List(items) => items.iter().map(plain).collect(),
        Of::Map(entries) => {
            Value::Object(entries.iter().map(|it| (it.key.clone(), plain(&it.value))).collect())
        }
    }
}

/// Our model in the form of theirs.
fn ours(project: &Project) -> Value {
    let services: Map<String, Value> = project
        .services
        .iter()
        .map(|service| {
            let mut value = plain(&service.node);
            let networks: Map<String, Value> =
                service.networks().into_iter().map(|(name, _)| (name, Value::Null)).collect();
            value["networks"] = Value::Object(networks);
            (service.name.clone(), value)
        })
        .collect();
    let shared = |name: &str| project.root.get(name).map_or(Value::Null, plain);
    let mut root = json!({"services": services});
    for name in ["networks", "volumes", "secrets", "configs"] {
        root[name] = shared(name);
    }
    root
}

/// The fields that rules look at, of either model, in one form.
fn normal(root: &Value) -> Value {
    let services = root["services"].as_object().unwrap();
    let services: Map<String, Value> =
        services.iter().map(|(name, it)| (name.clone(), service(it))).collect();
    let shared = |section: &str, fields: &[&str]| {
        let all = root[section].as_object().cloned().unwrap_or_default();
        let one = |it: &Value| {
            let fields = fields.iter().map(|name| ((*name).to_owned(), texts(&it[*name])));
            pruned(Value::Object(fields.collect()))
        };
        all.iter().map(|(name, it)| (name.clone(), one(it))).collect::<Map<_, _>>()
    };
    json!({
        "services": services,
        "networks": shared("networks", &["internal", "external", "enable_ipv6", "ipam"]),
        "volumes": shared("volumes", &["external", "driver_opts"]),
        "secrets": shared("secrets", &["file"]),
        "configs": shared("configs", &["file"]),
    })
}

const TEXTS: &[&str] = &[
    "image",
    "user",
    "network_mode",
    "pid",
    "ipc",
    "uts",
    "userns_mode",
    "cgroup",
    "cgroup_parent",
    "restart",
    "oom_score_adj",
    "pids_limit",
    "runtime",
    "container_name",
    "environment",
    "labels",
    "sysctls",
    "logging",
];
const FLAGS: &[&str] = &["privileged", "read_only", "oom_kill_disable"];
const SIZES: &[&str] = &["mem_limit", "memswap_limit", "cpus"];
const LISTS: &[&str] = &[
    "cap_add",
    "cap_drop",
    "security_opt",
    "tmpfs",
    "group_add",
    "device_cgroup_rules",
    "volumes_from",
    "profiles",
    "devices",
];

fn service(it: &Value) -> Value {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| drop(out.insert(name.to_owned(), value));
    TEXTS.iter().for_each(|name| put(name, texts(&it[*name])));
    FLAGS.iter().for_each(|name| put(name, json!(texts(&it[*name]) == json!("true"))));
    SIZES.iter().for_each(|name| put(name, number(&it[*name])));
    LISTS.iter().for_each(|name| put(name, sorted(texts(&it[*name]))));
    for name in ["command", "entrypoint"] {
        put(name, texts(&it[name]).as_array().map_or(Value::Null, |items| json!(items)));
    }
    put(
        "networks",
        it["networks"].as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default(),
    );
    put("ports", ports(&it["ports"]));
    put("volumes", volumes(&it["volumes"]));
    put(
        "healthcheck",
        json!({
            "test": texts(&it["healthcheck"]["test"]),
            "disable": texts(&it["healthcheck"]["disable"]),
        }),
    );
    let limits = &it["deploy"]["resources"]["limits"];
    put(
        "limits",
        json!([number(&limits["cpus"]), number(&limits["memory"]), texts(&limits["pids"])]),
    );
    let policy = &it["deploy"]["restart_policy"];
    put("restart_policy", json!([texts(&policy["condition"]), texts(&policy["max_attempts"])]));
    put("gpus", texts(&it["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"]));
    put("hosts", hosts(&it["extra_hosts"]));
    for name in ["secrets", "configs"] {
        let sources = it[name].as_array().into_iter().flatten().map(|it| texts(&it["source"]));
        put(name, sorted(sources.collect()));
    }
    let build = &it["build"];
    put(
        "build",
        json!([
            build["context"],
            build["network"],
            texts(&build["privileged"]),
            texts(&build["args"])
        ]),
    );
    pruned(Value::Object(out))
}

/// Every value as text; `$$` is their way of writing a dollar.
fn texts(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::String(text) => json!(text),
        Value::Array(items) => items.iter().map(texts).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, it)| (key.clone(), texts(it))).collect())
        }
        other => json!(other.to_string()),
    }
}

/// Without what says nothing.
fn pruned(value: Value) -> Value {
    let empty = |it: &Value| match it {
        Value::Null => true,
        Value::Bool(it) => !it,
        Value::String(it) => matches!(it.as_str(), "" | "0" | "false"),
        Value::Array(it) => it.is_empty(),
        Value::Object(it) => it.is_empty(),
        Value::Number(it) => it.as_f64() == Some(0.0),
    };
    let Value::Object(fields) = value else { return value };
    let named = |name: &String| name == "environment" || name == "labels";
    let fields = fields.into_iter().map(|(name, it)| match named(&name) {
        true => (name, it),
        false => (name, pruned(it)),
    });
    Value::Object(fields.filter(|(_, it)| !empty(it)).collect())
}

fn sorted(value: Value) -> Value {
    let mut items: Vec<Value> = value.as_array().cloned().unwrap_or_default();
    items.sort_by_key(Value::to_string);
    Value::Array(items)
}

/// A number, or a number of bytes in units of 1024.
fn number(value: &Value) -> Value {
    let text = texts(value);
    let text = text.as_str().unwrap_or("0").to_lowercase();
    let text = text.trim_end_matches('b');
    let (digits, power) = match text.chars().last() {
        Some('k') => (&text[..text.len() - 1], 1),
        Some('m') => (&text[..text.len() - 1], 2),
        Some('g') => (&text[..text.len() - 1], 3),
        _ => (text, 0),
    };
    json!(digits.parse::<f64>().unwrap_or(0.0) * 1024f64.powi(power))
}

/// One line for each pair of ports.
fn ports(value: &Value) -> Value {
    let range = |text: &str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        first.parse::<u32>().unwrap()..=last.parse::<u32>().unwrap()
    };
    let mut lines = Vec::new();
    for port in value.as_array().into_iter().flatten() {
        let text = |name: &str| texts(&port[name]).as_str().unwrap_or_default().to_owned();
        let (host, protocol, published) = (text("host_ip"), text("protocol"), text("published"));
        for (number, target) in range(&text("target")).enumerate() {
            let published = match published.is_empty() {
                true => String::new(),
                false => range(&published).nth(number).unwrap().to_string(),
            };
            lines.push(json!(format!("{host} {published} {target} {protocol} {}", text("mode"))));
        }
    }
    sorted(Value::Array(lines))
}

fn volumes(value: &Value) -> Value {
    let one = |it: &Value| {
        json!([
            it["type"],
            it["source"],
            it["target"],
            texts(&it["read_only"]) == json!("true"),
            it["bind"]["propagation"],
            number(&it["tmpfs"]["size"]),
        ])
    };
    sorted(value.as_array().into_iter().flatten().map(one).collect())
}

fn hosts(value: &Value) -> Value {
    let lines: Vec<Value> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, it)| json!(format!("{name}={}", it.as_str().unwrap())))
            .collect(),
        Value::Array(items) => items
            .iter()
            .map(|it| {
                let text = it.as_str().unwrap();
                let mark = text.find('=').or(text.find(':')).unwrap();
                json!(format!("{}={}", &text[..mark], &text[mark + 1..]))
            })
            .collect(),
        _ => Vec::new(),
    };
    sorted(Value::Array(lines))
}

/// Where two values differ, with both.
fn differences(one: &Value, two: &Value, path: &str, out: &mut Vec<String>) {
    match (one, two) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let (a, b) = (a.get(key), b.get(key));
                let null = Value::Null;
                differences(a.unwrap_or(&null), b.unwrap_or(&null), &format!("{path}/{key}"), out);
            }
        }
        (one, two) if one != two => out.push(format!("{path}: ours {one}, theirs {two}")),
        _ => {}
    }
}

/// Projects that docker compose refuses, and what it says.
const REFUSED: &[(&str, &str)] = &[
    // Fields of later versions.
    ("newer_fields", "Additional property"),
    // A name of other letters.
    ("unicode", "is not allowed"),
];

#[test]
fn the_model_is_that_of_docker_compose() {
    let Some(program) = docker_compose() else { return };
    let mut out = Vec::new();
    let mut compared = 0;
    for name in names("good") {
        let request = request(&root().join("good").join(&name));
        let project = project(&request, &disk::read).unwrap_or_else(|why| panic!("{}", shown(why)));
        let theirs = match (theirs(&program, &request), REFUSED.iter().find(|it| it.0 == name)) {
            (Ok(theirs), None) => theirs,
            (Err(error), Some((_, expected))) if error.contains(expected) => continue,
            (other, _) => {
                out.push(format!("{name}: {other:?}"));
                continue;
            }
        };
        let theirs: Value = serde_json::from_str(&theirs.to_string().replace("$$", "$")).unwrap();
        let (mut one, mut two) = (normal(&ours(&project)), normal(&theirs));
        for (name, service) in two["services"].as_object_mut().unwrap() {
            // How a shell would split a text is for the engine.
            let own = &one["services"][name];
            for field in ["command", "entrypoint"].into_iter().filter(|it| own[*it].is_null()) {
                service.as_object_mut().unwrap().remove(field);
            }
        }
        // It leaves out what no service uses, and adds the default network.
        for section in ["networks", "volumes", "secrets", "configs"] {
            let used = two[section].as_object().cloned().unwrap_or_default();
            let mut own = one[section].as_object().cloned().unwrap_or_default();
            own.retain(|name, _| used.contains_key(name));
            for name in used.keys() {
                own.entry(name.clone()).or_insert(json!({}));
            }
            one[section] = Value::Object(own);
        }
        differences(&one, &two, &name, &mut out);
        compared += 1;
    }
    println!("{compared} projects compared, {} differences", out.len());
    assert!(out.is_empty(), "{} differences:\n  {}", out.len(), out.join("\n  "));
    assert!(compared >= 40, "only {compared} were compared");
}
