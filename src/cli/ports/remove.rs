//! `jail ports remove`.

use super::{place, shown, words};
use crate::cli::ui;
use crate::exit;
use crate::failure::Failure;
use crate::policy::expect::nearest;
use crate::ports::{ServiceName, requests, store};

/// Remove a service. Its port is nobody's then; whoever listens there goes on. Ends with 1 where there is
/// no such service.
///
/// A comment directly above a service goes with it; one that an empty line separates stays.
#[derive(Debug, clap::Args)]
pub(super) struct RemoveArgs {
    /// The service's name.
    #[arg(value_name = "NAME")]
    name: ServiceName,
    /// Remove what was asked for under this name instead: the answer is no.
    #[arg(long)]
    pending: bool,
}

pub(super) fn run(args: &RemoveArgs) -> Result<u8, Failure> {
    let (sources, root) = place()?;
    if args.pending {
        let gone = requests::dismiss(&root, &args.name)?;
        for request in &gone {
            ui::line(&format!("removed the request: {}", request.command()));
        }
        if gone.is_empty() {
            ui::line(&format!("nothing removed: nobody asked for `{}`", args.name));
            return Ok(exit::FINDINGS);
        }
        return Ok(exit::OK);
    }
    if let Some(service) = store::remove(&root, &args.name)? {
        let place = shown(&service.origin, &sources.cwd);
        ui::line(&format!("removed: {} ({place})", words(&service)));
        return Ok(exit::OK);
    }
    let path = store::path(&root);
    ui::line(&format!("nothing removed: {} has no service `{}`", path.display(), args.name));
    let registry = store::read(&root)?;
    let names = registry.services.iter().map(|service| service.name.as_str());
    if let Some(name) = nearest(args.name.as_str(), names) {
        ui::line(&format!("there is: {name}; to remove that: jail ports remove {name}"));
    }
    Ok(exit::FINDINGS)
}
