//! Where the API listens: always at a unix socket of its owner's, and at a loopback address where that is
//! asked for.
//!
//! The socket is in a folder of the user's that nobody else can enter, and not in the workspace: a connector
//! may be given that. Who serves a workspace holds a lock beside the socket. The kernel lets go of it however
//! the process ends, so that a socket is stale exactly where nobody holds the lock.

use crate::audit::Digest;
use crate::failure::{Failure, Kind};
use crate::host::runtime;
use crate::policy::load::WorkspaceRoot;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::geteuid;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// What the kernel keeps of connections that wait to be taken.
const BACKLOG: i32 = 128;
/// Free ports that are tried, until one is free at both loopback addresses.
const TRIES: u32 = 16;

/// The sockets of one workspace. Dropped, the one in the file system is gone.
#[derive(Debug)]
pub struct Listeners {
    pub(super) unix: UnixListener,
    /// At the address that was asked for, and at the other loopback address.
    pub(super) tcp: Vec<TcpListener>,
    path: PathBuf,
    at: Option<SocketAddr>,
    #[expect(dead_code, reason = "held, never read")]
    lock: Flock<File>,
}

impl Listeners {
    /// Listens for this workspace. A socket that nobody serves any more is replaced. SIGTERM and SIGINT wait
    /// until [`super::serve`] takes them: from now on there is something to be removed.
    pub fn bind(root: &WorkspaceRoot, tcp: Option<SocketAddr>) -> Result<Self, Failure> {
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&ends()), None).map_err(|errno| {
            Failure::new(Kind::Io, "cannot block signals").because(errno.desc())
        })?;
        // First, since it leaves nothing where it fails.
        let tcp = tcp.map_or_else(|| Ok(Vec::new()), self::tcp)?;
        let at = tcp.first().map(TcpListener::local_addr).transpose();
        let at = at.map_err(|error| Failure::new(Kind::Io, "cannot listen").because(error))?;
        let path = usable()?.join(name(root));
        let lock = lock(&path)?;
        let unix = unix(&path)?;
        Ok(Self { unix, tcp, path, at, lock })
    }

    /// The socket in the file system.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The address over TCP, with its port.
    pub fn at(&self) -> Option<SocketAddr> {
        self.at
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        // Before the lock is let go: it is ours until then. Somebody may have removed it; it is gone anyway.
        drop(fs::remove_file(&self.path));
    }
}

/// What ends the API.
pub(super) fn ends() -> SigSet {
    [Signal::SIGTERM, Signal::SIGINT].into_iter().collect()
}

/// Where the API of this workspace is, if it serves.
pub fn path(root: &WorkspaceRoot) -> Option<PathBuf> {
    let name = name(root);
    let mut paths = runtime::existing(&[]).into_iter().map(|folder| folder.join(&name));
    paths.find(|path| UnixStream::connect(path).is_ok())
}

fn name(root: &WorkspaceRoot) -> String {
    let digest = Digest::of(root.path.as_os_str().as_bytes()).to_string();
    format!("api-{}.sock", &digest[..16])
}

fn usable() -> Result<PathBuf, Failure> {
    runtime::usable(&[]).map_err(|why| {
        why.into_iter()
            .fold(
                Failure::new(Kind::Refused, "there is no folder for the API's socket"),
                Failure::because,
            )
            .hint("set XDG_RUNTIME_DIR to a folder of yours with mode 0700")
    })
}

fn lock(socket: &Path) -> Result<Flock<File>, Failure> {
    let path = socket.with_extension("lock");
    let failed = |error: io::Error| {
        Failure::new(Kind::Io, format!("cannot lock {}", path.display())).because(error)
    };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&path)
        .map_err(failed)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(lock),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => {
            let what = "the API of this workspace is served already";
            Err(Failure::new(Kind::Refused, what)
                .because(format!("another process listens at unix:{}", socket.display()))
                .hint("jail api pair shows a code for that one"))
        }
        Err((_, errno)) => Err(failed(errno.into())),
    }
}

/// We hold the lock: a socket that is there was left by one that was killed, or is somebody else's.
fn unix(path: &Path) -> Result<UnixListener, Failure> {
    let refused = |why: String| {
        Failure::new(Kind::Refused, format!("cannot listen on unix:{}", path.display()))
            .because(why)
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(refused(error.to_string())),
        Ok(facts) if !facts.file_type().is_socket() => {
            return Err(refused("something that is no socket is in the way".into()));
        }
        Ok(facts) if facts.uid() != geteuid().as_raw() => {
            return Err(refused(format!("the socket there belongs to user {}", facts.uid())));
        }
        Ok(_) if UnixStream::connect(path).is_ok() => {
            return Err(refused("somebody listens there who does not hold its lock".into()));
        }
        Ok(_) => fs::remove_file(path).map_err(|error| refused(error.to_string()))?,
    }
    let listener = bound(path).map_err(|error| refused(error.to_string()))?;
    let facts = fs::symlink_metadata(path).map_err(|error| refused(error.to_string()))?;
    if facts.mode() & 0o777 != 0o600 {
        return Err(refused(format!("its mode is {:o}, not 600", facts.mode() & 0o777)));
    }
    Ok(listener)
}

/// Its mode is right from the moment in which it appears: the file takes it from the socket.
fn bound(path: &Path) -> io::Result<UnixListener> {
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Loopback alone, by the two addresses that always are.
pub fn loopback(text: &str) -> Result<SocketAddr, String> {
    let at: SocketAddr = text
        .parse()
        .map_err(|_| "expected an address and a port: 127.0.0.1:7777 or [::1]:7777".to_owned())?;
    let ours = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    if ours.contains(&at.ip()) {
        return Ok(at);
    }
    Err(format!(
        "{} is not 127.0.0.1 or ::1: whoever reaches it could try to pair, and what is sent is not \
         encrypted; from another machine use `ssh -L`",
        at.ip()
    ))
}

/// Listens there, and at the same port of the other loopback address: a name of this machine leads a browser to
/// both, and whoever had the other one would get what is meant for us.
fn tcp(at: SocketAddr) -> Result<Vec<TcpListener>, Failure> {
    let failed = |at: SocketAddr, error: io::Error| {
        Failure::new(Kind::Refused, format!("cannot listen on {at}"))
            .because(error)
            .hint("port 0 takes one that is free")
    };
    let mut left = if at.port() == 0 { TRIES } else { 1 };
    loop {
        left -= 1;
        let one = listener(at).map_err(|error| failed(at, error))?;
        let own = one.local_addr().map_err(|error| failed(at, error))?;
        let other = match own.ip() {
            IpAddr::V4(_) => SocketAddr::from((Ipv6Addr::LOCALHOST, own.port())),
            IpAddr::V6(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, own.port())),
        };
        match listener(other) {
            Ok(second) => return Ok(vec![one, second]),
            // Where this machine has no such address nobody is there.
            Err(error) if no_such_address(&error) => return Ok(vec![one]),
            Err(_) if left > 0 => {}
            Err(error) => {
                return Err(failed(other, error).because(
                    "a browser that is told the name of this machine goes to either address",
                ));
            }
        }
    }
}

fn listener(at: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(at)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn no_such_address(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn only_two_addresses_are_taken() {
        for text in ["127.0.0.1:7777", "[::1]:0"] {
            assert_eq!(loopback(text).unwrap().to_string(), text);
        }
        let wrong = [
            "0.0.0.0:7777",
            "[::]:7777",
            "127.0.0.2:7777",
            "[::ffff:127.0.0.1]:7777",
            "192.0.2.1:7777",
            "localhost:7777",
            "127.0.0.1",
            "7777",
        ];
        for text in wrong {
            assert!(loopback(text).is_err(), "{text}");
        }
        assert!(loopback("0.0.0.0:1").unwrap_err().contains("whoever reaches it"));
    }

    #[test]
    fn a_socket_appears_with_its_mode_and_a_stale_one_is_replaced() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("api.sock");
        let first = unix(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let failure = unix(&path).unwrap_err();
        assert!(failure.causes[0].contains("does not hold its lock"), "{failure}");
        // As one that was killed leaves it.
        drop(first);
        assert!(path.exists());
        drop(unix(&path).unwrap());
        fs::remove_file(&path).unwrap();
        fs::write(&path, "x").unwrap();
        assert!(unix(&path).unwrap_err().causes[0].contains("no socket"));
        assert_eq!(fs::read(&path).unwrap(), b"x");
    }

    #[test]
    fn nobody_else_has_the_port_at_the_other_address() {
        let ours = tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let at = ours[0].local_addr().unwrap();
        let other = SocketAddr::from((Ipv6Addr::LOCALHOST, at.port()));
        let error = TcpListener::bind(other).unwrap_err();
        assert!(error.kind() == io::ErrorKind::AddrInUse || no_such_address(&error), "{error}");
        drop(ours);
        let theirs = match TcpListener::bind("[::1]:0") {
            Ok(theirs) => theirs,
            // Then one listener is all that there is.
            Err(error) => {
                assert!(no_such_address(&error), "{error}");
                return assert_eq!(tcp("127.0.0.1:0".parse().unwrap()).unwrap().len(), 1);
            }
        };
        let taken = SocketAddr::from((Ipv4Addr::LOCALHOST, theirs.local_addr().unwrap().port()));
        assert!(tcp(taken).unwrap_err().what.contains("[::1]"));
    }

    #[test]
    fn one_process_serves_a_workspace() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("api.sock");
        let held = lock(&path).unwrap();
        assert!(lock(&path).unwrap_err().what.contains("served already"));
        drop(held);
        lock(&path).unwrap();
    }
}
