//! `jail firewall unlisted`.

use super::{place, print};
use crate::cli::ui;
use crate::exit;
use crate::failure::Failure;
use crate::firewall::{Unlisted, store};

/// Say what happens to hosts that no rule names: `deny` refuses them, `ask` holds the connection for a moment
/// and asks you (`jail approvals`). Without a word, print what counts.
///
/// It is for connectors whose manifest does not say it (`network.unlisted`), and for runs that start from
/// now on.
#[derive(Debug, clap::Args)]
pub(super) struct UnlistedArgs {
    /// `deny` or `ask`.
    #[arg(value_name = "deny|ask")]
    unlisted: Option<Unlisted>,
}

pub(super) fn run(args: &UnlistedArgs) -> Result<u8, Failure> {
    let (_, folder) = place()?;
    let Some(unlisted) = args.unlisted else {
        let known = store::read(&folder)?.unlisted.map(|setting| setting.value);
        print(&format!("{}\n", known.unwrap_or_default().name()))?;
        return Ok(exit::OK);
    };
    let name = unlisted.name();
    let done = store::set_unlisted(&folder, unlisted)?;
    let word = if done { "from now on" } else { "as before" };
    ui::line(&format!("unlisted: {name}, {word}"));
    Ok(exit::OK)
}
