//! What the tests of this folder share.

use super::*;

pub(super) fn denial(object: &str) -> Event {
    Event::Denial(Denial {
        run: "0123456789ab".into(),
        mechanism: Mechanism::Proxy,
        object: object.into(),
        reason: "not in the allowlist of web-search".into(),
        fix: Some("jail firewall allow web-search evil.example:443".into()),
        times: 1,
        detail: Detail::default(),
    })
}

/// A folder with a log of `records` denials.
pub(super) fn log_of(records: usize) -> (tempfile::TempDir, Log) {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(&folder.path().join("audit.log")).unwrap();
    for number in 0..records {
        log.append(&denial(&format!("host-{number}.example:443"))).unwrap();
    }
    (folder, log)
}

/// Every kind of event, every way to end.
pub(super) fn one_of_each() -> Vec<Event> {
    let run = RunId::from("0123456789ab");
    let probe = |probe: &str, verdict| Probe { probe: probe.into(), verdict };
    let start = RunStart {
        run: run.clone(),
        connector: "web-search".into(),
        tool: Some("cloned.mcp.web.search@v1".into()),
        backend: crate::policy::Backend::Namespace.into(),
        plan_sha256: Digest::of(b"plan"),
        jail_version: "0.1.0".into(),
        kernel: "6.18.44".into(),
        pid: 4242,
        born: Some(Born { boot: "8f1d".into(), ticks: 4711 }),
        network: Some(Network::Proxy),
        uid: 1000,
        command: "uvx".into(),
        gaps: vec!["io".into()],
        traced: false,
    };
    let proof = vec![
        probe("open /etc/shadow", Verdict::Held),
        probe("write /sys/fs/cgroup", Verdict::Skipped),
    ];
    let mut events = vec![
        Event::RunStart(start),
        Event::Applied(Applied::new(run.clone(), crate::plan::Stage::ALL, proof)),
        denial("evil.example:443"),
    ];
    events.extend(ways_to_end().map(|how| {
        Event::RunEnd(RunEnd {
            run: run.clone(),
            how,
            wall_ms: 1234,
            cpu_ms: 321,
            peak_memory: Some(48 << 20),
            peak_pids: None,
            bytes_in: Some(10_240),
            bytes_out: Some(512),
            allowed: Some(3),
            denied: Some(1),
            refused_calls: None,
            asked: Some(StoppedBy { signal: "SIGTERM".into(), uid: 1000, pid: 4242 }),
        })
    }));
    events.push(Event::Firewall(Firewall {
        run: run.clone(),
        change: Change::Applied,
        by: "nftables".into(),
        registry: Some("/home/alice/work/.cloned/ports.yaml".into()),
        rules_sha256: Digest::of(b"rules"),
        closed: vec!["tcp 8080 (localai)".into()],
        users: vec![1001],
        jail_version: "0.1.0".into(),
        failed: None,
    }));
    events.extend(approval(run.clone()));
    events.push(Event::Act(Act {
        run,
        act: "firewall allow".into(),
        object: "api.example.com".into(),
        by: "device 0123456789ab (phone)".into(),
        via: crate::approvals::Via::Console,
        failed: None,
    }));
    events
}

fn approval(run: RunId) -> [Event; 2] {
    let asked = Asked {
        run: run.clone(),
        request: "k3v4x2abcd".into(),
        object: "api.example.com".into(),
        reason: "not-listed".into(),
        door: Some("connect".into()),
        class: None,
        process: Some("node (7)".into()),
        times: 1,
    };
    let decided = Decided {
        run,
        request: "k3v4x2abcd".into(),
        number: 1,
        connector: "web-search".into(),
        tool: Some("cloned.mcp.web.search@v1".into()),
        object: "api.example.com".into(),
        verdict: crate::approvals::Verdict::Approve,
        lifetime: "once".into(),
        scope: crate::approvals::Scope::Tool,
        by: "alice".into(),
        via: crate::approvals::Via::Cli,
        why: None,
    };
    [Event::Asked(asked), Event::Decision(decided)]
}

fn ways_to_end() -> impl Iterator<Item = How> {
    let what = || "cannot write uid_map: EPERM".into();
    [
        How::Exited { code: 0 },
        How::Signal { signal: 9 },
        How::Timeout,
        How::Oom,
        How::Refused { stage: Some("id-map".into()), what: what(), hints: vec!["try".into()] },
        How::Refused { stage: None, what: what(), hints: Vec::new() },
    ]
    .into_iter()
}
