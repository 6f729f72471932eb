//! What the owner of a container allowed, with the reason: its labels `jail.allow.containers.RULE`. Those of compose
//! files (`jail.allow.compose.RULE`) count for the rule of the same name, which judges the same thing.

use super::Container;
use crate::compose::allow::LABEL;
use crate::doctor::finding::Finding;
use crate::policy::expect::shown;
use serde_json::Value;

pub use crate::compose::allow::Allowed;

/// Takes out what was allowed. Without a reason nothing is.
pub fn allow(container: &Container, found: Vec<Finding>) -> (Vec<Finding>, Vec<Allowed>) {
    let (mut left, mut allowed) = (Vec::new(), Vec::new());
    for finding in found {
        match reason(&container.inspect["Config"]["Labels"], finding.rule.id) {
            Some(reason) => allowed.push(Allowed { finding, reason }),
            None => left.push(finding),
        }
    }
    (left, allowed)
}

fn reason(labels: &Value, id: &str) -> Option<String> {
    let (_, rule) = id.split_once('.')?;
    let said = ["containers", "compose"].iter().find_map(|family| {
        labels[format!("{LABEL}{family}.{rule}")].as_str().filter(|text| !text.trim().is_empty())
    });
    said.map(|text| shown(text.trim(), 200))
}
