//! `jail compose`: judges compose files.

mod check;

use crate::failure::Failure;

/// Judge compose files: what each container may do, and who can reach it
#[derive(Debug, clap::Args)]
pub struct ComposeArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    Check(check::CheckArgs),
}

pub fn run(args: &ComposeArgs) -> Result<u8, Failure> {
    match &args.act {
        Act::Check(args) => check::run(args),
    }
}
