//! Tests of parsing, of the two compilers against each other, and of the cache.

use super::arch::{Arch, Number};
use super::compile::{Shape, reference};
use super::oci::{Action, Profile};
use super::prove::{Effort, Random, equal};
use super::table::{ALLOW, NO_SUCH_CALL, Table};
use super::{bpf, built_in, built_in_json, from_file, names, tree};
use crate::failure::Kind;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A profile around some rules.
pub(super) fn profile(rules: &str) -> String {
    format!(
        r#"{{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64",
            "SCMP_ARCH_AARCH64"], "syscalls": [{rules}]}}"#
    )
}

/// Why these rules are refused.
fn refusal(rules: &str) -> String {
    let text = profile(rules);
    match Profile::parse(text.as_bytes()) {
        Err(why) => why.to_string(),
        Ok(profile) => match Table::new(&profile, Arch::NATIVE) {
            Err(why) => why.to_string(),
            Ok(_) => panic!("accepted: {rules}"),
        },
    }
}

pub(super) fn table(json: &str, arch: Arch) -> Table {
    Table::new(&Profile::parse(json.as_bytes()).unwrap(), arch).unwrap()
}

#[test]
fn what_is_not_understood_is_refused() {
    let cases = [
        (
            r#"{"names": ["read"], "action": "SCMP_ACT_ALLOW", "colour": 1}"#,
            "unknown field `colour`",
        ),
        (r#"{"names": ["read"], "action": "SCMP_ACT_MAYBE"}"#, "unknown variant `SCMP_ACT_MAYBE`"),
        (
            r#"{"names": ["raed"], "action": "SCMP_ACT_ALLOW"}"#,
            "rule 1 (raed): no such system call",
        ),
        (r#"{"names": [], "action": "SCMP_ACT_ALLOW"}"#, "names is empty"),
        (r#"{"names": ["read"], "action": "SCMP_ACT_NOTIFY"}"#, "wait for a supervisor"),
        (r#"{"names": ["read"], "action": "SCMP_ACT_TRACE"}"#, "wait for a supervisor"),
        (r#"{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 0}"#, "feign success"),
        (r#"{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 4096}"#, "above 4095"),
        (
            r#"{"names": ["read"], "action": "SCMP_ACT_ALLOW", "errnoRet": 1}"#,
            "without SCMP_ACT_ERRNO",
        ),
        (
            r#"{"names": ["read"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}}"#,
            "depend on a host",
        ),
        (
            r#"{"names": ["read"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]}}"#,
            "depend on a host",
        ),
        (
            r#"{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]}"#,
            "arguments 0 to 5",
        ),
        (
            r#"{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_LIKE"}]}"#,
            "unknown variant `SCMP_CMP_LIKE`",
        ),
        (
            r#"{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"}]}"#,
            "bits outside of the mask",
        ),
        (
            r#"{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_EQ"}]}"#,
            "for SCMP_CMP_MASKED_EQ only",
        ),
        (
            r#"{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_GT"}, {"index": 0, "value": 9, "op": "SCMP_CMP_LT"}]}"#,
            "two conditions on argument 0",
        ),
        (
            r#"{"names": ["read"], "action": "SCMP_ACT_ALLOW"}, {"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}"#,
            "rule 2 (read): an earlier rule gives this call another verdict",
        ),
    ];
    for (rules, why) in cases {
        let actual = refusal(rules);
        assert!(actual.contains(why), "{rules}\n{actual}");
    }
}

#[test]
fn a_head_that_weakens_is_refused() {
    let archs = r#""architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"]"#;
    let cases = [
        (format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", {archs}, "syscalls": []}}"#), "allows"),
        (format!(r#"{{"defaultAction": "SCMP_ACT_LOG", {archs}, "syscalls": []}}"#), "allows"),
        (
            format!(r#"{{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 0, {archs}, "syscalls": []}}"#),
            "feign success",
        ),
        (
            format!(r#"{{"defaultAction": "SCMP_ACT_ERRNO", "flags": ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"], {archs}, "syscalls": []}}"#),
            "jail's decision",
        ),
        (
            format!(r#"{{"defaultAction": "SCMP_ACT_ERRNO", "listenerPath": "/x", {archs}, "syscalls": []}}"#),
            "unknown field `listenerPath`",
        ),
        (r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}"#.to_owned(), "give one of"),
        (
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"], "syscalls": []}"#.to_owned(),
            "SCMP_ARCH_X32",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}], "syscalls": []}"#.to_owned(),
            "SCMP_ARCH_X86:",
        ),
    ];
    for (json, why) in cases {
        let actual = Profile::parse(json.as_bytes()).unwrap_err().to_string();
        assert!(actual.contains(why), "{json}\n{actual}");
    }
    let other = r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_S390X"], "syscalls": []}"#;
    let why = Table::new(&Profile::parse(other.as_bytes()).unwrap(), Arch::NATIVE).unwrap_err();
    assert!(why.to_string().contains("is not for"), "{why}");
}

#[test]
fn a_built_in_profile_needs_reasons_and_exact_comparisons() {
    let check = |rule: &str| {
        let text = profile(rule);
        Profile::parse(text.as_bytes()).unwrap().check_built_in().map_err(|e| e.to_string())
    };
    let bare = check(r#"{"names": ["read"], "action": "SCMP_ACT_ALLOW", "comment": " "}"#);
    assert_eq!(bare.unwrap_err(), "rule 1 (read) has no comment");
    let wide = check(
        r#"{"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "comment": "x",
            "args": [{"index": 1, "value": 21522, "op": "SCMP_CMP_NE"}]}"#,
    );
    assert!(wide.unwrap_err().contains("SCMP_CMP_MASKED_EQ"));
    for name in names() {
        let profile = Profile::parse(built_in_json(name).unwrap().as_bytes()).unwrap();
        profile.check_built_in().unwrap();
        assert_eq!(profile.architectures().count(), Arch::ALL.len(), "{name}");
    }
}

/// No call is in two rules but for different arguments, and none means nothing anywhere.
#[test]
fn a_built_in_profile_says_nothing_twice() {
    for name in names() {
        let profile = Profile::parse(built_in_json(name).unwrap().as_bytes()).unwrap();
        let mut seen = BTreeSet::new();
        for rule in &profile.syscalls {
            for call in &rule.names {
                let what = (call.clone(), format!("{:?}", rule.args));
                assert!(seen.insert(what), "{name}: {call} twice");
                let same = |r: &&super::oci::Rule| r.names.contains(call) && r.args.is_empty();
                let covering = profile.syscalls.iter().filter(same).count();
                assert!(covering <= usize::from(rule.args.is_empty()), "{name}: {call}");
                let numbers = Arch::ALL.iter().map(|arch| arch.number(call));
                assert!(numbers.into_iter().any(|n| matches!(n, Number::Is(_))), "{name}: {call}");
            }
        }
    }
}

#[test]
fn the_tree_equals_libseccomp_on_every_call() {
    for name in names() {
        for arch in Arch::ALL.iter().copied() {
            let table = table(built_in_json(name).unwrap(), arch);
            let ours = tree::emit(&table).unwrap();
            for shape in [Shape::Linear, Shape::Tree] {
                let theirs = reference(&table, Arch::NATIVE, shape).unwrap();
                let compared = equal(&table, Arch::NATIVE, &ours, Some(&theirs), Effort::THOROUGH);
                println!("{name} {arch} {shape:?}: {} calls compared", compared.unwrap());
            }
        }
        let native = tree::emit(&table(built_in_json(name).unwrap(), Arch::NATIVE)).unwrap();
        assert_eq!(bpf::encode(&native), built_in(name).unwrap(), "{name} is what is shipped");
    }
}

/// Random profiles with every comparison: the generator is right for the user's as well. libseccomp
/// is asked where calls have one rule; its 2.5.4 errs on some that have more (see the next test).
#[test]
fn the_tree_is_right_for_random_profiles() {
    let mut random = Random(42);
    let (mut alone, mut with_reference) = (0, 0);
    let effort = Effort { beyond: 20, combinations: 300 };
    for round in 0..40 {
        let most_rules = 1 + round % 2 * 3;
        let table = table(&random_profile(&mut random, most_rules), Arch::NATIVE);
        let ours = tree::emit(&table).unwrap();
        if most_rules > 1 {
            alone += equal(&table, Arch::NATIVE, &ours, None, effort).unwrap();
        } else {
            let theirs = reference(&table, Arch::NATIVE, Shape::Linear).unwrap();
            with_reference += equal(&table, Arch::NATIVE, &ours, Some(&theirs), effort).unwrap();
        }
    }
    println!("calls compared: {with_reference} with libseccomp, {alone} with the table alone");
}

fn random_profile(random: &mut Random, most_rules: u64) -> String {
    const OPS: [&str; 7] = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
    const ACTIONS: [&str; 5] = ["ALLOW", "LOG", "TRAP", "KILL_THREAD", "KILL_PROCESS"];
    let mut rules = Vec::new();
    for number in 0..1 + random.draw() % 460 {
        let Some(name) = Arch::NATIVE.call_name(number as u32) else { continue };
        let action = ACTIONS[(random.draw() % 8).saturating_sub(3) as usize];
        let conditional = random.draw().is_multiple_of(12);
        for _ in 0..if conditional { 1 + random.draw() % most_rules } else { 1 } {
            let mut args = Vec::new();
            let chosen = if conditional { random.draw() % 64 } else { 0 };
            for index in (0..6).filter(|index| chosen >> index & 1 == 1) {
                let op = OPS[(random.draw() % 7) as usize];
                let value = random.draw() >> (random.draw() % 64);
                let two = if op == "MASKED_EQ" { random.draw() & value } else { 0 };
                args.push(format!(
                    r#"{{"index": {index}, "value": {value}, "valueTwo": {two}, "op": "SCMP_CMP_{op}"}}"#
                ));
            }
            rules.push(format!(
                r#"{{"names": ["{name}"], "action": "SCMP_ACT_{action}", "args": [{}]}}"#,
                args.join(",")
            ));
        }
    }
    profile(&rules.join(","))
}

/// libseccomp 2.5.4 merges these two rules wrongly: its program lets through 0x1044200d, which is
/// neither at most 0x1044200c nor above 0xc81e3df80ce. Such a profile is refused, not loaded.
#[test]
fn a_profile_that_libseccomp_gets_wrong_is_refused() {
    let json = profile(
        r#"{"names": ["dup2", "dup3"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 2, "value": 272900108, "op": "SCMP_CMP_LE"}]},
           {"names": ["dup2", "dup3"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 2, "value": 13752130719822, "op": "SCMP_CMP_GT"}]}"#,
    );
    let table = table(&json, Arch::NATIVE);
    let ours = tree::emit(&table).unwrap();
    equal(&table, Arch::NATIVE, &ours, None, Effort::THOROUGH).unwrap();
    let theirs = reference(&table, Arch::NATIVE, Shape::Linear).unwrap();
    let judged = equal(&table, Arch::NATIVE, &ours, Some(&theirs), Effort::QUICK);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.json");
    fs::write(&path, json).unwrap();
    match judged {
        Err(why) => {
            assert!(why.to_string().contains("libseccomp's program says"), "{why}");
            let failure = from_file(&path, None).unwrap_err().to_string();
            assert!(failure.contains("do not agree"), "{failure}");
        }
        // A libseccomp that has been repaired.
        Ok(_) => assert!(from_file(&path, None).is_ok()),
    }
}

/// The proof notices a program that differs in one instruction.
#[test]
fn the_proof_notices_a_wrong_program() {
    let table = table(built_in_json("default").unwrap(), Arch::NATIVE);
    let sound = tree::emit(&table).unwrap();
    let theirs = reference(&table, Arch::NATIVE, Shape::Linear).unwrap();
    let judge = |ours: &[bpf::Insn], theirs: &[bpf::Insn]| {
        equal(&table, Arch::NATIVE, ours, Some(theirs), Effort::QUICK).is_err()
    };
    for at in 0..sound.len() {
        // A narrower mask can mean the same where other rules fill the gap, and so can a boundary
        // between two neighbours with the same rule (chmod, fchmod): one bit must tell.
        let bits = match sound[at].code {
            bpf::AND => 1..4,
            bpf::JUMP_GE => 0..3,
            _ => 0..1,
        };
        let noticed = bits.into_iter().any(|bit| {
            let mut wrong = sound.clone();
            wrong[at].k ^= 1 << bit;
            judge(&wrong, &theirs) && (at % 8 != 0 || judge(&sound, &wrong))
        });
        assert!(noticed, "instruction {at} of {}: {:?}", sound.len(), sound[at]);
    }
    assert!(!judge(&sound, &theirs));
}

#[test]
fn the_profiles_stand_in_order() {
    for arch in Arch::ALL.iter().copied() {
        let of = |name| table(built_in_json(name).unwrap(), arch);
        let allowed = |table: &Table| -> BTreeSet<String> {
            let calls = table.calls.values().filter(|call| call.verdict == ALLOW);
            calls.map(|call| call.name.clone()).collect()
        };
        let (default, strict, browser) = (of("default"), of("strict"), of("browser"));
        assert!(allowed(&strict).is_subset(&allowed(&default)), "{arch}");
        assert_eq!(allowed(&default), allowed(&browser), "{arch}");
        for (number, call) in &default.calls {
            for list in &call.any_of {
                assert!(browser.calls[number].any_of.contains(list), "{arch} {}", call.name);
            }
        }
    }
}

#[test]
fn the_dangerous_calls_are_in_no_profile() {
    const NEVER: &str = "mount umount2 move_mount open_tree open_tree_attr fsopen fsconfig fsmount \
        fspick mount_setattr unshare setns pivot_root chroot ptrace process_vm_readv \
        process_vm_writev pidfd_getfd kcmp bpf perf_event_open userfaultfd io_uring_setup \
        io_uring_enter io_uring_register keyctl add_key request_key kexec_load kexec_file_load \
        init_module finit_module delete_module create_module query_module reboot swapon swapoff \
        acct quotactl quotactl_fd settimeofday clock_settime clock_adjtime adjtimex nfsservctl \
        lookup_dcookie uselib ustat sysfs _sysctl vm86 vm86old modify_ldt iopl ioperm \
        name_to_handle_at open_by_handle_at fanotify_init fanotify_mark memfd_secret syslog \
        vhangup sethostname setdomainname clone3 vmsplice sync";
    for name in names() {
        for arch in Arch::ALL.iter().copied() {
            let table = table(built_in_json(name).unwrap(), arch);
            for call in NEVER.split_whitespace() {
                match arch.number(call) {
                    Number::Is(number) => {
                        let verdict = table.verdict(arch.audit(), number, &[0; 6]);
                        assert_ne!(verdict, ALLOW, "{name} {arch} {call}");
                    }
                    Number::Elsewhere => {}
                    Number::Unknown => panic!("{call} is no system call"),
                }
            }
            for call in ["clone3", "io_uring_setup"] {
                let Number::Is(number) = arch.number(call) else { panic!("{call}") };
                let verdict = table.verdict(arch.audit(), number, &[0; 6]);
                assert_eq!(verdict, NO_SUCH_CALL, "{name} {arch} {call}");
            }
        }
    }
}

#[test]
fn a_profile_of_the_users_is_compiled_and_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let (path, cache) = (folder.path().join("own.json"), folder.path().join("cache/seccomp"));
    fs::write(&path, built_in_json("default").unwrap()).unwrap();
    let first = from_file(&path, Some(&cache)).unwrap();
    assert_eq!(first.bpf, built_in("default").unwrap());
    let notes = || -> Vec<_> { fs::read_dir(&cache).unwrap().map(|e| e.unwrap().path()).collect() };
    assert_eq!(notes().len(), 1);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&cache), mode(&notes()[0])), (0o700, 0o600));
    assert_eq!(from_file(&path, Some(&cache)).unwrap(), first);
    // Whatever lies in the cache, the program is the profile's.
    fs::write(&notes()[0], "forged").unwrap();
    assert_eq!(from_file(&path, Some(&cache)).unwrap(), first);
    assert_ne!(fs::read(&notes()[0]).unwrap(), b"forged", "a wrong note is written anew");
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(from_file(&path, Some(&cache)).unwrap(), first);
    // A cache that cannot be is no reason to fail.
    assert_eq!(from_file(&path, Some(&path)).unwrap(), first);
    assert_eq!(from_file(&path, None).unwrap(), first);
}

#[test]
fn a_profile_that_cannot_be_used_is_a_policy_failure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.json");
    let missing = from_file(&path, None).unwrap_err();
    assert_eq!(missing.kind, Kind::Policy);
    fs::write(&path, profile(r#"{"names": ["raed"], "action": "SCMP_ACT_ALLOW"}"#)).unwrap();
    let failure = from_file(&path, None).unwrap_err();
    assert_eq!(failure.kind, Kind::Policy);
    assert!(failure.to_string().contains("rule 1 (raed): no such system call"), "{failure}");
    fs::write(&path, vec![b' '; (1 << 20) + 1]).unwrap();
    assert!(from_file(&path, None).unwrap_err().to_string().contains("longer than 1 MiB"));
}

#[test]
fn newer_calls_are_unknown_only_where_the_default_is_an_errno() {
    let of = |action: &str| {
        let json = profile(r#"{"names": ["read"], "action": "SCMP_ACT_ALLOW"}"#);
        table(&json.replace("SCMP_ACT_ERRNO", action), Arch::X86_64)
    };
    assert_eq!(of("SCMP_ACT_ERRNO").newer, NO_SUCH_CALL);
    assert_eq!(of("SCMP_ACT_KILL_PROCESS").newer, 0x8000_0000);
    assert_eq!(
        of("SCMP_ACT_KILL_PROCESS").verdict(Arch::X86_64.audit(), !0, &[0; 6]),
        NO_SUCH_CALL
    );
    assert_eq!(Action::KillThread, serde_json::from_str(r#""SCMP_ACT_KILL""#).unwrap());
}
