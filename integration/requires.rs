//! What an attack needs of the machine. Unmet is a counted skip with a reason, or a failure where
//! `JAIL_TEST_MUST_RUN` names the need or the attack (`all` names everything).

#![allow(dead_code, reason = "two programs, each of which uses a part")]

use std::path::Path;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Root,
    NotRoot,
    /// Something counts processes: the kernel exempts root from RLIMIT_NPROC.
    Counted,
    Userns,
    Landlock(u32),
    CgroupV2,
    Ipv6,
    Keyring,
    /// 32-bit system calls.
    Ia32,
    /// x32 system calls.
    X32,
    Vsock,
    Alg,
    Sctp,
    Mptcp,
    UdpLite,
    /// /proc/sys path with this value.
    Sysctl(&'static str, &'static str),
    /// A virtual console.
    Console,
    Git,
    Su,
    /// Performance counters of itself.
    Perf,
    /// Another process of the same user may be attached to.
    Ptrace,
}

pub struct Unmet {
    pub need: String,
    pub reason: String,
}

/// `requires![root, landlock(4), cgroup_v2]`
#[macro_export]
macro_rules! requires {
    ($($need:ident $(($($value:expr),*))?),* $(,)?) => {
        &[$($crate::requires::need::$need $(($($value),*))?),*]
    };
}

/// The names that `requires!` takes.
#[allow(non_upper_case_globals)]
pub mod need {
    use super::Need;
    pub const root: Need = Need::Root;
    pub const not_root: Need = Need::NotRoot;
    pub const counted: Need = Need::Counted;
    pub const userns: Need = Need::Userns;
    pub const cgroup_v2: Need = Need::CgroupV2;
    pub const ipv6: Need = Need::Ipv6;
    pub const keyring: Need = Need::Keyring;
    pub const ia32: Need = Need::Ia32;
    pub const x32: Need = Need::X32;
    pub const vsock: Need = Need::Vsock;
    pub const alg: Need = Need::Alg;
    pub const sctp: Need = Need::Sctp;
    pub const mptcp: Need = Need::Mptcp;
    pub const udp_lite: Need = Need::UdpLite;
    pub const console: Need = Need::Console;
    pub const git: Need = Need::Git;
    pub const su: Need = Need::Su;
    pub const perf: Need = Need::Perf;
    pub const ptrace: Need = Need::Ptrace;
    pub const fn landlock(abi: u32) -> Need {
        Need::Landlock(abi)
    }
    pub const fn sysctl(path: &'static str, value: &'static str) -> Need {
        Need::Sysctl(path, value)
    }
}

/// The first need that this machine does not meet.
pub fn unmet(needs: &[Need]) -> Option<Unmet> {
    needs.iter().find_map(|need| {
        let (met, reason) = check(*need);
        (!met).then(|| Unmet { need: name(*need), reason })
    })
}

pub fn must_run(attack: &str, unmet: &Unmet) -> bool {
    let list = std::env::var("JAIL_TEST_MUST_RUN").unwrap_or_default();
    list.split(',').any(|word| word == "all" || word == attack || word == unmet.need)
}

fn name(need: Need) -> String {
    match need {
        Need::Landlock(abi) => format!("landlock{abi}"),
        Need::Sysctl(path, _) => path.to_owned(),
        Need::NotRoot => "not_root".to_owned(),
        Need::CgroupV2 => "cgroup_v2".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn check(need: Need) -> (bool, String) {
    let uid = unsafe { libc::geteuid() };
    let socket = |family, kind, protocol| {
        let fd = unsafe { libc::socket(family, kind, protocol) };
        unsafe { libc::close(fd) };
        fd >= 0
    };
    let (met, reason) = match need {
        Need::Root => (uid == 0, "its control needs root"),
        Need::NotRoot => (uid != 0, "it makes sense for an ordinary user only"),
        // Root without a pids controller is a gap that jail tells about.
        Need::Counted => (uid != 0 || docker(), "it makes sense for an ordinary user only"),
        Need::Userns => {
            (crate::kit::in_child(|| crate::kit::new_userns(0).is_ok()), "no user namespaces")
        }
        Need::Landlock(abi) => {
            (jail::sys::landlock::abi() >= abi, "this kernel's Landlock is older")
        }
        Need::CgroupV2 => {
            (docker() || cgroup_v2(), "no cgroup v2 with a memory controller for this user here")
        }
        Need::Ipv6 => (std::net::TcpListener::bind("[::1]:0").is_ok(), "no IPv6 loopback"),
        Need::Keyring => (crate::kit::keyring().is_ok(), "no usable user keyring"),
        Need::Ia32 => {
            (crate::kit::in_child(crate::kit::int80_works), "no 32-bit system calls in this kernel")
        }
        Need::X32 => (unsafe { libc::syscall(0x4000_0000 | 39) } > 0, "no x32 in this kernel"),
        Need::Vsock => (socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0), "no vsock in this kernel"),
        Need::Alg => (socket(libc::AF_ALG, libc::SOCK_SEQPACKET, 0), "no AF_ALG in this kernel"),
        Need::Sctp => (socket(libc::AF_INET, libc::SOCK_STREAM, 132), "no SCTP in this kernel"),
        Need::Mptcp => (socket(libc::AF_INET, libc::SOCK_STREAM, 262), "no MPTCP in this kernel"),
        Need::UdpLite => {
            (socket(libc::AF_INET, libc::SOCK_DGRAM, 136), "no UDP-Lite in this kernel")
        }
        Need::Console => (Path::new("/dev/tty1").exists(), "no virtual console"),
        Need::Git => (Path::new("/usr/bin/git").exists(), "git is not installed"),
        Need::Su => (Path::new("/usr/bin/su").exists(), "/usr/bin/su is not there"),
        Need::Perf => {
            // 3, which only Debian and Ubuntu know, is for root alone.
            let text = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid");
            let level = text.ok().and_then(|text| text.trim().parse::<i32>().ok());
            (uid == 0 || level.is_some_and(|level| level < 3), "counters are for root alone here")
        }
        Need::Ptrace => {
            // Ubuntu's default is 1: only descendants. Root may always.
            let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
            (
                uid == 0
                    || scope.is_ok_and(|scope| scope.trim() == "0")
                    || !Path::new("/proc/sys/kernel/yama").exists(),
                "yama keeps users from their own processes here",
            )
        }
        Need::Sysctl(path, value) => {
            let text =
                std::fs::read_to_string(Path::new("/proc/sys").join(path)).unwrap_or_default();
            return (text.trim() == value, format!("{path} is `{}`, not {value}", text.trim()));
        }
    };
    (met, reason.to_owned())
}

/// A rootful engine limits its containers, with either version of cgroups.
fn docker() -> bool {
    crate::tier::other_user().is_some()
}

fn cgroup_v2() -> bool {
    use jail::confine::cgroup::{Controller, Controllers, Support};
    let needs = Controllers::from([Controller::Memory]);
    Support::probe(&needs).offers(&needs)
}
