//! `jail firewall allow` and `jail firewall deny`.

use super::{place, shown, verb, words};
use crate::cli::ui;
use crate::exit;
use crate::failure::Failure;
use crate::firewall::store::{self, Folder, Overlay, Put, Wanted, target};
use crate::firewall::{Effect, Endpoint, HostPattern, Ports, Rule, command};
use crate::policy::text::plain_text;
use crate::policy::{ConnectorName, Malformed, ToolId};
use std::path::Path;
use std::time::SystemTime;

/// Allow a host, at port 443 where none is given. The rule is there once: a second time it gets the
/// conditions of the second command line, and keeps its reason unless another is given.
#[derive(Debug, clap::Args)]
pub(super) struct AllowArgs {
    #[command(flatten)]
    common: Common,
    /// Any bytes: neither TLS nor HTTP is looked for, so that only the address is checked.
    #[arg(long)]
    raw: bool,
    /// The host may have addresses that are not of the public internet (loopback, private,
    /// link-local).
    #[arg(long)]
    private: bool,
    /// The client may hide the name that it asks for (Encrypted Client Hello).
    #[arg(long)]
    ech: bool,
}

/// Deny a host: at all ports where none is given, whatever else allows it.
#[derive(Debug, clap::Args)]
pub(super) struct DenyArgs {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct Common {
    /// For the connector behind this tool only; without this, for all of the workspace.
    #[arg(long, value_name = "ID")]
    tool: Option<ToolId>,
    /// For this connector only, whatever tool it stands behind.
    #[arg(long, value_name = "NAME", conflicts_with = "tool")]
    connector: Option<ConnectorName>,
    /// The host, and the port where it is not the default.
    #[arg(value_name = "HOST[:PORT]", value_parser = target::parse)]
    target: Endpoint,
    /// Why; kept with the rule.
    #[arg(long, value_name = "TEXT", value_parser = plain_text)]
    reason: Option<String>,
    /// Until when it counts: a time from now (`2h`, `7days`) or a moment
    /// (`2026-12-01T00:00:00Z`).
    #[arg(long, value_name = "TIME", value_parser = until)]
    expires: Option<SystemTime>,
}

pub(in crate::cli) fn until(text: &str) -> Result<SystemTime, Malformed> {
    let wrong = || Malformed::new("a time from now such as `2h`, or a moment in RFC 3339", text);
    if text.contains('T') {
        return store::decode::time(text);
    }
    let left = humantime::parse_duration(text).map_err(|_| wrong())?;
    // A year of five digits has no RFC 3339 form.
    let most = std::time::Duration::from_secs(1000 * 366 * 24 * 3600);
    Some(left)
        .filter(|left| *left <= most)
        .and_then(|left| SystemTime::now().checked_add(left))
        .ok_or_else(wrong)
}

pub(super) fn allow(args: &AllowArgs) -> Result<u8, Failure> {
    let flags = (args.raw, args.private, args.ech);
    put(Effect::Allow, &args.common, flags)
}

pub(super) fn deny(args: &DenyArgs) -> Result<u8, Failure> {
    put(Effect::Deny, &args.common, (false, false, false))
}

fn put(
    effect: Effect,
    args: &Common,
    (raw, private, ech): (bool, bool, bool),
) -> Result<u8, Failure> {
    let (sources, folder) = place()?;
    let wanted = Wanted {
        effect,
        host: args.target.host.clone(),
        ports: target::ports(&args.target, effect),
        tool: args.tool.clone(),
        connector: args.connector.clone(),
        run: None,
        once: false,
        request: None,
        reason: args.reason.clone(),
        expires: args.expires,
        raw,
        private,
        ech,
        by: crate::host::user::name(),
        at: SystemTime::now(),
    };
    let (done, overlay) = store::put(&folder, &wanted)?;
    tell(&wanted, done, &overlay, &sources.cwd, &folder);
    Ok(exit::OK)
}

fn tell(wanted: &Wanted, done: Put, overlay: &Overlay, cwd: &Path, folder: &Folder) {
    let rule = overlay.entries.iter().map(|entry| &entry.rule).find(|rule| {
        rule.effect == wanted.effect
            && rule.host == wanted.host
            && rule.ports == wanted.ports
            && rule.tool == wanted.tool
            && rule.connector == wanted.connector
            && rule.run.is_none()
    });
    let Some(rule) = rule else {
        let what =
            format!("written, but another program has changed {} since", folder.path().display());
        return ui::line(&what);
    };
    let at = shown(&rule.origin, cwd);
    ui::line(&match done {
        Put::Added => format!("{} ({at})", words(rule)),
        Put::Changed => format!("{}: changed ({at})", words(rule)),
        Put::Unchanged => format!("{}: was there already ({at})", words(rule)),
    });
    let others = overlay.entries.iter().map(|entry| &entry.rule);
    let others = others.filter(|other| other.effect != rule.effect && meets(rule, other));
    for other in others {
        let place = shown(&other.origin, cwd);
        let words = words(other);
        ui::line(&match rule.effect {
            Effect::Allow => format!(
                "but it stays refused: {words} ({place}) comes first; to remove that: {}",
                command::of("remove", other)
            ),
            Effect::Deny => format!("this comes before {} {words} ({place})", verb(other.effect))
                .replacen("allow allow", "allow", 1),
        });
    }
}

/// True where a rule that allows and one that denies can be about the same connection.
fn meets(one: &Rule, other: &Rule) -> bool {
    let tools = match (&one.tool, &other.tool) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    } && match (&one.connector, &other.connector) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    let ports = match (one.ports, other.ports) {
        (Ports::One(one), Ports::One(other)) => one == other,
        _ => true,
    };
    let covers = |wide: &HostPattern, narrow: &HostPattern| match (wide, narrow) {
        (wide, HostPattern::Exact(host)) => wide.matches(host),
        (HostPattern::Below(wide), HostPattern::Below(narrow)) => {
            wide == narrow || narrow.is_below(wide)
        }
        (HostPattern::Exact(_), HostPattern::Below(_)) => false,
    };
    let (allow, deny) = if one.effect == Effect::Allow { (one, other) } else { (other, one) };
    let now = SystemTime::now();
    let ended = |rule: &Rule| rule.expires.is_some_and(|end| end <= now);
    tools && ports && covers(&deny.host, &allow.host) && !ended(allow) && !ended(deny)
}
