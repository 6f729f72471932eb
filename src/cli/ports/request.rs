//! `jail ports request`.

use super::{place, shown, words};
use crate::cli::ui;
use crate::exit;
use crate::failure::{Failure, Kind};
use crate::policy::text::plain_text;
use crate::ports::requests::{self, Request};
use crate::ports::store::{self, decode};
use crate::ports::{Proto, Service, ServiceName};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

/// Ask the owner of this workspace to register a port. This grants nothing: it is noted, and waits.
///
/// `jail ports list --pending` shows what waits. `jail ports add` grants it, `jail ports remove --pending`
/// takes it away. A run that may not publish a port asks by itself.
#[derive(Debug, clap::Args)]
pub(super) struct RequestArgs {
    /// The service's name.
    #[arg(value_name = "SERVICE")]
    name: ServiceName,
    /// The port of this machine.
    #[arg(long, value_name = "PORT", value_parser = decode::port)]
    port: NonZeroU16,
    /// tcp or udp.
    #[arg(long, value_name = "PROTO", default_value = "tcp")]
    proto: Proto,
    /// The address that it would listen on.
    #[arg(long, value_name = "ADDRESS", value_parser = decode::bind, default_value = "127.0.0.1")]
    bind: IpAddr,
    /// The connector that would publish it.
    #[arg(long, value_name = "NAME", value_parser = decode::connector)]
    connector: Option<String>,
    /// What it is for.
    #[arg(long, value_name = "TEXT", value_parser = plain_text)]
    reason: Option<String>,
}

pub(super) fn run(args: &RequestArgs) -> Result<u8, Failure> {
    let (sources, root) = place()?;
    let at = SocketAddr::new(args.bind, args.port.get());
    let registry = store::read(&root)?;
    let same = |service: &&Service| {
        service.name == args.name
            && service.bind == args.bind
            && service.connector == args.connector
    };
    if let Some(known) = registry.service(args.proto, at.port()).find(same) {
        let place = shown(&known.origin, &sources.cwd);
        ui::line(&format!("{}: is registered already ({place})", words(known)));
        return Ok(exit::OK);
    }
    let mut request = Request::new(&args.name, args.proto, at)
        .ok_or_else(|| Failure::new(Kind::Usage, "a port is missing"))?;
    request.connector.clone_from(&args.connector);
    request.reason.clone_from(&args.reason);
    let added = requests::record(&root, &request)?;
    let what = if added { "noted; nothing is granted yet" } else { "was asked for already" };
    ui::line(&format!("{what}: the owner answers with `{}`", request.command()));
    Ok(exit::OK)
}
