//! System calls that a profile refused: what they are for, and what would allow them.
//!
//! What a built-in profile allows is asked of its program. The words are for the others.

use super::calls::{KNOWN, TRIED};
use super::{Finding, Remedy, Weight};
use crate::seccomp::arch::{Arch, Number};
use crate::seccomp::bpf::{self, Data};
use crate::seccomp::built_in;
use crate::seccomp::refusal::Seen;
use crate::seccomp::table::ALLOW;

/// Stands for calls of more kinds than are told apart.
pub const OTHER_CALLS: &str = "other system calls";

/// From narrow to wide.
const PROFILES: [&str; 2] = ["default", "browser"];

/// One call, explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AboutCall {
    /// What it is for, where that is known.
    what: Option<&'static str>,
    /// Programs try it, and go on without.
    tried: bool,
    verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// This built-in profile allows it.
    BuiltIn(&'static str),
    /// A profile of one's own can, with this rule.
    Own { file: Option<String>, rule: String },
    /// None should.
    Never(&'static str),
}

/// Explains a call that the profile of this name refused.
pub fn about_call(profile: &str, name: &str, args: &[Seen]) -> AboutCall {
    let known = KNOWN.iter().find(|known| known.is(name, args));
    let file = profile.contains('/').then(|| profile.to_owned());
    let allows = PROFILES.into_iter().find(|profile| allows(profile, name, args));
    let rule = || rule(name, args);
    let verdict = match (allows, known.and_then(|known| known.never)) {
        (Some(profile), _) if file.is_none() => Verdict::BuiltIn(profile),
        (None, Some(because)) => Verdict::Never(because),
        _ => Verdict::Own { file, rule: rule() },
    };
    let tried = known.is_some_and(|known| TRIED.contains(&known.what));
    AboutCall { what: known.map(|known| known.what), tried, verdict }
}

impl AboutCall {
    /// For the record: how its owner can allow it.
    pub fn fix(&self) -> Option<String> {
        match &self.verdict {
            Verdict::BuiltIn(profile) => Some(format!("seccomp: {profile}")),
            Verdict::Own { .. } | Verdict::Never(_) => None,
        }
    }

    /// What follows the call in one line on stderr; `jail why` has the reasons. `None` where the line would
    /// lead astray: a program that failed did not fail for that.
    pub fn line(&self) -> Option<String> {
        if self.tried {
            return None;
        }
        let what = self.what.map(|what| format!(", for {what}")).unwrap_or_default();
        Some(match &self.verdict {
            Verdict::BuiltIn(profile) => format!("{what}; to allow it: --seccomp {profile}"),
            Verdict::Own { .. } | Verdict::Never(_) => what,
        })
    }
}

pub(super) fn judge(finding: &mut Finding, args: &[Seen]) {
    let profile = profile(&finding.reason).unwrap_or("default").to_owned();
    let name = finding.object.as_str().split('(').next().unwrap_or_default().to_owned();
    if name == OTHER_CALLS {
        let text = "run it again when those above are settled: 64 kinds are told apart".to_owned();
        (finding.weight, finding.remedy) = (Weight::Trouble, Remedy::Advice { text });
        return;
    }
    let about = about_call(&profile, &name, args);
    if let Some(what) = about.what {
        finding.reason = format!("for {what}; {}", finding.reason);
    }
    (finding.weight, finding.fix, finding.remedy) = match about.verdict {
        Verdict::BuiltIn(profile) => {
            (Weight::Rule, Some(profile.into()), Remedy::Change { think_twice: None })
        }
        Verdict::Own { file: Some(file), rule } => {
            let text = format!("add to `syscalls` in {file}: {rule}");
            (Weight::Doubtful, None, Remedy::Advice { text })
        }
        Verdict::Own { file: None, rule } => {
            let text = format!(
                "a profile of your own, if the connector cannot do without: jail seccomp show \
                 {profile} --oci > own.json, add to its `syscalls` {rule}, and say seccomp: \
                 ./own.json"
            );
            (Weight::Doubtful, None, Remedy::Advice { text })
        }
        Verdict::Never(because) => (Weight::Never, None, Remedy::None { because }),
    };
}

/// The profile that the record names.
fn profile(reason: &str) -> Option<&str> {
    reason.strip_prefix("the profile ")?.rsplit_once(" answers ").map(|(name, _)| name)
}

/// The built-in profile that allows all of these that one allows, for the manifest.
pub(super) fn wanted(findings: &[Finding]) -> Option<&'static str> {
    let of = |finding: &Finding| {
        let fix = finding.fix.as_ref().filter(|_| finding.is_seccomp())?;
        PROFILES.iter().position(|profile| *profile == fix.as_str())
    };
    findings.iter().filter_map(of).max().and_then(|widest| PROFILES.get(widest).copied())
}

/// A record has all that any built-in profile looks at.
fn allows(profile: &str, name: &str, args: &[Seen]) -> bool {
    let Number::Is(number) = Arch::NATIVE.number(name) else { return false };
    let mut data = Data { number, arch: Arch::NATIVE.audit(), pointer: 0, args: [0; 6] };
    for seen in args {
        if let Some(arg) = data.args.get_mut(usize::from(seen.index)) {
            *arg = seen.value;
        }
    }
    let program = built_in(profile).and_then(bpf::decode);
    program.is_some_and(|program| bpf::run(&program, &data) == Ok(ALLOW))
}

/// As an own profile has it.
fn rule(name: &str, args: &[Seen]) -> String {
    let condition = |seen: &Seen| {
        let Seen { index, value, mask } = seen;
        format!(
            r#"{{"index": {index}, "value": {mask}, "valueTwo": {value}, "op": "SCMP_CMP_MASKED_EQ"}}"#
        )
    };
    let args: Vec<String> = args.iter().map(condition).collect();
    let args = match args.as_slice() {
        [] => String::new(),
        args => format!(r#", "args": [{}]"#, args.join(", ")),
    };
    format!(r#"{{"names": ["{name}"], "action": "SCMP_ACT_ALLOW"{args}}}"#)
}
