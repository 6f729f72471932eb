//! `jail proxy`: the egress proxy alone, for containers and other programs that something else confines.

use crate::exit;
use crate::failure::{Failure, Kind};
use crate::firewall::Endpoint;
use crate::policy::load::Sources;
use crate::policy::{ConnectorName, Overrides, ToolId};
use crate::session::proxy::{self, Doors};
use clap::Args;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

/// Serve the way out alone: an HTTP proxy and SOCKS5, for clients that something else confines
///
/// It lets through what the rules of this workspace (.cloned/policy) allow, as it does for a jail, and records
/// what it refuses. Clients that can reach anything else need not use it: give them a network without a way out.
/// Ends on SIGTERM.
#[derive(Debug, Args)]
pub struct ProxyArgs {
    /// Where the HTTP proxy listens (CONNECT and plain http://)
    #[arg(long, value_name = "ADDRESS:PORT", required_unless_present_any = ["socks", "check"])]
    pub listen: Vec<SocketAddr>,
    /// Where SOCKS5 listens
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub socks: Vec<SocketAddr>,
    /// The connector that rules and the record of runs know its clients by
    #[arg(long, value_name = "NAME", default_value = "proxy")]
    pub connector: ConnectorName,
    /// The tool whose rules count as well
    #[arg(long, value_name = "ID")]
    pub tool: Option<ToolId>,
    /// Allow this host too; the port is 443 unless given
    #[arg(long, value_name = "HOST[:PORT]", value_parser = crate::policy::endpoint)]
    pub allow: Vec<Endpoint>,
    /// The record of runs, in the place of the workspace's own
    #[arg(long, value_name = "PATH")]
    pub audit: Option<PathBuf>,
    /// Do nothing but look whether something listens there: 0 if so, 1 if not (for health checks)
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with_all = ["listen", "socks"])]
    pub check: Option<SocketAddr>,
}

/// How long a health check waits.
const PATIENCE: Duration = Duration::from_secs(3);

pub fn run(args: &ProxyArgs) -> Result<u8, Failure> {
    if let Some(address) = args.check {
        return Ok(match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(_) => exit::OK,
            Err(_) => exit::FINDINGS,
        });
    }
    crate::sys::process::default_action(libc::SIGCHLD)
        .map_err(|e| Failure::new(Kind::Io, "cannot wait for children").because(e))?;
    let sources = Sources::of_process()?;
    let overrides = Overrides { allow: args.allow.clone(), ..Overrides::default() };
    let doors = Doors { http: args.listen.clone(), socks: args.socks.clone() };
    let who = (args.connector.clone(), args.tool.clone());
    proxy::serve(&doors, who, &overrides, (&sources, args.audit.clone()))
}
