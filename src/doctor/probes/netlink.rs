//! Two netlink messages, made by hand: enough to try a pair of interfaces. rtnetlink(7).

use crate::sys::probe::Fail;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};
use std::os::fd::{AsRawFd, OwnedFd};

const HEADER: usize = 16;
/// `VETH_INFO_PEER`, linux/veth.h.
const VETH_INFO_PEER: u16 = 1;

/// A route socket of the network namespace that we are in.
pub(super) struct Route(OwnedFd);

impl Route {
    pub(super) fn open() -> Result<Self, Fail> {
        let flags = SockFlag::SOCK_CLOEXEC;
        socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)
            .map(Self)
            .map_err(|e| Fail::errno("socket(AF_NETLINK)", e))
    }

    /// Makes the pair `one`, `two`.
    pub(super) fn add_veth(&self, one: &str, two: &str) -> Result<(), Fail> {
        let peer = attribute(VETH_INFO_PEER, &[interface(0, 0), name(two)].concat());
        let link =
            [attribute(libc::IFLA_INFO_KIND, b"veth"), attribute(libc::IFLA_INFO_DATA, &peer)]
                .concat();
        let body = [interface(0, 0), name(one), attribute(libc::IFLA_LINKINFO, &link)].concat();
        self.ask(libc::NLM_F_CREATE | libc::NLM_F_EXCL, &body)
            .map_err(|e| Fail::errno("RTM_NEWLINK(veth)", e))
    }

    /// Sets the loopback interface (always 1) up.
    pub(super) fn loopback_up(&self) -> Result<(), Fail> {
        let body = interface(1, libc::IFF_UP as u32);
        self.ask(0, &body).map_err(|e| Fail::errno("RTM_NEWLINK(lo up)", e))
    }

    /// Sends one RTM_NEWLINK and reads the kernel's answer.
    fn ask(&self, flags: i32, body: &[u8]) -> nix::Result<()> {
        let length = u32::try_from(HEADER + body.len()).map_err(|_| Errno::EMSGSIZE)?;
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags) as u16;
        let mut message = Vec::with_capacity(HEADER + body.len());
        message.extend(length.to_ne_bytes());
        message.extend(libc::RTM_NEWLINK.to_ne_bytes());
        message.extend(flags.to_ne_bytes());
        message.extend(1u32.to_ne_bytes()); // sequence
        message.extend(0u32.to_ne_bytes()); // port: the kernel fills it in
        message.extend(body);
        send(self.0.as_raw_fd(), &message, MsgFlags::empty())?;
        let mut answer = [0u8; 4096];
        let got = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::empty())?;
        acknowledged(&answer[..got])
    }
}

/// The error number of an NLMSG_ERROR (0 is the acknowledgement), netlink(7).
fn acknowledged(answer: &[u8]) -> nix::Result<()> {
    let kind = answer.get(4..6).and_then(|b| b.try_into().ok()).map(u16::from_ne_bytes);
    let code = answer.get(HEADER..HEADER + 4).and_then(|b| b.try_into().ok());
    match (kind.map(i32::from), code.map(i32::from_ne_bytes)) {
        (Some(libc::NLMSG_ERROR), Some(0)) => Ok(()),
        (Some(libc::NLMSG_ERROR), Some(code)) => Err(Errno::from_raw(-code)),
        _ => Err(Errno::EBADMSG),
    }
}

/// struct ifinfomsg: family, pad, type, index, flags, change.
fn interface(index: i32, up: u32) -> Vec<u8> {
    let mut bytes = vec![0u8; 4];
    bytes.extend(index.to_ne_bytes());
    bytes.extend(up.to_ne_bytes());
    bytes.extend(up.to_ne_bytes());
    bytes
}

fn name(text: &str) -> Vec<u8> {
    attribute(libc::IFLA_IFNAME, &[text.as_bytes(), b"\0"].concat())
}

/// struct rtattr and its value, padded to four bytes.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut bytes = Vec::with_capacity(value.len() + 8);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_but_not_counted_so() {
        assert_eq!(attribute(3, b"lo\0").len(), 8);
        assert_eq!(attribute(3, b"lo\0")[..2], 7u16.to_ne_bytes());
        assert_eq!(attribute(3, b"").len(), 4);
    }

    #[test]
    fn answers() {
        let answer = |kind: u16, code: i32| {
            let mut bytes = vec![0u8; HEADER];
            bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
            bytes.extend(code.to_ne_bytes());
            bytes
        };
        assert_eq!(acknowledged(&answer(2, 0)), Ok(()));
        assert_eq!(acknowledged(&answer(2, -1)), Err(Errno::EPERM));
        assert_eq!(acknowledged(&answer(16, 0)), Err(Errno::EBADMSG));
        assert_eq!(acknowledged(&[]), Err(Errno::EBADMSG));
    }
}
