//! One container from its files to its door.

use super::cgroup::Folders;
use super::engine::{Engine, last_words};
use super::sweep;
use super::translate::{self, Places, User};
use super::verify::{self, Checked, Facts, NAMESPACES};
use super::wire::{self, Order, Sight};
use crate::failure::{Failure, Kind};
use crate::plan::{Plan, Stage};
use crate::sys::fd::own_standard;
use crate::sys::socket::send_descriptor;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::sys::stat::Mode;
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// For an engine to start a container, its image being there: a busy machine's worth.
const START: Duration = Duration::from_secs(60);
/// How often it is asked meanwhile whether the container is there still.
const LOOK: Duration = Duration::from_millis(500);
/// For the entry to say what it sees.
const ANSWER: Duration = Duration::from_secs(30);

/// A container whose entry is connected. Dropping it removes it.
pub struct Started<'a> {
    engine: &'a Engine,
    id: String,
    removed: bool,
    pub door: UnixStream,
    /// Its first process, as this process sees it.
    pub pid: i32,
    pub cgroup: Folders,
}

/// What the entry is handed besides its order.
pub struct Streams<'a> {
    pub stderr: &'a OwnedFd,
    /// The sending end of `spawn::handover::channel`.
    pub sockets: Option<&'a OwnedFd>,
}

/// Writes the files of the run's folder: accounts and the filter for the engine.
pub fn write_files(folder: &Path, user: User, seccomp: &str) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        let what = format!("cannot write the run's files in {}", folder.display());
        Failure::new(Kind::Io, what).at(Stage::Mounts).because(error)
    };
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text)?;
        // Read inside by another number of user; the folder above is closed to everybody.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444))
    };
    for (name, text) in translate::accounts(user) {
        write(name, &text).map_err(failed)?;
    }
    write(translate::EMPTY, "").map_err(failed)?;
    write("seccomp.json", seccomp).map_err(failed)
}

/// The door: whoever can reach it may connect, and that is the container alone, since the folder is closed.
pub fn listen(folder: &Path) -> Result<UnixListener, Failure> {
    let failed = |error: io::Error| {
        let what = format!("cannot make the door in {}", folder.display());
        Failure::new(Kind::Io, what).at(Stage::Mounts).because(error)
    };
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let dir = open(folder, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
    // A name of a socket has at most 108 bytes, however deep the folder is.
    let path = PathBuf::from(format!("/proc/self/fd/{}/door", dir.as_raw_fd()));
    let listener = UnixListener::bind(&path).map_err(failed)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Starts the container and waits until its entry has connected.
pub fn start<'a>(
    engine: &'a Engine,
    args: &[OsString],
    listener: UnixListener,
) -> Result<Started<'a>, Failure> {
    let output = engine.output(args)?;
    let kind = engine.kind.name();
    if !output.status.success() {
        return Err(Failure::new(Kind::Refused, format!("{kind} cannot start the container"))
            .at(Stage::Namespaces)
            .because(last_words(&output))
            .hint("`jail explain` shows the command; docs/containers.md has the usual reasons"));
    }
    let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let guard = Guard { engine, id: &id, armed: true };
    let door = accept(engine, &id, &listener)?;
    let peer =
        getsockopt(&door, PeerCredentials).map_err(|errno| unreachable(kind, errno.desc()))?;
    let pid = peer.pid();
    let said = engine.inspect("container", &id)?["State"]["Pid"].as_i64();
    if pid <= 0 || said != Some(pid.into()) {
        let why = format!("its first process is {said:?} to {kind}, and {pid} is at the door");
        return Err(unreachable(kind, &why));
    }
    let cgroup = Folders::of(pid).map_err(|error| {
        Failure::new(Kind::Refused, "cannot tell which cgroup the container is in")
            .at(Stage::Cgroup)
            .because(error)
    })?;
    guard.disarm();
    Ok(Started { engine, id, removed: false, door, pid, cgroup })
}

/// Removes the container where what follows fails.
struct Guard<'a> {
    engine: &'a Engine,
    id: &'a str,
    armed: bool,
}

impl Guard<'_> {
    fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if self.armed {
            // Already on the way out with a failure; the next run's sweep tries again.
            drop(sweep::remove(self.engine, self.id));
        }
    }
}

fn unreachable(kind: &str, why: &str) -> Failure {
    Failure::new(Kind::Refused, format!("the container of {kind} cannot be verified"))
        .at(Stage::Namespaces)
        .because(why)
        .hint("the engine must run on this machine, and its processes be visible here")
}

fn accept(engine: &Engine, id: &str, listener: &UnixListener) -> Result<UnixStream, Failure> {
    let until = Instant::now() + START;
    loop {
        let mut fds = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        let wait = PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::ZERO);
        if let Ok(1..) = poll(&mut fds, wait)
            && let Ok((door, _)) = listener.accept()
        {
            return door
                .set_nonblocking(false)
                .map(|()| door)
                .map_err(|error| Failure::new(Kind::Io, "cannot use the door").because(error));
        }
        let kind = engine.kind.name();
        let listed =
            engine.ask(&["ps", "--quiet", "--no-trunc", "--filter", &format!("id={id}")])?;
        if listed.trim_ascii().is_empty() {
            return Err(Failure::new(
                Kind::Refused,
                "the container ended before the connector started",
            )
            .at(Stage::Payload)
            .because("jail's own program in it did not reach its door")
            .hint(format!(
                "may {kind} run programs of {}? (SELinux: docs/containers.md)",
                std::env::current_exe().unwrap_or_default().display()
            )));
        }
        if Instant::now() >= until {
            let why = format!("nothing came to its door within {} s", START.as_secs());
            return Err(unreachable(kind, &why));
        }
    }
}

impl Started<'_> {
    /// Hands the streams and the order in; what the entry sees of itself comes back.
    pub fn hand_in(&mut self, streams: &Streams<'_>, order: &Order) -> Result<Sight, Failure> {
        let failed = |error: io::Error| {
            Failure::new(Kind::Refused, "the entry of the container did not answer")
                .at(Stage::Payload)
                .because(error)
        };
        let door = &mut self.door;
        door.set_read_timeout(Some(ANSWER)).map_err(failed)?;
        let give = |letter: u8, fd: Option<BorrowedFd<'_>>| {
            send_descriptor(door.as_fd(), letter, fd)
                .map_err(|error| failed(io::Error::from_raw_os_error(error.errno)))
        };
        // One that is closed is not handed in: it is the connector's to find out.
        let (stdin, stdout) = (own_standard(0).ok(), own_standard(1).ok());
        give(b'i', stdin.as_ref().map(AsFd::as_fd))?;
        give(b'o', stdout.as_ref().map(AsFd::as_fd))?;
        give(b'e', Some(streams.stderr.as_fd()))?;
        if let Some(sockets) = streams.sockets {
            give(b's', Some(sockets.as_fd()))?;
        }
        give(b'.', None)?;
        wire::send(&mut self.door, order).map_err(failed)?;
        let sight = wire::receive(&mut self.door).map_err(failed)?;
        self.door.set_read_timeout(None).map_err(failed)?;
        Ok(sight)
    }

    /// Every control, held against what the kernel says; an error where one is not in force.
    pub fn verify(
        &self,
        plan: &Plan,
        user: User,
        volumes: &[String],
        sight: &Sight,
    ) -> Result<Vec<Checked>, Failure> {
        let ours: Vec<(String, String)> = NAMESPACES
            .iter()
            .filter_map(|name| {
                let target = fs::read_link(Path::new("/proc/self/ns").join(name)).ok()?;
                Some(((*name).to_owned(), target.to_string_lossy().into_owned()))
            })
            .collect();
        let facts = Facts { plan, user, ours: &ours, volumes };
        let checked = verify::check(&facts, sight, &self.cgroup.limits());
        match verify::refusal(&checked, self.engine.kind.name()) {
            Some(failure) => Err(failure),
            None => Ok(checked),
        }
    }

    /// The end, told where it fails.
    pub fn remove(mut self) -> Result<(), Failure> {
        self.removed = true;
        sweep::remove(self.engine, &self.id)
    }
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        if !self.removed {
            // Already on the way out with a failure; the next run's sweep tries again.
            drop(sweep::remove(self.engine, &self.id));
        }
    }
}

/// The order of a plan; `env` has the secrets.
pub fn order(
    plan: &Plan,
    env: &[(OsString, OsString)],
    secrets: Vec<(String, Vec<u8>)>,
    volumes: &[String],
) -> Order {
    use std::os::unix::ffi::OsStrExt;
    let entry =
        |(name, value): &(OsString, OsString)| [name.as_bytes(), b"=", value.as_bytes()].concat();
    let path = env.iter().find(|(name, _)| name == "PATH");
    let doors = match &plan.network {
        crate::plan::NetworkPlan::Proxied(proxied) => Some(proxied.inward),
        _ => None,
    };
    Order {
        argv: plan.exec.argv.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
        envp: env.iter().map(entry).collect(),
        search_path: path.map(|(_, value)| value.as_bytes().to_vec()).unwrap_or_default(),
        cwd: plan.exec.cwd.clone(),
        rlimits: plan.rlimits.iter().map(|limit| (limit.resource as u32, limit.value)).collect(),
        nice: plan.process.nice,
        landlock: plan.landlock.as_ref().map(|rules| wire::Rules::of(rules, volumes)),
        seccomp: plan.seccomp.program.to_vec(),
        doors,
        writable: translate::places_to_write(plan),
        shown: translate::binds(plan).map(translate::target).collect(),
        secrets,
    }
}

/// What counts of an image.
pub struct Image {
    pub name: String,
    /// Folders that it declares as volumes.
    pub volumes: Vec<String>,
    pub emptied: Vec<String>,
}

impl Image {
    /// From what `inspect` says of it.
    pub fn of(name: String, about: &Value) -> Self {
        let volumes = about["Config"]["Volumes"].as_object();
        let volumes = volumes.into_iter().flat_map(|volumes| volumes.keys().cloned()).collect();
        Self { name, volumes, emptied: super::own::emptied(about) }
    }
}

/// What a plan and an engine make: for `explain` before the run's folder is there, and for the run itself.
pub fn places(plan: &Plan, runs: &Path, image: &Image) -> Result<Places, Failure> {
    Ok(Places {
        folder: runs.join(format!("run-{}", plan.run_id)),
        own: super::own::Own::of_process()?,
        volumes: image.volumes.clone(),
        image: image.name.clone(),
        emptied: image.emptied.clone(),
        labels: sweep::own(),
    })
}
