//! `jail ps`: what runs now.

use super::audit::{log_path, warn_damaged};
use super::ui;
use crate::audit::{Sandbox, Text};
use crate::exit;
use crate::failure::{Failure, Kind};
use crate::plan::human;
use crate::runs::{self, Now, Running};

/// List your connectors that run now in this workspace, oldest first.
///
/// They are those whose supervisor lives: it holds a lock in the folder of runs, or its start is in the
/// audit log. What went through the proxy so far is at most a second old. What killed runs left is cleaned
/// up.
#[derive(Debug, clap::Args)]
pub struct PsArgs {
    /// Those of all workspaces.
    #[arg(long)]
    all_workspaces: bool,
    /// Print an array of `{"run", "kind", "connector", "tool", "workspace", "pid", "since", "command",
    /// "sandbox", "confinement", "listen", "of", "network"}`: `kind` is `run` or `listener`, `of` the listener of a
    /// run, `pid` the supervisor's, `network` its counters, `null` where there is no way out or where they
    /// cannot be read.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &PsArgs) -> Result<u8, Failure> {
    let path = log_path(None)?;
    let Now { running, damaged, unread } = runs::now(&path, args.all_workspaces)?;
    warn_damaged(damaged);
    for what in unread {
        ui::line(&format!("jail: {what}"));
    }
    let text = if args.json {
        let text = serde_json::to_string_pretty(&running)
            .map_err(|error| Failure::new(Kind::Io, "cannot write JSON").because(error))?;
        text + "\n"
    } else {
        table(&running, args.all_workspaces)
    };
    ui::data(&text)
        .map_err(|error| Failure::new(Kind::Io, "cannot print the result").because(error))?;
    if running.is_empty() && !args.json {
        let path = path.display();
        ui::line(&match args.all_workspaces {
            true => "nothing of yours runs".to_owned(),
            false => {
                format!("nothing of yours runs here, says {path} (--all-workspaces for others)")
            }
        });
    }
    Ok(exit::OK)
}

fn table(running: &[Running], workspaces: bool) -> String {
    if running.is_empty() {
        return String::new();
    }
    let place = if workspaces { "  WORKSPACE" } else { "" };
    let mut text = format!(
        "{:<12}  {:<16}  {:<8}  {:<20}  {:>5}  {:>7}  {:>7}  {:>10}  {:>10}  TOOL{place}\n",
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
        let place = match &one.workspace {
            _ if !workspaces => String::new(),
            Some(workspace) => format!("  {workspace}"),
            None => "  -".to_owned(),
        };
        let bare = match one.sandbox {
            Sandbox::None => "  NOT CONFINED",
            Sandbox::Landlock => "  no namespaces",
            _ => "",
        };
        let listens =
            one.listen.as_ref().map(|at| format!("  listens on {at}")).unwrap_or_default();
        text += &format!(
            "{run:<12}  {connector:<16}  {pid:<8}  {since:<20}  {open:>5}  {allowed:>7}  \
             {denied:>7}  {out:>10}  {into:>10}  {tool}{place}{bare}{listens}\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Born, Digest, Network, RunStart};
    use crate::egress::Counters;
    use crate::host::process;
    use crate::runs::of_log;
    use crate::session::running::lives;
    use std::time::SystemTime;

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
            network: Some(counters),
            workspace: Some("/w".into()),
            ..of_log(SystemTime::UNIX_EPOCH, start(4242, None), &mut Vec::new()).unwrap()
        };
        let bare = Running {
            run: "ba9876543210".into(),
            connector: "sh".into(),
            sandbox: Sandbox::None,
            listen: Some("unix:s".into()),
            ..of_log(SystemTime::UNIX_EPOCH, start(1, None), &mut Vec::new()).unwrap()
        };
        let both = [proxied, bare];
        assert_eq!(
            table(&both, false),
            "RUN           CONNECTOR         PID       SINCE                  OPEN  ALLOWED  \
             REFUSED         OUT          IN  TOOL\n\
             0123456789ab  search            4242      1970-01-01T00:00:00Z      2       12        \
             6         0 B         0 B  -\n\
             ba9876543210  sh                1         1970-01-01T00:00:00Z      -        -        \
             -           -           -  -  NOT CONFINED  listens on unix:s\n"
        );
        let wide = table(&both, true);
        assert!(wide.contains("TOOL  WORKSPACE\n") && wide.contains("  -  /w\n"), "{wide}");
        assert_eq!(table(&[], true), "");
    }
}
