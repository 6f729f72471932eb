//! The names of the calls that can fail during set-up, so that an error can say which one did.

use nix::errno::Errno;
use std::fmt;

macro_rules! calls {
    ($($variant:ident = $name:literal),* $(,)?) => {
        /// A system call (or library call) of the set-up. Fits the wire as one byte.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Call { $($variant),* }

        impl Call {
            const ALL: &'static [Self] = &[$(Self::$variant),*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

calls! {
    Accept = "accept4",
    Bind = "bind",
    CapbsetDrop = "prctl(PR_CAPBSET_DROP)",
    Capset = "capset",
    Chdir = "chdir",
    Clone = "clone",
    Clone3 = "clone3",
    CloseRange = "close_range",
    Connect = "connect",
    Dup = "dup2",
    Execve = "execve",
    Fchdir = "fchdir",
    Fcntl = "fcntl",
    Fsconfig = "fsconfig",
    Fsmount = "fsmount",
    Fsopen = "fsopen",
    Fstat = "fstat",
    Getrlimit = "getrlimit",
    IoctlIfFlags = "ioctl(SIOCSIFFLAGS)",
    Ioprio = "ioprio_set",
    JoinKeyring = "keyctl(KEYCTL_JOIN_SESSION_KEYRING)",
    LandlockAddRule = "landlock_add_rule",
    LandlockCreate = "landlock_create_ruleset",
    LandlockRestrict = "landlock_restrict_self",
    Listen = "listen",
    Mkdirat = "mkdirat",
    Mmap = "mmap",
    Mount = "mount",
    MountSetattr = "mount_setattr",
    MoveMount = "move_mount",
    Netlink = "netlink",
    Open = "open",
    Openat2 = "openat2",
    OpenTree = "open_tree",
    Pdeathsig = "prctl(PR_SET_PDEATHSIG)",
    PidfdOpen = "pidfd_open",
    Pipe = "pipe2",
    PivotRoot = "pivot_root",
    Poll = "poll",
    Pread = "pread64",
    PrctlDumpable = "prctl(PR_SET_DUMPABLE)",
    PrctlNoNewPrivs = "prctl(PR_SET_NO_NEW_PRIVS)",
    PrctlSecurebits = "prctl(PR_SET_SECUREBITS)",
    Probe = "what the probe calls",
    PtraceSeize = "ptrace(PTRACE_SEIZE)",
    Ptrace = "ptrace",
    Read = "read",
    ReadMemory = "process_vm_readv",
    Readlinkat = "readlinkat",
    Recv = "recvmsg",
    Seccomp = "seccomp(SECCOMP_SET_MODE_FILTER)",
    SeccompListen = "seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER)",
    Send = "sendmsg",
    SendSignal = "pidfd_send_signal",
    Setgroups = "setgroups",
    Sethostname = "sethostname",
    Setpriority = "setpriority",
    Setrlimit = "setrlimit",
    Setsockopt = "setsockopt",
    Setsid = "setsid",
    Sigprocmask = "sigprocmask",
    Sigaction = "sigaction",
    Signalfd = "signalfd",
    Socket = "socket",
    Statfs = "fstatfs",
    Statx = "statx",
    Subreaper = "prctl(PR_SET_CHILD_SUBREAPER)",
    Symlinkat = "symlinkat",
    Tiocsctty = "ioctl(TIOCSCTTY)",
    Umount = "umount2",
    Unshare = "unshare",
    Verify = "verify",
    Wait = "waitid",
    Write = "write",
}

impl Call {
    pub fn to_wire(self) -> u8 {
        self as u8
    }

    pub fn from_wire(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// A failed call. `Copy`, so that it crosses the report pipe as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SysError {
    pub call: Call,
    pub errno: i32,
}

impl SysError {
    pub fn new(call: Call, errno: Errno) -> Self {
        Self { call, errno: errno as i32 }
    }

    /// The error of the call that just failed.
    pub fn last(call: Call) -> Self {
        Self::new(call, Errno::last())
    }

    /// A check after a call found something else than what was set.
    pub fn unverified() -> Self {
        Self::new(Call::Verify, Errno::EPROTO)
    }

    pub fn errno(self) -> Errno {
        Errno::from_raw(self.errno)
    }
}

impl fmt::Display for SysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.call == Call::Verify {
            return f.write_str("read back: the kernel does not show what was set");
        }
        write!(f, "{}: {}", self.call.name(), self.errno().desc())?;
        write!(f, " ({:?})", self.errno())
    }
}

impl std::error::Error for SysError {}

pub type SysResult<T> = Result<T, SysError>;

/// Names the call behind a nix result.
pub trait Sys<T> {
    fn sys(self, call: Call) -> SysResult<T>;
}

impl<T> Sys<T> for nix::Result<T> {
    fn sys(self, call: Call) -> SysResult<T> {
        self.map_err(|errno| SysError::new(call, errno))
    }
}
