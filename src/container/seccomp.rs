//! The filter that the engine loads: the connector's profile, and what the entry needs before it.
//!
//! The entry loads the connector's own program last, so that what it is allowed here the connector is not.

use crate::failure::{Failure, Kind};
use crate::plan::Stage;
use crate::policy::SeccompChoice;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Calls of the entry that a narrow profile may lack.
const ENTRY: &[&str] = &[
    "accept4",
    "bind",
    "clone",
    "close_range",
    "connect",
    "dup2",
    "dup3",
    "execve",
    "faccessat",
    "faccessat2",
    "fcntl",
    "getpriority",
    "kill",
    "landlock_add_rule",
    "landlock_create_ruleset",
    "landlock_restrict_self",
    "listen",
    "openat2",
    "poll",
    "ppoll",
    "prctl",
    "prlimit64",
    "readlink",
    "readlinkat",
    "recvmsg",
    "rt_sigaction",
    "rt_sigprocmask",
    "seccomp",
    "sendmsg",
    "setpriority",
    "setsid",
    "setsockopt",
    "setuid",
    "signalfd4",
    "socket",
    "umask",
    "unlink",
    "unlinkat",
    "wait4",
];

/// The flags of clone(2) that make namespaces.
const NAMESPACES: u64 = 0x7e02_0000;

/// The profile of this choice as engines read it.
pub fn for_engine(choice: &SeccompChoice) -> Result<String, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::new(Kind::Policy, "cannot hand the seccomp profile to the engine")
            .at(Stage::Seccomp)
            .because(why)
    };
    let text = match choice {
        SeccompChoice::BuiltIn(name) => crate::seccomp::built_in_json(name)
            .ok_or_else(|| failed(&format!("there is no profile `{name}`")))?
            .to_owned(),
        SeccompChoice::File(path) => {
            std::fs::read_to_string(path).map_err(|error| failed(&error))?
        }
    };
    let profile: Value = serde_json::from_str(&text).map_err(|error| failed(&error))?;
    Ok(format!("{:#}\n", widened(profile)))
}

/// With a rule for each call of the entry that the profile never allows.
fn widened(mut profile: Value) -> Value {
    let Some(rules) = profile["syscalls"].as_array_mut() else { return profile };
    let allowed: BTreeSet<String> = rules
        .iter()
        .filter(|rule| rule["action"] == "SCMP_ACT_ALLOW")
        .flat_map(|rule| rule["names"].as_array().into_iter().flatten())
        .filter_map(|name| name.as_str().map(ToOwned::to_owned))
        .collect();
    let missing: Vec<&str> =
        ENTRY.iter().copied().filter(|name| !allowed.contains(*name)).collect();
    if !missing.is_empty() {
        // A refusal of the same call would contradict.
        for rule in rules.iter_mut() {
            if let Some(names) = rule["names"].as_array_mut() {
                names.retain(|name| !missing.iter().any(|missing| name == missing));
            }
        }
        rules.retain(|rule| rule["names"].as_array().is_none_or(|names| !names.is_empty()));
        rules.push(json!({ "names": missing, "action": "SCMP_ACT_ALLOW" }));
    }
    // A narrow profile lets threads be made and no processes: the entry makes one, without namespaces.
    let plain = json!([{
        "index": 0, "value": NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"
    }]);
    let same = |rule: &Value| {
        let names = rule["names"].as_array().into_iter().flatten();
        names.clone().any(|name| name == "clone")
            && rule["action"] == "SCMP_ACT_ALLOW"
            && (rule["args"].is_null() || rule["args"] == plain)
    };
    if !rules.iter().any(same) {
        rules.push(json!({ "names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": plain }));
    }
    profile
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_lets_the_entry_work() {
        for name in crate::seccomp::for_connectors() {
            let text = for_engine(&SeccompChoice::BuiltIn(name.to_owned())).unwrap();
            let profile = crate::seccomp::oci::Profile::parse(text.as_bytes()).unwrap();
            let allowed = |call: &str| {
                let allow = crate::seccomp::oci::Action::Allow;
                profile
                    .syscalls
                    .iter()
                    .any(|rule| rule.action == allow && rule.names.iter().any(|n| n == call))
            };
            for call in ENTRY {
                assert!(allowed(call), "{name}: {call}");
            }
            assert!(!allowed("mount") && !allowed("bpf") && !allowed("ptrace"), "{name}");
        }
    }
}
