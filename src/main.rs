//! Parse, dispatch, exit code. No thread and no runtime is started here.

use clap::Parser;
use jail::cli::{self, Cli, ui};
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::dispatch(Cli::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            ui::failure(&failure);
            ExitCode::from(jail::exit::USAGE)
        }
    }
}
