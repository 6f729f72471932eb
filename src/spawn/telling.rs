//! The listener of the connector's filter, on its way to the supervisor.
//!
//! The payload makes it when it loads the filter, and after that it can make no call that the filter might
//! not allow. So it makes none: it shares its table of descriptors with init until exec, which gives the
//! connector a table of its own, without the listener. init then sends the listener out, before its own
//! filter is loaded. Refused calls that the connector makes meanwhile wait.

use crate::failure::{Failure, Kind};
use crate::seccomp::notify;
use crate::sys::SysResult;
use crate::sys::fd::borrow_raw;
use crate::sys::seccomp::Pass;
use crate::sys::socket::send_descriptor;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, socketpair,
};
use std::hash::{BuildHasher as _, RandomState};
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};

const NONE: RawFd = -1;

/// What init and payload need for it.
pub struct Telling {
    /// The telling form of the connector's filter, armed with the pass.
    pub program: Vec<u8>,
    pub pass: Pass,
    to: OwnedFd,
    /// Its number in the table that init and payload share, as the payload leaves it here.
    listener: AtomicI32,
}

impl Telling {
    /// With the end of the channel that the supervisor keeps.
    pub fn new(program: &[u8]) -> Result<(Self, OwnedFd), Failure> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (to, from) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
            .map_err(|errno| cannot(errno.desc()))?;
        // Seeded by the kernel's random numbers; 0 is what a call without a pass may well have.
        let pass = RandomState::new().hash_one(std::process::id()).max(1);
        let mut program = program.to_vec();
        notify::arm(&mut program, pass);
        Ok((Self { program, pass: Pass(pass), to, listener: AtomicI32::new(NONE) }, from))
    }

    /// In the payload.
    pub fn keep(&self, listener: OwnedFd) {
        self.listener.store(listener.into_raw_fd(), Ordering::Relaxed);
    }

    /// In init, which closes its own one afterwards with everything else.
    pub fn hand_out(&self) -> SysResult<()> {
        match self.listener.load(Ordering::Relaxed) {
            NONE => Ok(()),
            listener => send_descriptor(self.to.as_fd(), 0, Some(borrow_raw(listener))),
        }
    }
}

/// Takes the listener over; `None` where there is none: the payload has loaded the plain filter, or failed.
pub fn receive(from: BorrowedFd<'_>) -> Result<Option<OwnedFd>, Failure> {
    let mut byte = [0u8];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let mut space = cmsg_space!(RawFd);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
    let message = match recvmsg::<()>(from.as_raw_fd(), &mut parts, Some(&mut space), flags) {
        // The other end is closed with init.
        Err(Errno::ECONNRESET) => return Ok(None),
        other => other.map_err(|errno| cannot(errno.desc()))?,
    };
    let mut listener = None;
    for control in message.cmsgs().map_err(|errno| cannot(errno.desc()))? {
        if let ControlMessageOwned::ScmRights(fds) = control {
            listener = fds.into_iter().map(crate::sys::fd::adopt).next_back();
        }
    }
    if message.bytes > 0 && listener.is_none() {
        return Err(cannot("there is no room for another descriptor"));
    }
    Ok(listener)
}

fn cannot(why: &str) -> Failure {
    Failure::new(Kind::Io, "cannot listen to the connector's seccomp filter").because(why)
}
