//! `jail firewall remove`.

use super::{place, shown, words};
use crate::cli::ui;
use crate::exit;
use crate::failure::Failure;
use crate::firewall::store::{self, Entry, target};
use crate::firewall::{Endpoint, command};
use crate::policy::{ConnectorName, ToolId};

/// Remove the rules that name exactly this, whether they allow or deny; connections that nothing else
/// allows are cut. Ends with 1 where there is no such rule.
///
/// Without a port these are the rules that are written without one. A comment directly above a rule
/// goes with it; one that an empty line separates stays.
#[derive(Debug, clap::Args)]
pub(super) struct RemoveArgs {
    /// The rules for this tool; without this, those for all.
    #[arg(long, value_name = "ID")]
    tool: Option<ToolId>,
    /// The rules for this connector.
    #[arg(long, value_name = "NAME", conflicts_with = "tool")]
    connector: Option<ConnectorName>,
    /// As the rule names it.
    #[arg(value_name = "HOST[:PORT]", value_parser = target::parse)]
    target: Endpoint,
}

pub(super) fn run(args: &RemoveArgs) -> Result<u8, Failure> {
    let (sources, folder) = place()?;
    let same = |entry: &Entry| {
        let rule = &entry.rule;
        rule.host == args.target.host && rule.ports == target::ports(&args.target, rule.effect)
    };
    let mine = |Entry { rule, .. }: &Entry| {
        (&rule.tool, &rule.connector, &rule.run) == (&args.tool, &args.connector, &None)
    };
    let gone = store::remove(&folder, |entry| same(entry) && mine(entry))?;
    for entry in &gone {
        let place = shown(&entry.rule.origin, &sources.cwd);
        ui::line(&format!("removed: {} ({place})", words(&entry.rule)));
    }
    if !gone.is_empty() {
        return Ok(exit::OK);
    }
    let whom = args.tool.as_ref().map(|tool| format!(" for {tool}")).unwrap_or_default();
    ui::line(&format!(
        "nothing removed: no rule of {} names {}{whom}",
        folder.path().display(),
        args.target
    ));
    // What was perhaps meant: another tool, another port, or a pattern that covers it.
    for entry in store::read(&folder)?.entries {
        let covers = match &args.target.host {
            crate::firewall::HostPattern::Exact(host) => entry.rule.host.matches(host),
            pattern @ crate::firewall::HostPattern::Below(_) => entry.rule.host == *pattern,
        };
        if covers {
            let words = words(&entry.rule);
            ui::line(&format!(
                "there is: {words}; to remove that: {}",
                command::of("remove", &entry.rule)
            ));
        }
    }
    Ok(exit::FINDINGS)
}
