//! Real connectors, each by one manifest in both backends: every answer of the same session must be the same.
//!
//! tests/connectors/image.sh makes the image, and tests/connectors/install.sh what the namespace backend runs. Refusals
//! are first tried without jail, where they must succeed.

use crate::engines::{World, text};
use crate::session::{self, Held};
use crate::{Outcome, as_in};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

const IMAGE: &str = "jail-test-connectors:1";
const CANARY: &str = "canary-of-the-connectors";

/// How the programs come into the container.
#[derive(Clone, Copy, PartialEq)]
enum How {
    /// They are in the image, and the manifest says their name.
    InImage,
    /// They are granted for reading, and the manifest says their path; node and Python are the image's.
    Mounted,
}

struct Connector {
    name: &'static str,
    /// The command and its arguments; `{NAME}` is one of [`places`].
    in_image: &'static [&'static str],
    mounted: &'static [&'static str],
    read: &'static [&'static str],
    calls: fn(&Places) -> Vec<Call>,
    /// What may differ: a call, and a name in the JSON of its answer.
    may_differ: &'static [(&'static str, &'static str)],
    /// Long, where it ends by itself: a busy machine is slow.
    eof_grace: &'static str,
}

struct Call {
    tool: &'static str,
    arguments: Value,
    expected: Expected,
}

enum Expected {
    Says(&'static str),
    /// In both backends; without jail it works, and says this.
    Refused(&'static str),
}

fn says(tool: &'static str, arguments: Value, what: &'static str) -> Call {
    Call { tool, arguments, expected: Expected::Says(what) }
}

fn refused(tool: &'static str, arguments: Value, what: &'static str) -> Call {
    Call { tool, arguments, expected: Expected::Refused(what) }
}

const CONNECTORS: &[Connector] = &[
    Connector {
        name: "server-filesystem",
        // Its own limit is the whole disk: what refuses is the jail.
        in_image: &["mcp-server-filesystem", "/"],
        mounted: &[
            "node",
            "{programs}/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js",
            "/",
        ],
        read: &["{granted}"],
        calls: |at| {
            vec![
                says("list_directory", json!({"path": "/workspace"}), "hello.txt"),
                says(
                    "read_text_file",
                    json!({"path": "/workspace/hello.txt"}),
                    "hello from the workspace",
                ),
                says(
                    "write_file",
                    json!({"path": "/workspace/made.txt", "content": "made inside"}),
                    "Successfully wrote",
                ),
                says("read_text_file", json!({"path": "/workspace/made.txt"}), "made inside"),
                says("read_text_file", json!({"path": at.granted.join("file.txt")}), "granted"),
                refused("read_text_file", json!({"path": at.outside.join("secret.txt")}), CANARY),
                refused("list_directory", json!({"path": at.outside}), "secret.txt"),
                refused(
                    "write_file",
                    json!({"path": at.granted.join("planted.txt"), "content": "x"}),
                    "Successfully wrote",
                ),
                refused("read_text_file", json!({"path": "/workspace/link"}), CANARY),
            ]
        },
        may_differ: &[],
        eof_grace: "100s",
    },
    Connector {
        name: "server-everything",
        in_image: &["mcp-server-everything", "stdio"],
        mounted: &[
            "node",
            "{programs}/node_modules/@modelcontextprotocol/server-everything/dist/index.js",
            "stdio",
        ],
        read: &[],
        calls: |_| {
            vec![
                says("echo", json!({"message": "one line\nand another: æøå 🦀"}), "æøå 🦀"),
                says("get-sum", json!({"a": 40, "b": 2}), "42"),
                says("get-tiny-image", json!({}), ""),
                says("get-env", json!({}), "HOME"),
            ]
        },
        // The folders of the program come first in a jail; and the way out is at another address in a container.
        may_differ: &[
            ("get-env", "PATH"),
            ("get-env", "http_proxy"),
            ("get-env", "HTTP_PROXY"),
            ("get-env", "https_proxy"),
            ("get-env", "HTTPS_PROXY"),
            ("get-env", "all_proxy"),
            ("get-env", "ALL_PROXY"),
        ],
        // It does not end with its input.
        eof_grace: "2s",
    },
    Connector {
        name: "server-sequential-thinking",
        in_image: &["mcp-server-sequential-thinking"],
        mounted: &[
            "node",
            "{programs}/node_modules/@modelcontextprotocol/server-sequential-thinking/dist/index.js",
        ],
        read: &[],
        calls: |_| {
            let thought = json!({
                "thought": "first", "thoughtNumber": 1, "totalThoughts": 2, "nextThoughtNeeded": true,
            });
            vec![says("sequentialthinking", thought, "\"thoughtHistoryLength\": 1")]
        },
        may_differ: &[],
        eof_grace: "100s",
    },
    Connector {
        name: "mcp-server-time",
        in_image: &["mcp-server-time", "--local-timezone", "Etc/UTC"],
        mounted: &["{programs}/venv/bin/mcp-server-time", "--local-timezone", "Etc/UTC"],
        read: &[],
        calls: |_| {
            let when = json!({
                "source_timezone": "Etc/UTC", "time": "12:00", "target_timezone": "Asia/Kolkata",
            });
            vec![says("convert_time", when, "+5.5h")]
        },
        // The day, where midnight falls between both.
        may_differ: &[("convert_time", "datetime"), ("convert_time", "day_of_week")],
        eof_grace: "100s",
    },
    Connector {
        name: "mcp-server-git",
        in_image: &["mcp-server-git"],
        mounted: &["{programs}/venv/bin/mcp-server-git"],
        read: &["{repository}"],
        calls: |at| {
            let repository = || json!({"repo_path": at.repository});
            vec![
                says("git_log", repository(), "the granted commit"),
                says("git_status", repository(), "nothing to commit"),
                says("git_show", json!({"repo_path": at.repository, "revision": "HEAD"}), "+hello"),
                refused("git_log", json!({"repo_path": at.other}), CANARY),
            ]
        },
        may_differ: &[],
        eof_grace: "100s",
    },
];

/// Where things are on the host, and inside.
struct Places {
    programs: PathBuf,
    workspace: PathBuf,
    granted: PathBuf,
    outside: PathBuf,
    repository: PathBuf,
    other: PathBuf,
}

pub fn trials(world: &Result<Arc<World>, String>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (how, word) in [(How::InImage, "in_image"), (How::Mounted, "mounted")] {
        // One of each language is enough to show that the other way in works, too.
        let one_of_each = ["server-filesystem", "mcp-server-time"];
        let in_image = how == How::InImage;
        for connector in CONNECTORS.iter().filter(|it| in_image || one_of_each.contains(&it.name)) {
            let name = format!("both_backends_{word}_{}", connector.name);
            let must = crate::must_run(&name);
            trials.push(crate::trial_of(&name, world, move |world| {
                if !world.docker && !must && !one_of_each.contains(&connector.name) {
                    let why = "rootless podman copies the whole image for each container, which takes minutes";
                    return Err(format!("skip: {why}: JAIL_TEST_MUST_RUN=containers"));
                }
                both(world, connector, how)
            }));
        }
    }
    trials
}

fn both(world: &World, connector: &Connector, how: How) -> Outcome {
    static READY: OnceLock<Result<(), String>> = OnceLock::new();
    let at = places(world)?;
    READY.get_or_init(|| prepare(world, &at)).clone()?;
    manifest(world, connector, how, &at);
    let calls = (connector.calls)(&at);
    let plain = at.words(connector.mounted);
    let control =
        hold(world, &at, &calls, &plain, |call| matches!(call.expected, Expected::Refused(_)))?;
    for (call, answer) in calls.iter().zip(&control.answers) {
        if let (Expected::Refused(what), Some(answer)) = (&call.expected, answer)
            && !says_it(answer, what)
        {
            return Err(format!("{} does not work without jail either: {answer}", call.tool));
        }
    }
    let jail = |more: &[&str]| {
        let mut words = vec![world.jail.display().to_string(), "run".into(), "--quiet".into()];
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words.push(connector.name.to_owned());
        words
    };
    let namespace = hold(world, &at, &calls, &jail(&[]), |_| true)?;
    let container = hold(world, &at, &calls, &jail(&["--sandbox=container"]), |_| true)?;
    for (backend, held) in [("namespace", &namespace), ("container", &container)] {
        judge(&calls, held).map_err(|why| format!("{backend}: {why}"))?;
    }
    let differences = difference(connector, &calls, &namespace, &container);
    println!(
        "{}: {} answers in each backend, {} bytes, {} differences",
        connector.name,
        calls.len() + 2,
        namespace.bytes,
        differences.len()
    );
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n")) }
}

fn judge(calls: &[Call], held: &Held) -> Outcome {
    for (call, answer) in calls.iter().zip(&held.answers) {
        let Some(answer) = answer else { continue };
        let failed = answer["result"]["isError"] == true || answer.get("error").is_some();
        match &call.expected {
            Expected::Says(what) if failed || !says_it(answer, what) => {
                return Err(format!("{} answered {answer}", call.tool));
            }
            Expected::Refused(what) if !failed || says_it(answer, what) => {
                return Err(format!("{} was NOT refused: {answer}", call.tool));
            }
            _ => {}
        }
    }
    Ok(())
}

fn says_it(answer: &Value, what: &str) -> bool {
    let parts = answer["result"]["content"].as_array().into_iter().flatten();
    let text: String = parts.filter_map(|part| part["text"].as_str()).collect();
    text.contains(what)
}

/// All that is not the same, but for what is named.
fn difference(
    connector: &Connector,
    calls: &[Call],
    namespace: &Held,
    container: &Held,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, one: &Value, other: &Value| {
        if one != other {
            found.push(format!("{what}:\n  namespace {one}\n  container {other}"));
        }
    };
    compare("initialize", &namespace.opened, &container.opened);
    compare("tools/list", &namespace.tools, &container.tools);
    compare("exit status", &json!(namespace.status), &json!(container.status));
    for (n, call) in calls.iter().enumerate() {
        let of = |held: &Held| {
            let mut answer = held.answers[n].clone().unwrap_or_default();
            for (_, name) in connector.may_differ.iter().filter(|(tool, _)| *tool == call.tool) {
                masked(&mut answer, name);
            }
            answer
        };
        compare(call.tool, &of(namespace), &of(container));
    }
    found
}

/// Without the values of this name, also in JSON that is the text of an answer.
fn masked(value: &mut Value, name: &str) {
    match value {
        Value::Object(fields) => {
            fields.remove(name);
            fields.values_mut().for_each(|value| masked(value, name));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| masked(value, name)),
        Value::String(text) => {
            if let Ok(mut inner @ Value::Object(_)) = serde_json::from_str(text) {
                masked(&mut inner, name);
                *value = inner;
            }
        }
        _ => {}
    }
}

/// A session with fresh folders.
fn hold(
    world: &World,
    at: &Places,
    calls: &[Call],
    words: &[String],
    which: impl Fn(&Call) -> bool,
) -> Result<Held, String> {
    folders(at)?;
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    as_in(world, &mut command);
    let programs = [at.programs.join("venv/bin"), at.programs.join("node_modules/.bin")];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(programs.into_iter().chain(std::env::split_paths(&path)));
    command.env("PATH", path.unwrap()).envs(SAFE).current_dir(world.path("work"));
    let plain = words[0] != world.jail.display().to_string();
    let asked: Vec<Option<(&str, Value)>> = calls
        .iter()
        .map(|call| {
            // Without jail there is no /workspace: the same file by its name on the host.
            let mut arguments = call.arguments.clone();
            if let Some(path) = arguments["path"].as_str().filter(|_| plain) {
                let host = at.workspace.display().to_string();
                arguments["path"] = path.replacen("/workspace", &host, 1).into();
            }
            which(call).then_some((call.tool, arguments))
        })
        .collect();
    let held = session::hold(command, &asked)?;
    let made = fs::read_to_string(at.workspace.join("made.txt")).ok();
    let writes = calls.iter().zip(&asked).any(|(call, asked)| {
        asked.is_some() && call.tool == "write_file" && matches!(call.expected, Expected::Says(_))
    });
    match made.as_deref() {
        Some("made inside") if writes => Ok(held),
        None if !writes => Ok(held),
        found => Err(format!("the host's workspace has {found:?}")),
    }
}

/// Root's repositories are another's to the user 65532 of a rootful engine, and git wants to be told that they are safe.
const SAFE: [(&str, &str); 3] = [
    ("GIT_CONFIG_COUNT", "1"),
    ("GIT_CONFIG_KEY_0", "safe.directory"),
    ("GIT_CONFIG_VALUE_0", "*"),
];

fn manifest(world: &World, connector: &Connector, how: How, at: &Places) {
    let command = match how {
        How::InImage => at.words(connector.in_image),
        How::Mounted => at.words(connector.mounted),
    };
    let mut read = at.words(connector.read);
    if how == How::Mounted {
        read.push(at.programs.display().to_string());
    }
    let env: serde_json::Map<String, Value> =
        SAFE.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    // JSON is YAML.
    let manifest = json!({
        "name": connector.name,
        "command": command[0],
        "args": command[1..],
        "env": env,
        "container": {"image": IMAGE, "engine": world.engine()},
        "filesystem": {"read": read, "workspace": {"host": at.workspace}},
        "eof_grace": connector.eof_grace,
    });
    let file = world.path("work/.cloned/connectors").join(format!("{}.yaml", connector.name));
    fs::write(file, manifest.to_string()).unwrap();
}

impl Places {
    fn words(&self, words: &[&str]) -> Vec<String> {
        let known = [
            ("{programs}", &self.programs),
            ("{granted}", &self.granted),
            ("{repository}", &self.repository),
        ];
        let put = |word: &&str| {
            known.iter().fold((*word).to_owned(), |word, (name, path)| {
                word.replace(name, &path.display().to_string())
            })
        };
        words.iter().map(put).collect()
    }
}

fn places(world: &World) -> Result<Places, String> {
    let programs = std::env::var_os("CONNECTORS").map(PathBuf::from);
    let programs = programs.filter(|folder| folder.join("stamp").exists());
    let programs = programs
        .ok_or("skip: CONNECTORS does not say where tests/connectors/install.sh put them")?;
    let root = world.path("connectors");
    let place = |name: &str| root.join(name);
    Ok(Places {
        programs,
        workspace: place("ws"),
        granted: place("granted"),
        outside: place("outside"),
        repository: place("repository"),
        other: place("other"),
    })
}

/// The image, and the repositories.
fn prepare(world: &World, at: &Places) -> Outcome {
    let tar = std::env::var("CONNECTORS_IMAGE").unwrap_or_default();
    if !Path::new(&tar).exists() {
        let why = "skip: CONNECTORS_IMAGE names no file that tests/connectors/image.sh made";
        return Err(why.to_owned());
    }
    let mut command = Command::new(world.engine());
    as_in(world, &mut command);
    let output = command.args(["import", &tar, IMAGE]).output().unwrap();
    if !output.status.success() {
        return Err(format!("the image of the connectors: {}", text(&output.stderr)));
    }
    repository(&at.repository, "the granted commit")?;
    repository(&at.other, CANARY)
}

/// One commit, the same to the byte whenever and by whomever it is made.
fn repository(path: &Path, message: &str) -> Outcome {
    fs::create_dir_all(path).unwrap();
    fs::write(path.join("file.txt"), "hello\n").unwrap();
    for args in [
        &["init", "--quiet", "--initial-branch=main"][..],
        &["add", "file.txt"],
        &["commit", "--quiet", "--message", message],
    ] {
        let mut command = Command::new("git");
        command.arg("-C").arg(path).args(args).env("HOME", path).env("GIT_CONFIG_NOSYSTEM", "1");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "A Tester");
            command.env(format!("GIT_{who}_EMAIL"), "tester@example.invalid");
            command.env(format!("GIT_{who}_DATE"), "2026-01-01T00:00:00Z");
        }
        let output = command.output().map_err(|error| format!("git: {error}"))?;
        if !output.status.success() {
            return Err(format!("git {args:?}: {}", text(&output.stderr)));
        }
    }
    Ok(())
}

/// As new: the workspace, what is granted beside it, and what is not.
fn folders(at: &Places) -> Outcome {
    for path in [&at.workspace, &at.granted, &at.outside] {
        fs::remove_dir_all(path).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(format!("{}: {error}", path.display())),
        })?;
        fs::create_dir_all(path).unwrap();
    }
    // In a rootful engine root's connector is another user, who must be able to write here.
    fs::set_permissions(&at.workspace, fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(at.workspace.join("hello.txt"), "hello from the workspace\n").unwrap();
    fs::write(at.granted.join("file.txt"), "granted\n").unwrap();
    fs::write(at.outside.join("secret.txt"), CANARY).unwrap();
    std::os::unix::fs::symlink(at.outside.join("secret.txt"), at.workspace.join("link")).unwrap();
    Ok(())
}
