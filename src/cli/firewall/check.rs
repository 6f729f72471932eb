//! `jail firewall check`: what the proxy would decide, and why.

use super::{RuleJson, manifest, place, print, print_json, shown, words};
use crate::cli::ui;
use crate::exit;
use crate::failure::{Failure, Kind};
use crate::firewall::store::{self, target};
use crate::firewall::{
    Decision, Denial, Door, Effect, Endpoint, HostPattern, Reason, Rule, Rules, Who, command,
    decide,
};
use crate::policy::load::{self, Sources};
use crate::policy::{ConnectorName, ToolId};
use schemars::JsonSchema;
use serde::Serialize;
use std::path::Path;
use std::time::SystemTime;

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

#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct Answer {
    host: String,
    port: u16,
    connector: Option<String>,
    tool: Option<String>,
    allowed: bool,
    rule: Option<RuleJson>,
    code: Option<&'static str>,
    reason: Option<String>,
    change: Option<String>,
}

pub(super) fn run(args: &CheckArgs) -> Result<u8, Failure> {
    let (answer, line) = decided(args)?;
    if args.json {
        print_json(&answer)?;
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

/// The same for a program.
pub(in crate::cli) fn look(
    target: Endpoint,
    tool: Option<ToolId>,
    connector: Option<ConnectorName>,
) -> Result<Answer, Failure> {
    decided(&CheckArgs { target, tool, connector, json: true }).map(|(answer, _)| answer)
}

/// The answer, and in words.
fn decided(args: &CheckArgs) -> Result<(Answer, String), Failure> {
    let HostPattern::Exact(host) = &args.target.host else {
        let what = format!("`{}` is many hosts; name one", args.target.host);
        return Err(Failure::new(Kind::Usage, what));
    };
    let port = args.target.port.unwrap_or(443);
    let (sources, folder) = place()?;
    let (name, mut rules, tool) = whose(args, &sources)?;
    rules.extend(store::read(&folder)?.rules().0);
    let rules = Rules(rules);
    // The decision does not depend on the name; it only stands in what is said.
    let connector = name.clone().unwrap_or_else(|| ConnectorName::of_command("connector".as_ref()));
    let who = Who { connector, tool, run: None };
    let now = SystemTime::now();
    let decision = decide(&who, &rules, host, port, Door::Connect, now);
    let mut answer = Answer {
        host: host.to_string(),
        port,
        connector: name.map(|name| name.to_string()),
        tool: who.tool.as_ref().map(ToString::to_string),
        allowed: false,
        rule: None,
        code: None,
        reason: None,
        change: None,
    };
    let line = match &decision {
        Decision::Allow(rule) => {
            answer.allowed = true;
            answer.rule = Some(RuleJson::of(rule, now));
            answer.change = Some(stop(rule, &who, &folder.path()));
            format!("allowed by {}: {}", shown(&rule.origin, &sources.cwd), words(rule))
        }
        Decision::Ask(denial) | Decision::Deny(denial) => {
            let deciding = deciding(denial, &rules, &who, args, now);
            answer.rule = deciding.map(|rule| RuleJson::of(rule, now));
            answer.code = Some(denial.reason.code());
            answer.change = start(denial, deciding, &who, &args.target, &folder.path());
            let reason = match deciding {
                Some(rule) => format!("by {}: {}", shown(&rule.origin, &sources.cwd), words(rule)),
                None => denial.reason.to_string(),
            };
            answer.reason = Some(reason.clone());
            format!("refused: {reason}")
        }
    };
    Ok((answer, line))
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

type Whose = (Option<ConnectorName>, Vec<Rule>, Option<ToolId>);

/// The connector that is meant, its own rules and its tool.
fn whose(args: &CheckArgs, sources: &Sources) -> Result<Whose, Failure> {
    if let Some(name) = &args.connector {
        let (rules, own) = manifest(name, sources)?;
        if let (Some(asked), own) = (&args.tool, &own)
            && own.as_ref() != Some(asked)
        {
            let what = format!("connector `{name}` does not stand behind {asked}");
            return Err(Failure::new(Kind::Usage, what));
        }
        return Ok((Some(name.clone()), rules, own));
    }
    let mut broken = None;
    for name in load::connectors(sources)?.unwrap_or_default().names {
        match manifest(&name, sources) {
            Ok((rules, own)) if own == args.tool => return Ok((Some(name), rules, own)),
            Ok(_) => {}
            Err(failure) => broken = Some(failure),
        }
    }
    if let Some(failure) = broken {
        return Err(failure.hint("the tool could be this connector's"));
    }
    if let Some(tool) = &args.tool {
        ui::line(&format!("no connector stands behind {tool}: only the firewall's files count"));
    }
    Ok((None, Vec::new(), args.tool.clone()))
}

/// The rule that denies, where one does.
fn deciding<'a>(
    denial: &Denial,
    rules: &'a Rules,
    who: &Who,
    args: &CheckArgs,
    now: SystemTime,
) -> Option<&'a Rule> {
    let Reason::DeniedByRule { rule: place, .. } = &denial.reason else { return None };
    let HostPattern::Exact(host) = &args.target.host else { return None };
    rules.0.iter().find(|rule| {
        rule.effect == Effect::Deny
            && rule.origin.to_string() == *place
            && rule.counts(who, now)
            && rule.host.matches(host)
    })
}

/// The command that takes away what allows it.
fn stop(rule: &Rule, who: &Who, files: &Path) -> String {
    if ours(rule, files) {
        return command::of("remove", rule);
    }
    // A manifest is not ours to write.
    command::about("deny", tool(who).as_deref(), &target::of(&rule.host, rule.ports, Effect::Deny))
}

/// The command that would allow it.
fn start(
    denial: &Denial,
    deciding: Option<&Rule>,
    who: &Who,
    asked: &Endpoint,
    files: &Path,
) -> Option<String> {
    match deciding {
        Some(rule) if ours(rule, files) => Some(command::of("remove", rule)),
        Some(_) => None,
        None => denial.fix().map(|_| command::about("allow", tool(who).as_deref(), asked)),
    }
}

fn tool(who: &Who) -> Option<String> {
    who.tool.as_ref().map(ToString::to_string)
}

fn ours(rule: &Rule, files: &Path) -> bool {
    let crate::policy::Origin::File { path, .. } = &rule.origin else { return false };
    path.parent() == Some(files)
}
