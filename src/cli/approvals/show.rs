//! `jail approvals show`.

use super::{Desk, Place, Wanted, find, json, print, words};
use crate::exit;
use crate::failure::Failure;
use std::time::SystemTime;

/// Print all that is known of one request: who asks for what, since when, how often, and what was answered.
#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// The request.
    #[arg(value_name = "ID")]
    id: Wanted,
    /// Print the request as JSON, with the fields of `list --json`.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ShowArgs) -> Result<u8, Failure> {
    let place = Place::find()?;
    let state = place.look()?;
    let found = find(state.as_ref(), std::slice::from_ref(&args.id))?;
    let mut desk = Desk::new(&place);
    for request in found {
        let Some(state) = &state else { continue };
        let case = desk.case(state, request)?;
        print(&match args.json {
            true => format!("{}\n", json(&case, true)?),
            false => words::page(&case, SystemTime::now()),
        })?;
    }
    Ok(exit::OK)
}
