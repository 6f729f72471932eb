//! A small MCP server: it keeps notes in its working folder.
//!
//! It is an ordinary connector, written with the official Rust SDK, and knows nothing of `jail`.
//! Two of its tools are what a careless or hostile connector would have as well: `read_file` opens
//! any path that it is told, `fetch` connects to any address. What comes of that is the operating
//! system's answer, which is handed back word for word, so that a refusal can be seen.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::{ServerHandler, ServiceExt, schemars, tool, tool_handler, tool_router};
use serde::Deserialize;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::time::Duration;
use tokio::net::TcpStream;

/// In the working folder: one JSON string a line, so that a note may hold line breaks.
const NOTES: &str = "notes.jsonl";

/// A model waits for this answer; a connect that the network swallows takes minutes to fail.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    Notes.serve(rmcp::transport::stdio()).await?.waiting().await?;
    Ok(())
}

struct Notes;

#[derive(Deserialize, schemars::JsonSchema)]
struct AddNote {
    /// The text of the note.
    text: String,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct ReadFile {
    /// An absolute path, or one relative to the working folder.
    path: String,
}

#[derive(Deserialize, schemars::JsonSchema)]
struct Fetch {
    /// `host:port`.
    address: String,
}

/// An `Err` of a tool reaches the client as a result marked `isError`: the model sees the text.
#[tool_router]
impl Notes {
    #[tool(description = "Add a note")]
    fn add_note(
        &self,
        Parameters(AddNote { text }): Parameters<AddNote>,
    ) -> Result<String, String> {
        append(&text).map_err(|error| format!("cannot write {NOTES}: {error}"))?;
        Ok(format!("noted: {text}"))
    }

    #[tool(description = "List the notes, oldest first")]
    fn list_notes(&self) -> Result<String, String> {
        let notes = load().map_err(|error| format!("cannot read {NOTES}: {error}"))?;
        let numbered: Vec<_> =
            notes.iter().enumerate().map(|(i, note)| format!("{}. {note}", i + 1)).collect();
        Ok(if numbered.is_empty() { "no notes yet".to_owned() } else { numbered.join("\n") })
    }

    #[tool(description = "Read a text file")]
    fn read_file(
        &self,
        Parameters(ReadFile { path }): Parameters<ReadFile>,
    ) -> Result<String, String> {
        fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))
    }

    #[tool(description = "See whether a TCP connection to host:port can be made")]
    async fn fetch(
        &self,
        Parameters(Fetch { address }): Parameters<Fetch>,
    ) -> Result<String, String> {
        let attempt = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(&address)).await;
        match attempt {
            Ok(Ok(_)) => Ok(format!("connected to {address}")),
            Ok(Err(error)) => Err(format!("cannot connect to {address}: {error}")),
            Err(_) => Err(format!("cannot connect to {address}: no answer")),
        }
    }

    #[tool(description = "List the names of the environment variables (never their values)")]
    fn environment(&self) -> String {
        let mut names: Vec<_> =
            std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names.join("\n")
    }
}

#[tool_handler(name = "notes", version = "1.0.0")]
impl ServerHandler for Notes {}

fn append(text: &str) -> io::Result<()> {
    let line = serde_json::to_string(text)?;
    writeln!(OpenOptions::new().create(true).append(true).open(NOTES)?, "{line}")
}

fn load() -> io::Result<Vec<String>> {
    let text = match fs::read_to_string(NOTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    text.lines().map(|line| serde_json::from_str(line).map_err(io::Error::from)).collect()
}
