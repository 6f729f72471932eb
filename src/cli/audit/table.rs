//! One line for people per event.

use crate::approvals::Verdict;
use crate::audit::{
    Act, Applied, Asked, Change, Decided, Denial, Entry, Event, Firewall, How, RunEnd, RunStart,
    Text, Verdict as Proof,
};
use std::time::Duration;

const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const GREEN: &str = "\x1b[32m";
const DIM: &str = "\x1b[2m";
const OFF: &str = "\x1b[0m";

/// The names of the columns.
pub(super) fn header() -> String {
    format!("{:<20}  {:<12}  {:<16}  {:<9}  WHAT\n", "TIME", "RUN", "CONNECTOR", "KIND")
}

/// The line (newline included) of one record.
pub(super) fn row(entry: &Entry, colour: bool) -> String {
    let time = humantime::format_rfc3339_seconds(entry.time);
    let run = entry.run.as_str();
    let connector = entry.connector.as_ref().map_or("-", Text::as_str);
    let kind = &entry.kind;
    let (paint, what) = told(entry);
    let (paint, off) = if colour && !paint.is_empty() { (paint, OFF) } else { ("", "") };
    format!("{time:<20}  {run:<12}  {connector:<16}  {paint}{kind:<9}{off}  {what}\n")
}

/// What happened, in words.
pub(crate) fn what(entry: &Entry) -> String {
    told(entry).1
}

fn told(entry: &Entry) -> (&'static str, String) {
    match &entry.event {
        Some(Event::RunStart(event)) => ("", start(event)),
        Some(Event::Applied(event)) => applied(event),
        Some(Event::Denial(event)) => (RED, denial(event)),
        Some(Event::RunEnd(event)) => end(event),
        Some(Event::Firewall(event)) => firewall(event),
        Some(Event::Asked(event)) => (YELLOW, asked(event)),
        Some(Event::Decision(event)) => decision(event),
        Some(Event::Act(event)) => act(event),
        None => (DIM, "written by a later version of jail".to_owned()),
    }
}

fn act(event: &Act) -> (&'static str, String) {
    let Act { act, object, by, via, failed, .. } = event;
    let what = format!("{act} {object}, by {by} ({})", via.name());
    match failed {
        Some(why) => (RED, format!("{what}: DID NOT TAKE PLACE: {why}")),
        None => ("", what),
    }
}

fn start(event: &RunStart) -> String {
    let mut what = event.command.to_string();
    if let Some(tool) = &event.tool {
        what += &format!(" for {tool}");
    }
    let plan = event.plan_sha256.to_string();
    what += &format!(", {} backend, plan {}", event.backend.as_str(), &plan[..12]);
    if event.traced {
        what += ", traced";
    }
    if !event.gaps.is_empty() {
        what += &format!(", NOT ENFORCED: {}", join(&event.gaps));
    }
    what
}

fn applied(event: &Applied) -> (&'static str, String) {
    let count = |verdict| event.proof.iter().filter(|probe| probe.verdict == verdict).count();
    let stages = event.stages.len();
    let mut what = format!("{stages} stages, probes: {} held", count(Proof::Held));
    if count(Proof::Skipped) > 0 {
        what += &format!(", {} skipped", count(Proof::Skipped));
    }
    let broken: Vec<&str> = event
        .proof
        .iter()
        .filter(|probe| probe.verdict == Proof::Broken)
        .map(|probe| probe.probe.as_str())
        .collect();
    if broken.is_empty() {
        return (GREEN, what);
    }
    what += &format!(", BROKEN: {}", broken.join(", "));
    (RED, what)
}

fn denial(event: &Denial) -> String {
    let mut what = format!("{} {}: {}", event.mechanism.name(), event.object, event.reason);
    if event.times > 1 {
        what += &format!(" ({} times)", event.times);
    }
    if let Some(fix) = &event.fix {
        what += &format!("; to allow it: {fix}");
    }
    what
}

fn end(event: &RunEnd) -> (&'static str, String) {
    let (paint, mut what) = match &event.how {
        How::Exited { code: 0 } => (GREEN, "exited 0".to_owned()),
        How::Exited { code } => (YELLOW, format!("exited {code}")),
        How::Signal { signal } => (YELLOW, format!("ended by signal {signal}")),
        How::Timeout => (YELLOW, "ended by its time limit".to_owned()),
        How::Oom => (YELLOW, "ended by its memory limit".to_owned()),
        How::Refused { stage: Some(stage), what, .. } => {
            (RED, format!("refused at stage {stage}: {what}"))
        }
        How::Refused { stage: None, what, .. } => (RED, format!("refused: {what}")),
    };
    let time = |ms| humantime::format_duration(Duration::from_millis(ms)).to_string();
    what += &format!(" after {}, cpu {}", time(event.wall_ms), time(event.cpu_ms));
    if let Some(peak) = event.peak_memory {
        what += &format!(", peak {}", bytes(peak));
    }
    if let Some(pids) = event.peak_pids {
        what += &format!(", {pids} processes");
    }
    if let (Some(received), Some(sent)) = (event.bytes_in, event.bytes_out) {
        what += &format!(", {} in, {} out", bytes(received), bytes(sent));
    }
    if let Some(denied) = event.denied.filter(|denied| *denied > 0) {
        what += &format!(", {denied} refused by the proxy");
    }
    if let Some(calls) = event.refused_calls.filter(|calls| *calls > 0) {
        what += &format!(", {calls} by seccomp");
    }
    if let Some(asked) = &event.asked {
        what +=
            &format!(", asked to by {} of user {} (pid {})", asked.signal, asked.uid, asked.pid);
    }
    (paint, what)
}

fn firewall(event: &Firewall) -> (&'static str, String) {
    let what = match (event.change, event.closed.len()) {
        (Change::Removed, _) => format!("rules of {} removed", event.by),
        (Change::Applied, 0) => format!("rules of {} loaded: no port closed", event.by),
        (Change::Applied, _) => {
            format!("rules of {} loaded: closed {}", event.by, join(&event.closed))
        }
    };
    let users: Vec<String> = event.users.iter().map(u32::to_string).collect();
    let users = match users.as_slice() {
        [] => String::new(),
        _ => format!(", way out of user {}", users.join(", ")),
    };
    match &event.failed {
        None => (GREEN, format!("{what}{users}")),
        Some(why) => (RED, format!("FAILED: {what}{users}: {why}")),
    }
}

fn asked(event: &Asked) -> String {
    let mut what = format!("{} {}: {}", event.request, event.object, event.reason);
    let from = [("by ", &event.process), ("through ", &event.door)];
    for (word, text) in from {
        what += &text.as_ref().map(|text| format!(", {word}{text}")).unwrap_or_default();
    }
    if event.times > 1 {
        what += &format!(" ({} times)", event.times);
    }
    what
}

fn decision(event: &Decided) -> (&'static str, String) {
    let (paint, verb) = match event.verdict {
        Verdict::Approve => (GREEN, "approved"),
        Verdict::Deny => (RED, "denied"),
        Verdict::Revoke => (YELLOW, "revoked"),
    };
    let Decided { request, object, lifetime, scope, by, via, .. } = event;
    let (scope, via) = (scope.name(), via.name());
    let mut what = match event.verdict {
        Verdict::Revoke => format!("{request} {object}: {verb}"),
        _ => format!("{request} {object}: {verb} {lifetime} for the {scope}"),
    };
    what += &format!(" by {by} ({via})");
    if let Some(why) = &event.why {
        what += &format!(": {why}");
    }
    (paint, what)
}

fn join(texts: &[Text]) -> String {
    texts.iter().map(Text::as_str).collect::<Vec<_>>().join(", ")
}

/// `1.5 MiB`.
fn bytes(number: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let mut tenths = u128::from(number) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Digest, Mechanism, Probe, RunId, Sandbox};
    use std::time::SystemTime;

    fn shown(event: Event) -> String {
        let entry = Entry {
            seq: 1,
            time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_316_645_678),
            run: event.run().clone(),
            connector: Some("web-search".into()),
            kind: event.kind().into(),
            event: Some(event),
            line: String::new(),
        };
        row(&entry, false)
    }

    fn run() -> RunId {
        "0123456789ab".into()
    }

    #[test]
    fn the_columns_stand_below_their_names() {
        let denial = Denial {
            run: run(),
            mechanism: Mechanism::Proxy,
            object: "evil.example:443".into(),
            reason: "not in the allowlist".into(),
            fix: Some("jail firewall allow web-search evil.example:443".into()),
            times: 3,
            detail: Default::default(),
        };
        assert_eq!(
            header() + &shown(Event::Denial(denial)),
            "TIME                  RUN           CONNECTOR         KIND       WHAT\n\
             2026-11-22T03:04:05Z  0123456789ab  web-search        denial     proxy \
             evil.example:443: not in the allowlist (3 times); to allow it: jail firewall allow \
             web-search evil.example:443\n"
        );
    }

    #[test]
    fn what_is_not_enforced_or_broken_stands_out() {
        let start = RunStart {
            run: run(),
            connector: "web-search".into(),
            tool: None,
            backend: Sandbox::Namespace,
            plan_sha256: Digest::ZERO,
            jail_version: "0.1.0".into(),
            kernel: "6.18".into(),
            pid: 1,
            born: None,
            network: None,
            uid: 0,
            command: "uvx".into(),
            gaps: vec!["io".into(), "cpus".into()],
            traced: false,
        };
        assert!(shown(Event::RunStart(start.clone())).ends_with("NOT ENFORCED: io, cpus\n"));
        let traced = RunStart { traced: true, gaps: Vec::new(), ..start };
        assert!(shown(Event::RunStart(traced)).ends_with(", traced\n"));
        let probe = |probe: &str, verdict| Probe { probe: probe.into(), verdict };
        let proof = vec![probe("a", Proof::Held), probe("b", Proof::Broken)];
        let text = shown(Event::Applied(Applied::new(run(), &[], proof)));
        assert!(text.ends_with("0 stages, probes: 1 held, BROKEN: b\n"));
    }

    #[test]
    fn an_end_tells_how_and_what_it_cost() {
        let end = |how| {
            let (wall_ms, cpu_ms, peak_memory) = (1_234, 5, Some(3 << 19));
            let (peak_pids, bytes_in, bytes_out) = (None, None, None);
            let (allowed, denied) = (None, Some(2));
            let run = run();
            shown(Event::RunEnd(RunEnd {
                run,
                how,
                wall_ms,
                cpu_ms,
                peak_memory,
                peak_pids,
                bytes_in,
                bytes_out,
                allowed,
                denied,
                refused_calls: Some(1),
                asked: Some(crate::audit::StoppedBy { signal: "SIGTERM".into(), uid: 7, pid: 42 }),
            }))
        };
        let cost = " after 1s 234ms, cpu 5ms, peak 1.5 MiB, 2 refused by the proxy, 1 by seccomp, \
                    asked to by SIGTERM of user 7 (pid 42)\n";
        assert!(end(How::Exited { code: 3 }).ends_with(&format!("exited 3{cost}")));
        let (stage, what) = (Some("id-map".into()), "EPERM".into());
        let refused = How::Refused { stage, what, hints: Vec::new() };
        assert!(end(refused).ends_with(&format!("refused at stage id-map: EPERM{cost}")));
    }

    #[test]
    fn sizes_are_short() {
        for (size, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1 << 20, "1.0 MiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(bytes(size), text);
        }
    }
}
