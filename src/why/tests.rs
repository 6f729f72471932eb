use super::*;
use crate::audit::{Denial, Detail, Digest, RunId, Sandbox};
use crate::firewall::{Endpoint, Rule};
use crate::policy::Origin;
use crate::seccomp::refusal::Seen;
use std::time::{Duration, UNIX_EPOCH};

const RUN: &str = "0123456789ab";
const TOOL: &str = "a.b@v1";

fn start() -> Event {
    Event::RunStart(RunStart {
        run: RUN.into(),
        connector: "search".into(),
        tool: Some(TOOL.into()),
        backend: Sandbox::Namespace,
        plan_sha256: Digest::ZERO,
        jail_version: "0.1.0".into(),
        kernel: "6.18".into(),
        pid: 1,
        born: None,
        network: Some(Network::Proxy),
        uid: 0,
        command: "uvx".into(),
        gaps: Vec::new(),
        traced: false,
    })
}

fn end(how: How) -> Event {
    Event::RunEnd(RunEnd {
        run: RUN.into(),
        how,
        wall_ms: 1_234,
        cpu_ms: 5,
        peak_memory: None,
        peak_pids: None,
        bytes_in: None,
        bytes_out: None,
        allowed: None,
        denied: None,
        refused_calls: None,
        asked: None,
    })
}

/// As the session writes what the proxy refused.
fn refused(object: &str, door: &str, code: &str, times: u32) -> Event {
    Event::Denial(Denial {
        run: RunId::from(RUN),
        mechanism: Mechanism::Proxy,
        object: object.into(),
        reason: format!("{code}: so it is").into(),
        fix: None,
        times,
        detail: Detail { door: Some(door.into()), code: Some(code.into()), ..Detail::default() },
    })
}

fn limit(mechanism: Mechanism, object: &str, limit: u64) -> Event {
    Event::Denial(Denial {
        run: RunId::from(RUN),
        mechanism,
        object: object.into(),
        reason: "the limit was reached".into(),
        fix: Some("limits.it".into()),
        times: 1,
        detail: Detail { limit: Some(limit), ..Detail::default() },
    })
}

fn story(events: Vec<Event>) -> Story {
    with_rules(events, Vec::new())
}

fn with_rules(events: Vec<Event>, rules: Vec<Rule>) -> Story {
    let time = UNIX_EPOCH + Duration::from_secs(1_795_316_645);
    let events: Vec<_> = events.into_iter().map(|event| (time, event)).collect();
    Story::of(RUN, &events, &Rules(rules), true)
}

fn commands(story: &Story) -> Vec<&str> {
    story.patch.commands.iter().map(|allow| allow.command.as_str()).collect()
}

fn allow(text: &str) -> Rule {
    let (host, ports) = text.parse::<Endpoint>().unwrap().to_allow();
    Rule::new(crate::firewall::Effect::Allow, host, ports, Origin::Flag("--test"))
}

#[test]
fn equal_refusals_are_one_and_the_gravest_comes_first() {
    let story = story(vec![
        start(),
        refused("b.example", "dns", "not-listed", 1),
        refused("a.example:8443", "connect", "not-listed", 2),
        refused("a.example", "transparent", "sni-mismatch", 9),
        refused("b.example", "connect", "not-listed", 3),
        refused("c.example", "dns", "no-address", 50),
        limit(Mechanism::Cgroup, "memory", 256 << 20),
        end(How::Oom),
    ]);
    let told: Vec<(&str, u64)> =
        story.refused.iter().map(|one| (one.object.as_str(), one.times)).collect();
    let expected = [
        ("memory", 1),
        ("b.example", 4),
        ("a.example:8443", 2),
        ("a.example", 9),
        ("c.example", 50),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        commands(&story),
        [
            "jail firewall allow --tool a.b@v1 b.example",
            "jail firewall allow --tool a.b@v1 a.example:8443"
        ]
    );
    assert_eq!(
        story.patch.manifest,
        "network:\n  allow:\n    - b.example\n    - a.example:8443\nlimits:\n  memory: 512MiB\n"
    );
}

#[test]
fn a_name_that_was_only_looked_up_has_no_port_and_needs_none_beside_another() {
    let looked_up = story(vec![refused("a.example", "dns", "not-listed", 2)]);
    assert_eq!(commands(&looked_up), ["jail firewall allow a.example"]);
    assert!(looked_up.patch.commands[0].assumed.unwrap().contains("443"));
    let tried = story(vec![
        refused("a.example", "dns", "not-listed", 2),
        refused("a.example:22", "socks", "not-listed", 2),
    ]);
    assert_eq!(commands(&tried), ["jail firewall allow a.example:22"]);
    assert_eq!(tried.patch.commands[0].assumed, None);
}

#[test]
fn conditions_come_together_and_those_of_a_rule_that_is_there_stay() {
    let events = || {
        vec![
            refused("db.example:5432", "socks", "not-public", 1),
            refused("db.example:5432", "socks", "not-tls", 1),
        ]
    };
    let command = "jail firewall allow db.example:5432 --raw --private";
    assert_eq!(commands(&story(events())), [command]);
    let kept = vec![Rule { ech: true, ..allow("db.example:5432") }, allow("db.example")];
    let story = with_rules(events(), kept);
    assert_eq!(commands(&story), [format!("{command} --ech")]);
    assert!(story.patch.manifest.contains(
        "    - {host: \"db.example:5432\", raw: true, private: true, ech: true}  # think twice"
    ));
}

#[test]
fn what_is_dangerous_is_marked_and_what_no_rule_allows_is_in_no_patch() {
    let think = |object: &str, code: &str| {
        let story = story(vec![refused(object, "connect", code, 1)]);
        match &story.refused[0].remedy {
            Remedy::Change { think_twice } => {
                assert_eq!(story.patch.commands[0].think_twice, *think_twice);
                *think_twice
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(think("a.example", "not-listed"), None);
    assert!(think("169.254.169.254:80", "address-not-listed").unwrap().contains("metadata"));
    assert!(think("10.0.0.1:80", "address-not-listed").unwrap().contains("around it"));
    assert!(think("[2606:2800:21f::1]:80", "address-not-listed").unwrap().contains("behind it"));
    assert!(think("a.example", "not-public").unwrap().contains("around it"));
    assert!(think("a.example:22", "not-tls").unwrap().contains("raw"));
    assert!(think("a.example", "ech").unwrap().contains("hidden"));
    for code in ["sni-mismatch", "not-tcp", "malformed", "host-mismatch", "moved-later"] {
        let story = story(vec![refused("a.example", "packet", code, 1)]);
        assert!(story.patch.is_empty(), "{code}");
        assert!(matches!(story.refused[0].remedy, Remedy::None { .. }), "{code}");
    }
    // The rest of too many hosts, and what is no host: nothing that a shell could be given.
    for object in ["…", "a b", "$(x)", ""] {
        assert!(story(vec![refused(object, "dns", "not-listed", 1)]).patch.is_empty(), "{object}");
    }
}

#[test]
fn a_rule_that_denies_is_taken_away_by_its_own_command() {
    let fix = "jail firewall remove '*.example'";
    let mut events = vec![
        refused("a.example", "dns", "denied-by-rule", 1),
        refused("b.example", "dns", "denied-by-rule", 1),
    ];
    for event in &mut events {
        let Event::Denial(denial) = event else { panic!() };
        denial.fix = Some(fix.into());
    }
    let lifted = story(events);
    assert_eq!(commands(&lifted), [fix]);
    assert!(lifted.patch.commands[0].think_twice.is_some());
    assert_eq!(lifted.patch.manifest, "");
    let of_manifest = story(vec![refused("a.example", "dns", "denied-by-rule", 1)]);
    assert!(of_manifest.patch.is_empty());
    assert!(of_manifest.to_string().contains("in a manifest or on the command line"));
}

#[test]
fn records_of_an_earlier_version_are_understood() {
    let Event::Denial(denial) = refused("a.example", "dns", "not-listed", 1) else { panic!() };
    let old = Denial { detail: Detail::default(), ..denial };
    let story = story(vec![Event::Denial(old)]);
    assert_eq!(story.refused[0].code.as_ref().unwrap().as_str(), "not-listed");
    assert_eq!(story.refused[0].reason, "so it is");
    assert_eq!(commands(&story), ["jail firewall allow a.example"]);
}

#[test]
fn limits_have_twice_what_was_too_little() {
    let story = story(vec![
        limit(Mechanism::Cgroup, "fork", 64),
        limit(Mechanism::Policy, "time", 1_500),
        limit(Mechanism::Rlimit, "file size", 1000),
    ]);
    assert_eq!(story.patch.manifest, "limits:\n  file_size: 2000\n  pids: 128\n  timeout: 3s\n");
    let Event::Denial(denial) = refused("a.example", "connect", "limit", 4) else { panic!() };
    let reason = "limit: over a limit: 256 connections at one time".into();
    let story = self::story(vec![Event::Denial(Denial { reason, ..denial })]);
    assert_eq!(story.patch.manifest, "network:\n  connections: 512\n");
    assert!(story.patch.commands.is_empty());
}

fn call(object: &str, args: &[Seen], times: u32) -> Event {
    Event::Denial(Denial {
        run: RunId::from(RUN),
        mechanism: Mechanism::Seccomp,
        object: object.into(),
        reason: "the profile default answers EPERM".into(),
        fix: None,
        times,
        detail: Detail { args: args.to_vec(), ..Detail::default() },
    })
}

fn seen(index: u8, value: u64, mask: u64) -> Seen {
    Seen { index, value, mask }
}

#[test]
fn a_refused_call_is_explained_and_a_profile_named_where_one_allows_it() {
    const WORD: u64 = 0xffff_ffff;
    let uevent = [seen(0, 16, WORD), seen(1, 3, 15), seen(2, 15, WORD)];
    let unknown = [seen(1, 0xabcd, WORD)];
    let story = story(vec![
        call("keyctl", &[], 1),
        call("socket(16, 3, 15)", &uevent, 1),
        call("ioctl(_, 0xabcd)", &unknown, 1),
        call("keyctl", &[], 9),
        call(OTHER_CALLS, &[], 5),
    ]);
    let told: Vec<(&str, u64)> =
        story.refused.iter().map(|one| (one.object.as_str(), one.times)).collect();
    let expected =
        [("socket(16, 3, 15)", 1), ("ioctl(_, 0xabcd)", 1), ("keyctl", 10), (OTHER_CALLS, 5)];
    assert_eq!(told, expected);
    assert_eq!(story.patch.manifest, "seccomp: browser\n");
    let text = story.to_string();
    for words in [
        "keyctl: for keys and keyrings of the kernel; the profile default answers EPERM (10 times)",
        "no profile should allow it: keyrings",
        "jail seccomp show default --oci > own.json",
        r#"{"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 1, "value": 4294967295, "valueTwo": 43981, "op": "SCMP_CMP_MASKED_EQ"}]}"#,
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

/// What is not to be in any profile (`the_dangerous_calls_are_in_no_profile`) is never proposed for one.
#[test]
fn what_no_profile_may_allow_is_proposed_for_none() {
    for name in
        "keyctl ptrace bpf mount unshare perf_event_open userfaultfd pidfd_getfd init_module"
            .split(' ')
    {
        for profile in ["default", "strict", "./own.json"] {
            let about = about_call(profile, name, &[]);
            assert_eq!(about.fix(), None, "{name}");
            assert!(about.line().unwrap().starts_with(", for "), "{name}");
        }
    }
    let setuid = about_call("default", "chmod", &[seen(1, 0o4000, 0o6000)]);
    assert!(setuid.line().unwrap().contains("set-uid"), "{setuid:?}");
    // A profile of one's own is not replaced by a built-in one.
    let sockets = about_call("./own.json", "connect", &[]);
    assert_eq!(
        (sockets.fix(), about_call("strict", "connect", &[]).fix().unwrap()),
        (None, "seccomp: default".into())
    );
}

#[test]
fn whether_seccomp_was_heard_is_said() {
    let with = |hears_seccomp| {
        let applied = Applied::new(RUN.into(), &[], Vec::new());
        let applied = Event::Applied(Applied { hears_seccomp, ..applied });
        story(vec![start(), applied, end(How::Exited { code: 0 })]).not_recorded.join("\n")
    };
    let note = "system calls that seccomp refused";
    assert!(!with(Some(true)).contains(note));
    assert!(with(Some(false)).contains(note) && with(None).contains(note));
}

#[test]
fn an_end_that_means_one_thing_is_explained_and_no_other() {
    let explained = |how| story(vec![start(), end(how)]).refused.pop();
    assert_eq!(
        explained(How::Signal { signal: libc::SIGXFSZ }).unwrap().mechanism,
        Mechanism::Rlimit
    );
    assert_eq!(
        explained(How::Signal { signal: libc::SIGSYS }).unwrap().mechanism,
        Mechanism::Seccomp
    );
    for signal in [libc::SIGKILL, libc::SIGSEGV, libc::SIGTERM] {
        assert!(explained(How::Signal { signal }).is_none());
    }
    assert!(explained(How::Exited { code: 1 }).is_none());
    assert!(explained(How::Oom).is_some() && explained(How::Timeout).is_some());
    let hints = vec!["do this".into(), "or that".into()];
    let refusal = How::Refused { stage: Some("id-map".into()), what: "EPERM".into(), hints };
    let text = story(vec![start(), end(refusal)]).to_string();
    assert!(text.contains("the run: EPERM (stage id-map)\n    try: do this; or or that"), "{text}");
}

#[test]
fn the_whole_text() {
    let story = story(vec![
        start(),
        refused("telemetry.example", "dns", "not-listed", 6),
        refused("a.example", "transparent", "sni-mismatch", 1),
        refused("169.254.169.254:80", "transparent", "address-not-listed", 1),
        end(How::Exited { code: 1 }),
    ]);
    assert_eq!(
        story.to_string(),
        "run 0123456789ab: search for a.b@v1, started 2026-11-22T03:04:05Z, exited with 1 after 1s \
         234ms\n\
         \n\
         refused:\n\
         \u{20} telemetry.example: so it is (6 times) [dns]\n\
         \u{20} 169.254.169.254:80: so it is [transparent]\n\
         \u{20}   think twice: this is a cloud metadata service, which hands out the machine's own \
         credentials\n\
         \u{20} a.example: so it is [transparent]\n\
         \u{20}   no rule allows it: a connection to one host that asks for another one inside is what \
         domain fronting is; the client must connect to the name that it asks for\n\
         \n\
         to allow all of it, for running connectors as well:\n\
         \u{20} jail firewall allow --tool a.b@v1 telemetry.example  # assumed: port 443: the name was \
         looked up, and no port was asked for\n\
         \u{20} jail firewall allow --tool a.b@v1 169.254.169.254:80  # think twice: this is a cloud \
         metadata service, which hands out the machine's own credentials\n\
         \n\
         or, in the manifest of search:\n\
         \u{20} network:\n\
         \u{20}   allow:\n\
         \u{20}     - telemetry.example\n\
         \u{20}     - 169.254.169.254:80  # think twice: this is a cloud metadata service, which hands out \
         the machine's own credentials\n\
         \n\
         not recorded:\n\
         \u{20} files that were refused (mounts, Landlock, modes) and limits of a process: the kernel \
         told the connector alone; to have them recorded: jail run --trace search\n"
    );
}

/// As a traced run records it.
fn file(object: &str, code: &str, grant: Option<(&str, bool, Option<&str>)>) -> Event {
    let grant = grant.map(|(path, write, doubt)| audit::Grant {
        path: path.into(),
        write,
        doubt: doubt.map(Into::into),
    });
    let (call, errno) = (Some("openat".into()), Some("ENOENT".into()));
    Event::Denial(Denial {
        run: RunId::from(RUN),
        mechanism: Mechanism::Mounts,
        object: object.into(),
        reason: "so it is".into(),
        fix: None,
        times: 1,
        detail: Detail { code: Some(code.into()), call, errno, grant, ..Detail::default() },
    })
}

#[test]
fn files_are_granted_no_further_than_they_are_wanted() {
    let grant = |path, write, doubt| file(path, "not-there", Some((path, write, doubt)));
    let of = |events: Vec<Event>| {
        let story = story(events);
        let options = story.patch.options.iter().map(|one| one.command.clone()).collect::<Vec<_>>();
        (story.patch.manifest, options.join(" | "))
    };
    // Twice the same is one, writing is more than reading, and a folder has what is below it.
    let (manifest, options) = of(vec![
        grant("/srv/a/file", false, None),
        grant("/srv/a", false, None),
        grant("/srv/b/x", false, None),
        grant("/srv/b/x", true, None),
        grant("/srv/a/out", true, None),
    ]);
    let expected =
        "filesystem:\n  read:\n    - /srv/a\n  write:\n    - /srv/a/out\n    - /srv/b/x\n";
    assert_eq!(manifest, expected);
    assert_eq!(options, "--read /srv/a --write /srv/a/out --write /srv/b/x");
    // A folder of too many things, with and without something below it.
    let wide = || grant("/var/lib", false, Some("wide"));
    assert_eq!(of(vec![wide(), grant("/var/lib/x", false, None)]).1, "--read /var/lib/x");
    let (manifest, options) = of(vec![wide()]);
    assert!(manifest.starts_with("# read: /var/lib  (think twice: "), "{manifest}");
    assert_eq!(options, "--read /var/lib");
    // A secret stays a comment beside what is none, and a grant of its folder does not hide it.
    let (manifest, options) =
        of(vec![grant("/srv/a", false, None), grant("/srv/a/id_rsa", false, Some("secrets"))]);
    assert!(
        manifest.contains("    - /srv/a\n    # read: /srv/a/id_rsa  (think twice"),
        "{manifest}"
    );
    assert_eq!(options, "--read /srv/a | --read /srv/a/id_rsa");
}

#[test]
fn strange_names_are_quoted_for_yaml_and_for_shells() {
    let odd = "/srv/a b: 'c' #d \"e\" $(f)";
    let story = story(vec![file(odd, "not-there", Some((odd, false, None)))]);
    let options = &story.patch.options[0].command;
    assert_eq!(options, "--read '/srv/a b: '\\''c'\\'' #d \"e\" $(f)'");
    let yaml = format!("{}name: x\n", story.patch.manifest);
    let value: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(value["filesystem"]["read"][0], odd);
}

#[test]
fn every_reason_of_a_traced_run_has_a_remedy_or_says_why_there_is_none() {
    let codes = [
        "system",
        "kernel",
        "device",
        "own-mode",
        "denied",
        "not-owner",
        "low-port",
        "scope",
        "inotify",
        "locked-memory",
        "no-memory",
        "disk-full",
        "processes",
        "name",
        "unsaid",
    ];
    for code in codes {
        let story = story(vec![file("/x", code, None)]);
        let Remedy::None { because } = story.refused[0].remedy else { panic!("{code}") };
        assert!(!because.contains("nothing is known"), "{code}");
        assert!(story.patch.is_empty(), "{code}");
    }
    let Event::Denial(denial) = file("/x", "own-root", None) else { panic!() };
    let advised = Event::Denial(Denial { fix: Some("do that".into()), ..denial });
    let text = story(vec![advised]).to_string();
    assert!(text.contains("/x: so it is [openat: ENOENT]\n    try: do that"), "{text}");
}

#[test]
fn a_traced_run_is_not_told_to_be_traced() {
    let Event::RunStart(start) = start() else { panic!() };
    let traced = Event::RunStart(RunStart { traced: true, network: Some(Network::None), ..start });
    let notes = story(vec![traced, end(How::Exited { code: 0 })]).not_recorded.join("\n");
    assert!(!notes.contains("--trace") && !notes.contains("reach a network"), "{notes}");
}
