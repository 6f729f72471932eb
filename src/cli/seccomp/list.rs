//! `jail seccomp list`: every call of an architecture, and what a profile answers to it.

use super::{View, action, condition};
use crate::failure::Failure;
use crate::seccomp::arch::{Arch, Number};
use crate::seccomp::oci::{Action, Profile, Rule};
use crate::seccomp::table::{ALLOW, Call, Table};
use serde::Serialize;

/// Numbers above this are no calls of a 64-bit entry.
const NUMBERS: u32 = 1024;

#[derive(Debug, Serialize)]
pub(super) struct List {
    name: String,
    arch: &'static str,
    calls: Vec<Entry>,
    /// Calls that the profile names and that this architecture does not have.
    absent: Vec<String>,
}

/// One call.
#[derive(Debug, Serialize)]
struct Entry {
    call: String,
    number: u32,
    /// `allow`, `conditional` or `refuse`.
    verdict: &'static str,
    /// What it answers where it does not allow: an errno.
    #[serde(skip_serializing_if = "Option::is_none")]
    otherwise: Option<String>,
    /// Alternatives, each a list of conditions that hold together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    when: Vec<Vec<String>>,
    /// Of the rules that name it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    why: Vec<String>,
}

impl List {
    pub(super) fn new(name: &str, arch: Arch) -> Result<Self, Failure> {
        let (profile, table) = View::resolve(name, arch)?;
        let calls = (0..NUMBERS)
            .filter_map(|number| {
                let named = table.calls.get(&number);
                let call =
                    named.map(|call| call.name.clone()).or_else(|| arch.call_name(number))?;
                Some(Entry::new(call, number, named, &profile, &table))
            })
            .collect();
        let mut absent: Vec<String> = profile
            .syscalls
            .iter()
            .flat_map(|rule| &rule.names)
            .filter(|name| matches!(arch.number(name), Number::Elsewhere))
            .cloned()
            .collect();
        absent.sort();
        absent.dedup();
        Ok(Self { name: name.to_owned(), arch: arch.name(), calls, absent })
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for entry in &self.calls {
            let Entry { call, number, verdict, otherwise, when, why } = entry;
            text.push_str(&format!("{number:>4} {call:<26} {verdict}"));
            if let Some(errno) = otherwise.as_ref().filter(|_| *verdict == "refuse") {
                text.push_str(&format!(" {errno}"));
            }
            if !why.is_empty() {
                text.push_str(&format!("  {}", why.join("; ")));
            }
            text.push('\n');
            for all in when {
                text.push_str(&format!("{:32}where {}\n", "", all.join(" and ")));
            }
        }
        text.push_str(&format!(
            "not on {}, though the profile names them: {}\n",
            self.arch,
            if self.absent.is_empty() { "none".to_owned() } else { self.absent.join(" ") }
        ));
        text
    }
}

impl Entry {
    fn new(
        call: String,
        number: u32,
        named: Option<&Call>,
        profile: &Profile,
        table: &Table,
    ) -> Self {
        let rules: Vec<&Rule> =
            profile.syscalls.iter().filter(|rule| rule.names.contains(&call)).collect();
        let allows = named.is_some_and(|call| call.verdict == ALLOW);
        let conditions = named.map(|call| call.any_of.as_slice()).unwrap_or_default();
        let verdict = match (allows, conditions) {
            (true, []) => "allow",
            (true, _) => "conditional",
            (false, _) => "refuse",
        };
        let unnamed = if number > table.highest() {
            action(Action::Errno, Some(nix::errno::Errno::ENOSYS as u16))
        } else {
            action(profile.default_action, profile.default_errno_ret)
        };
        let refused = rules.first().filter(|_| !allows);
        let answer = refused.map_or(unnamed, |rule| action(rule.action, rule.errno_ret));
        Self {
            call,
            number,
            verdict,
            otherwise: (verdict != "allow").then_some(answer),
            when: conditions.iter().map(|all| all.iter().map(condition).collect()).collect(),
            why: rules.iter().map(|rule| rule.comment.clone()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seccomp;

    fn entry<'a>(list: &'a List, call: &str) -> &'a Entry {
        list.calls.iter().find(|entry| entry.call == call).unwrap()
    }

    /// The listing is what the filter answers, for every call that has no condition.
    #[test]
    fn the_listing_is_the_filters_answer() {
        for name in seccomp::names() {
            for arch in Arch::ALL.iter().copied() {
                let list = List::new(name, arch).unwrap();
                let (_, table) = View::resolve(name, arch).unwrap();
                assert!(list.calls.len() > 250, "{name} {arch}");
                for entry in list.calls.iter().filter(|entry| entry.when.is_empty()) {
                    let answer = table.verdict(arch.audit(), entry.number, &[0; 6]);
                    let allowed = answer == ALLOW;
                    assert_eq!(entry.verdict == "allow", allowed, "{name} {arch} {}", entry.call);
                    if answer == seccomp::table::NO_SUCH_CALL {
                        assert_eq!(entry.otherwise.as_deref(), Some("ENOSYS"), "{}", entry.call);
                    }
                }
            }
        }
    }

    #[test]
    fn what_an_architecture_lacks_is_said() {
        let x86 = List::new("default", Arch::X86_64).unwrap();
        let arm = List::new("default", Arch::Aarch64).unwrap();
        assert!(
            arm.absent.contains(&"open".to_owned()) && !x86.absent.contains(&"open".to_owned())
        );
        assert!(arm.calls.iter().all(|entry| entry.call != "open"));
        assert_eq!(entry(&x86, "read").verdict, "allow");
        assert_eq!(entry(&x86, "clone").verdict, "conditional");
        assert_eq!(entry(&x86, "clone3").otherwise.as_deref(), Some("ENOSYS"));
        assert_eq!(entry(&arm, "bpf").otherwise.as_deref(), Some("EPERM"));
        let text = arm.text();
        assert!(text.contains("not on aarch64") && text.contains("where arg0"), "{text}");
    }
}
