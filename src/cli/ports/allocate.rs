//! `jail ports allocate`.

use super::{Details, ServiceJson, answer, place, print, print_json, range, shown, words, written};
use crate::cli::ui;
use crate::exit;
use crate::failure::Failure;
use crate::host;
use crate::ports::allocate::{self, Wanted};
use crate::ports::store::{self, Put};
use crate::ports::{PortRange, ServiceName};

/// Find a free port for a service, register it, and print it: the port alone, on stdout. A service that
/// is registered keeps its port, however often this is called.
///
/// The search starts at a port that depends on the name alone and leaves out what the registry has, what
/// is reserved for other connectors, and what cannot be bound on 127.0.0.1 and ::1 now.
#[derive(Debug, clap::Args)]
pub(super) struct AllocateArgs {
    /// The service's name.
    #[arg(value_name = "SERVICE")]
    name: ServiceName,
    /// The ports to choose from: 3100-3199. Without this they are those that are reserved for the
    /// connector; else those from 10000 up that the kernel does not give to clients.
    #[arg(long, value_name = "FIRST-LAST", value_parser = range)]
    range: Option<PortRange>,
    /// Print the entry as JSON instead: `name`, `proto`, `port`, `bind`, `owner`, `connector`, `container`,
    /// `program`, `note`, `file` and `line`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    details: Details,
}

pub(super) fn run(args: &AllocateArgs) -> Result<u8, Failure> {
    let (sources, root) = place()?;
    let Details { proto, bind, non_loopback, owner, connector, container, program, note } =
        &args.details;
    let wanted = Wanted {
        name: args.name.clone(),
        range: args.range,
        proto: *proto,
        bind: *bind,
        owner: owner.clone(),
        connector: connector.clone(),
        container: container.clone(),
        program: program.clone(),
        note: note.clone(),
    };
    let ephemeral = host::ports::ephemeral()?;
    let (done, service) = store::put(&root, |registry| {
        if let Some(bind) = bind {
            allocate::beyond_loopback(registry, *bind, *non_loopback)?;
        }
        allocate::service(&wanted, registry, Some(ephemeral), &host::ports::free)
    })?;
    answer(&sources, &root, &service);
    let registry = store::read(&root)?;
    let service = written(&registry, &service);
    if done == Put::Added {
        ui::line(&format!("{} ({})", words(service), shown(&service.origin, &sources.cwd)));
        if ephemeral.contains(service.port.get()) {
            let what = "the kernel gives such ports to clients as well, who may have it just when the \
                        service starts";
            ui::line(&format!("note: {} lies in {ephemeral}: {what}", service.port));
        }
    }
    if args.json {
        print_json(&ServiceJson::of(service))?;
    } else {
        print(&format!("{}\n", service.port))?;
    }
    Ok(exit::OK)
}
