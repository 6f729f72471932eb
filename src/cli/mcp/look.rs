//! The tools that only look.

use super::update::place;
use crate::approvals::{self, Filter, Standing, Subject};
use crate::cli::why;
use crate::failure::{Failure, Kind};
use crate::firewall::check::{self, Answer, Question};
use crate::firewall::report::Report;
use crate::firewall::store::{self, Entry, Folder, target};
use crate::policy::ToolId;
use crate::runs::shown;
use crate::state::{PATIENCE, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::Display;
use std::str::FromStr;
use std::time::SystemTime;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListArguments {
    /// Only what counts for this tool (`name.of.tool@v1`): its own rules and the general ones.
    #[serde(default)]
    tool_id: Option<String>,
}

/// Rules and requests.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Listed {
    #[serde(flatten)]
    report: Report,
    /// What waits for the owner's answer.
    pending: Vec<Pending>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Pending {
    request: String,
    connector: String,
    tool_id: Option<String>,
    /// `api.example.com`, `db.example.com:5432`, `port 127.0.0.1:8080/tcp for localai`.
    subject: String,
    times: u64,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckArguments {
    /// One host, with its port where that is not 443 (`db.example.com:5432`).
    domain: String,
    /// The tool that would reach it; this or `connector` is needed.
    #[serde(default)]
    tool_id: Option<String>,
    /// The connector that would reach it.
    #[serde(default)]
    connector: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WhyArguments {
    /// The run: its id, the beginning of it, or `last` (without this) for the one that started last.
    #[serde(default)]
    run: Option<String>,
}

/// What `jail why` tells.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Told {
    run: String,
    /// In words.
    text: String,
    /// The same for programs: what was refused, and the commands and lines of a manifest that would allow it.
    story: Value,
}

/// A value of a kind that has a parser; what is wrong names the argument.
pub(super) fn parsed<T: FromStr<Err: Display>>(name: &str, text: &str) -> Result<T, Failure> {
    text.parse().map_err(|error: T::Err| {
        Failure::new(Kind::Usage, format!("the argument `{name}` is wrong")).because(error)
    })
}

pub(super) fn list(arguments: &ListArguments) -> Result<Listed, Failure> {
    let tool: Option<ToolId> =
        arguments.tool_id.as_deref().map(|text| parsed("tool_id", text)).transpose()?;
    let (root, sources) = place()?;
    let filter = Filter { standing: Some(Standing::Pending), connector: None };
    let mut requests = match State::find(&root, PATIENCE)? {
        Some(state) => approvals::list(&state, &filter)?,
        None => Vec::new(),
    };
    let counts = |own: &Option<ToolId>| tool.is_none() || *own == tool;
    requests.retain(|one| {
        counts(&one.asker.tool) || matches!(one.subject, Subject::Port { .. }) && tool.is_none()
    });
    let pending = requests.into_iter().map(|one| Pending {
        request: one.id.to_string(),
        connector: one.asker.connector.to_string(),
        tool_id: one.asker.tool.map(|tool| tool.to_string()),
        subject: one.subject.to_string(),
        times: one.times,
    });
    let mut overlay = store::read(&Folder::new(&root, sources.home.as_deref()))?;
    let general =
        |entry: &Entry| entry.rule.tool.as_ref().is_none_or(|own| counts(&Some(own.clone())));
    overlay.entries.retain(general);
    let report = Report::of(&overlay, SystemTime::now());
    Ok(Listed { report, pending: pending.collect() })
}

pub(super) fn check(arguments: &CheckArguments) -> Result<Answer, Failure> {
    let target = target::parse(&arguments.domain).map_err(|error| {
        Failure::new(Kind::Usage, "the argument `domain` is wrong").because(error)
    })?;
    let tool = arguments.tool_id.as_deref().map(|text| parsed("tool_id", text)).transpose()?;
    let connector =
        arguments.connector.as_deref().map(|text| parsed("connector", text)).transpose()?;
    if tool.is_none() && connector.is_none() {
        return Err(Failure::new(Kind::Usage, "who would reach it is not said")
            .hint("give `tool_id` or `connector`"));
    }
    let (root, sources) = place()?;
    let folder = Folder::new(&root, sources.home.as_deref());
    check::check(&Question { target, connector, tool }, &sources, &folder).map(|it| it.answer)
}

pub(super) fn why(arguments: &WhyArguments) -> Result<Told, Failure> {
    let story = why::story(arguments.run.as_deref().unwrap_or("last"))?;
    let text = story.to_string();
    let lines: Vec<String> = text.lines().map(|line| shown(line.as_bytes())).collect();
    let value = serde_json::to_value(&story)
        .map_err(|error| Failure::new(Kind::Io, "cannot write JSON").because(error))?;
    Ok(Told { run: story.run, text: lines.join("\n"), story: value })
}
