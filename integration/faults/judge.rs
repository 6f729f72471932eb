//! What is right where a call has failed.

use super::call::Seen;
use super::tracer::{Role, Trace};
use nix::errno::Errno;

/// How a run with one failed call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// 125 to 127, before anything of the connector ran, saying where and what.
    Refused,
    /// The process has no memory to say anything in: it aborted, and nothing of the connector ran.
    Aborted,
    /// The connector had been let go: it was ended, and the run is no success.
    Ended,
    /// The run went on, confined and proven; why that is right.
    Harmless(&'static str),
    /// The run did not come there.
    Missed,
    Wrong(String),
}

/// Role, stage, calls, a part of the object (`""` is any), and why.
type Known = (Role, &'static str, &'static [&'static str], &'static str, &'static str);

const FILE: &[&str] = &["openat", "read", "statx", "readlink", "newfstatat"];

/// Calls that may fail without a refusal.
const HARMLESS: &[Known] = &[
    (Role::Payload, "proof", &[], "", "a probe: the error is what it looks for"),
    (
        Role::Init,
        "network",
        &["openat", "write"],
        "ratelimit",
        "not a control: refusals come later; it is told and recorded",
    ),
    (
        Role::Init,
        "process",
        &["openat", "write", "read"],
        "/proc/sys/",
        "an optional setting behind which there is seccomp; it is told and recorded",
    ),
    (Role::Init, "payload", &["munmap"], "", "the stack on which the payload began stays mapped"),
    (Role::Init, "payload", &["rt_sigtimedwait"], "", "it is asked again"),
    (Role::Egress, "", FILE, "/dev/", "what it cannot open it cannot read either"),
    (Role::Egress, "", FILE, "/etc/", "names are not resolved, which the connector is told"),
    (Role::Egress, "", FILE, "/run/", "what it cannot open it cannot read either"),
    (
        Role::Egress,
        "",
        &["openat", "statx", "readlink", "inotify_init1", "inotify_add_watch", "fcntl"],
        "",
        "the firewall's files cannot be read: it is told, and none of their rules allows anything",
    ),
    (Role::Egress, "", &["epoll_ctl"], "", "the firewall's files cannot be watched: as above"),
    (Role::Egress, "", &["recvmsg"], "", "who knocked at a closed port is not told"),
    (Role::Egress, "", &["write"], "anon_inode", "wakes itself for a task that is not urgent"),
    (Role::Egress, "", &["getrandom"], "", "random numbers come from /dev/urandom then"),
    (Role::Egress, "", &["uname"], "", "its filter refuses it as well"),
    (Role::Supervisor, "", &["getrandom"], "", "random numbers come from /dev/urandom then"),
    (
        Role::Supervisor,
        "",
        FILE,
        "cgroup",
        "no cgroup: limits are gaps, or a refusal where asked for",
    ),
    (
        Role::Supervisor,
        "",
        FILE,
        "mountinfo",
        "no cgroup: limits are gaps, or a refusal where asked for",
    ),
    (
        Role::Supervisor,
        "",
        FILE,
        "/run/user/",
        "no cgroup: limits are gaps, or a refusal where asked for",
    ),
    (
        Role::Supervisor,
        "",
        FILE,
        "/run/bus",
        "no cgroup: limits are gaps, or a refusal where asked for",
    ),
    (
        Role::Supervisor,
        "",
        &[],
        "/run/cloned",
        "the run's entry, for jail ps, stop and logs: the run goes on without",
    ),
    (Role::Supervisor, "", &["statx"], "/run", "the place of the entry: as above"),
    (Role::Supervisor, "", FILE, "boot_id", "for jail ps and stop only"),
    (Role::Supervisor, "", FILE, "/proc/#/stat", "for jail ps only"),
    (
        Role::Supervisor,
        "",
        &["statx", "newfstatat", "access", "readlink"],
        "/usr/bin/true",
        "as in a shell, the next folder of PATH has it",
    ),
    (
        Role::Supervisor,
        "",
        &["readlink"],
        "/usr",
        "a link that is missed is missing inside: less is shown, never more",
    ),
    (Role::Supervisor, "", &["flock"], " 8", "unlocking: the lock ends with the descriptor"),
    (Role::Supervisor, "", &["read"], "pipe", "the connector's stderr is relayed no more"),
    (Role::Supervisor, "", &["statx"], "/dev/null", "the library asks whether there is statx(2)"),
    (Role::Supervisor, "", &["readlink"], "/var", "HOME with links: compared as it is named"),
    (Role::Supervisor, "", &["readlink"], "/run", "the place of the entry: as it is named, too"),
    (Role::Supervisor, "", &["readlink"], "/tmp", "the place of the entry: as it is named, too"),
    (Role::Supervisor, "", &["uname"], "", "the host's name in the record"),
    (Role::Supervisor, "", &["seccomp"], "", "can refusals be heard here? No: the plain filter"),
    (Role::Payload, "seccomp", &["seccomp"], "", "the plain filter in place of the telling one"),
];

/// Harmless where the run says so: role, call, what it says, and why.
const TOLD: &[(Role, &str, &str, &str)] = &[(
    Role::Supervisor,
    "recvmsg",
    "what seccomp refuses from now on is not recorded",
    "the filter refuses all the same: what is lost is the record of it",
)];

/// The same where jail is run by an ordinary user.
const HARMLESS_TO_A_USER: &[Known] = &[(
    Role::Egress,
    "",
    &["prctl"],
    "24",
    "a user cannot drop the bounding set; no_new_privs makes it empty in effect",
)];

/// Refusals that do not name the error, or are found by a later stage.
const NAMELESS: &[Known] = &[
    (
        Role::Init,
        "process",
        &["openat", "write"],
        "max_user_namespaces",
        "optional, since the proof tries it: it is the proof that refuses",
    ),
    (
        Role::Supervisor,
        "",
        &["landlock_create_ruleset"],
        "",
        "the question for the version: every error is the answer that there is none",
    ),
    (
        Role::Egress,
        "",
        &["landlock_create_ruleset"],
        "",
        "the question for the version: every error is the answer that there is none",
    ),
    (
        Role::Supervisor,
        "",
        &["access", "newfstatat"],
        "/usr/bin/true",
        "every error is the answer that it is not executable",
    ),
    (Role::Supervisor, "", &["statx"], ".cloned", "the library tells of the mkdir(2) before it"),
    (Role::Egress, "", &["write", "fcntl"], "pipe", "it is the way by which it would tell"),
];

/// Calls that are not made to fail, and why.
const EXCLUDED: &[(&str, &str, &str)] = &[
    ("close", "", "close(2) frees the descriptor even where it reports an error"),
    ("fcntl", " 1", "F_GETFD: asked by debug builds of the standard library only"),
    ("exit_group", "", "does not return"),
    ("geteuid", "", "cannot fail"),
    ("getegid", "", "cannot fail"),
    ("getuid", "", "cannot fail"),
    ("getgid", "", "cannot fail"),
    ("getpid", "", "cannot fail"),
    ("gettid", "", "cannot fail"),
    ("getresuid", "", "cannot fail"),
    ("getresgid", "", "cannot fail"),
    ("umask", "", "cannot fail"),
    ("brk", "", "answers with the old end, whereupon malloc(3) asks mmap(2)"),
    ("restart_syscall", "", "made by the kernel"),
];

pub fn excluded(seen: &Seen) -> Option<&'static str> {
    EXCLUDED
        .iter()
        .find(|(name, object, _)| *name == seen.name && seen.object.ends_with(object))
        .map(|(_, _, why)| *why)
}

/// An error that this call really has.
pub fn errno(name: &str) -> Errno {
    match name {
        "read" | "pread64" | "getdents64" | "statx" | "newfstatat" | "statfs" | "readlink" => {
            Errno::EIO
        }
        "write" | "pwrite64" | "mkdir" | "mkdirat" | "symlinkat" | "mknodat" => Errno::ENOSPC,
        "mmap" | "mprotect" | "munmap" | "poll" | "signalfd4" | "epoll_create1" | "epoll_ctl"
        | "recvfrom" | "sendto" | "recvmsg" | "sendmsg" => Errno::ENOMEM,
        "openat" | "openat2" | "pipe2" | "dup2" | "socket" | "socketpair" | "fcntl"
        | "memfd_create" | "eventfd2" => Errno::EMFILE,
        "clone" | "clone3" => Errno::EAGAIN,
        "access" | "chdir" | "fchdir" => Errno::EACCES,
        "waitid" | "wait4" => Errno::ECHILD,
        _ => Errno::EPERM,
    }
}

const MEMORY: [&str; 3] = ["mmap", "mprotect", "munmap"];

pub fn judge(seen: &Seen, stage: &str, errno: Errno, trace: &Trace, said: &str) -> Verdict {
    if !trace.hit {
        return Verdict::Missed;
    }
    let wrong = |what: &str| Verdict::Wrong(format!("{what}: code {:?}\n{said}", trace.code));
    if trace.stuck {
        return wrong("it hung");
    }
    if !trace.lingered.is_empty() {
        return wrong(&format!("{:?} ran on", trace.lingered));
    }
    match trace.code {
        Some(0) if trace.ran => {
            let user = !nix::unistd::geteuid().is_root();
            known(HARMLESS, seen, stage)
                .or_else(|| known(HARMLESS_TO_A_USER, seen, stage).filter(|_| user))
                .or_else(|| {
                    let said = |it: &&(Role, &str, &str, &str)| {
                        it.0 == seen.spot.role && it.1 == seen.name && said.contains(it.2)
                    };
                    TOLD.iter().find(said).map(|it| it.3)
                })
                .map_or_else(|| wrong("ignored"), Verdict::Harmless)
        }
        Some(125..=127) if !trace.ran => match told(stage, errno, said) {
            None => Verdict::Refused,
            Some(_) if known(NAMELESS, seen, stage).is_some() => Verdict::Refused,
            Some(missing) => wrong(&format!("the refusal does not name {missing}")),
        },
        Some(125) if said.contains("error: ") => Verdict::Ended,
        Some(-6) if MEMORY.contains(&seen.name.as_str()) && !trace.ran => Verdict::Aborted,
        _ => wrong("neither refused nor done"),
    }
}

fn known(list: &[Known], seen: &Seen, stage: &str) -> Option<&'static str> {
    let calls = |names: &[&str]| names.is_empty() || names.contains(&seen.name.as_str());
    // What an undumpable process works on is hidden from an ordinary user.
    let hidden = seen.object.is_empty() || seen.object.starts_with(' ');
    let about = |object: &str| seen.object.contains(object) || hidden;
    list.iter()
        .find(|(role, at, names, object, _)| {
            *role == seen.spot.role && *at == stage && calls(names) && about(object)
        })
        .map(|(_, _, _, _, why)| *why)
}

/// What the refusal should say and does not.
fn told(stage: &str, errno: Errno, said: &str) -> Option<String> {
    if !said.contains("error: ") {
        return Some("an error".to_owned());
    }
    if !stage.is_empty() && !said.contains(&format!("(stage {stage})")) {
        return Some(format!("stage {stage}"));
    }
    let names = [
        format!("({errno:?})"),
        errno.desc().to_owned(),
        format!("os error {})", errno as i32),
        std::io::Error::from(errno).to_string(),
        if errno == Errno::ENOSPC { "no space is left" } else { "(nothing)" }.to_owned(),
    ];
    let named = names.iter().any(|name| said.contains(name.as_str()));
    (!named).then(|| format!("{errno:?}"))
}
