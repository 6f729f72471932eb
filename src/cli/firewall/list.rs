//! `jail firewall list`.

use super::{place, print, print_json, shown, verb, whom};
use crate::cli::ui;
use crate::exit;
use crate::failure::Failure;
use crate::firewall::Unlisted;
use crate::firewall::report::Report;
use crate::firewall::store::{self, Entry, Overlay, target};
use crate::policy::ToolId;
use crate::policy::load::Sources;
use std::path::Path;
use std::time::SystemTime;

/// Print the rules of this workspace's files, in their order; those of manifests are in
/// `jail explain NAME`.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Only what counts for this tool: its own rules and the general ones.
    #[arg(long, value_name = "ID")]
    tool: Option<ToolId>,
    /// Print `{"rules": […], "unlisted": …, "upstream": …}`. A rule has `effect`, `host`, `port` (null: all),
    /// `tool`, `connector` and `run` (null: all), `once`, the `request` that it answers, `raw`, `private`,
    /// `ech`, `expires`, `expired`, `reason`, `by`, `at`, `file` and `line`; `unlisted` is `deny` or `ask`;
    /// the upstream has `url` and where its `credentials` come from.
    #[arg(long)]
    json: bool,
}

fn counting(tool: Option<&ToolId>) -> Result<(Sources, Overlay), Failure> {
    let (sources, folder) = place()?;
    let mut overlay = store::read(&folder)?;
    if let Some(tool) = tool {
        let counts = |entry: &Entry| entry.rule.tool.as_ref().is_none_or(|own| own == tool);
        overlay.entries.retain(counts);
    }
    Ok((sources, overlay))
}

pub(super) fn run(args: &ListArgs) -> Result<u8, Failure> {
    let (sources, overlay) = counting(args.tool.as_ref())?;
    let now = SystemTime::now();
    if args.json {
        print_json(&Report::of(&overlay, now))?;
        return Ok(exit::OK);
    }
    print(&table(&overlay, now, &sources.cwd))?;
    if overlay.entries.is_empty() {
        ui::line("no rules; `jail firewall allow HOST` makes one");
    }
    Ok(exit::OK)
}

fn unlisted(overlay: &Overlay) -> Unlisted {
    overlay.unlisted.as_ref().map(|setting| setting.value).unwrap_or_default()
}

fn table(overlay: &Overlay, now: SystemTime, cwd: &Path) -> String {
    let row = |entry: &Entry| {
        let rule = &entry.rule;
        let mut notes: Vec<String> =
            [("raw", rule.raw), ("private", rule.private), ("ech", rule.ech)]
                .iter()
                .filter(|(_, set)| *set)
                .map(|(name, _)| (*name).to_owned())
                .collect();
        if let Some(end) = rule.expires {
            let word = if end <= now { "expired" } else { "until" };
            notes.push(format!("{word} {}", crate::calendar::stamp(end)));
        }
        notes.extend(rule.request.as_ref().map(|request| format!("answers {request}")));
        notes.extend(rule.because.as_ref().map(|reason| format!("({reason})")));
        [
            verb(rule.effect).to_owned(),
            target::of(&rule.host, rule.ports, rule.effect).to_string(),
            Some(whom(rule)).filter(|whom| !whom.is_empty()).unwrap_or_else(|| "-".to_owned()),
            shown(&rule.origin, cwd),
            notes.join(" "),
        ]
    };
    let rows: Vec<[String; 5]> = overlay.entries.iter().map(row).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2), width(3)];
    let mut out = String::new();
    for row in &rows {
        let line: Vec<String> = row
            .iter()
            .enumerate()
            .map(|(n, cell)| format!("{cell:width$}", width = widths.get(n).copied().unwrap_or(0)))
            .collect();
        out += line.join("  ").trim_end();
        out.push('\n');
    }
    if unlisted(overlay) == Unlisted::Ask {
        out += "unlisted ask\n";
    }
    if let Some(upstream) = &overlay.upstream {
        out += &format!("upstream {}", upstream.value.url());
        if let Some(source) = upstream.value.credentials() {
            out += &format!(", credentials from {source}");
        }
        out.push('\n');
    }
    out
}
