//! `jail firewall export`.

use super::{manifest, place, print};
use crate::exit;
use crate::failure::Failure;
use crate::firewall::export::{Format, export};
use crate::firewall::{Effect, Rules, store};
use crate::policy::ConnectorName;
use crate::policy::load;

/// Print the allowlist as configuration of another program. What that program cannot express is left
/// out, and a comment says so; what nothing allows is refused there, too.
#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    /// For which program.
    #[arg(long, value_name = "FORMAT")]
    format: Format,
    /// What this connector may reach; without this, what any connector of the workspace may.
    #[arg(long, value_name = "NAME")]
    connector: Option<ConnectorName>,
}

pub(super) fn run(args: &ExportArgs) -> Result<u8, Failure> {
    let (sources, folder) = place()?;
    let names = match &args.connector {
        Some(name) => vec![name.clone()],
        None => load::connectors(&sources)?.unwrap_or_default().names,
    };
    let mut rules = Vec::new();
    let mut own = None;
    for name in &names {
        let (of_manifest, tool) = manifest(name, &sources)?;
        rules.extend(of_manifest);
        own = tool;
    }
    let mut overlay = store::read(&folder)?.rules().0;
    match &args.connector {
        Some(_) => overlay.retain(|rule| rule.tool.is_none() || rule.tool == own),
        // What one tool may not, another may.
        None => overlay.retain(|rule| rule.tool.is_none() || rule.effect == Effect::Allow),
    }
    rules.extend(overlay);
    print(&export(args.format, &Rules(rules), std::time::SystemTime::now()))?;
    Ok(exit::OK)
}
