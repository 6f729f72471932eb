//! The tools, as the protocol sees them.

use super::look::{self, CheckArguments, ListArguments, Listed, Told, WhyArguments};
use super::update::{self, Arguments, Updated};
use crate::failure::Failure;
use crate::firewall::check::Answer;
use crate::runs::shown;
use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::service::{RequestContext, ServerInitializeError};
use rmcp::{RoleServer, ServerHandler, ServiceExt, tool, tool_handler, tool_router};
use std::time::Duration;

/// What went wrong, for a model to act on: it is the result of the tool, not of the protocol.
type Wrong = String;

pub(super) async fn serve(wait: Duration) -> Result<(), Box<dyn std::error::Error>> {
    let running = match (Server { wait }).serve(rmcp::transport::stdio()).await {
        Ok(running) => running,
        // A client that leaves before it says anything.
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    running.waiting().await?;
    Ok(())
}

pub(super) struct Server {
    wait: Duration,
}

#[tool_router]
impl Server {
    /// Ask the owner to let a tool, a connector or the whole workspace reach these domains. This always makes a
    /// request; nothing changes until the owner approves it. It waits for the answer for a while; `pending`
    /// means that there is none yet: tell the owner the command in `answer_with`, and go on with something
    /// else. Do not repeat a request that was denied.
    #[tool(
        name = "cloned.internal.security.egress.update@v1",
        title = "Ask to reach more",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = true,
            open_world_hint = false
        )
    )]
    async fn update(
        &self,
        Parameters(arguments): Parameters<Arguments>,
        context: RequestContext<RoleServer>,
    ) -> Result<Json<Updated>, Wrong> {
        update::update(&arguments, self.wait, &context).await.map(Json).map_err(|it| wrong(&it))
    }

    /// List the rules of the workspace's firewall files, and what waits for the owner's answer. Rules of
    /// manifests are not in it; `check` knows all.
    #[tool(
        name = "cloned.internal.security.egress.list@v1",
        title = "List what may be reached",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    fn list(
        &self,
        Parameters(arguments): Parameters<ListArguments>,
    ) -> Result<Json<Listed>, Wrong> {
        look::list(&arguments).map(Json).map_err(|it| wrong(&it))
    }

    /// Say whether a tool or a connector may reach a domain, which rule decides that, and what would change it.
    /// Nothing is looked up or connected to.
    #[tool(
        name = "cloned.internal.security.egress.check@v1",
        title = "May this be reached?",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    fn check(
        &self,
        Parameters(arguments): Parameters<CheckArguments>,
    ) -> Result<Json<Answer>, Wrong> {
        look::check(&arguments).map(Json).map_err(|it| wrong(&it))
    }

    /// Say what a run was refused and why, and the smallest change of policy that would allow it.
    #[tool(
        name = "cloned.internal.security.egress.why@v1",
        title = "Why was it refused?",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    fn why(&self, Parameters(arguments): Parameters<WhyArguments>) -> Result<Json<Told>, Wrong> {
        look::why(&arguments).map(Json).map_err(|it| wrong(&it))
    }
}

#[tool_handler(
    name = "jail",
    instructions = "What the connectors of this workspace may reach. egress.update asks the owner, who may \
                    say no; the other tools only look."
)]
impl ServerHandler for Server {}

/// In lines, of which none has anything that a terminal obeys.
fn wrong(failure: &Failure) -> Wrong {
    let lines: Vec<String> =
        failure.to_string().lines().map(|line| shown(line.as_bytes())).collect();
    lines.join("\n")
}
