//! A call that failed becomes a refusal, where one of jail's walls, or a limit, is what refused it.

use super::calls::{self, By, Operand, Shape};
use super::memory::{Target, Task};
use super::{Grant, Refusal};
use crate::audit::{Mechanism, Text};
use crate::plan::{INSIDE_WORKSPACE, MountStep, NetworkPlan, Plan, human};
use crate::seccomp::arch::Arch;
use crate::seccomp::bpf::{self, Data, Insn};
use crate::sys::ptrace::Entry;
use landlock::{AccessNet, BitFlags};
use nix::errno::Errno;
use nix::sys::resource::Resource;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// `linux/seccomp.h`
const ALLOW: u32 = 0x7fff_0000;

/// Sysctl of the plan; no policy raises it.
const INOTIFY: &str = "/proc/sys/user/max_inotify_instances";

pub(super) struct Judge<'a> {
    pub(super) plan: &'a Plan,
    pub(super) home: Option<PathBuf>,
    /// Where jail was started.
    pub(super) cwd: Option<PathBuf>,
    /// The connector's filter: what it refuses is not looked at here.
    filter: Vec<Insn>,
}

/// A refusal without the call's name and error.
#[derive(Debug)]
pub(super) struct Said {
    pub mechanism: Mechanism,
    pub object: Text,
    pub code: &'static str,
    pub reason: String,
    pub fix: Option<String>,
    pub grant: Option<Grant>,
    pub limit: Option<u64>,
}

impl Said {
    pub(super) fn new(mechanism: Mechanism, object: impl Into<Text>, code: &'static str) -> Self {
        let object = object.into();
        let (reason, fix, grant, limit) = (String::new(), None, None, None);
        Self { mechanism, object, code, reason, fix, grant, limit }
    }

    pub(super) fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..self }
    }

    pub(super) fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    fn limit(self, limit: u64) -> Self {
        Self { limit: Some(limit), ..self }
    }
}

impl<'a> Judge<'a> {
    pub(super) fn new(plan: &'a Plan, home: Option<&Path>) -> Option<Self> {
        let filter = bpf::decode(&plan.seccomp.program)?;
        let cwd = std::env::current_dir().ok();
        Some(Self { plan, home: home.map(Path::to_path_buf), cwd, filter })
    }

    pub(super) fn judge(&self, task: Task, entry: &Entry, errno: i32) -> Option<Refusal> {
        let errno = Errno::from_raw(errno);
        if !is_looked_at(errno) || entry.arch != Arch::NATIVE.audit() || self.by_seccomp(entry) {
            return None;
        }
        let said = self.said(task, entry, errno)?;
        let number = u32::try_from(entry.number).ok()?;
        let call = Arch::NATIVE.call_name(number).unwrap_or_else(|| number.to_string());
        let Said { mechanism, object, code, reason, fix, grant, limit } = said;
        let (call, errno) = (call.into(), errno as i32);
        Some(Refusal { mechanism, call, object, errno, code, reason, fix, grant, limit })
    }

    /// The same program on the same numbers gives the verdict that the kernel came to.
    fn by_seccomp(&self, entry: &Entry) -> bool {
        let Ok(number) = u32::try_from(entry.number) else { return true };
        let (arch, pointer, args) = (entry.arch, entry.pointer, entry.args);
        bpf::run(&self.filter, &Data { number, arch, pointer, args }) != Ok(ALLOW)
    }

    fn said(&self, task: Task, entry: &Entry, errno: Errno) -> Option<Said> {
        let shape = calls::shape(entry.number);
        match (errno, shape) {
            (Errno::EMFILE, Shape::Inotify) => Some(inotify()),
            (Errno::EMFILE, _) => Some(self.open_files()),
            (Errno::EAGAIN, Shape::Fork) => self.processes(),
            (Errno::ENOMEM | Errno::EPERM | Errno::EAGAIN, Shape::LockedMemory) => Some(locked()),
            (Errno::ENOMEM, Shape::Memory | Shape::Fork) => Some(no_memory()),
            (Errno::EFBIG, _) => self.file_size(),
            (Errno::ENOSPC, Shape::Written(fd)) => {
                self.full(&task.descriptor(*entry.args.get(fd)? as i32)?)
            }
            (Errno::ENOSPC, Shape::Path(operand) | Shape::Two(_, operand)) => {
                self.full(&path(task, entry, &operand)?)
            }
            (Errno::EAGAIN | Errno::ENOMEM | Errno::ENOSPC, _) => None,
            (_, Shape::Path(operand)) => self.operand(task, entry, &operand, errno),
            (_, Shape::Two(from, to)) => self
                .operand(task, entry, &to, errno)
                .or_else(|| self.operand(task, entry, &from, errno)),
            (_, Shape::Address { at, length, bind }) => {
                let (at, length) = (*entry.args.get(at)?, *entry.args.get(length)?);
                match task.target(at, length)? {
                    Target::Inet(address) if bind => self.bound(address, errno),
                    Target::Inet(address) => self.connected(address, errno),
                    Target::Unix(path) => self.socket(&task.absolute(None, &path)?, bind, errno),
                    Target::Abstract(name) => scoped(&name, errno),
                }
            }
            _ => None,
        }
    }

    fn operand(&self, task: Task, entry: &Entry, operand: &Operand, errno: Errno) -> Option<Said> {
        let argument = |index: usize| entry.args.get(index).copied();
        let access = match operand.by {
            By::Call(access) => access,
            By::Flags(index) => calls::of_open(argument(index)?),
            By::How(index) => calls::of_open(task.open_flags(argument(index)?)?),
            By::Mode(index) => calls::of_mode(argument(index)?),
        };
        self.file(&path(task, entry, operand)?, access, errno)
    }

    fn open_files(&self) -> Said {
        let files = &self.plan.policy.limits.files;
        let (most, origin) = (files.value, &files.origin);
        Said::new(Mechanism::Rlimit, "open files", "open-files")
            .because(format!("the limit of {most} open files ({origin}) was reached"))
            .fix("limits.files, or --files")
            .limit(most.into())
    }

    /// What the cgroup refuses it counts itself, and that is recorded when the run ends.
    fn processes(&self) -> Option<Said> {
        let said = |mechanism| Said::new(mechanism, "fork", "processes");
        let by_rlimit =
            self.plan.rlimits.iter().any(|limit| limit.resource == Resource::RLIMIT_NPROC);
        let pids = &self.plan.policy.limits.pids;
        if by_rlimit {
            let (most, origin) = (pids.value, &pids.origin);
            let reason = format!("the limit of {most} processes ({origin}) was reached");
            let said = said(Mechanism::Rlimit).because(reason).fix("limits.pids, or --pids");
            return Some(said.limit(most.into()));
        }
        self.plan
            .cgroup
            .pids
            .is_none()
            .then(|| said(Mechanism::Kernel).because("the machine has no room for another process"))
    }

    fn file_size(&self) -> Option<Said> {
        let said = |mechanism| Said::new(mechanism, "file size", "file-size");
        let Some(size) = &self.plan.policy.limits.file_size else {
            let reason = "no file may grow so large: by the file system, or by the limit that jail itself was started with";
            let fix = "ulimit -f shows the latter, in the shell that starts jail";
            return Some(said(Mechanism::Kernel).because(reason).fix(fix));
        };
        let (most, origin) = (human(size.value.0), &size.origin);
        let reason = format!("the limit of {most} for a file ({origin}) was reached");
        Some(said(Mechanism::Rlimit).because(reason).fix("limits.file_size").limit(size.value.0))
    }

    /// No room to write.
    fn full(&self, path: &Path) -> Option<Said> {
        use super::place::{Place, Shared, locate};
        let located = locate(self.plan, path)?;
        let (target, size) = match &located.place {
            Place::Own { step: Some(step @ MountStep::Tmpfs { size, .. }) } => {
                (step.target(), *size)
            }
            Place::Shared { shared: Shared::Overlay { target, size }, .. } => {
                (target.clone(), *size)
            }
            Place::Shared { host, .. } => {
                let said = Said::new(Mechanism::Kernel, path.as_os_str(), "disk-full");
                return Some(said.because(format!(
                    "the disk of {} is full, or what its user may have of it",
                    host.display()
                )));
            }
            Place::Own { .. } => return None,
        };
        let workspace = target == Path::new(INSIDE_WORKSPACE);
        let fix = if workspace {
            "filesystem.workspace, or --workspace"
        } else {
            "filesystem.scratch, or --scratch"
        };
        let reason = format!("it is full: {} of memory", human(size));
        let said = Said::new(Mechanism::Mounts, target.as_os_str(), "full");
        Some(said.because(reason).fix(fix).limit(size))
    }

    fn handles(&self, access: AccessNet) -> bool {
        let bit = BitFlags::from(access).bits();
        self.plan.landlock.as_ref().is_some_and(|landlock| landlock.handled_net & bit != 0)
    }

    fn bound(&self, address: SocketAddr, errno: Errno) -> Option<Said> {
        let port = address.port();
        if errno != Errno::EACCES {
            return None;
        }
        let granted = self.plan.policy.ports.iter().any(|grant| grant.value.listen == port);
        if granted || !self.handles(AccessNet::BindTcp) {
            let reason = "ports below 1024 need a capability, and there is none in a jail";
            let said = Said::new(Mechanism::Permissions, address.to_string(), "low-port");
            return (port < 1024).then(|| said.because(reason));
        }
        let said = Said::new(Mechanism::Landlock, address.to_string(), "port");
        Some(if port == 0 {
            said.because("it may not listen on a port of its own choice")
                .fix("network.loopback: true, if only its own processes connect to it; else tell it which port to use, and grant that one")
        } else {
            said.because("it may not listen on this port")
                .fix(format!("ports: [{{listen: {port}}}], or --publish {port}"))
                .limit(port.into())
        })
    }

    fn connected(&self, address: SocketAddr, errno: Errno) -> Option<Said> {
        let loopback = address.ip().to_canonical().is_loopback();
        if loopback && errno == Errno::EACCES && self.handles(AccessNet::ConnectTcp) {
            let said = Said::new(Mechanism::Landlock, address.to_string(), "loopback");
            return Some(
                said.because("its processes may not talk TCP to each other, and nothing of the host is on its loopback")
                    .fix("network.loopback: true, if that is its own server; --allow, if it is one of the host's"),
            );
        }
        if loopback || !matches!(self.plan.network, NetworkPlan::Loopback) {
            return None;
        }
        let said = Said::new(Mechanism::Network, address.to_string(), "no-way-out");
        Some(
            said.because("this jail has no way out")
                .fix("--allow HOST, or network.allow; what is refused then is told by name"),
        )
    }
}

fn path(task: Task, entry: &Entry, operand: &Operand) -> Option<PathBuf> {
    let argument = |index: usize| entry.args.get(index).copied();
    let text = task.text(argument(operand.path)?)?;
    // Nothing but the descriptor is meant, which was opened before.
    if text.as_os_str().is_empty() {
        return None;
    }
    let dir = match operand.dir {
        Some(index) => Some(argument(index)?),
        None => None,
    };
    task.absolute(dir, &text)
}

fn is_looked_at(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::EACCES
            | Errno::EPERM
            | Errno::EROFS
            | Errno::ENOENT
            | Errno::EMFILE
            | Errno::EAGAIN
            | Errno::ENOMEM
            | Errno::EFBIG
            | Errno::ENOSPC
            | Errno::ENETUNREACH
    )
}

fn inotify() -> Said {
    Said::new(Mechanism::Kernel, "inotify instances", "inotify")
        .because(format!("the limit of the jail's user namespace ({INOTIFY}) was reached"))
}

fn locked() -> Said {
    Said::new(Mechanism::Rlimit, "locked memory", "locked-memory")
        .because("the limit of memory that is never swapped (RLIMIT_MEMLOCK) was reached")
}

fn no_memory() -> Said {
    Said::new(Mechanism::Kernel, "memory", "no-memory").because(
        "the machine does not promise so much memory; no limit of jail's counts what is not used yet",
    )
}

fn scoped(name: &[u8], errno: Errno) -> Option<Said> {
    let object = format!("@{}", String::from_utf8_lossy(name));
    (errno == Errno::EPERM).then(|| {
        Said::new(Mechanism::Landlock, object, "scope")
            .because("a socket without a file, of somebody outside the jail")
    })
}
