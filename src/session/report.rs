//! What a run tells when it is over: a JSON report when asked, and a line or two for the person.

use super::{Options, Session, quarantine::Quarantined};
use crate::cli::ui;
use crate::confine::cgroup::{Leaf, Usage};
use crate::failure::{Failure, Kind};
use crate::plan::{Gap, Plan, Stage, explain, human};
use crate::runs::shown;
use crate::supervise::{Ended, EndedBy};
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::NamedTempFile;

/// A connector that dies this early has usually not been configured.
const EARLY: Duration = Duration::from_secs(10);

/// Where the report goes, made before the run: one that cannot be written refuses it.
pub(super) struct Place(Option<(NamedTempFile, PathBuf)>);

pub(super) fn place(options: &Options) -> Result<Place, Failure> {
    let Some(path) = options.report_file.as_ref().filter(|_| options.report) else {
        return Ok(Place(None));
    };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = NamedTempFile::new_in(folder).map_err(|error| {
        // The error of the folder itself is plainer than that of a name that nobody gave.
        let plain = std::fs::metadata(folder).err().unwrap_or(error);
        unwritten(path, plain).hint(format!("is {} there, and yours to write?", folder.display()))
    })?;
    Ok(Place(Some((file, path.clone()))))
}

/// Writes the report where it was asked for.
pub(super) fn write(
    session: &Session,
    place: Place,
    ended: &Ended,
    usage: Option<&Usage>,
    quarantined: &[Quarantined],
) -> Result<(), Failure> {
    if !session.options.report {
        return Ok(());
    }
    let report = json(session, ended, usage, quarantined);
    match place.0 {
        Some((mut file, path)) => {
            writeln!(file, "{report:#}").map_err(|error| unwritten(&path, error))?;
            file.persist(&path).map(drop).map_err(|error| unwritten(&path, error.error))
        }
        None => {
            ui::line(&report.to_string());
            Ok(())
        }
    }
}

fn unwritten(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Io, format!("cannot write the report {}", path.display())).because(error)
}

fn json(
    session: &Session,
    ended: &Ended,
    usage: Option<&Usage>,
    quarantined: &[Quarantined],
) -> Value {
    let plan = &session.plan;
    let (by, value) = ended_by(ended, usage);
    json!({
        "v": 1,
        "run": plan.run_id,
        "connector": plan.policy.name.as_str(),
        "ended_by": by,
        "value": value,
        "exit_code": ended.code(),
        "confined": ended.told.confined,
        "stages": Stage::ALL.iter().map(|stage| stage.name()).collect::<Vec<_>>(),
        "landlock_abi": plan.landlock.as_ref().map(|landlock| landlock.abi),
        "beyond_landlock": plan.landlock.as_ref().map(|landlock| &landlock.beyond),
        "seccomp": plan.seccomp.name,
        "proof": proof(plan, ended),
        "sandbox": plan.policy.sandbox.value.name(),
        "gaps": plan.missing().collect::<Vec<_>>(),
        "notes": notes(plan, ended),
        "usage": usage,
        "network": ended.egress.as_ref().map(|counters| json!({
            "allowed": counters.allowed,
            "denied": counters.denied,
            "bytes_in": counters.bytes_in,
            "bytes_out": counters.bytes_out,
            "denied_hosts": counters.denied_hosts,
        })),
        "refused_calls": ended.refused.as_ref().map(|refused| json!({
            "total": refused.total,
            "calls": refused.calls,
            "others": refused.others,
        })),
        "trace": ended.traced.map(|refused| json!({ "refused": refused })),
        "wall_ms": u64::try_from(ended.wall.as_millis()).unwrap_or(u64::MAX),
        "cpu_ms": u64::try_from(ended.cpu.as_millis()).unwrap_or(u64::MAX),
        "quarantined": quarantined.iter().map(|q| json!({
            "from": q.from,
            "to": q.to.as_ref().ok(),
            "error": q.to.as_ref().err(),
        })).collect::<Vec<_>>(),
        "stderr_tail": String::from_utf8_lossy(&ended.stderr_tail),
    })
}

fn proof(plan: &Plan, ended: &Ended) -> Vec<Value> {
    plan
        .probes
        .iter()
        .map(|probe| {
            let held = ended.told.held.iter().find(|(held, _)| held == probe);
            json!({
                "probe": probe.name(),
                "tried": probe.text(),
                "when": probe.moment(),
                "refused": held.is_some(),
                "errno": held.map(|(_, errno)| format!("{:?}", nix::errno::Errno::from_raw(*errno))),
            })
        })
        .collect()
}

fn notes(plan: &Plan, ended: &Ended) -> Vec<Value> {
    ended
        .told
        .noted
        .iter()
        .map(|fault| {
            json!({
                "stage": fault.stage,
                "step": explain::step(plan, fault.stage, fault.step),
                "error": fault.error.to_string(),
            })
        })
        .collect()
}

/// In a word, and its number.
fn ended_by(ended: &Ended, usage: Option<&Usage>) -> (&'static str, i32) {
    match ended.by {
        EndedBy::Exit(code) => ("exit", i32::from(code)),
        EndedBy::Signal(signal) if usage.is_some_and(Usage::out_of_memory) => ("oom", signal),
        EndedBy::Signal(signal) => ("signal", signal),
        EndedBy::Timeout => ("timeout", 0),
        EndedBy::Hangup => ("hangup", 0),
    }
}

/// What is missing, before the connector starts. That it is the weaker tier is never left out: whoever
/// reads what the connector did must know it.
pub(super) fn opening(session: &Session) {
    if session.plan.host_view.is_some() {
        ui::line(
            "jail: WEAKER TIER (--sandbox=landlock): no namespaces; Landlock, seccomp and limits alone \
             (jail explain lists what is missing)",
        );
    }
    if !session.options.quiet {
        gaps(&session.plan.gaps);
        if session.plan.exec.traced {
            tracing();
        }
    }
}

/// One line for all controls that are missing for the same reason.
fn gaps(gaps: &[Gap]) {
    let mut rest: Vec<&Gap> = gaps.iter().collect();
    while let Some(first) = rest.first().copied() {
        let same = |gap: &Gap| gap.why == first.why && gap.allowed_by == first.allowed_by;
        let names: Vec<&str> =
            rest.iter().filter(|gap| same(gap)).map(|gap| gap.control.as_str()).collect();
        let (names, why, by) = (names.join(", "), &first.why, &first.allowed_by);
        ui::line(&format!("jail: not enforced: {names} ({why}; allowed by {by})"));
        rest.retain(|gap| !same(gap));
    }
}

/// Said before the start: it is slower, and not for every day.
pub(super) fn tracing() {
    ui::line("jail: traced: its system calls are looked at; it is confined as ever, and slower");
}

/// What a traced run was refused, in one line.
pub(super) fn traced(refused: u64, run: &str) {
    let text = match refused {
        0 => "nothing was refused by mounts, Landlock, modes or limits".to_owned(),
        1 => format!("1 thing was refused; jail why {run} explains it"),
        many => format!("{many} things were refused; jail why {run} explains them"),
    };
    ui::line(&format!("jail: traced: {text}"));
}

/// A failed set-up in which the memory limit was reached did not fail for another reason.
pub(super) fn too_small(plan: &Plan, leaf: Option<&Leaf>, failure: Failure) -> Failure {
    if !leaf.is_some_and(|leaf| leaf.usage().out_of_memory()) {
        return failure;
    }
    let limit = &plan.policy.limits.memory;
    let limit = format!("{} (set by {})", human(limit.value.0), limit.origin);
    failure
        .because(format!("the memory limit of {limit} is too small for the jail itself"))
        .hint("--memory raises it")
}

/// What the connector made where it would act later.
pub(super) fn quarantined(quarantined: &[Quarantined]) {
    for found in quarantined {
        // A name of the connector's choice: it has to stay on its line.
        let from = shown(found.from.as_os_str().as_bytes());
        match &found.to {
            Ok(to) => ui::line(&format!(
                "jail: the connector made {from}, which acts outside the jail; it is now {}",
                shown(to.as_os_str().as_bytes())
            )),
            Err(error) => ui::line(&format!(
                "jail: the connector made {from}, which acts outside the jail, and it cannot be moved: {error}"
            )),
        }
    }
}

/// What a person must know and cannot see from the connector's own output.
pub(super) fn summary(session: &Session, ended: &Ended, usage: Option<&Usage>) {
    if session.plan.host_view.is_some() && !session.options.quiet {
        let names: Vec<&str> =
            session.plan.missing().map(|missing| missing.control.as_str()).collect();
        ui::line(&format!("jail: ended; it ran in the weaker tier, without {}", names.join(", ")));
    }
    let limits = &session.plan.policy.limits;
    if usage.is_some_and(Usage::out_of_memory) {
        ui::line(&format!(
            "jail: the memory limit of {} (set by {}) was reached and the kernel ended the connector; --memory raises it",
            human(limits.memory.value.0),
            limits.memory.origin
        ));
    }
    if let Some(refused) = usage.and_then(|usage| usage.pids_refused).filter(|n| *n > 0) {
        ui::line(&format!(
            "jail: the limit of {} processes (set by {}) refused {refused} forks; --pids raises it",
            limits.pids.value, limits.pids.origin
        ));
    }
    match ended.by {
        EndedBy::Timeout => {
            ui::line("jail: the time limit was reached and the connector was ended")
        }
        EndedBy::Hangup => {
            ui::line("jail: the connector lived on after its client had gone and was ended");
        }
        EndedBy::Exit(0) | EndedBy::Signal(_) => {}
        EndedBy::Exit(code) if ended.wall < EARLY => early(code, ended),
        EndedBy::Exit(_) => {}
    }
}

/// A protection that was lost on the way, through no act of the connector.
pub(super) fn replaced(paths: &[std::path::PathBuf]) {
    for path in paths {
        ui::line(&format!(
            "jail: {} was replaced on the host during the run and lost its protection; look at what is in it",
            path.display()
        ));
    }
}

/// Clients often hide a connector's stderr; its end is repeated with the code, but not to a person who
/// has just seen it.
fn early(code: u8, ended: &Ended) {
    let lines = last_lines(&ended.stderr_tail);
    let mut text = format!("jail: the connector ended with {code} after {:.1?}", ended.wall);
    if lines.is_empty() {
        text += " and wrote nothing to stderr";
    } else if !std::io::stderr().is_terminal() {
        ui::line(&format!("{text}; the end of its stderr:"));
        // Its words, behind a bar, and in the log of the run only once, as its own.
        lines.iter().for_each(|line| ui::others_line(&format!("jail:   | {line}")));
        return;
    }
    ui::line(&text);
}

/// So that nothing in them acts on a terminal or turns the text around.
fn last_lines(tail: &[u8]) -> Vec<String> {
    let tail = tail.strip_suffix(b"\n").unwrap_or(tail);
    if tail.is_empty() {
        return Vec::new();
    }
    let mut last: Vec<String> = tail
        .rsplit(|byte| *byte == b'\n')
        .take(5)
        .map(|line| shown(line.strip_suffix(b"\r").unwrap_or(line)))
        .collect();
    last.reverse();
    last
}

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn the_end_of_what_it_wrote_cannot_act() {
        assert!(last_lines(b"").is_empty() && last_lines(b"\n").is_empty());
        let many: String = (0..9).map(|line| format!("{line}\r\n")).collect();
        assert_eq!(last_lines(many.as_bytes()), ["4", "5", "6", "7", "8"]);
        let odd = "a\u{202e}b\u{200b}\x1b[2J\ttab".as_bytes();
        assert_eq!(last_lines(odd), ["a\\u{202e}b\\u{200b}\\u{1b}[2J\ttab"]);
        assert_eq!(last_lines(b"cut \xff"), ["cut \\x{ff}"]);
    }
}
