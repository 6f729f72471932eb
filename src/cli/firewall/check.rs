//! `jail firewall check`: what the proxy would decide, and why.

use super::{place, print, print_json, shown, words};
use crate::cli::ui;
use crate::exit;
use crate::failure::Failure;
use crate::firewall::Endpoint;
use crate::firewall::check::{Question, check};
use crate::firewall::store::target;
use crate::policy::{ConnectorName, ToolId};

/// Say whether a connector may reach a host, which rule decides that, and what would change it. Ends
/// with 0 where it may and with 1 where it may not.
///
/// Nothing is looked up: whether the name has an address that may be reached shows only when a
/// connector asks.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// The host, and the port where it is not 443.
    #[arg(value_name = "HOST[:PORT]", value_parser = target::parse)]
    target: Endpoint,
    /// The connector behind this tool.
    #[arg(long, value_name = "ID", required_unless_present = "connector")]
    tool: Option<ToolId>,
    /// The connector of this name.
    #[arg(long, value_name = "NAME")]
    connector: Option<ConnectorName>,
    /// Print `{"host", "port", "allowed", "rule", "reason", "code", "change"}`: `rule` as in
    /// `list --json` where one decides, `code` and `reason` where it is refused, and the command that
    /// would change it.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &CheckArgs) -> Result<u8, Failure> {
    let (sources, folder) = place()?;
    let CheckArgs { target, tool, connector, json } = args;
    let question =
        Question { target: target.clone(), connector: connector.clone(), tool: tool.clone() };
    let mut checked = check(&question, &sources, &folder)?;
    if let (true, Some(tool)) = (checked.nobody, tool) {
        ui::line(&format!("no connector stands behind {tool}: only the firewall's files count"));
    }
    let by = checked.rule.as_ref();
    let by = by.map(|rule| format!("by {}: {}", shown(&rule.origin, &sources.cwd), words(rule)));
    let answer = &mut checked.answer;
    if let (false, Some(by)) = (answer.allowed, &by) {
        answer.reason = Some(by.clone());
    }
    let line = match (answer.allowed, by) {
        (true, by) => format!("allowed {}", by.unwrap_or_default()),
        (false, _) => format!("refused: {}", answer.reason.as_deref().unwrap_or_default()),
    };
    if *json {
        print_json(answer)?;
    } else {
        let because = answer.rule.as_ref().and_then(|rule| rule.reason.as_ref());
        let because = because.map(|text| format!(" ({text})")).unwrap_or_default();
        print(&format!("{}:{} {line}{because}\n", bracketed(&answer.host), answer.port))?;
        if let Some(change) = &answer.change {
            ui::line(&format!("to change that: {change}"));
        }
    }
    Ok(if answer.allowed { exit::OK } else { exit::FINDINGS })
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}
