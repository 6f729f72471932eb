//! `jail completions`: scripts that complete `jail` in a shell.

use super::ui;
use crate::docs::completions;
use crate::exit;
use crate::failure::{Failure, Kind};
use clap_complete::Shell;

/// Print the completion script for a shell.
///
/// For bash: jail completions bash > ~/.local/share/bash-completion/completions/jail
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// Which shell.
    pub shell: Shell,
}

pub fn run(args: &CompletionsArgs) -> Result<u8, Failure> {
    let script = completions::script(args.shell);
    ui::data(&String::from_utf8_lossy(&script))
        .map_err(|error| Failure::new(Kind::Io, "cannot print the script").because(error))?;
    Ok(exit::OK)
}
