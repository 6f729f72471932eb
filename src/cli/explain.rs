//! `jail explain`: what a run would do, and who decided it.

use super::ui;
use crate::failure::{Failure, Kind};
use crate::policy::{ConnectorName, Overrides, load};
use crate::session::{Options, Session};
use clap::Args;

/// Show what `jail run NAME` would do: every value with who set it, every step in order.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The connector's name.
    #[arg(value_name = "NAME")]
    pub name: ConnectorName,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub overrides: Overrides,
}

pub fn run(args: &ExplainArgs) -> Result<u8, Failure> {
    let sources = load::Sources::of_process()?;
    let policy = load::connector(&args.name, &sources, &args.overrides)?;
    let session = Session::prepare(policy, &sources, &Options::default())?;
    let text = session.explained(args.json);
    ui::data(&text).map_err(|e| Failure::new(Kind::Io, "cannot print").because(e))?;
    Ok(crate::exit::OK)
}
