//! `jail doctor host`: what this machine lets jail do, found by trying.
//!
//! Each probe tries one primitive in a child (`sys::probe`) and gives a [`Check`]. The order is the
//! order of a run: a namespace that cannot be made explains most of what follows it.

use super::probes;
use crate::sys::probe::Prober;
use serde::Serialize;
use std::fmt::Write;

/// The name and version of the JSON form. A change that a reader could stumble over gets a new number.
pub const SCHEMA: &str = "jail.doctor.host/1";

/// The AppArmor profile that lets jail make user namespaces where a distribution restricts them.
pub const APPARMOR_PROFILE: &str = include_str!("../../packaging/apparmor/jail");

/// How a probe went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Ok,
    /// Works, with something less.
    Degraded,
    Missing,
    /// Could not be tried.
    Unknown,
}

/// A command that repairs something, and where it applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// `any`, a distribution family (`debian`, `fedora`, `arch`), or who set the limit (`docker`).
    pub on: &'static str,
    pub command: String,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Stable: `group.name`.
    pub id: &'static str,
    pub title: &'static str,
    /// True where jail cannot run a connector without it.
    pub needed: bool,
    pub status: Status,
    /// What was seen: the call, the error number, the file.
    pub evidence: String,
    /// What the user loses; only where the status is not ok.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<Fix>,
}

/// Everything that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub schema: &'static str,
    pub jail: &'static str,
    pub verdict: Verdict,
    pub checks: Vec<Check>,
}

/// What it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All that is needed is there.
    Ready,
    /// Something that is needed is missing.
    NotReady,
    /// Something that is needed could not be tried.
    Unknown,
}

impl Check {
    /// A check that went well.
    pub(super) fn ok(id: &'static str, title: &'static str, evidence: impl Into<String>) -> Self {
        let (status, evidence) = (Status::Ok, evidence.into());
        Self { id, title, needed: false, status, evidence, cost: None, fixes: Vec::new() }
    }

    /// A check that went otherwise; `cost` says what the user loses.
    pub(super) fn not_ok(
        id: &'static str,
        title: &'static str,
        status: Status,
        evidence: impl Into<String>,
        cost: impl Into<String>,
    ) -> Self {
        Self { status, cost: Some(cost.into()), ..Self::ok(id, title, evidence) }
    }

    pub(super) fn needed(mut self) -> Self {
        self.needed = true;
        self
    }

    pub(super) fn fix(mut self, on: &'static str, command: impl Into<String>) -> Self {
        self.fixes.push(Fix { on, command: command.into() });
        self
    }

    pub(super) fn fixes(mut self, fixes: Vec<Fix>) -> Self {
        self.fixes.extend(fixes);
        self
    }
}

impl Verdict {
    fn of(checks: &[Check]) -> Self {
        let any = |status| checks.iter().any(|c| c.needed && c.status == status);
        if any(Status::Missing) {
            Self::NotReady
        } else if any(Status::Unknown) {
            Self::Unknown
        } else {
            Self::Ready
        }
    }

    /// The exit code: 0 all needed is there, 1 something is missing, 2 could not look.
    pub fn code(self) -> u8 {
        match self {
            Self::Ready => crate::exit::OK,
            Self::NotReady => crate::exit::FINDINGS,
            Self::Unknown => crate::exit::USAGE,
        }
    }
}

/// Runs every probe. Fails where children cannot be forked safely.
pub fn examine() -> Result<Report, String> {
    let prober = Prober::new()?;
    let checks = probes::all(prober);
    let (schema, jail) = (SCHEMA, env!("CARGO_PKG_VERSION"));
    Ok(Report { schema, jail, verdict: Verdict::of(&checks), checks })
}

impl Report {
    /// For people: one line per check; what is not ok says what it costs and what to do.
    /// `family` is the distribution's (see [`family`]); fixes for others are left out.
    pub fn table(&self, family: Option<&str>) -> String {
        let width = self.checks.iter().map(|c| c.title.len()).max().unwrap_or(0);
        let mut out = String::new();
        for check in &self.checks {
            row(&mut out, check, width, family);
        }
        out.push('\n');
        out.push_str(match self.verdict {
            Verdict::Ready => "ready: all that jail needs is there\n",
            Verdict::NotReady => "not ready: see what is MISSING and needed, from the top\n",
            Verdict::Unknown => "unknown: something that jail needs could not be tried\n",
        });
        out
    }
}

/// One check: a line, then cost and fixes.
fn row(out: &mut String, check: &Check, width: usize, family: Option<&str>) {
    let word = match (check.status, check.needed) {
        (Status::Ok, _) => "ok",
        (Status::Degraded, _) => "degraded",
        (Status::Missing, true) => "MISSING",
        (Status::Missing, false) => "missing",
        (Status::Unknown, _) => "unknown",
    };
    // Writing to a string cannot fail; the results are there for other writers.
    let mut line = |text: std::fmt::Arguments<'_>| out.write_fmt(text).unwrap_or_default();
    line(format_args!("{word:<9} {:<width$}  {}\n", check.title, check.evidence));
    if check.status == Status::Unknown {
        return; // not tried: what it would cost to lack it is not the point yet
    }
    if let Some(cost) = &check.cost {
        let kind = if check.needed { "needed" } else { "costs" };
        line(format_args!("{:10}{kind}: {cost}\n", ""));
    }
    let families = ["debian", "fedora", "arch"];
    for fix in &check.fixes {
        let other = families.contains(&fix.on) && family.is_some_and(|f| f != fix.on);
        if !other {
            let on = if fix.on == "any" { String::new() } else { format!(" ({})", fix.on) };
            line(format_args!("{:10}fix{on}: {}\n", "", fix.command));
        }
    }
}

/// The distribution's family from os-release(5); `None` where it is another or not said.
pub fn family(os_release: &str) -> Option<&'static str> {
    let value = |key: &str| {
        let line = os_release.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    let names = format!("{} {}", value("ID"), value("ID_LIKE"));
    let names: Vec<&str> = names.split_whitespace().collect();
    let any = |wanted: &[&str]| names.iter().any(|n| wanted.contains(n));
    [
        ("debian", &["debian", "ubuntu"][..]),
        ("fedora", &["fedora", "rhel", "centos"]),
        ("arch", &["arch"]),
    ]
    .into_iter()
    .find_map(|(family, ids)| any(ids).then_some(family))
}

/// The profile for a binary at this path. Installed elsewhere than under `/usr`, the profile names
/// the place instead.
pub fn apparmor_profile(binary: &std::path::Path) -> String {
    let usual = "/usr/{local/,}bin/jail";
    let path = binary.to_string_lossy();
    if matches!(path.as_ref(), "/usr/bin/jail" | "/usr/local/bin/jail") {
        return APPARMOR_PROFILE.to_owned();
    }
    // Characters that mean something in a profile's path, apparmor.d(5).
    let mut quoted = String::from("\"");
    for c in path.chars() {
        if "*?[]{}^\"\\".contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    APPARMOR_PROFILE.replace(&format!("profile jail {usual}"), &format!("profile jail {quoted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families() {
        assert_eq!(family("ID=ubuntu\nID_LIKE=debian\n"), Some("debian"));
        assert_eq!(
            family("NAME=x\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"),
            Some("fedora")
        );
        assert_eq!(family("ID=nixos\n"), None);
        assert_eq!(family(""), None);
    }

    #[test]
    fn the_verdict_counts_only_what_is_needed() {
        let missing = Check::not_ok("a.b", "t", Status::Missing, "e", "c");
        let unknown = Check::not_ok("a.c", "t", Status::Unknown, "e", "c").needed();
        assert_eq!(Verdict::of(std::slice::from_ref(&missing)).code(), 0);
        assert_eq!(Verdict::of(&[missing.clone(), unknown.clone()]).code(), 2);
        assert_eq!(Verdict::of(&[missing.needed(), unknown]).code(), 1);
    }

    #[test]
    fn a_fix_for_another_distribution_is_left_out() {
        let check = Check::not_ok("a.b", "title", Status::Missing, "EPERM", "a cost")
            .fix("fedora", "dnf")
            .fix("debian", "apt")
            .fix("any", "sysctl");
        let report =
            Report { schema: SCHEMA, jail: "0", verdict: Verdict::Ready, checks: vec![check] };
        let table = report.table(Some("debian"));
        assert!(table.contains("apt") && table.contains("sysctl") && !table.contains("dnf"));
        assert!(report.table(None).contains("dnf"));
    }

    #[test]
    fn the_profile_names_the_binary() {
        let usual = apparmor_profile("/usr/bin/jail".as_ref());
        assert!(usual.contains("profile jail /usr/{local/,}bin/jail flags=(unconfined)"));
        let home = apparmor_profile("/home/a b/[x]/jail".as_ref());
        assert!(
            home.contains("profile jail \"/home/a b/\\[x\\]/jail\" flags=(unconfined)"),
            "{home}"
        );
        assert!(!home.contains("profile jail /usr"));
    }
}
