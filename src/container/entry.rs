//! The first process of the container: shows what it sees of itself, waits at the gate, starts the connector
//! as its child, passes signals on, reaps, and tells how it ended.
//!
//! It is this program, bound in, and runs as the connector's user. It is not dumpable, so that the connector
//! can neither look into it nor take its door; as pid 1 it cannot be killed from inside.

use super::translate::DOOR;
use super::verify::{self, NAMESPACES};
use super::wire::{self, Order, Rules, Shown, Sight};
use crate::confine::limits::{self, Streams};
use crate::confine::{landlock, network};
use crate::plan::{Rlimit, Stage};
use crate::spawn::wire::{At, Fault, Message, Reporter};
use crate::sys::clone::{leave, spawn_sharing};
use crate::sys::exec::{CArray, execve};
use crate::sys::fd::{close_between, dup_onto};
use crate::sys::process::{self, reap_one, signal_group, signal_one};
use crate::sys::seccomp::Pass;
use crate::sys::{Call, Sys, SysError, SysResult};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::Resource;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::Mode;
use nix::unistd;
use std::convert::Infallible;
use std::ffi::{CString, OsStr};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// What the supervisor handed in.
struct Handed {
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: OwnedFd,
    sockets: Option<OwnedFd>,
}

/// Runs until the connector has ended. The exit code is for the engine alone: the supervisor is told more.
pub fn run() -> u8 {
    // Where it fails there is no door to tell it through; the engine shows the code.
    serve().unwrap_or(125)
}

fn serve() -> io::Result<u8> {
    process::not_dumpable().map_err(system)?;
    let mut door = UnixStream::connect(DOOR)?;
    let handed = take(door.as_fd())?;
    let order: Order = wire::receive(&mut door)?;
    let made = prepare(&order, handed.sockets.as_ref());
    let program = find(&order);
    wire::send(&mut door, &sight(&program, &order))?;
    let other = door.try_clone()?;
    let reporter = Reporter(other.as_fd(), Pass::default());
    let started = made.and_then(|()| {
        let Ok(program) = program else { return Err(abandoned(Stage::Exec)) };
        start(&order, &program, handed, &door, reporter)
    });
    match started {
        Ok((pid, signals)) => Ok(attend(pid, &signals, &door, reporter)),
        Err(fault) => {
            // What is in the door can be read after our end, which the supervisor waits for.
            reporter.send(Message::Failed(fault));
            Ok(125)
        }
    }
}

fn system(error: SysError) -> io::Error {
    io::Error::from_raw_os_error(error.errno)
}

fn abandoned(stage: Stage) -> Fault {
    Fault { stage, step: 0, error: SysError::new(Call::Execve, Errno::ENOENT) }
}

/// The descriptors come first, each with its letter; `.` ends them.
fn take(door: BorrowedFd<'_>) -> io::Result<Handed> {
    let (mut stdin, mut stdout, mut stderr, mut sockets) = (None, None, None, None);
    loop {
        match wire::receive_descriptor(door)? {
            (b'i', fd) => stdin = fd,
            (b'o', fd) => stdout = fd,
            (b'e', fd) => stderr = fd,
            (b's', fd) => sockets = fd,
            (b'.', _) => break,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
    let stderr = stderr.ok_or(io::ErrorKind::InvalidData)?;
    Ok(Handed { stdin, stdout, stderr, sockets })
}

/// What is there before the connector is: secret files, and the doors of the way out.
fn prepare(order: &Order, sockets: Option<&OwnedFd>) -> Result<(), Fault> {
    for (name, value) in &order.secrets {
        let path = Path::new("/run/secrets").join(name);
        let written = fs::OpenOptions::new().write(true).create_new(true).mode(0o400).open(path);
        written.and_then(|mut file| io::Write::write_all(&mut file, value)).map_err(|error| {
            Fault {
                stage: Stage::Secrets,
                step: 0,
                error: SysError::new(Call::Write, errno(&error)),
            }
        })?;
    }
    match (order.doors, sockets) {
        (Some(inward), Some(to)) => network::doors(inward, to.as_fd()).at(Stage::Network, 0),
        _ => Ok(()),
    }
}

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// The program, as execvp(3) finds it: in the image.
fn find(order: &Order) -> Result<PathBuf, i32> {
    let name = Path::new(OsStr::from_bytes(order.argv.first().map_or(b"", Vec::as_slice)));
    let usable = |path: &Path| {
        let found = fs::metadata(path).map_err(|error| errno(&error) as i32)?;
        let runs = unistd::access(path, unistd::AccessFlags::X_OK).is_ok();
        if found.is_file() && runs { Ok(path.to_owned()) } else { Err(Errno::EACCES as i32) }
    };
    if name.as_os_str().as_bytes().contains(&b'/') {
        return usable(&order.cwd.join(name));
    }
    let mut best = Err(Errno::ENOENT as i32);
    for folder in std::env::split_paths(OsStr::from_bytes(&order.search_path)) {
        match usable(&folder.join(name)) {
            Ok(path) => return Ok(path),
            // As shells say it: one that is there and cannot be run is worth telling.
            Err(why) if why != Errno::ENOENT as i32 => best = Err(why),
            Err(_) => {}
        }
    }
    best
}

fn sight(program: &Result<PathBuf, i32>, order: &Order) -> Sight {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let link = |name: &str| {
        let target = fs::read_link(Path::new("/proc/self/ns").join(name)).ok()?;
        Some((name.to_owned(), target.to_string_lossy().into_owned()))
    };
    Sight {
        status: read("/proc/self/status"),
        mountinfo: read("/proc/self/mountinfo"),
        routes: read("/proc/self/net/route"),
        routes6: read("/proc/self/net/ipv6_route"),
        namespaces: NAMESPACES.iter().filter_map(|name| link(name)).collect(),
        tried: tried(),
        writable: order
            .writable
            .iter()
            .map(|folder| (folder.clone(), make(&folder.join(".jail-looks-if-it-can-write"))))
            .collect(),
        shown: order.shown.iter().map(|path| seen(path)).collect(),
        system: verify::system()
            .filter(|path| path.symlink_metadata().is_ok())
            .map(Into::into)
            .collect(),
        program: program.as_ref().ok().cloned(),
        not_found: program.as_ref().err().copied(),
    }
}

/// The file itself: a link is not followed.
fn seen(path: &Path) -> Shown {
    let path = path.to_owned();
    match fs::symlink_metadata(&path) {
        Ok(found) => Shown { path, device: found.dev(), inode: found.ino(), errno: 0 },
        Err(error) => Shown { path, errno: errno(&error) as i32, ..Shown::default() },
    }
}

/// The errno, 0 where it worked.
fn refused(result: io::Result<()>) -> i32 {
    result.err().map_or(0, |error| errno(&error) as i32)
}

/// Makes a file and takes it away again.
fn make(path: &Path) -> i32 {
    let made = fs::OpenOptions::new().write(true).create_new(true).open(path).map(drop);
    refused(made.inspect(|()| drop(fs::remove_file(path))))
}

/// What must fail here, whatever the tables say. Nothing is sent: connect(2) of a UDP socket looks for a route.
fn tried() -> Vec<(String, i32)> {
    let route = || {
        let socket = std::net::UdpSocket::bind(("0.0.0.0", 0))?;
        socket.connect(("192.0.2.1", 9))
    };
    let mut tried: Vec<(String, i32)> =
        ["/not-writable", "/etc/not-writable", "/.jail/not-writable"]
            .iter()
            .map(|path| (format!("make {path}"), make(Path::new(path))))
            .collect();
    tried.push(("find a route to 192.0.2.1".to_owned(), refused(route())));
    tried.push(("become root".to_owned(), {
        let became = unistd::setuid(unistd::Uid::from_raw(0));
        // Real root of a user namespace of its own would be one that changed nothing.
        let root = unistd::getuid().is_root();
        if root { became.err().map_or(0, |errno| errno as i32) } else { Errno::EPERM as i32 }
    }));
    tried
}

type Started = (i32, SignalFd);

/// Waits at the gate, then starts the connector. On return it runs.
fn start(
    order: &Order,
    program: &Path,
    handed: Handed,
    door: &UnixStream,
    reporter: Reporter<'_>,
) -> Result<Started, Fault> {
    let strings = |all: &[Vec<u8>]| {
        let all: Result<Vec<_>, _> = all.iter().map(|text| CString::new(text.clone())).collect();
        all.map(CArray::new)
            .map_err(|_| SysError::new(Call::Execve, Errno::EINVAL))
            .at(Stage::Exec, 0)
    };
    let path = CString::new(program.as_os_str().to_owned().into_vec())
        .map_err(|_| SysError::new(Call::Execve, Errno::EINVAL))
        .at(Stage::Exec, 0)?;
    let (argv, envp) = (strings(&order.argv)?, strings(&order.envp)?);
    let rlimits = rlimits(&order.rlimits)?;
    let walls = order.landlock.as_ref().map(Rules::plan);
    let child = SigSet::from(Signal::SIGCHLD);
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&child), None)
        .sys(Call::Sigprocmask)
        .at(Stage::Payload, 0)?;
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let signals =
        SignalFd::with_flags(&child, flags).sys(Call::Sigprocmask).at(Stage::Payload, 0)?;
    streams(&handed).at(Stage::Limits, 0)?;
    std::env::set_current_dir(&order.cwd)
        .map_err(|error| SysError::new(Call::Chdir, errno(&error)))
        .at(Stage::Limits, 0)?;
    nix::sys::stat::umask(Mode::from_bits_truncate(0o022));
    reporter.tell(Message::Confined).at(Stage::Payload, 2)?;
    gate(door).at(Stage::Payload, 3)?;
    let become_connector = || -> Result<Infallible, Fault> {
        process::set_nice(order.nice).at(Stage::Process, 2)?;
        let own = Streams { stderr: Some(handed.stderr.as_fd()), terminal: None };
        limits::apply(&rlimits, &own)?;
        landlock::apply(walls.as_ref())?;
        crate::sys::seccomp::load(&order.seccomp).sys(Call::Seccomp).at(Stage::Seccomp, 0)?;
        Err(execve(&path, &argv, &envp, Pass::default())).at(Stage::Exec, 0)
    };
    let pid = spawn_sharing(|| {
        // Only a failure comes back; the supervisor shows it.
        let Err(fault) = become_connector();
        reporter.send(Message::Failed(fault));
        leave(125)
    })
    .at(Stage::Payload, 0)?;
    let_go().at(Stage::Payload, 1)?;
    Ok((pid, signals))
}

fn rlimits(wanted: &[(u32, u64)]) -> Result<Vec<Rlimit>, Fault> {
    let known = |number: u32| {
        let all = [
            Resource::RLIMIT_NOFILE,
            Resource::RLIMIT_CORE,
            Resource::RLIMIT_MEMLOCK,
            Resource::RLIMIT_MSGQUEUE,
            Resource::RLIMIT_NICE,
            Resource::RLIMIT_RTPRIO,
            Resource::RLIMIT_FSIZE,
            Resource::RLIMIT_NPROC,
        ];
        all.into_iter().find(|resource| *resource as u32 == number)
    };
    wanted
        .iter()
        .map(|(number, value)| {
            let resource = known(*number)
                .ok_or(SysError::new(Call::Setrlimit, Errno::EINVAL))
                .at(Stage::Limits, 0)?;
            Ok(Rlimit { resource, name: "", value: *value })
        })
        .collect()
}

/// The supervisor's own streams in the place of the engine's; a closed one stays closed.
fn streams(handed: &Handed) -> SysResult<()> {
    for (number, stream) in [(0, &handed.stdin), (1, &handed.stdout)] {
        match stream {
            Some(stream) => dup_onto(stream.as_fd(), number)?,
            None => close_between(number.unsigned_abs(), number.unsigned_abs())?,
        }
    }
    Ok(())
}

/// The connector alone has them now: its clients must see their end when it ends.
fn let_go() -> SysResult<()> {
    let null =
        open(c"/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()).sys(Call::Open)?;
    for stream in 0..3 {
        dup_onto(null.as_fd(), stream)?;
    }
    Ok(())
}

fn gate(door: &UnixStream) -> SysResult<()> {
    let mut byte = [0];
    loop {
        return match unistd::read(door, &mut byte) {
            Ok(1) => Ok(()),
            Err(Errno::EINTR) => continue,
            _ => Err(SysError::new(Call::Read, Errno::ECANCELED)),
        };
    }
}

/// Signals in, the end out.
fn attend(child: i32, signals: &SignalFd, door: &UnixStream, reporter: Reporter<'_>) -> u8 {
    let mut cpu = 0;
    loop {
        let mut fds = [
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(door.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return 125,
        }
        let said = fds[1].any().unwrap_or(true);
        while let Ok(Some(_)) = signals.read_signal() {}
        let mut status = reap(child, &mut cpu);
        if said && status.is_none() {
            let mut byte = [0];
            match unistd::read(door, &mut byte) {
                Ok(1) => pass_on(child, byte[0].into()),
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                // The supervisor is gone: nothing outlives it.
                _ => status = Some(libc::SIGKILL),
            }
        }
        if let Some(status) = status {
            let status = end_all(child, &mut cpu).unwrap_or(status);
            let cpu_ms = u32::try_from(cpu / 1000).unwrap_or(u32::MAX);
            reporter.send(Message::Ended { status, cpu_ms });
            // It reads the cgroup's counters, which go with us, and then closes the door.
            wait_for_end(door);
            let code = if libc::WIFEXITED(status) {
                libc::WEXITSTATUS(status)
            } else {
                128 + libc::WTERMSIG(status)
            };
            return u8::try_from(code).unwrap_or(u8::MAX);
        }
    }
}

/// To the whole group, as a jail's init does it; SIGKILL is for all.
fn pass_on(child: i32, signal: i32) {
    if signal == libc::SIGKILL {
        signal_one(-1, libc::SIGKILL);
    } else if !signal_group(child, signal) {
        signal_one(child, signal);
    }
}

fn reap(child: i32, cpu: &mut u64) -> Option<i32> {
    let mut ended = None;
    while let Some(reaped) = reap_one(libc::WNOHANG) {
        *cpu += reaped.cpu;
        if reaped.pid == child {
            ended = Some(reaped.status);
        }
    }
    ended
}

/// Kills and reaps all that is left. Says ESRCH when nobody but us is there.
fn end_all(child: i32, cpu: &mut u64) -> Option<i32> {
    let mut status = None;
    while signal_one(-1, libc::SIGKILL) {
        let Some(reaped) = reap_one(0) else { break };
        *cpu += reaped.cpu;
        if reaped.pid == child {
            status = Some(reaped.status);
        }
    }
    status
}

fn wait_for_end(door: &UnixStream) {
    let mut bytes = [0; 64];
    while matches!(unistd::read(door, &mut bytes), Ok(1..) | Err(Errno::EINTR)) {}
}
