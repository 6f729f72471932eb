//! Puts the same six requests to a connector twice, without `jail` and in it, and shows both answers.
//!
//! ```text
//! demo-client -- jail run … -- notes-connector
//! ```
//!
//! The words after the last `--` are the connector alone; with the words before it, it is jailed.
//! The run without jail is the control: whatever is to be refused must succeed there, or its
//! refusal would prove nothing. The bait is the demo's own: a file in the home folder, a listener
//! on the loopback interface and an environment variable, all gone afterwards.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a demo: what it prints is its use")]

mod bait;
mod session;
mod table;

use bait::Bait;
use session::{Answer, hold};
use std::error::Error;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use table::Row;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let Some(commands) = Commands::from(&words) else {
        eprintln!("usage: demo-client -- jail run [OPTIONS] -- CONNECTOR [ARGS…]");
        return ExitCode::from(2);
    };
    match run(&commands).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo-client: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Commands {
    jailed: Vec<OsString>,
    plain: Vec<OsString>,
}

impl Commands {
    /// The whole command, and the part of it after its last `--`.
    fn from(words: &[OsString]) -> Option<Self> {
        let (first, rest) = words.split_first()?;
        let connector = 1 + rest.iter().rposition(|word| word == "--")?;
        if first != "--" || connector == 1 || connector == rest.len() {
            return None;
        }
        let mut jailed = rest.to_vec();
        // Both run in a folder of their own, where a relative path would lead nowhere.
        for program in [0, connector] {
            jailed[program] = absolute(&jailed[program]);
        }
        let plain = jailed[connector..].to_vec();
        Some(Self { jailed, plain })
    }
}

/// A path as it is from everywhere; a bare name is looked up in PATH, and stays.
fn absolute(program: &OsString) -> OsString {
    match Path::new(program).components().count() {
        0 | 1 => program.clone(),
        _ => std::path::absolute(program).map_or_else(|_| program.clone(), Into::into),
    }
}

/// True where everything went as it should.
async fn run(commands: &Commands) -> Result<bool, Box<dyn Error>> {
    let bait = Bait::lay().map_err(|error| format!("cannot lay the bait: {error}"))?;
    let without =
        hold(&commands.plain, &bait).await.map_err(|error| format!("without jail: {error}"))?;
    let within =
        hold(&commands.jailed, &bait).await.map_err(|error| format!("in the jail: {error}"))?;

    println!("One connector ({}), the same requests twice.\n", within.server);
    let rows: Vec<_> = without.answers.iter().zip(&within.answers).map(row).collect();
    table::print(&rows);
    Ok(verdict(&rows))
}

fn row((without, within): (&Answer, &Answer)) -> Row {
    Row {
        request: without.request.clone(),
        must_work: without.must_work,
        without: without.text.clone(),
        within: within.text.clone(),
        control_ok: without.worked,
        ok: within.worked == within.must_work,
    }
}

/// Prints the closing lines.
fn verdict(rows: &[Row]) -> bool {
    let blunt: Vec<_> = rows.iter().filter(|row| !row.control_ok).collect();
    for row in &blunt {
        println!("`{}` failed without jail: the demo proves nothing", row.request);
    }
    for row in rows.iter().filter(|row| !row.ok) {
        let wrong = if row.must_work { "must work and did not" } else { "must fail and did not" };
        println!("`{}` {wrong} in the jail", row.request);
    }
    let held = |must_work| rows.iter().filter(|r| r.ok && r.must_work == must_work).count();
    let (allowed, refused) = (held(true), held(false));
    let good = blunt.is_empty() && !rows.is_empty() && allowed + refused == rows.len();
    let judgement = if good { "as it should be" } else { "which is NOT as it should be" };
    println!("{allowed} allowed, {refused} refused, {judgement}");
    good
}
