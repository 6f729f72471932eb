//! Sockets on their way from the jail's network namespaces to the egress process: one a message, with
//! a byte that says what it is.

use crate::egress::Sockets;
use crate::failure::{Failure, Kind as FailureKind};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, socketpair,
};
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// What a socket is for, on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Listener = 1,
    Dns,
    Knocks,
    SpareV4,
    SpareV6,
    Inward,
    /// A listening socket that is one door, whatever its address is.
    HttpDoor,
    SocksDoor,
    /// No socket: all have been sent.
    Complete,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Listener,
        Self::Dns,
        Self::Knocks,
        Self::SpareV4,
        Self::SpareV6,
        Self::Inward,
        Self::HttpDoor,
        Self::SocksDoor,
        Self::Complete,
    ];

    fn from_wire(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// The sending end and the receiving end.
pub fn channel() -> Result<(OwnedFd, OwnedFd), Failure> {
    let flags = SockFlag::SOCK_CLOEXEC;
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
        .map_err(|errno| cannot(errno.desc()))
}

/// Takes all sockets; `None` where the sender ended before it had sent them all.
pub fn receive(from: BorrowedFd<'_>) -> Result<Option<Sockets>, Failure> {
    let mut sockets = Sockets::default();
    loop {
        match receive_one(from) {
            Ok(None) => return Ok(None),
            Ok(Some((Kind::Complete, _))) => return Ok(Some(sockets)),
            Ok(Some((kind, socket))) => {
                let list = match kind {
                    Kind::Listener => &mut sockets.listeners,
                    Kind::Dns => &mut sockets.dns,
                    Kind::Knocks => &mut sockets.knocks,
                    Kind::SpareV4 => &mut sockets.spare_v4,
                    Kind::SpareV6 => &mut sockets.spare_v6,
                    Kind::HttpDoor => &mut sockets.http,
                    Kind::SocksDoor => &mut sockets.socks,
                    Kind::Inward | Kind::Complete => &mut sockets.inward,
                };
                list.push(socket.ok_or_else(|| cannot("a message without a socket"))?);
            }
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(cannot(errno.desc())),
        }
    }
}

fn receive_one(from: BorrowedFd<'_>) -> nix::Result<Option<(Kind, Option<OwnedFd>)>> {
    let mut byte = [0u8];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let mut space = cmsg_space!(RawFd);
    let message =
        recvmsg::<()>(from.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let mut socket = None;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = control {
            for fd in fds {
                socket = Some(crate::sys::fd::adopt(fd));
            }
        }
    }
    if message.bytes == 0 {
        return Ok(None);
    }
    Kind::from_wire(byte[0]).map(|kind| Some((kind, socket))).ok_or(Errno::EBADMSG)
}

fn cannot(why: &str) -> Failure {
    Failure::new(FailureKind::Io, "cannot take over the sockets of the jail's network").because(why)
}
