//! `jail ps`: what runs now.

use super::audit::{log_path, warn_damaged};
use super::ui;
use crate::audit::{Network, RunStart, Text};
use crate::egress::Counters;
use crate::exit;
use crate::failure::{Failure, Kind};
use crate::plan::human;
use crate::session::running::{self, lives};
use crate::supervise::gauge;
use serde::Serialize;
use std::time::SystemTime;

/// List your connectors that run now in this workspace, oldest first.
///
/// They are those whose start is in the audit log and whose supervisor lives. What went through the
/// proxy so far is at most a second old.
#[derive(Debug, clap::Args)]
pub struct PsArgs {
    /// Print an array of `{"run", "connector", "tool", "pid", "since", "command", "sandbox",
    /// "network"}`: `pid` is the supervisor's, `network` its counters, `null` where there is no way
    /// out or where they cannot be read.
    #[arg(long)]
    json: bool,
}

/// One running jail.
#[derive(Debug, Serialize)]
struct Running {
    run: String,
    connector: Text,
    tool: Option<Text>,
    pid: u32,
    since: String,
    command: Text,
    sandbox: crate::audit::Sandbox,
    network: Option<Counters>,
}

pub fn run(args: &PsArgs) -> Result<u8, Failure> {
    let path = log_path(None)?;
    let mut running = Vec::new();
    let found = running::running(&path)?;
    warn_damaged(found.damaged);
    for (since, start) in found.starts {
        if start.uid == nix::unistd::getuid().as_raw() {
            running.extend(look(since, start));
        }
    }
    let text = if args.json {
        let text = serde_json::to_string_pretty(&running)
            .map_err(|error| Failure::new(Kind::Io, "cannot write JSON").because(error))?;
        text + "\n"
    } else {
        table(&running)
    };
    ui::data(&text)
        .map_err(|error| Failure::new(Kind::Io, "cannot print the result").because(error))?;
    if running.is_empty() && !args.json {
        ui::line(&format!("nothing of yours runs here, says {}", path.display()));
    }
    Ok(exit::OK)
}

/// `None` where it has ended meanwhile.
fn look(since: SystemTime, start: RunStart) -> Option<Running> {
    let network = match start.network {
        Some(Network::Proxy) => match gauge::read(start.pid, start.run.as_str()) {
            Ok(counters) => Some(counters.unwrap_or_default()),
            Err(_) if !lives(&start) => return None,
            Err(error) => {
                ui::line(&format!(
                    "jail: the counters of run {} cannot be read: {error}",
                    start.run
                ));
                None
            }
        },
        _ => None,
    };
    let since = humantime::format_rfc3339_seconds(since).to_string();
    let (run, sandbox) = (start.run.to_string(), start.backend);
    let RunStart { connector, tool, pid, command, .. } = start;
    Some(Running { run, connector, tool, pid, since, command, sandbox, network })
}

fn table(running: &[Running]) -> String {
    if running.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "{:<12}  {:<16}  {:<8}  {:<20}  {:>5}  {:>7}  {:>7}  {:>10}  {:>10}  TOOL\n",
        "RUN", "CONNECTOR", "PID", "SINCE", "OPEN", "ALLOWED", "REFUSED", "OUT", "IN"
    );
    for one in running {
        let Running { run, connector, tool, pid, since, network, .. } = one;
        let [open, allowed, denied, out, into] = match network {
            Some(counters) => [
                counters.open.to_string(),
                counters.allowed.to_string(),
                counters.denied.to_string(),
                human(counters.bytes_out),
                human(counters.bytes_in),
            ],
            None => std::array::from_fn(|_| "-".to_owned()),
        };
        let tool = tool.as_ref().map_or("-", Text::as_str);
        let bare = match one.sandbox {
            crate::audit::Sandbox::None => "  NOT CONFINED",
            crate::audit::Sandbox::Landlock => "  no namespaces",
            _ => "",
        };
        text += &format!(
            "{run:<12}  {connector:<16}  {pid:<8}  {since:<20}  {open:>5}  {allowed:>7}  \
             {denied:>7}  {out:>10}  {into:>10}  {tool}{bare}\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Born, Digest, Sandbox};
    use crate::host::process;

    fn start(pid: u32, born: Option<Born>) -> RunStart {
        RunStart {
            run: "0123456789ab".into(),
            connector: "search".into(),
            tool: None,
            backend: Sandbox::Namespace,
            plan_sha256: Digest::ZERO,
            jail_version: "0.1.0".into(),
            kernel: "6.18".into(),
            pid,
            born,
            network: Some(Network::None),
            uid: 0,
            command: "sh".into(),
            gaps: Vec::new(),
            traced: false,
        }
    }

    #[test]
    fn a_number_that_means_another_process_now_is_not_taken_for_it() {
        let own = std::process::id();
        let born = process::born(own).unwrap();
        assert!(lives(&start(own, Some(born.clone()))));
        let earlier = Born { ticks: born.ticks - 1, ..born.clone() };
        let other_boot = Born { boot: "another".into(), ..born };
        for born in [Some(earlier), Some(other_boot), None] {
            assert!(!lives(&start(own, born)));
        }
    }

    #[test]
    fn the_columns_stand_below_their_names() {
        let counters = Counters { allowed: 12, denied: 6, open: 2, ..Counters::default() };
        let proxied = Running {
            run: "0123456789ab".into(),
            connector: "search".into(),
            tool: Some("a.b@v1".into()),
            pid: 4242,
            since: "2026-11-22T03:04:05Z".into(),
            command: "uvx".into(),
            sandbox: Sandbox::Namespace,
            network: Some(counters),
        };
        let bare = Running {
            tool: None,
            network: None,
            sandbox: Sandbox::None,
            run: "ba9876543210".into(),
            connector: "sh".into(),
            since: "2026-11-22T03:04:06Z".into(),
            command: "sh".into(),
            pid: 1,
        };
        assert_eq!(
            table(&[proxied, bare]),
            "RUN           CONNECTOR         PID       SINCE                  OPEN  ALLOWED  \
             REFUSED         OUT          IN  TOOL\n\
             0123456789ab  search            4242      2026-11-22T03:04:05Z      2       12        \
             6         0 B         0 B  a.b@v1\n\
             ba9876543210  sh                1         2026-11-22T03:04:06Z      -        -        \
             -           -           -  -  NOT CONFINED\n"
        );
        assert_eq!(table(&[]), "");
    }
}
