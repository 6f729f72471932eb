//! `jail ports remove`.

use super::{place, shown, words};
use crate::approvals::{self, Answer, Lifetime, Scope, Subject, Verdict, Via};
use crate::cli::approvals::user;
use crate::cli::ui;
use crate::exit;
use crate::failure::Failure;
use crate::policy::expect::nearest;
use crate::policy::load::{Sources, WorkspaceRoot};
use crate::ports::{ServiceName, store};
use crate::state::{PATIENCE, State};

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
        return deny(&sources, &root, &args.name);
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

/// Answers what was asked for under this name with no.
fn deny(sources: &Sources, root: &WorkspaceRoot, name: &ServiceName) -> Result<u8, Failure> {
    let mut gone = 0u32;
    if let Some(mut state) = State::find(root, PATIENCE)? {
        for request in approvals::pending_ports(&state)? {
            let named =
                matches!(&request.subject, Subject::Port { service, .. } if service == name);
            if !named {
                continue;
            }
            let answer = Answer {
                verdict: Verdict::Deny,
                lifetime: Lifetime::Always,
                scope: Scope::Connector,
                by: user(),
                via: Via::Cli,
                why: None,
                run: None,
            };
            approvals::decide(&mut state, root, sources.home.as_deref(), &request.id, answer)?;
            ui::line(&format!("denied: {} ({})", request.subject, request.id));
            gone += 1;
        }
    }
    if gone == 0 {
        ui::line(&format!("nothing removed: nobody asked for `{name}`"));
        return Ok(exit::FINDINGS);
    }
    Ok(exit::OK)
}
