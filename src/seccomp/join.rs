//! Two profiles as one program: a call must pass both.
//!
//! The kernel can stack filters as well, but a second one would have to be let in by the first.

use super::bpf::{self, Insn, JUMP, MAX_INSNS, RETURN};
use super::table::ALLOW;

/// `SECCOMP_RET_LOG`, which allows.
const LOG: u32 = 0x7ffc_0000;

/// `first`, and where it allows, `second`. `None` where the kernel would not take the whole.
pub fn join(first: &[u8], second: &[u8]) -> Option<Vec<u8>> {
    let (mut program, second) = (bpf::decode(first)?, bpf::decode(second)?);
    let end = program.len();
    for (at, insn) in program.iter_mut().enumerate() {
        if insn.code == RETURN && [ALLOW, LOG].contains(&insn.k) {
            *insn = Insn::new(JUMP, u32::try_from(end - at - 1).ok()?);
        }
    }
    program.extend(second);
    (program.len() <= MAX_INSNS).then(|| bpf::encode(&program))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seccomp::arch::{Arch, Number};
    use crate::seccomp::{built_in, names};

    fn says(program: &[u8], number: u32, args: [u64; 6]) -> u32 {
        let data = bpf::Data { number, arch: Arch::NATIVE.audit(), pointer: 0, args };
        bpf::run(&bpf::decode(program).unwrap(), &data).unwrap()
    }

    #[test]
    fn a_call_passes_where_both_let_it_pass() {
        let second = built_in("landlock").unwrap();
        for name in names() {
            let first = built_in(name).unwrap();
            let both = join(first, second).unwrap();
            let mut passed = 0;
            for number in 0..1100 {
                for args in [[0; 6], [1; 6], [1, 5, 0, 0, 0, 0], [u64::MAX; 6], [1 << 32; 6]] {
                    let [one, two] = [first, second].map(|it| says(it, number, args) == ALLOW);
                    let joined = says(&both, number, args);
                    assert_eq!(joined == ALLOW, one && two, "{name} {number} {args:x?}");
                    passed += usize::from(joined == ALLOW);
                }
            }
            assert!(passed > 50, "{name}: {passed}");
        }
    }

    #[test]
    fn what_namespaces_would_have_held_is_refused() {
        let both = join(built_in("default").unwrap(), built_in("landlock").unwrap()).unwrap();
        let call = |name: &str, args: [u64; 6]| match Arch::NATIVE.number(name) {
            Number::Is(number) => says(&both, number, args) == ALLOW,
            _ => false,
        };
        for family in 0..46 {
            for kind in 0..7 {
                assert!(!call("socket", [family, kind, 0, 0, 0, 0]), "socket {family} {kind}");
            }
        }
        for (kind, allowed) in [(1, true), (2, false), (3, false), (5, true)] {
            assert_eq!(call("socketpair", [1, kind, 0, 0, 0, 0]), allowed, "socketpair {kind}");
        }
        for name in ["chmod", "fchmod", "fchmodat", "chown", "fchownat", "setxattr", "getxattr"] {
            assert!(!call(name, [0; 6]), "{name}");
        }
        assert!(call("utimensat", [3, 0, 0, 0, 0, 0]));
        for address in [1, 1 << 32, 0x7fff_0000_0000] {
            assert!(!call("utimensat", [3, address, 0, 0, 0, 0]), "{address:#x}");
        }
        for name in ["prlimit64", "sched_setaffinity", "sched_setscheduler"] {
            assert!(call(name, [0; 6]) && !call(name, [4711, 0, 0, 0, 0, 0]), "{name}");
        }
        assert!(call("setpriority", [0; 6]) && !call("setpriority", [2, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn what_only_logs_goes_on_to_the_second() {
        let log = bpf::encode(&[Insn::new(RETURN, LOG)]);
        let refuse = bpf::encode(&[Insn::new(RETURN, 0x5_0001)]);
        assert_eq!(says(&join(&log, &refuse).unwrap(), 0, [0; 6]), 0x5_0001);
        assert_eq!(join(&log, &vec![0; 8 * MAX_INSNS]), None);
        assert_eq!(join(&log, &[0; 7]), None);
    }
}
