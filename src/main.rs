//! Parse, dispatch, exit code. No thread and no runtime is started here.

use clap::error::ErrorKind;
use jail::cli::{self, Verb, ui};
use jail::exit;
use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "planted-breaks")]
    for control in jail::planted::chosen() {
        ui::line(&format!("jail: NOT A RELEASE: without {}", control.name()));
    }
    let cli = match cli::parse(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let runs = matches!(cli.verb, Verb::Run(_));
    match cli::dispatch(cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            ui::failure(&failure);
            ExitCode::from(if runs { failure.run_code() } else { exit::USAGE })
        }
    }
}

/// Help and version are no errors; a wrong `jail run` ends with 125, since 2 could be the connector's.
fn usage(error: &clap::Error) -> ExitCode {
    let shown = error.print().is_ok();
    let runs = std::env::args_os().nth(1).is_some_and(|verb| verb == "run");
    let unseparated = std::env::args_os().all(|arg| arg != "--");
    if runs && unseparated && error.kind() == ErrorKind::UnknownArgument {
        ui::line("hint: a command and its arguments stand after `--`: jail run -- COMMAND ARGS…");
    }
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion if shown => ExitCode::from(exit::OK),
        _ if runs => ExitCode::from(exit::REFUSED),
        _ => ExitCode::from(exit::USAGE),
    }
}
