//! System calls in words: what they are for, and why no profile should allow some of them.

use crate::seccomp::refusal::Seen;

/// Calls that are for the same thing.
pub(super) struct Known {
    names: &'static [&'static str],
    /// The arguments that they are meant with: index, bits that count, what these bits are.
    when: &'static [(u8, u64, &'static [u64])],
    pub(super) what: &'static str,
    /// Why no profile should allow it.
    pub(super) never: Option<&'static str>,
}

impl Known {
    pub(super) fn is(&self, name: &str, args: &[Seen]) -> bool {
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
pub(super) const TRIED: [&str; 1] = [MPTCP];

/// The first that fits counts.
pub(super) const KNOWN: &[Known] = &[
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
