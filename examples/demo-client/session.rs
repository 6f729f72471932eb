//! One real MCP session: the six requests and what came of each.

use crate::bait::{Bait, SECRET_NAME};
use rmcp::model::{CallToolRequestParams, CallToolResult, ContentBlock};
use rmcp::service::RunningService;
use rmcp::transport::TokioChildProcess;
use rmcp::{RoleClient, ServiceExt};
use std::error::Error;
use std::ffi::OsString;
use std::time::Duration;
use tokio::process::Command;

/// Much longer than any session takes; a connector that hangs must not hang the demo.
const PATIENCE: Duration = Duration::from_secs(30);

type Client = RunningService<RoleClient, ()>;

pub(crate) struct Session {
    pub(crate) server: String,
    pub(crate) answers: Vec<Answer>,
}

pub(crate) struct Answer {
    pub(crate) request: String,
    /// Must it work in the jail too? Without jail everything must.
    pub(crate) must_work: bool,
    /// Did the connector get what it was asked for?
    pub(crate) worked: bool,
    pub(crate) text: String,
}

/// Starts `command` and holds a session with it.
pub(crate) async fn hold(command: &[OsString], bait: &Bait) -> Result<Session, Box<dyn Error>> {
    let (program, args) = command.split_first().ok_or("no command")?;
    let mut child = Command::new(program);
    child.args(args).current_dir(bait.workspace()?).env(SECRET_NAME, bait.secret());
    let whole = async {
        let client = ().serve(TokioChildProcess::new(child)?).await?;
        let session = converse(&client, bait).await?;
        client.cancel().await?;
        Ok(session)
    };
    tokio::time::timeout(PATIENCE, whole).await.map_err(|_| "the connector does not answer")?
}

async fn converse(client: &Client, bait: &Bait) -> Result<Session, Box<dyn Error>> {
    let info = client.peer_info().ok_or("the connector did not introduce itself")?;
    let name = info.server_info.as_ref().map_or("a connector", |server| server.name.as_str());
    let answers = vec![
        tools(client).await?,
        add_note(client).await?,
        list_notes(client).await?,
        read_file(client, bait).await?,
        fetch(client, bait).await?,
        environment(client, bait).await?,
    ];
    Ok(Session { server: format!("{name}, MCP {}", info.protocol_version), answers })
}

const NOTE: &str = "buy milk";

async fn tools(client: &Client) -> Result<Answer, Box<dyn Error>> {
    let names: Vec<_> =
        client.list_all_tools().await?.into_iter().map(|tool| tool.name.into_owned()).collect();
    Ok(Answer {
        request: "tools/list".to_owned(),
        must_work: true,
        worked: names.iter().any(|name| name == "add_note"),
        text: names.join(", "),
    })
}

async fn add_note(client: &Client) -> Result<Answer, Box<dyn Error>> {
    let (ok, text) = call(client, "add_note", Some(("text", NOTE))).await?;
    Ok(Answer { request: format!("add_note \"{NOTE}\""), must_work: true, worked: ok, text })
}

async fn list_notes(client: &Client) -> Result<Answer, Box<dyn Error>> {
    let (ok, text) = call(client, "list_notes", None).await?;
    let worked = ok && text.contains(NOTE);
    Ok(Answer { request: "list_notes".to_owned(), must_work: true, worked, text })
}

/// A file that exists, and that the user who runs this may read.
async fn read_file(client: &Client, bait: &Bait) -> Result<Answer, Box<dyn Error>> {
    let path = bait.file().display().to_string();
    let (ok, text) = call(client, "read_file", Some(("path", &path))).await?;
    let worked = ok || text.contains(bait.secret());
    Ok(Answer { request: format!("read_file {path}"), must_work: false, worked, text })
}

/// A service that listens on the host's loopback interface, where so many need no password.
async fn fetch(client: &Client, bait: &Bait) -> Result<Answer, Box<dyn Error>> {
    let address = bait.address()?;
    let (ok, text) = call(client, "fetch", Some(("address", &address))).await?;
    let worked = bait.was_visited()? || ok;
    Ok(Answer { request: format!("fetch {address}"), must_work: false, worked, text })
}

/// The tool itself always works; what must not work is finding the secret with it.
async fn environment(client: &Client, bait: &Bait) -> Result<Answer, Box<dyn Error>> {
    let (ok, text) = call(client, "environment", None).await?;
    let names: Vec<_> = text.lines().collect();
    let worked = names.contains(&SECRET_NAME) || text.contains(bait.secret());
    if !ok || names.is_empty() {
        return Err(format!("environment: {text}").into());
    }
    let text = if worked {
        format!("{SECRET_NAME} and {} more names", names.len() - 1)
    } else {
        format!("{}: no {SECRET_NAME}", names.join(", "))
    };
    Ok(Answer { request: format!("environment: {SECRET_NAME}?"), must_work: false, worked, text })
}

/// Calls a tool. A protocol error ends the demo; a tool error is an answer.
async fn call(
    client: &Client,
    tool: &'static str,
    argument: Option<(&str, &str)>,
) -> Result<(bool, String), Box<dyn Error>> {
    let arguments = argument.map(|(name, value)| (name.to_owned(), value.into()));
    let request = CallToolRequestParams::new(tool).with_arguments(arguments.into_iter().collect());
    let result = client.call_tool(request).await?;
    Ok((result.is_error != Some(true), text_of(&result)))
}

fn text_of(result: &CallToolResult) -> String {
    let texts = result.content.iter().filter_map(ContentBlock::as_text);
    texts.map(|content| content.text.as_str()).collect::<Vec<_>>().join("\n")
}
