//! The smallest change of policy that would have allowed what was refused: as commands, and as lines of
//! the manifest.

use super::{Finding, Remedy, files, network, seccomp};
use crate::audit::{Mechanism, Text};
use crate::firewall::pattern::DEFAULT_PORT;
use crate::firewall::{Effect, Endpoint, Rules, command};
use serde::Serialize;

/// All of it together.
#[derive(Debug, Default, Serialize)]
pub struct Patch {
    pub commands: Vec<Allow>,
    /// The same for the manifest; empty where nothing fits there.
    pub manifest: String,
    /// Files and limits, as options of `jail run`.
    pub options: Vec<Allow>,
}

/// One command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Allow {
    pub command: String,
    pub think_twice: Option<&'static str>,
    /// What is assumed, since it was not seen.
    pub assumed: Option<&'static str>,
}

/// A rule that is not there yet.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    endpoint: Endpoint,
    raw: bool,
    private: bool,
    ech: bool,
    /// It was looked up, and nothing more.
    portless: bool,
    think_twice: Option<&'static str>,
}

const NO_PORT: &str = "port 443: the name was looked up, and no port was asked for";

impl Patch {
    /// `rules` are those of today: a rule that is put again must keep its conditions.
    pub(super) fn of(findings: &[Finding], tool: Option<&Text>, rules: &Rules) -> Self {
        let tool = tool.map(Text::as_str);
        let wanted = wanted(findings, tool, rules);
        let mut commands: Vec<Allow> = lifts(findings).collect();
        commands.extend(wanted.iter().map(|wanted| wanted.allow(tool)));
        let limits = findings.iter().filter_map(limit_option).collect();
        let options = files::options(findings, limits);
        Self { commands, manifest: manifest(findings, &wanted), options }
    }

    pub fn is_empty(&self) -> bool {
        self.commands.is_empty() && self.manifest.is_empty()
    }
}

/// Rules that deny, taken away.
fn lifts(findings: &[Finding]) -> impl Iterator<Item = Allow> {
    let mut known: Vec<&Text> = Vec::new();
    findings.iter().filter(|finding| is(finding, "denied-by-rule")).filter_map(move |finding| {
        let Remedy::Change { think_twice } = finding.remedy else { return None };
        let fix = finding.fix.as_ref().filter(|fix| !known.contains(fix))?;
        known.push(fix);
        Some(Allow { command: fix.to_string(), think_twice, assumed: None })
    })
}

fn is(finding: &Finding, code: &str) -> bool {
    finding.mechanism == Mechanism::Proxy
        && finding.code.as_ref().is_some_and(|own| own.as_str() == code)
}

/// One rule for each host and port, with all conditions that it needs.
fn wanted(findings: &[Finding], tool: Option<&str>, rules: &Rules) -> Vec<Wanted> {
    let mut all: Vec<Wanted> = Vec::new();
    for finding in findings.iter().filter(|finding| !is(finding, "denied-by-rule")) {
        let (Remedy::Change { think_twice }, Mechanism::Proxy) =
            (finding.remedy.clone(), finding.mechanism)
        else {
            continue;
        };
        // Of a limit the object is where it was reached.
        let endpoint = finding.object.as_str().parse::<Endpoint>().ok();
        let Some(endpoint) = endpoint.filter(|_| !is(finding, "limit")) else { continue };
        let next = Wanted {
            raw: is(finding, "not-tls") || is(finding, "no-sni"),
            private: is(finding, "not-public"),
            ech: is(finding, "ech"),
            portless: finding.doors.iter().all(|door| door.as_str() == "dns")
                && !finding.doors.is_empty(),
            think_twice,
            endpoint,
        };
        match all.iter_mut().find(|one| one.endpoint == next.endpoint) {
            Some(one) => one.add(&next),
            None => all.push(next),
        }
    }
    for one in &mut all {
        one.keep(tool, rules);
    }
    // A name that may be reached at some port may be looked up.
    let reached: Vec<Wanted> = all.iter().filter(|one| !one.portless).cloned().collect();
    all.retain(|one| {
        !one.portless || reached.iter().all(|other| other.endpoint.host != one.endpoint.host)
    });
    all
}

impl Wanted {
    fn add(&mut self, other: &Self) {
        self.raw |= other.raw;
        self.private |= other.private;
        self.ech |= other.ech;
        self.portless &= other.portless;
        self.think_twice = self.think_twice.or(other.think_twice);
    }

    /// The conditions of the rule that it takes the place of.
    fn keep(&mut self, tool: Option<&str>, rules: &Rules) {
        let (host, ports) = self.endpoint.to_allow();
        let of_tool = |rule: &crate::firewall::Rule| {
            rule.tool.as_ref().is_none_or(|own| Some(own.as_str()) == tool)
        };
        let same = rules.0.iter().filter(|rule| {
            rule.effect == Effect::Allow
                && rule.host == host
                && rule.ports == ports
                && of_tool(rule)
        });
        for rule in same {
            self.raw |= rule.raw;
            self.private |= rule.private;
            self.ech |= rule.ech;
        }
    }

    fn conditions(&self) -> impl Iterator<Item = &'static str> {
        [("raw", self.raw), ("private", self.private), ("ech", self.ech)]
            .into_iter()
            .filter_map(|(name, set)| set.then_some(name))
    }

    /// Without the port that goes without saying.
    fn target(&self) -> Endpoint {
        let port = self.endpoint.port.filter(|port| *port != DEFAULT_PORT);
        Endpoint { port, ..self.endpoint.clone() }
    }

    fn allow(&self, tool: Option<&str>) -> Allow {
        let mut command = command::about("allow", tool, &self.target());
        self.conditions().for_each(|name| command += &format!(" --{name}"));
        let assumed = self.portless.then_some(NO_PORT);
        Allow { command, think_twice: self.think_twice, assumed }
    }

    /// An entry of `network.allow`.
    fn line(&self) -> String {
        let target = self.target().to_string();
        let target = if target.contains('[') { format!("\"{target}\"") } else { target };
        let conditions: String = self.conditions().map(|name| format!(", {name}: true")).collect();
        let line = if conditions.is_empty() {
            format!("    - {target}")
        } else {
            format!("    - {{host: {}{conditions}}}", flow(&target))
        };
        match self.think_twice {
            Some(why) => format!("{line}  # think twice: {why}"),
            None => line,
        }
    }
}

/// A colon is fine in a flow mapping only within quotes.
fn flow(target: &str) -> String {
    if target.starts_with('"') || !target.contains(':') {
        target.to_owned()
    } else {
        format!("\"{target}\"")
    }
}

/// Twice what was too little: how much is enough, no record says.
fn manifest(findings: &[Finding], wanted: &[Wanted]) -> String {
    let mut text = String::new();
    let connections = findings.iter().filter_map(network::connections).max();
    if !wanted.is_empty() || connections.is_some() {
        text += "network:\n";
    }
    if let Some(most) = connections {
        text += &format!("  connections: {}\n", most.saturating_mul(2).min(65_536));
    }
    if !wanted.is_empty() {
        text += "  allow:\n";
        wanted.iter().for_each(|one| text += &(one.line() + "\n"));
    }
    text += &files::manifest(findings);
    let limits: Vec<String> = findings.iter().filter_map(limit).collect();
    if !limits.is_empty() {
        text += "limits:\n";
        limits.iter().for_each(|line| text += &format!("  {line}\n"));
    }
    if let Some(profile) = seccomp::wanted(findings) {
        text += &format!("seccomp: {profile}\n");
    }
    text
}

fn limit(finding: &Finding) -> Option<String> {
    let more = finding.limit?.checked_mul(2)?;
    Some(match finding.object.as_str() {
        "memory" => format!("memory: {}", size(more)),
        "fork" => format!("pids: {more}"),
        "open files" => format!("files: {more}"),
        "file size" => format!("file_size: {}", size(more)),
        "time" if more % 1000 == 0 => format!("timeout: {}s", more / 1000),
        "time" => format!("timeout: {more}ms"),
        _ => return None,
    })
}

/// There is none for the size of a file.
fn limit_option(finding: &Finding) -> Option<String> {
    let line = limit(finding)?;
    let (name, value) = line.split_once(": ")?;
    (name != "file_size").then(|| format!("--{name} {value}"))
}

/// In the largest unit that it is a whole number of.
pub(super) fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.into_iter().find(|(shift, _)| bytes.trailing_zeros() >= *shift) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}
