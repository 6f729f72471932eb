//! Tests of the telling form of a program, and of what is told.

use super::arch::{Arch, Number};
use super::prove::{self, Effort};
use super::table::ALLOW;
use super::tests::{profile, table};
use super::{
    bpf, built_in, built_in_json, built_in_telling, for_connectors, from_file, notify, refusal,
    tree,
};
use std::fs;

#[test]
fn the_proof_notices_a_wrong_telling_program() {
    let table = table(built_in_json("default").unwrap(), Arch::NATIVE);
    let sound = notify::telling(&tree::emit(&table).unwrap()).unwrap();
    let judge = |program: &[bpf::Insn]| prove::telling(&table, program, Effort::QUICK);
    judge(&sound).unwrap();
    let changed = |change: &dyn Fn(&mut Vec<bpf::Insn>)| {
        let mut program = sound.clone();
        change(&mut program);
        judge(&program).is_err()
    };
    let end = sound.len();
    // The pass unlocks nothing but the plain errno; both halves count.
    assert!(changed(&|program| program[end - 2].k = ALLOW));
    assert!(changed(&|program| program[end - 3].jf = 0));
    assert!(changed(&|program| program[end - 5].jf = 0));
    assert!(changed(&|program| program[end - 1].k = 0x5_0001));
    for at in (0..end).filter(|at| [bpf::RETURN, bpf::JUMP].contains(&sound[*at].code)) {
        assert!(changed(&|program| program[at] = bpf::Insn::new(bpf::RETURN, 0x5_0002)), "{at}");
    }
}

#[test]
fn a_telling_program_is_the_plain_one_but_for_its_refusals() {
    for name in for_connectors() {
        let plain = bpf::decode(built_in(name).unwrap()).unwrap();
        let telling = built_in_telling(name).unwrap();
        assert_eq!(
            bpf::encode(&notify::telling(&plain).unwrap()),
            telling,
            "{name} is what is shipped"
        );
        // Nothing but the two halves of the pass differs from run to run.
        let [one, other] = [1u64 << 40 | 1, !0].map(|pass| {
            let mut armed = telling.to_vec();
            notify::arm(&mut armed, pass);
            bpf::decode(&armed).unwrap()
        });
        let differ: Vec<usize> = (0..one.len()).filter(|at| one[*at] != other[*at]).collect();
        let end = one.len();
        assert_eq!(differ, [end - 5, end - 3], "{name}");
        assert_eq!((one[end - 5].k, one[end - 3].k), (1, 1 << 8));
    }
}

/// The kernel remembers what is allowed whatever the arguments; a program that looks at one before it
/// knows the number would have it forget all of that.
#[test]
fn a_telling_program_looks_at_arguments_only_where_the_plain_one_does_or_refuses() {
    for name in for_connectors() {
        let programs = [built_in(name), built_in_telling(name)];
        let [plain, telling] = programs.map(|program| bpf::decode(program.unwrap()).unwrap());
        for number in 0..500 {
            let data = bpf::Data { number, arch: Arch::NATIVE.audit(), pointer: 0, args: [0; 6] };
            let looks = |program: &[bpf::Insn]| {
                let mut looked = false;
                let verdict = bpf::run_watched(program, &data, |at, _| looked |= at >= 16);
                (verdict.unwrap(), looked)
            };
            let (verdict, looked) = looks(&plain);
            assert_eq!(looks(&telling).1, looked || notify::is_told(verdict), "{name} {number}");
        }
    }
}

#[test]
fn a_refusal_has_the_arguments_that_decided_and_no_others() {
    let plain = bpf::decode(built_in("default").unwrap()).unwrap();
    let strict = bpf::decode(built_in("strict").unwrap()).unwrap();
    let number = |name: &str| match Arch::NATIVE.number(name) {
        Number::Is(number) => number,
        other => panic!("{other:?}"),
    };
    let judged = |program: &[bpf::Insn], name, args: [u64; 6]| {
        let judged = refusal::judge(program, std::slice::from_ref(&plain), number(name), args);
        judged.map(|(call, errno)| (call.to_string(), errno))
    };
    let pointer = 0x7ffc_dead_beef;
    // SOCK_CLOEXEC is not compared, nor is what lies above an int.
    let vsock = [40 | 1 << 63, 0x80001, 0, pointer, pointer, pointer];
    assert_eq!(judged(&plain, "socket", vsock), Some(("socket(40)".into(), 1)));
    let raw = [2, 3, 1, 0, 0, 0];
    assert_eq!(judged(&plain, "socket", raw), Some(("socket(2, 3)".into(), 1)));
    assert_eq!(judged(&plain, "keyctl", [pointer; 6]), Some(("keyctl".into(), 1)));
    let sti = [0, 0x5412, pointer, 0, 0, 0];
    assert_eq!(judged(&plain, "ioctl", sti), Some(("ioctl(_, 0x5412)".into(), 1)));
    // What another profile compares is known as well.
    let stream = [2, 1, 6, 0, 0, 0];
    assert_eq!(judged(&strict, "socket", stream), Some(("socket(2, 1, 6)".into(), 1)));
    assert_eq!(judged(&plain, "socket", stream), None, "it is allowed");
    assert_eq!(judged(&plain, "io_uring_setup", [0; 6]), None, "it is no news");
}

/// A payload that fails under its filter must be able to end, and nobody listens yet.
#[test]
fn a_profile_under_which_nothing_ends_is_loaded_plain() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.json");
    for (name, tells) in [("exit_group", true), ("statx", false)] {
        let rule = format!(r#"{{"names": ["{name}"], "action": "SCMP_ACT_ALLOW"}}"#);
        fs::write(&path, profile(&rule)).unwrap();
        assert_eq!(from_file(&path, None).unwrap().telling.is_some(), tells, "{name}");
    }
}
