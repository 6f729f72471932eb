//! `jail mcp` with the client of the official Rust SDK.

use rmcp::model::{CallToolRequestParams, CallToolResult, ProgressNotificationParam};
use rmcp::service::{NotificationContext, RunningService};
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientHandler, RoleClient, ServiceExt};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const UPDATE: &str = "cloned.internal.security.egress.update@v1";
const TOOL: &str = "web.search@v1";
const LONG: Duration = Duration::from_secs(60);

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jail"));
    command.args(args).current_dir(dir).env_clear().env("HOME", dir.join("home"));
    command
}

#[must_use]
fn jail(dir: &Path, args: &[&str]) -> Output {
    command(dir, args).output().unwrap()
}

/// With one connector, which stands behind a tool.
fn workspace() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join(".cloned/connectors");
    fs::create_dir_all(&folder).unwrap();
    let text = format!("name: search\ncommand: x\ntool: {TOOL}\n");
    fs::write(folder.join("search.yaml"), text).unwrap();
    dir
}

/// All that the firewall's files say, byte for byte.
fn overlay(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir.join(".cloned/policy"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|file| {
            (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap_or_default())
        })
        .collect();
    files.sort();
    files
}

/// Hears what the server says about how far it is.
struct Ear(UnboundedSender<ProgressNotificationParam>);

impl ClientHandler for Ear {
    async fn on_progress(
        &self,
        told: ProgressNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        drop(self.0.send(told));
    }
}

type Client = RunningService<RoleClient, Ear>;

async fn client(dir: &Path, wait: &str) -> (Client, UnboundedReceiver<ProgressNotificationParam>) {
    let server = tokio::process::Command::from(command(dir, &["mcp", "--wait", wait]));
    let (tell, heard) = unbounded_channel();
    let client = Ear(tell).serve(TokioChildProcess::new(server).unwrap()).await.unwrap();
    (client, heard)
}

async fn call(client: &Client, tool: &str, arguments: Value) -> CallToolResult {
    let Value::Object(arguments) = arguments else { panic!("no object") };
    let request = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
    tokio::time::timeout(LONG, client.call_tool(request)).await.unwrap().unwrap()
}

fn structured(result: &CallToolResult) -> Value {
    assert_ne!(result.is_error, Some(true), "{result:?}");
    result.structured_content.clone().unwrap()
}

fn text(result: &CallToolResult) -> String {
    result.content.iter().filter_map(|part| part.as_text()).map(|part| part.text.clone()).collect()
}

fn wants(domains: &[&str]) -> Value {
    json!({"scope": "tool", "tool_id": TOOL, "domains": domains, "reason": "the index is there"})
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test)
}

#[test]
fn the_tools_say_what_they_take_give_and_do() {
    run(async {
        let dir = workspace();
        let (client, _heard) = client(dir.path(), "1s").await;
        let tools = client.list_all_tools().await.unwrap();
        assert_eq!(tools.len(), 4);
        for tool in &tools {
            let name = tool.name.as_ref();
            assert!(name.starts_with("cloned.internal.security.egress."), "{name}");
            let annotations = tool.annotations.as_ref().unwrap();
            assert_eq!(annotations.read_only_hint, Some(name != UPDATE), "{name}");
            assert_eq!(tool.input_schema["type"], "object", "{name}");
            assert_eq!(tool.output_schema.as_ref().unwrap()["type"], "object", "{name}");
        }
        let update = tools.iter().find(|tool| tool.name == UPDATE).unwrap();
        let taken = &update.input_schema["properties"];
        for name in ["scope", "tool_id", "domains", "reason"] {
            assert!(taken[name].is_object(), "{name}: {taken}");
        }
        assert_eq!(update.annotations.as_ref().unwrap().destructive_hint, Some(false));
        client.cancel().await.unwrap();
    });
}

#[test]
fn an_update_waits_and_then_says_how_it_can_be_answered() {
    run(async {
        let dir = workspace();
        let (client, _heard) = client(dir.path(), "400ms").await;
        let pending = structured(&call(&client, UPDATE, wants(&["api.example.com"])).await);
        assert_eq!((&pending["status"], overlay(dir.path())), (&"pending".into(), Vec::new()));
        let id = pending["requests"][0]["request"].as_str().unwrap().to_owned();
        let answer = pending["answer_with"].as_str().unwrap().to_owned();
        assert!(answer.starts_with(&format!("jail approvals approve {id} ")), "{answer}");
        let listed = structured(&call(&client, &UPDATE.replace("update", "list"), json!({})).await);
        assert_eq!(listed["pending"][0]["request"], *id, "{listed}");
        assert_eq!(listed["rules"], json!([]));
        let may = json!({"domain": "api.example.com", "tool_id": TOOL});
        let check = UPDATE.replace("update", "check");
        assert_eq!(structured(&call(&client, &check, may.clone()).await)["allowed"], false);
        // The words of whoever asks are there for its owner.
        let shown = jail(dir.path(), &["approvals", "list", "--json"]);
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        let reason = shown["requests"][0]["latest"]["reason"].as_str().unwrap();
        assert_eq!(reason, "for tool: the index is there");
        // The very command that the answer names.
        let words: Vec<&str> = answer.split(' ').skip(1).collect();
        let approved = jail(dir.path(), &words);
        assert!(approved.status.success(), "{approved:?}");
        assert_eq!(structured(&call(&client, &check, may).await)["allowed"], true);
        let audit = fs::read_to_string(dir.path().join(".cloned/audit.log")).unwrap();
        assert!(audit.contains("\"kind\":\"asked\"") && audit.contains("\"kind\":\"decision\""));
        client.cancel().await.unwrap();
    });
}

#[test]
fn an_answer_ends_the_wait_and_progress_is_told_meanwhile() {
    run(async {
        let dir = workspace();
        let (client, mut heard) = client(dir.path(), "50s").await;
        for verb in ["deny", "approve"] {
            let before = overlay(dir.path());
            let asked = call(&client, UPDATE, wants(&["one.example", "*.two.example:8443"]));
            let answered = async {
                // It says so only when it waits, and names the command.
                let told = heard.recv().await.unwrap().message.unwrap();
                let ids = told.split(" approve ").nth(1).unwrap().split(" --").next().unwrap();
                let ids: Vec<&str> = ids.split(' ').collect();
                assert_eq!(ids.len(), 2);
                let mut words = vec!["approvals", verb, "--why", "as you say"];
                words.extend(ids);
                words.extend(["--always"].iter().filter(|_| verb == "approve"));
                let output = jail(dir.path(), &words);
                assert!(output.status.success(), "{output:?}");
            };
            let (result, ()) = tokio::join!(asked, answered);
            let result = structured(&result);
            let one = &result["requests"][0];
            assert_eq!(one["why"], "as you say", "{result}");
            if verb == "deny" {
                assert_eq!(result["status"], "denied");
                assert_eq!(overlay(dir.path()), before, "a denial changed the overlay");
            } else {
                assert_eq!(
                    (&result["status"], &one["scope"]),
                    (&"approved".into(), &"tool".into())
                );
                assert_ne!(overlay(dir.path()), before);
            }
        }
        client.cancel().await.unwrap();
    });
}

#[test]
fn what_is_wrong_is_said_so_that_a_model_can_act_on_it() {
    run(async {
        let dir = workspace();
        let (client, _heard) = client(dir.path(), "50s").await;
        let with = |name: &str, value: Value| {
            let mut arguments = wants(&["api.example.com"]);
            arguments[name] = value;
            arguments
        };
        for (arguments, word) in [
            (with("tool_id", "other.tool@v1".into()), "there are web.search@v1"),
            (with("tool_id", "\u{1b}[2J".into()), "`tool_id` is wrong"),
            (with("tool_id", Value::Null), "needs a `tool_id`"),
            (with("domains", json!([])), "1 to 16 hosts"),
            (with("domains", json!(["ok.example", "a\u{1b}]0;x\u{7}b"])), "`domains` is wrong"),
            (with("domains", json!(["https://api.example.com/x"])), "api.example.com"),
            (with("reason", " ".into()), "`reason`"),
            (with("reason", "x".repeat(501).into()), "`reason`"),
        ] {
            let result = call(&client, UPDATE, arguments.clone()).await;
            assert_eq!(result.is_error, Some(true), "{arguments}");
            let text = text(&result);
            assert!(text.contains(word), "`{word}` is not in: {text}");
            assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        }
        // Nothing is half written: not even the host that was right.
        let listed = jail(dir.path(), &["approvals", "list", "--json"]);
        assert_eq!(serde_json::from_slice::<Value>(&listed.stdout).unwrap()["requests"], json!([]));
        let result = call(&client, &UPDATE.replace("update", "why"), json!({})).await;
        assert_eq!(result.is_error, Some(true));
        let nobody = json!({"domain": "a.example"});
        let result = call(&client, &UPDATE.replace("update", "check"), nobody).await;
        assert!(text(&result).contains("`connector`"), "{result:?}");
        // What a client sends that has nobody to hide behind is kept without what a terminal obeys.
        let forged = with("reason", "\u{1b}[2J\r\njail: approved".into());
        let request =
            CallToolRequestParams::new(UPDATE).with_arguments(forged.as_object().unwrap().clone());
        drop(tokio::time::timeout(Duration::from_secs(2), client.call_tool(request)).await);
        let shown = jail(dir.path(), &["approvals", "list"]);
        assert!(!shown.stdout.is_empty() && !shown.stdout.contains(&0x1b), "{shown:?}");
        client.cancel().await.unwrap();
    });
}

/// Whatever is said to it, a line of stdout is a message of the protocol; and it ends with its client.
#[test]
fn stdout_has_the_protocol_alone() {
    let dir = workspace();
    let mut server = command(dir.path(), &["mcp"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"}}});
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let calls = [
        json!({"domain": "a.example", "tool_id": "nobody.here@v1"}),
        json!({"domain": 7, "more": true}),
    ];
    let mut input = server.stdin.take().unwrap();
    writeln!(input, "{hello}\n{ready}").unwrap();
    for (number, arguments) in calls.iter().enumerate() {
        let name = UPDATE.replace("update", "check");
        let call = json!({"jsonrpc": "2.0", "id": number + 2, "method": "tools/call",
            "params": {"name": name, "arguments": arguments}});
        writeln!(input, "{call}").unwrap();
    }
    let mut said = String::new();
    let mut output = server.stdout.take().unwrap();
    let mut bytes = [0u8; 4096];
    while said.lines().filter(|line| line.ends_with('}')).count() < 3 {
        let length = output.read(&mut bytes).unwrap();
        assert!(length > 0, "it ended: {said}");
        said.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
    }
    drop(input);
    output.read_to_string(&mut said).unwrap();
    for line in said.lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        assert_eq!(message["jsonrpc"], "2.0", "{line}");
    }
    assert!(server.wait().unwrap().success());
}

#[test]
fn without_a_workspace_it_says_what_to_do() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let (client, _heard) = client(dir.path(), "1s").await;
        let result = call(&client, UPDATE, wants(&["api.example.com"])).await;
        assert_eq!(result.is_error, Some(true));
        assert!(text(&result).contains("jail init"), "{}", text(&result));
        client.cancel().await.unwrap();
    });
}
