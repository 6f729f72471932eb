//! `jail mcp`: the firewall as tools of an MCP server, under the same gate as everything else.

mod look;
mod server;
mod update;

use crate::exit;
use crate::failure::{Failure, Kind};
use std::time::Duration;

/// Serve tools for agents on stdin and stdout (MCP): what may be reached, why something was refused, and a
/// request to reach more.
///
/// An agent changes nothing by itself: an update makes a request, as a connector's own does, and applies when
/// you have approved it (`jail approvals`). Its tools are of the workspace that this is started in.
#[derive(Debug, clap::Args)]
pub struct McpArgs {
    /// How long an update waits for your answer before it says that it is pending. Many clients give up on a
    /// tool after 60 seconds.
    #[arg(long, value_name = "TIME", default_value = "45s", value_parser = wait)]
    wait: Duration,
}

const LONGEST: Duration = Duration::from_secs(3600);

fn wait(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time <= LONGEST => Ok(time),
        Ok(_) => Err("at most 1h".to_owned()),
        Err(error) => Err(format!("expected a time such as 45s: {error}")),
    }
}

/// Until the client closes our stdin. stdout is the protocol's alone.
pub fn run(args: &McpArgs) -> Result<u8, Failure> {
    let cannot = |error: &dyn std::fmt::Display| {
        Failure::new(Kind::Io, "cannot serve MCP on stdin and stdout").because(error)
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| cannot(&error))?;
    let result = runtime.block_on(server::serve(args.wait)).map_err(|error| cannot(&error));
    // A read of stdin that waits in a thread of its own would keep the process.
    runtime.shutdown_background();
    result.map(|()| exit::OK)
}
