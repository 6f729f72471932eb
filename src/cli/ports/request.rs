//! `jail ports request`.

use super::{place, shown, words};
use crate::approvals::{self, Occurrence, Recorded};
use crate::cli::approvals::user;
use crate::cli::ui;
use crate::exit;
use crate::failure::{Failure, Kind};
use crate::policy::ConnectorName;
use crate::policy::text::plain_text;
use crate::ports::store::{self, decode};
use crate::ports::{Proto, Service, ServiceName};
use crate::state::{PATIENCE, State};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

/// Ask the owner of this workspace to register a port. This grants nothing: it is noted, and waits.
///
/// `jail ports list --pending` and `jail approvals list` show what waits. `jail approvals approve` and
/// `jail ports add` grant it, `jail approvals deny` does not. A run that may not publish a port asks by itself.
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
    #[arg(long, value_name = "NAME")]
    connector: Option<ConnectorName>,
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
            && service.connector.as_deref() == args.connector.as_ref().map(ConnectorName::as_str)
    };
    if let Some(known) = registry.service(args.proto, at.port()).find(same) {
        let place = shown(&known.origin, &sources.cwd);
        ui::line(&format!("{}: is registered already ({place})", words(known)));
        return Ok(exit::OK);
    }
    let (asker, subject) = approvals::port(args.connector.as_ref(), &args.name, args.proto, at);
    let reason = args.reason.as_deref().unwrap_or("jail ports request");
    let occurrence = Occurrence { by: Some(user()), ..Occurrence::now(reason.into()) };
    let mut state = State::open(&root, PATIENCE)?;
    let id = match approvals::record(&mut state, &asker, &subject, &occurrence, 1)? {
        Recorded::New(id) => {
            ui::line("noted; nothing is granted yet");
            id
        }
        Recorded::Again(id) => {
            ui::line("was asked for already");
            id
        }
        Recorded::Full => {
            return Err(Failure::new(Kind::Refused, "too many requests wait for an answer").hint(
                "jail approvals list shows them; jail approvals dismiss takes them off the list",
            ));
        }
    };
    ui::line(&format!("the owner answers with `jail approvals approve {id}`"));
    Ok(exit::OK)
}
