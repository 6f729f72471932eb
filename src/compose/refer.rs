//! What a service names has to be in the project, as docker compose wants it.

use super::fields;
use super::merge;
use super::model::Service;
use super::node::{Node, Spot};
use crate::policy::Problem;

/// Of a service that is always started: one with profiles may name what comes with another file.
pub(super) fn check(service: &Service, root: &Node, problems: &mut Vec<Problem>) {
    if service.find(&["profiles"]).is_some() {
        return;
    }
    let mut refer = |field: &str, section: &str, what: &str, name: &str, at: &Spot| {
        if root.get(section).and_then(|it| it.entry(name)).is_none() {
            let field = merge::field(&["services", &service.name, field].map(str::to_owned));
            let problem = at.problem(&field, format!("there is no {what} `{name}`"));
            problems.push(match section {
                "services" => problem,
                _ => problem.hint(format!("`{section}: {{{name}: }}` at the top of the file")),
            });
        }
    };
    for (name, at) in service.networks().iter().filter(|(name, _)| name != "default") {
        refer("networks", "networks", "network", name, at);
    }
    for mount in service.mounts.iter().filter(|mount| mount.kind == "volume") {
        if let Some(name) = mount.source.as_deref().filter(|name| !name.is_empty()) {
            refer("volumes", "volumes", "volume", name, &mount.spot);
        }
    }
    for (section, what) in [("configs", "config"), ("secrets", "secret")] {
        for item in service.find(&[section]).map(Node::items).unwrap_or_default() {
            let named = item.text().or_else(|| item.get("source").and_then(Node::text));
            if let Some(name) = named {
                refer(section, section, what, name, &item.spot);
            }
        }
    }
    for entry in service.find(&["depends_on"]).map(Node::entries).unwrap_or_default() {
        let required = entry.value.get("required").and_then(Node::text).and_then(fields::flag);
        if required != Some(false) {
            refer("depends_on", "services", "service", &entry.key, &entry.at);
        }
    }
}
