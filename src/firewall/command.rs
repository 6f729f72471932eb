//! The command that makes, denies or takes away a rule, ready to be typed into a shell.

use super::store::target;
use super::{Endpoint, Rule, store};
use crate::policy::{Origin, load};

/// The command with this verb about exactly this rule.
pub fn of(verb: &str, rule: &Rule) -> String {
    if let (Some(request), true) = (&rule.request, rule.run.is_some()) {
        return format!("jail approvals revoke {request}");
    }
    if let Some(connector) = &rule.connector {
        let target = target::of(&rule.host, rule.ports, rule.effect).to_string();
        return format!("jail firewall {verb} --connector {connector} {}", quoted(&target));
    }
    let tool = rule.tool.as_ref().map(ToString::to_string);
    about(verb, tool.as_deref(), &target::of(&rule.host, rule.ports, rule.effect))
}

pub fn about(verb: &str, tool: Option<&str>, target: &Endpoint) -> String {
    let tool = tool.map(|tool| format!("--tool {tool} ")).unwrap_or_default();
    format!("jail firewall {verb} {tool}{}", quoted(&target.to_string()))
}

/// As the shell takes it: a star and brackets are its own otherwise.
pub(super) fn quoted(target: &str) -> String {
    if target.contains(['*', '[']) { format!("'{target}'") } else { target.to_owned() }
}

/// The command that takes the rule away; `None` where it stands in a manifest or on a command line, which
/// are not the firewall's to write.
pub fn lifting(rule: &Rule) -> Option<String> {
    let Origin::File { path, .. } = &rule.origin else { return None };
    let folder = path.parent()?;
    // Only the firewall's own files are there.
    let ours = folder.ends_with(store::POLICY) && folder.parent()?.ends_with(load::FOLDER);
    ours.then(|| of("remove", rule))
}
