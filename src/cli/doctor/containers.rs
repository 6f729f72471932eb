//! `jail doctor containers`.

use super::{pretty, print};
use crate::doctor::all::{Section, used};
use crate::doctor::containers::{Allowed, Container, Expected, allow, judge, look, rules};
use crate::doctor::finding::{Finding, Severity};
use crate::doctor::ports::report;
use crate::doctor::sarif;
use crate::exit;
use crate::failure::Failure;
use crate::policy::EngineKind;
use clap::Args;
use serde_json::json;

/// The name and version of the JSON form.
const SCHEMA: &str = "jail.doctor.containers/1";

#[derive(Debug, Args)]
pub struct ContainersArgs {
    /// Names or ids; without one, all that run
    #[arg(value_name = "CONTAINER")]
    pub names: Vec<String>,
    /// podman or docker alone
    #[arg(long, value_name = "ENGINE")]
    pub engine: Option<EngineKind>,
    /// The user that they must run as; any but root without this
    #[arg(long, value_name = "UID")]
    pub user: Option<u32>,
    /// Print JSON (schema `jail.doctor.containers/1`) instead of text
    #[arg(long)]
    pub json: bool,
    /// Print SARIF 2.1.0, for code hosts and editors
    #[arg(long, conflicts_with = "json")]
    pub sarif: bool,
    /// End with 1 only for findings that are at least this bad
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "warning")]
    pub fail_on: Severity,
}

pub(super) fn run(args: &ContainersArgs) -> Result<u8, Failure> {
    let found = look::look(args.engine, &args.names)?;
    let (findings, allowed) = judged(&found, Expected { uid: args.user });
    let bad = findings.iter().any(|finding| finding.severity >= args.fail_on);
    let (verdict, code) = match (bad, found.blind) {
        (true, _) => ("findings", exit::FINDINGS),
        (false, true) => ("unknown", exit::USAGE),
        (false, false) => ("clean", exit::OK),
    };
    let text = if args.json {
        let names: Vec<String> = found.containers.iter().map(Container::name).collect();
        pretty(&json!({
            "schema": SCHEMA,
            "jail": env!("CARGO_PKG_VERSION"),
            "verdict": verdict,
            "containers": names,
            "notes": found.notes,
            "findings": findings,
            "allowed": allowed,
            "rules": used(findings.iter()),
        }))?
    } else if args.sarif {
        pretty(&sarif::log(rules::ALL, &findings.iter().collect::<Vec<_>>()))?
    } else {
        text(&found, &findings, &allowed)
    };
    print(&text)?;
    Ok(code)
}

fn judged(found: &look::Found, expected: Expected) -> (Vec<Finding>, Vec<Allowed>) {
    let (mut findings, mut allowed) = (Vec::new(), Vec::new());
    for container in &found.containers {
        let (left, out) = allow(container, judge(container, expected));
        findings.extend(left);
        allowed.extend(out);
    }
    (findings, allowed)
}

/// Each container with its verdict, then what is wrong.
fn text(found: &look::Found, findings: &[Finding], allowed: &[Allowed]) -> String {
    let mut out = String::new();
    match (found.containers.is_empty(), found.blind) {
        (true, false) => out += "no container runs here\n",
        (true, true) => out += "no container is seen here, but not every engine could be asked\n",
        _ => {}
    }
    for container in &found.containers {
        let name = container.name();
        let verdict = match findings.iter().filter(|finding| finding.subject == name).count() {
            0 => "clean".to_owned(),
            number => report::count(number, "finding"),
        };
        out += &format!("{name}: {verdict}\n");
    }
    out.extend(found.notes.iter().map(|note| format!("note: {note}\n")));
    for Allowed { finding, reason } in allowed {
        let Finding { subject, rule, .. } = finding;
        out += &format!("allowed  {subject}: {} [{}]: {reason}\n", rule.title, rule.id);
    }
    out + &report::findings(findings)
}

/// For `jail doctor`: a machine without an engine has nothing to look at; one whose engine does not answer may.
pub(super) fn section() -> Section {
    match look::look(None, &[]) {
        Ok(found) => {
            let (findings, allowed) = judged(&found, Expected::default());
            let mut notes = found.notes;
            if !allowed.is_empty() {
                notes.push(format!("{} allowed", allowed.len()));
            }
            Section { looked: !found.blind, notes, ..Section::looked("containers", findings) }
        }
        Err(failure) => Section::blind("containers", super::all::one_line(&failure)),
    }
}
