//! `jail doctor` without a subject: everything in one report.

use super::compose;
use super::ports::Context;
use crate::audit;
use crate::cli::check;
use crate::confine::cgroup::{self, Controllers, Support};
use crate::doctor::all::{Report, Section, files, rules, sections};
use crate::doctor::finding::{Finding, Severity};
use crate::doctor::host;
use crate::failure::{Failure, Kind};
use crate::policy::load::{FOLDER, Sources, WorkspaceRoot};
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct AllArgs {
    /// Print JSON (schema `jail.doctor/1`) instead of text
    #[arg(long)]
    pub json: bool,
    /// End with 1 only for findings that are at least this bad
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "error")]
    pub fail_on: Severity,
    /// Do what is safe: take the right to write to `.cloned` from other users, remove cgroups of killed runs
    #[arg(long)]
    pub fix: bool,
}

pub(super) fn run(args: &AllArgs) -> Result<u8, Failure> {
    let sources = Sources::of_process()?;
    let root = WorkspaceRoot::find(&sources.cwd)?;
    let mut fixed = Vec::new();
    if args.fix {
        let before = [policy(&sources, root.as_ref()), host_section()];
        for finding in before.iter().flat_map(|section| &section.findings) {
            if finding.safe_fix {
                fixed.extend(mend(finding)?);
            }
        }
    }
    let sections = vec![
        host_section(),
        ports(),
        policy(&sources, root.as_ref()),
        audit_section(&sources, root.as_ref()),
        super::containers::section(),
        compose::section(root.as_ref().map_or(&sources.cwd, |root| &root.path)),
    ];
    let report = Report::new(sections, args.fail_on, fixed);
    let text = match args.json {
        true => super::pretty(&report)?,
        false => report.text(),
    };
    super::print(&text)?;
    Ok(report.code())
}

/// What was done.
fn mend(finding: &Finding) -> Result<Option<String>, Failure> {
    let path = Path::new(&finding.subject);
    let failed = |error: String| {
        Failure::new(Kind::Io, format!("cannot mend {}", path.display())).because(error)
    };
    if finding.rule.id == rules::OPEN_FILE.id {
        files::close(path).map_err(|error| failed(error.to_string()))?;
        return Ok(Some(finding.fix.clone()));
    }
    if finding.rule.id == rules::STALE_CGROUP.id
        && let Some(parent) = path.parent()
    {
        let removed = cgroup::sweep_stale(parent).map_err(|error| failed(error.to_string()))?;
        // The first of them takes all.
        return Ok((removed > 0).then(|| format!("{removed} cgroups of killed runs removed")));
    }
    Ok(None)
}

fn host_section() -> Section {
    let report = match host::examine() {
        Ok(report) => report,
        Err(why) => return Section::blind("host", why),
    };
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let mut section = Section::looked("host", sections::host(&report, host::family(&release)));
    if let Some(parent) = Support::probe(&Controllers::default()).parent {
        match cgroup::stale(&parent) {
            Ok(stale) => section.findings.extend(stale.iter().map(|path| sections::stale(path))),
            Err(error) => section.notes.push(error.to_string()),
        }
    }
    section
}

fn ports() -> Section {
    let examined = Context::read().and_then(|context| context.examine(false, false));
    match examined {
        Ok((seen, findings)) => Section { notes: seen.notes, ..Section::looked("ports", findings) },
        Err(failure) => Section::blind("ports", one_line(&failure)),
    }
}

fn policy(sources: &Sources, root: Option<&WorkspaceRoot>) -> Section {
    let Some(root) = root else {
        let note = "there is no workspace here; `jail init` makes one".to_owned();
        return Section { notes: vec![note], ..Section::looked("policy", Vec::new()) };
    };
    // A file that everybody can write is not read: that it is so is said all the same.
    let mut section = match check::problems(sources, &[]) {
        Ok((_, problems)) => Section::looked("policy", sections::policy(&problems)),
        Err(failure) => Section::blind("policy", one_line(&failure)),
    };
    let folder = root.path.join(FOLDER);
    match files::examine(&folder) {
        Ok(found) => section.findings.extend(found),
        Err(error) => {
            let why = format!("cannot look at {}: {error}", folder.display());
            section = Section { findings: section.findings, ..Section::blind("policy", why) };
        }
    }
    section
}

fn audit_section(sources: &Sources, root: Option<&WorkspaceRoot>) -> Section {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let folder = root.map(|root| root.path.as_path());
    let Some(log) = audit::path_for(folder, state.as_deref(), sources.home.as_deref()) else {
        return Section::blind("audit", "neither a workspace nor HOME says where the log is");
    };
    // A head alone is a log that was taken away, which verify says.
    if !log.exists() && !log.with_extension("head").exists() {
        let note = format!("nothing ran yet: there is no {}", log.display());
        return Section { notes: vec![note], ..Section::looked("audit", Vec::new()) };
    }
    match audit::verify(&log) {
        Ok(report) => Section::looked("audit", sections::audit(&log, &report)),
        Err(error) => Section::blind("audit", one_line(&error.into())),
    }
}

pub(super) fn one_line(failure: &Failure) -> String {
    let mut text = failure.what.clone();
    for cause in &failure.causes {
        text += &format!(": {cause}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line() {
        let failure = Failure::new(Kind::Io, "cannot look").because("EACCES").hint("do");
        assert_eq!(one_line(&failure), "cannot look: EACCES");
    }
}
