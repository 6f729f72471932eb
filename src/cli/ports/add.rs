//! `jail ports add`.

use super::{Details, address, answer, place, shown, words, written};
use crate::cli::ui;
use crate::exit;
use crate::failure::Failure;
use crate::policy::Origin;
use crate::ports::store::{self, Put, decode};
use crate::ports::{Proto, Service, ServiceName, allocate};
use std::num::NonZeroU16;

/// Register a service with its port. An entry of the same name that says something else, a port that
/// another service has, and a range that is reserved for another connector are refused.
///
/// A request for this port is answered by it. An address that other machines can reach needs
/// --non-loopback, unless the registry's policy allows those.
#[derive(Debug, clap::Args)]
pub(super) struct AddArgs {
    /// The service's name.
    #[arg(value_name = "NAME")]
    name: ServiceName,
    /// The port of this machine.
    #[arg(long, value_name = "PORT", value_parser = decode::port)]
    port: NonZeroU16,
    #[command(flatten)]
    details: Details,
}

pub(super) fn run(args: &AddArgs) -> Result<u8, Failure> {
    let (sources, root) = place()?;
    let Details { proto, bind, non_loopback, owner, connector, container, program, note } =
        &args.details;
    let service = Service {
        name: args.name.clone(),
        port: args.port,
        proto: proto.unwrap_or_default(),
        bind: bind.unwrap_or(Service::DEFAULT_BIND),
        owner: owner.clone(),
        connector: connector.clone(),
        container: container.clone(),
        program: program.clone(),
        note: note.clone(),
        origin: Origin::Flag("--port"),
    };
    let (done, service) = store::put(&root, |registry| {
        allocate::beyond_loopback(registry, service.bind, *non_loopback)?;
        Ok(service.clone())
    })?;
    let registry = store::read(&root)?;
    let at = shown(&written(&registry, &service).origin, &sources.cwd);
    ui::line(&match done {
        Put::Added => format!("{} ({at})", words(&service)),
        Put::Known => format!("{}: was there already ({at})", words(&service)),
    });
    // Who asked knows how to publish it.
    if answer(&sources, &root, &service) {
        return Ok(exit::OK);
    }
    if let (Proto::Tcp, Some(connector)) = (service.proto, &service.connector)
        && service.bind.is_loopback()
    {
        let publish = address(&service);
        ui::line(&format!(
            "the manifest of `{connector}` has to name it, too: \
             `ports: [{{listen: …, publish: \"{publish}\"}}]`, or --publish {publish}:…"
        ));
    }
    Ok(exit::OK)
}
