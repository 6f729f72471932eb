//! System calls that a profile refused: what they are for, and what would allow them.
//!
//! What a built-in profile allows is asked of its program. The words are for the others.

use super::{Finding, Remedy, Weight};
use crate::seccomp::arch::{Arch, Number};
use crate::seccomp::bpf::{self, Data};
use crate::seccomp::built_in;
use crate::seccomp::refusal::Seen;
use crate::seccomp::table::ALLOW;

/// Stands for calls of more kinds than are told apart.
pub const OTHER_CALLS: &str = "other system calls";

/// From narrow to wide.
const PROFILES: [&str; 2] = ["default", "browser"];

/// One call, explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AboutCall {
    /// What it is for, where that is known.
    what: Option<&'static str>,
    /// Programs try it, and go on without.
    tried: bool,
    verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// This built-in profile allows it.
    BuiltIn(&'static str),
    /// A profile of one's own can, with this rule.
    Own { file: Option<String>, rule: String },
    /// None should.
    Never(&'static str),
}

/// Explains a call that the profile of this name refused.
pub fn about_call(profile: &str, name: &str, args: &[Seen]) -> AboutCall {
    let known = KNOWN.iter().find(|known| known.is(name, args));
    let file = profile.contains('/').then(|| profile.to_owned());
    let allows = PROFILES.into_iter().find(|profile| allows(profile, name, args));
    let rule = || rule(name, args);
    let verdict = match (allows, known.and_then(|known| known.never)) {
        (Some(profile), _) if file.is_none() => Verdict::BuiltIn(profile),
        (None, Some(because)) => Verdict::Never(because),
        _ => Verdict::Own { file, rule: rule() },
    };
    let tried = known.is_some_and(|known| TRIED.contains(&known.what));
    AboutCall { what: known.map(|known| known.what), tried, verdict }
}

impl AboutCall {
    /// For the record: how its owner can allow it.
    pub fn fix(&self) -> Option<String> {
        match &self.verdict {
            Verdict::BuiltIn(profile) => Some(format!("seccomp: {profile}")),
            Verdict::Own { .. } | Verdict::Never(_) => None,
        }
    }

    /// What follows the call in one line on stderr; `jail why` has the reasons. `None` where the line would
    /// lead astray: a program that failed did not fail for that.
    pub fn line(&self) -> Option<String> {
        if self.tried {
            return None;
        }
        let what = self.what.map(|what| format!(", for {what}")).unwrap_or_default();
        Some(match &self.verdict {
            Verdict::BuiltIn(profile) => format!("{what}; to allow it: --seccomp {profile}"),
            Verdict::Own { .. } | Verdict::Never(_) => what,
        })
    }
}

pub(super) fn judge(finding: &mut Finding, args: &[Seen]) {
    let profile = profile(&finding.reason).unwrap_or("default").to_owned();
    let name = finding.object.as_str().split('(').next().unwrap_or_default().to_owned();
    if name == OTHER_CALLS {
        let text = "run it again when those above are settled: 64 kinds are told apart".to_owned();
        (finding.weight, finding.remedy) = (Weight::Trouble, Remedy::Advice { text });
        return;
    }
    let about = about_call(&profile, &name, args);
    if let Some(what) = about.what {
        finding.reason = format!("for {what}; {}", finding.reason);
    }
    (finding.weight, finding.fix, finding.remedy) = match about.verdict {
        Verdict::BuiltIn(profile) => {
            (Weight::Rule, Some(profile.into()), Remedy::Change { think_twice: None })
        }
        Verdict::Own { file: Some(file), rule } => {
            let text = format!("add to `syscalls` in {file}: {rule}");
            (Weight::Doubtful, None, Remedy::Advice { text })
        }
        Verdict::Own { file: None, rule } => {
            let text = format!(
                "a profile of your own, if the connector cannot do without: jail seccomp show \
                 {profile} --oci > own.json, add to its `syscalls` {rule}, and say seccomp: \
                 ./own.json"
            );
            (Weight::Doubtful, None, Remedy::Advice { text })
        }
        Verdict::Never(because) => (Weight::Never, None, Remedy::None { because }),
    };
}

/// The profile that the record names.
fn profile(reason: &str) -> Option<&str> {
    reason.strip_prefix("the profile ")?.rsplit_once(" answers ").map(|(name, _)| name)
}

/// The built-in profile that allows all of these that one allows, for the manifest.
pub(super) fn wanted(findings: &[Finding]) -> Option<&'static str> {
    let of = |finding: &Finding| {
        let fix = finding.fix.as_ref().filter(|_| finding.is_seccomp())?;
        PROFILES.iter().position(|profile| *profile == fix.as_str())
    };
    findings.iter().filter_map(of).max().and_then(|widest| PROFILES.get(widest).copied())
}

/// A record has all that any built-in profile looks at.
fn allows(profile: &str, name: &str, args: &[Seen]) -> bool {
    let Number::Is(number) = Arch::NATIVE.number(name) else { return false };
    let mut data = Data { number, arch: Arch::NATIVE.audit(), pointer: 0, args: [0; 6] };
    for seen in args {
        if let Some(arg) = data.args.get_mut(usize::from(seen.index)) {
            *arg = seen.value;
        }
    }
    let program = built_in(profile).and_then(bpf::decode);
    program.is_some_and(|program| bpf::run(&program, &data) == Ok(ALLOW))
}

/// As an own profile has it.
fn rule(name: &str, args: &[Seen]) -> String {
    let condition = |seen: &Seen| {
        let Seen { index, value, mask } = seen;
        format!(
            r#"{{"index": {index}, "value": {mask}, "valueTwo": {value}, "op": "SCMP_CMP_MASKED_EQ"}}"#
        )
    };
    let args: Vec<String> = args.iter().map(condition).collect();
    let args = match args.as_slice() {
        [] => String::new(),
        args => format!(r#", "args": [{}]"#, args.join(", ")),
    };
    format!(r#"{{"names": ["{name}"], "action": "SCMP_ACT_ALLOW"{args}}}"#)
}

/// Calls that are for the same thing.
struct Known {
    names: &'static [&'static str],
    /// The arguments that they are meant with: index, bits that count, what these bits are.
    when: &'static [(u8, u64, &'static [u64])],
    what: &'static str,
    /// Why no profile should allow it.
    never: Option<&'static str>,
}

impl Known {
    fn is(&self, name: &str, args: &[Seen]) -> bool {
        let holds = |(index, mask, values): &(u8, u64, &[u64])| {
            let seen = args.iter().find(|seen| seen.index == *index);
            seen.is_some_and(|seen| values.contains(&(seen.value & mask)))
        };
        self.names.contains(&name) && self.when.iter().all(holds)
    }
}

const fn never(names: &'static [&'static str], what: &'static str, because: &'static str) -> Known {
    Known { names, when: &[], what, never: Some(because) }
}

const fn harmless(names: &'static [&'static str], what: &'static str) -> Known {
    Known { names, when: &[], what, never: None }
}

type When = &'static [(u8, u64, &'static [u64])];

const fn never_when(
    names: &'static [&'static str],
    when: When,
    what: &'static str,
    because: &'static str,
) -> Known {
    Known { names, when, what, never: Some(because) }
}

const WORD: u64 = 0xffff_ffff;
const OTHERS: &str =
    "one process could take over another and get round the limits that it has set itself";
const MACHINE: &str = "it changes or shows the whole machine, and takes rights that no jail has";
const MOUNTS: &str =
    "what is mounted is the wall; which files there are is for `filesystem` in the manifest";
const NAMESPACES: &str =
    "a new user namespace opens the parts of the kernel that take capabilities";
const OTHER_NETWORKS: &str =
    "it would pass by the network namespace, Landlock or the proxy: only TCP and UDP are judged";

const MPTCP: &str = "TCP over several ways at once (MPTCP)";
/// Go's net.Listen tries MPTCP first.
const TRIED: [&str; 1] = [MPTCP];

/// The first that fits counts.
const KNOWN: &[Known] = &[
    never(
        &["keyctl", "add_key", "request_key"],
        "keys and keyrings of the kernel",
        "keyrings can be shared with processes outside, and have had many holes",
    ),
    never(&["ptrace"], "debuggers and tracers", OTHERS),
    never(
        &["process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "process_mrelease"],
        "reaching into other processes",
        OTHERS,
    ),
    never(
        &[
            "mount",
            "umount2",
            "move_mount",
            "open_tree",
            "open_tree_attr",
            "fsopen",
            "fsconfig",
            "fsmount",
            "fspick",
            "mount_setattr",
            "pivot_root",
            "chroot",
        ],
        "changing what is mounted",
        MOUNTS,
    ),
    never(&["unshare", "setns"], "new namespaces (sandboxes, containers)", NAMESPACES),
    never(&["clone"], "new namespaces (sandboxes, containers)", NAMESPACES),
    never(
        &["bpf"],
        "programs inside the kernel",
        "they run in the kernel, whose checks have had many holes",
    ),
    never(
        &["perf_event_open"],
        "measuring programs and the kernel",
        "it shows the kernel and other processes, and has had many holes",
    ),
    never(
        &["userfaultfd"],
        "handling page faults of one's own memory",
        "it stops the kernel in the middle of a copy, which is how races in it are won",
    ),
    never(
        &["name_to_handle_at", "open_by_handle_at"],
        "opening files by number instead of by path",
        "a number finds files that no path of the jail leads to",
    ),
    never(
        &["fanotify_init", "fanotify_mark"],
        "watching whole file systems",
        "it shows files of others; inotify is there",
    ),
    never(
        &["sync"],
        "writing all file systems to disk",
        "it flushes those of the whole machine; fsync is there",
    ),
    never(
        &["vmsplice"],
        "giving memory pages to a pipe",
        "pages given away by reference have had many holes; write is there",
    ),
    never(
        &["memfd_secret"],
        "memory that the kernel cannot read",
        "it hides memory from the machine's owner",
    ),
    never(
        &[
            "init_module",
            "finit_module",
            "delete_module",
            "create_module",
            "query_module",
            "get_kernel_syms",
            "kexec_load",
            "kexec_file_load",
            "reboot",
            "swapon",
            "swapoff",
            "acct",
            "settimeofday",
            "clock_settime",
            "clock_adjtime",
            "adjtimex",
            "sethostname",
            "setdomainname",
            "quotactl",
            "quotactl_fd",
            "syslog",
            "iopl",
            "ioperm",
            "vhangup",
            "nfsservctl",
            "lookup_dcookie",
            "_sysctl",
        ],
        "administering the machine",
        MACHINE,
    ),
    never(
        &["modify_ldt", "vm86", "vm86old", "uselib", "remap_file_pages"],
        "programs of long ago",
        "it is old code of the kernel that nothing current needs",
    ),
    never(
        &["personality"],
        "running a program without protections, as debuggers do",
        "it undoes hardening: random addresses, memory that is not executable",
    ),
    never(
        &["seccomp"],
        "answering system calls for other processes",
        "a connector has nobody to answer for; filters without a listener are allowed",
    ),
    never_when(
        &["chmod", "fchmod"],
        &[(1, 0o6000, &[0o2000, 0o4000, 0o6000])],
        "set-uid and set-gid bits",
        "a file of the workspace is its owner's outside, and would run with the owner's rights",
    ),
    never_when(
        &["fchmodat", "fchmodat2"],
        &[(2, 0o6000, &[0o2000, 0o4000, 0o6000])],
        "set-uid and set-gid bits",
        "a file of the workspace is its owner's outside, and would run with the owner's rights",
    ),
    never(
        &["sendto", "sendmsg", "sendmmsg"],
        "connecting by sending (TCP Fast Open)",
        "it passes by Landlock's rule for connect; clients go on with connect",
    ),
    never_when(
        &["socket"],
        &[(0, WORD, &[40])],
        "talking to the machine below a virtual machine (AF_VSOCK)",
        OTHER_NETWORKS,
    ),
    never_when(
        &["socket"],
        &[(0, WORD, &[17])],
        "raw frames of the network (AF_PACKET)",
        OTHER_NETWORKS,
    ),
    never_when(
        &["socket"],
        &[(0, WORD, &[38])],
        "cryptography of the kernel (AF_ALG)",
        "libraries do the same without it, and it has had many holes",
    ),
    never_when(
        &["socket"],
        &[(0, WORD, &[16])],
        "other parts of the kernel by netlink",
        "they are for administering the machine; addresses and routes can be asked for",
    ),
    never_when(
        &["socket"],
        &[(0, WORD, &[2, 10]), (1, 0xf, &[3])],
        "raw packets (ping, traceroute)",
        OTHER_NETWORKS,
    ),
    never_when(&["socket"], &[(0, WORD, &[2, 10]), (2, WORD, &[1, 58])], "ping", OTHER_NETWORKS),
    never_when(&["socket"], &[(0, WORD, &[2, 10]), (2, WORD, &[262])], MPTCP, OTHER_NETWORKS),
    never_when(
        &["socket"],
        &[(0, WORD, &[2, 10])],
        "protocols other than TCP and UDP",
        OTHER_NETWORKS,
    ),
    never(&["socket"], "other kinds of networks", OTHER_NETWORKS),
    never_when(
        &["ioctl"],
        &[(1, WORD, &[0x5412])],
        "typing into a terminal (TIOCSTI)",
        "what it types, a shell outside would run",
    ),
    never_when(
        &["ioctl"],
        &[(1, WORD, &[0x541c])],
        "the console's clipboard (TIOCLINUX)",
        "what it pastes, a shell outside would run",
    ),
    never_when(
        &["ioctl"],
        &[(1, WORD, &[0x5423])],
        "line disciplines of terminals (TIOCSETD)",
        "it loads old code of the kernel",
    ),
    never_when(
        &["ioctl"],
        &[(1, WORD, &[0x541d])],
        "taking the console's output (TIOCCONS)",
        MACHINE,
    ),
    harmless(&["ioctl"], "a command of a device or a file system"),
    harmless(&["get_thread_area", "set_thread_area"], "thread pointers of 32-bit programs"),
    harmless(&["ustat", "sysfs"], "asking about file systems, as programs of long ago do"),
    harmless(
        &[
            "sched_setscheduler",
            "sched_setparam",
            "sched_setattr",
            "sched_setaffinity",
            "setpriority",
            "ioprio_set",
        ],
        "a process's share of the processors",
    ),
    harmless(
        &["connect", "bind", "listen", "accept", "accept4", "setsockopt", "socketpair"],
        "sockets",
    ),
    harmless(&["fork", "vfork"], "starting processes"),
    harmless(
        &["mlock", "mlock2", "mlockall", "munlock", "munlockall"],
        "keeping memory out of swap",
    ),
    harmless(&["chown", "fchown", "lchown", "fchownat"], "the owners of files"),
    harmless(
        &[
            "setuid",
            "setgid",
            "setreuid",
            "setregid",
            "setresuid",
            "setresgid",
            "setfsuid",
            "setfsgid",
            "setgroups",
        ],
        "giving up root",
    ),
    harmless(&["setpgid", "setsid"], "process groups and sessions"),
];
