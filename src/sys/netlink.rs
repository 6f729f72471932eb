//! A route socket for the child: batches out, acknowledgements in, without the heap. netlink(7).

use super::{Call, Sys, SysError, SysResult};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};
use std::os::fd::{AsRawFd, OwnedFd};

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;

/// A route socket of the network namespace in which it was opened, wherever its owner goes.
pub struct Netlink(OwnedFd);

impl Netlink {
    pub fn open() -> SysResult<Self> {
        let protocol = SockProtocol::NetlinkRoute;
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)
            .map(Self)
            .sys(Call::Socket)
    }

    /// Sends a batch, all of whose messages ask for an acknowledgement, and waits for as many. The
    /// first one that was refused is the error; those after it were carried out all the same.
    pub fn ask(&self, batch: &[u8], messages: u32) -> SysResult<()> {
        let sent = send(self.0.as_raw_fd(), batch, MsgFlags::empty()).sys(Call::Send)?;
        if sent != batch.len() {
            return Err(SysError::unverified());
        }
        let (mut seen, mut first) = (0, Ok(()));
        // The description of a link, which RTM_GETLINK answers with, has about 2 KiB.
        let mut answer = [0u8; 8192];
        while seen < messages {
            let got = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::empty()).sys(Call::Recv)?;
            let mut rest = answer.get(..got).unwrap_or_default();
            while let Some((kind, body, next)) = split(rest) {
                rest = next;
                if i32::from(kind) == libc::NLMSG_ERROR {
                    seen += 1;
                    first = first.and(acknowledged(body));
                }
            }
        }
        first
    }
}

/// The first message's kind and body, and what follows it.
fn split(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let body = bytes.get(HEADER..length)?;
    Some((kind, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// An NLMSG_ERROR with the number 0 is the acknowledgement.
fn acknowledged(body: &[u8]) -> SysResult<()> {
    match body.get(..4).and_then(|code| code.try_into().ok()).map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(code) => Err(SysError::new(Call::Netlink, Errno::from_raw(-code))),
        None => Err(SysError::new(Call::Netlink, Errno::EBADMSG)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: i32, code: i32) -> Vec<u8> {
        let mut bytes = vec![0u8; HEADER];
        bytes[..4].copy_from_slice(&20u32.to_ne_bytes());
        bytes[4..6].copy_from_slice(&(kind as u16).to_ne_bytes());
        bytes.extend(code.to_ne_bytes());
        bytes
    }

    #[test]
    fn answers_are_taken_apart() {
        let two = [message(libc::NLMSG_ERROR, 0), message(libc::NLMSG_ERROR, -17)].concat();
        let (kind, body, rest) = split(&two).unwrap();
        assert_eq!((i32::from(kind), acknowledged(body)), (libc::NLMSG_ERROR, Ok(())));
        let (_, body, rest) = split(rest).unwrap();
        assert_eq!(acknowledged(body), Err(SysError::new(Call::Netlink, Errno::EEXIST)));
        assert_eq!(split(rest), None);
    }

    #[test]
    fn nonsense_ends_the_walk() {
        assert_eq!(split(&[]), None);
        assert_eq!(split(&[255; 20]), None);
        assert_eq!(split(&[0; 20]), None, "a message is at least its header");
    }
}
