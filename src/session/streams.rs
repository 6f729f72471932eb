//! What the connector inherits as stdin and stdout: nothing that leads out of the jail. (Its stderr is
//! a pipe to the supervisor.)
//!
//! A descriptor keeps the rights and the namespaces that it was made with. A folder walks out of the
//! jail's root (Landlock refuses to open files there, but not to look at them, nor to connect to a
//! unix socket). A socket that can be given another peer reaches the host's network.

use crate::failure::{Failure, Kind};
use crate::plan::{LandlockPlan, Plan, Stage};
use crate::planted::{Control, broken};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, SockType, SockaddrLike, SockaddrStorage, getsockname, getsockopt, sockopt,
};
use nix::sys::stat::{SFlag, fstat};
use socket2::{Protocol, SockRef};
use std::io::{stdin, stdout};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Refuses what must not be passed on, and what cannot be looked at.
pub(super) fn check(plan: &Plan) -> Result<(), Failure> {
    if broken(Control::Streams) {
        return Ok(());
    }
    // Landlock's TCP rules count for a socket of the host's network as well. A jail with a way out has
    // none for connect.
    let tcp_is_held = plan.landlock.as_ref().is_some_and(LandlockPlan::handles_connect);
    for (fd, name) in [(stdin().as_fd(), "stdin"), (stdout().as_fd(), "stdout")] {
        let found = match leads_out(fd, tcp_is_held) {
            // Closed: the connector's to find out.
            Err(Errno::EBADF) => continue,
            found => found,
        };
        let found = found.map_err(|errno| {
            Failure::new(Kind::Refused, format!("cannot tell what {name} is"))
                .at(Stage::Resolve)
                .because(errno.desc())
                .hint(format!("give {name} a pipe, a file, a terminal or /dev/null"))
        })?;
        if let Some((what, why)) = found {
            return Err(Failure::new(Kind::Refused, format!("{name} is {what}"))
                .at(Stage::Resolve)
                .because(why)
                .hint(format!("give {name} a pipe, a file, a terminal or /dev/null")));
        }
    }
    Ok(())
}

/// What it is, and why it may not be passed on.
type Found = Option<(&'static str, &'static str)>;

fn leads_out(fd: BorrowedFd<'_>, tcp_is_held: bool) -> nix::Result<Found> {
    let kind = SFlag::from_bits_truncate(fstat(fd)?.st_mode) & SFlag::S_IFMT;
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    if kind == SFlag::S_IFDIR {
        return Ok(Some(("a folder", "every path of the host can be walked from it")));
    }
    if flags.contains(OFlag::O_PATH) {
        let why = "it names a file of the host without having opened it";
        return Ok(Some(("a place (O_PATH)", why)));
    }
    if kind != SFlag::S_IFSOCK {
        return Ok(None);
    }
    let another = "it can be given another peer, which is out of the jail's reach otherwise";
    if !matches!(getsockopt(&fd, sockopt::SockType), Ok(SockType::Stream | SockType::SeqPacket)) {
        return Ok(Some(("a socket without a connection", another)));
    }
    if getsockopt(&fd, sockopt::AcceptConn).unwrap_or(true) {
        return Ok(Some(("a listening socket", "it takes connections of the host's network")));
    }
    let address: SockaddrStorage = getsockname(fd.as_raw_fd())?;
    let family = address.family();
    // Landlock sees TCP itself and nothing else: not MPTCP, which is a stream of the same families.
    let tcp = match family {
        Some(AddressFamily::Unix) => return Ok(None),
        Some(AddressFamily::Inet | AddressFamily::Inet6) => is_tcp(fd)?,
        _ => false,
    };
    Ok((!tcp || !tcp_is_held).then_some(("a network socket", another)))
}

fn is_tcp(fd: BorrowedFd<'_>) -> nix::Result<bool> {
    let protocol = SockRef::from(&fd)
        .protocol()
        .map_err(|error| error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw))?;
    Ok(protocol == Some(Protocol::TCP))
}
