//! `--sandbox=none`: the connector runs with all of its owner's rights, loudly.

use crate::audit::RunId;
use crate::cli::ui;
use crate::failure::{Failure, Kind};
use crate::policy::Policy;
use crate::policy::load::Sources;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

/// Runs it where `accepted`, and records that nothing was confined.
pub fn run(policy: &Policy, sources: &Sources, accepted: bool) -> Result<u8, Failure> {
    if !accepted {
        let by = &policy.sandbox.origin;
        return Err(Failure::new(
            Kind::Refused,
            format!("no sandbox ({by}) means all of your rights"),
        )
        .hint("say --i-accept-no-sandbox as well if that is what you want"));
    }
    let Some((program, args)) = policy.command.value.split_first() else {
        return Err(Failure::new(Kind::Policy, "the command is empty"));
    };
    let log = super::audit::Audit::for_sources(sources)?.start_unjailed(policy, RunId::fresh())?;
    ui::line("jail: NOT CONFINED: this connector runs with all of your rights (--sandbox=none)");
    let started = std::time::Instant::now();
    let status = Command::new(program).args(args).status().map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => Kind::NotFound,
            _ => Kind::CannotStart,
        };
        Failure::new(kind, format!("cannot start {}", program.to_string_lossy())).because(error)
    })?;
    log.end_unjailed(status.code(), status.signal(), started.elapsed())?;
    let code = status.code().map(|code| u8::try_from(code).unwrap_or(u8::MAX));
    let signal = status.signal().map(|signal| u8::try_from(signal).unwrap_or(127));
    Ok(code.unwrap_or_else(|| crate::exit::signalled(signal.unwrap_or(9))))
}
