//! What the proxy would decide for a connector, and what would change that.

use super::report::RuleJson;
use super::store::{self, Folder, target};
use super::{
    Decision, Denial, Door, Effect, Endpoint, Host, HostPattern, Reason, Rule, Rules, Who, command,
    decide,
};
use crate::failure::{Failure, Kind};
use crate::policy::load::{self, Sources};
use crate::policy::{ConnectorName, Origin, Overrides, ToolId};
use schemars::JsonSchema;
use serde::Serialize;
use std::path::Path;
use std::time::SystemTime;
use utoipa::ToSchema;

/// What is asked: may this connector, or the one behind this tool, reach that?
#[derive(Debug, Clone)]
pub struct Question {
    pub target: Endpoint,
    pub connector: Option<ConnectorName>,
    pub tool: Option<ToolId>,
}

#[derive(Debug, Serialize, ToSchema, JsonSchema)]
#[schema(as = Checked)]
pub struct Answer {
    pub host: String,
    pub port: u16,
    pub connector: Option<String>,
    pub tool: Option<String>,
    pub allowed: bool,
    /// The one that decides, where one does.
    pub rule: Option<RuleJson>,
    /// The stable name of the reason of a refusal.
    pub code: Option<&'static str>,
    pub reason: Option<String>,
    /// The command that would change it.
    pub change: Option<String>,
}

/// An answer, with the rule that decides.
#[derive(Debug)]
pub struct Checked {
    pub answer: Answer,
    pub rule: Option<Rule>,
    /// Why it is refused, where it is.
    pub denial: Option<Denial>,
    /// No connector stands behind the tool: only the firewall's files count.
    pub nobody: bool,
}

/// Reads the rules that count, and decides as the proxy does.
pub fn check(question: &Question, sources: &Sources, folder: &Folder) -> Result<Checked, Failure> {
    let HostPattern::Exact(host) = &question.target.host else {
        let what = format!("`{}` is many hosts; name one", question.target.host);
        return Err(Failure::new(Kind::Usage, what));
    };
    let Whose { name, mut rules, tool } = whose(question, sources)?;
    rules.extend(store::read(folder)?.rules().0);
    let nobody = name.is_none();
    // The decision does not depend on the name; it only stands in what is said.
    let connector = name.clone().unwrap_or_else(|| ConnectorName::of_command("connector".as_ref()));
    let who = Who { connector, tool, run: None };
    let checked = answer(question, host, &who, &Rules(rules), &folder.path());
    let answer = Answer { connector: name.map(|name| name.to_string()), ..checked.answer };
    Ok(Checked { answer, nobody, ..checked })
}

fn answer(question: &Question, host: &Host, who: &Who, rules: &Rules, files: &Path) -> Checked {
    let port = question.target.port.unwrap_or(443);
    let now = SystemTime::now();
    let mut answer = Answer {
        host: host.to_string(),
        port,
        connector: None,
        tool: tool(who),
        allowed: false,
        rule: None,
        code: None,
        reason: None,
        change: None,
    };
    match decide(who, rules, host, port, Door::Connect, now) {
        Decision::Allow(rule) => {
            answer.allowed = true;
            answer.rule = Some(RuleJson::of(rule, now));
            answer.change = Some(stop(rule, who, files));
            Checked { answer, rule: Some(rule.clone()), denial: None, nobody: false }
        }
        Decision::Ask(denial) | Decision::Deny(denial) => {
            let deciding = deciding(&denial, rules, who, host, now);
            answer.rule = deciding.map(|rule| RuleJson::of(rule, now));
            answer.code = Some(denial.reason.code());
            answer.reason = Some(denial.reason.to_string());
            answer.change = start(&denial, deciding, who, &question.target, files);
            Checked { answer, rule: deciding.cloned(), denial: Some(denial), nobody: false }
        }
    }
}

/// A connector, its own rules and its tool.
struct Whose {
    name: Option<ConnectorName>,
    rules: Vec<Rule>,
    tool: Option<ToolId>,
}

/// The connector that is meant.
fn whose(question: &Question, sources: &Sources) -> Result<Whose, Failure> {
    if let Some(name) = &question.connector {
        let (rules, own) = manifest(name, sources)?;
        if let (Some(asked), own) = (&question.tool, &own)
            && own.as_ref() != Some(asked)
        {
            let what = format!("connector `{name}` does not stand behind {asked}");
            return Err(Failure::new(Kind::Usage, what));
        }
        return Ok(Whose { name: Some(name.clone()), rules, tool: own });
    }
    let mut broken = None;
    for name in load::connectors(sources)?.unwrap_or_default().names {
        match manifest(&name, sources) {
            Ok((rules, own)) if own == question.tool => {
                return Ok(Whose { name: Some(name), rules, tool: own });
            }
            Ok(_) => {}
            Err(failure) => broken = Some(failure),
        }
    }
    if let Some(failure) = broken {
        return Err(failure.hint("the tool could be this connector's"));
    }
    Ok(Whose { name: None, rules: Vec::new(), tool: question.tool.clone() })
}

/// The rules of a connector's manifest, and the tool that it stands behind.
pub fn manifest(
    name: &ConnectorName,
    sources: &Sources,
) -> Result<(Vec<Rule>, Option<ToolId>), Failure> {
    let policy = load::connector(name, sources, &Overrides::default())?;
    Ok((policy.network.rules, policy.tool.map(|tool| tool.value)))
}

/// The rule that denies, where one does.
fn deciding<'a>(
    denial: &Denial,
    rules: &'a Rules,
    who: &Who,
    host: &Host,
    now: SystemTime,
) -> Option<&'a Rule> {
    let Reason::DeniedByRule { rule: place, .. } = &denial.reason else { return None };
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
    let Origin::File { path, .. } = &rule.origin else { return false };
    path.parent() == Some(files)
}
