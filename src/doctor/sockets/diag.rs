//! What only the kernel itself can tell of a socket: the interface that it is bound to, and whether an
//! IPv6 one takes IPv4 as well. sock_diag(7)
//!
//! It adds to what `/proc/net` shows and never replaces it. It tells of the namespace that we are in, no
//! other; a filter of system calls may refuse it, and a kernel may lack it.

use super::{Inet, State, Told, Transport};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};
use std::collections::HashMap;
use std::os::fd::{AsRawFd as _, OwnedFd};

/// `SOCK_DIAG_BY_FAMILY`
const BY_FAMILY: u16 = 20;
/// `INET_DIAG_SKV6ONLY`
const ONLY_V6: u16 = 11;
const HEADER: usize = 16;
/// `struct inet_diag_msg`
const MESSAGE: usize = 72;

/// Fills in `told` of the open sockets that `wants` chooses. True where the kernel named a socket that is not
/// among them. The error is that of the first question that was refused; the others are asked all the same.
pub fn fill(sockets: &mut [Inet], wants: impl Fn(&Inet) -> bool) -> Result<bool, Errno> {
    let mut first = Ok(false);
    for (transport, state, protocol) in [
        (Transport::Tcp, State::LISTEN, libc::IPPROTO_TCP),
        (Transport::Udp, State::CLOSE, libc::IPPROTO_UDP),
        (Transport::UdpLite, State::CLOSE, libc::IPPROTO_UDPLITE),
        (Transport::Raw, State::CLOSE, libc::IPPROTO_RAW),
    ] {
        for (v6, family) in [(false, libc::AF_INET), (true, libc::AF_INET6)] {
            let of = |s: &Inet| s.transport == transport && s.v6 == v6 && s.is_open();
            if !sockets.iter().any(|s| of(s) && wants(s)) {
                continue;
            }
            match ask(family as u8, protocol as u8, 1 << state.0) {
                Ok(mut told) => {
                    for socket in sockets.iter_mut().filter(|s| of(s)) {
                        socket.told = told.remove(&socket.inode);
                    }
                    // What was closed long ago may still be named, without a file.
                    let more = told.keys().any(|inode| *inode != 0);
                    first = first.map(|before| before || more);
                }
                Err(errno) => first = first.and(Err(errno)),
            }
        }
    }
    first
}

fn ask(family: u8, protocol: u8, states: u32) -> Result<HashMap<u64, Told>, Errno> {
    let kernel = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkSockDiag,
    )?;
    let sent = send(kernel.as_raw_fd(), &request(family, protocol, states), MsgFlags::empty())?;
    if sent != HEADER + 56 {
        return Err(Errno::EPROTO);
    }
    answers(&kernel, family)
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2` for all sockets in these states.
fn request(family: u8, protocol: u8, states: u32) -> Vec<u8> {
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_DUMP;
    let mut bytes = Vec::with_capacity(HEADER + 56);
    bytes.extend((HEADER as u32 + 56).to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend((flags as u16).to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, protocol, 0, 0]);
    bytes.extend(states.to_ne_bytes());
    bytes.extend([0; 48]);
    bytes
}

fn answers(kernel: &OwnedFd, family: u8) -> Result<HashMap<u64, Told>, Errno> {
    let mut told = HashMap::new();
    let mut buffer = vec![0u8; 1 << 15];
    loop {
        let got = match recv(kernel.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Err(Errno::EINTR) => continue,
            other => other?,
        };
        let mut rest = buffer.get(..got).unwrap_or_default();
        if rest.is_empty() {
            return Err(Errno::EPROTO);
        }
        while let Some((kind, body, next)) = message(rest) {
            rest = next;
            match i32::from(kind) {
                libc::NLMSG_DONE => return Ok(told),
                libc::NLMSG_ERROR => return Err(refused(body)),
                _ => told.extend(one(body, family)),
            }
        }
    }
}

fn refused(body: &[u8]) -> Errno {
    word(body, 0).map_or(Errno::EPROTO, |code| Errno::from_raw((code as i32).wrapping_neg()))
}

/// Kind and body of the first message, and what follows it.
fn message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = word(bytes, 0)? as usize;
    let kind = half(bytes, 4)?;
    let body = bytes.get(HEADER..length)?;
    Some((kind, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

fn one(body: &[u8], family: u8) -> Option<(u64, Told)> {
    if body.first() != Some(&family) {
        return None;
    }
    let device = word(body, 40)?;
    let inode = word(body, 68)?;
    let mut only_v6 = None;
    let mut rest = body.get(MESSAGE..)?;
    while let (Some(length), Some(kind)) = (half(rest, 0), half(rest, 2)) {
        let length = usize::from(length);
        let Some(value) = rest.get(4..length) else { break };
        if kind == ONLY_V6 {
            only_v6 = value.first().map(|value| *value != 0);
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some((inode.into(), Told { device, only_v6 }))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_it_tells_of_our_own() {
        let listener = std::net::TcpListener::bind("[::1]:0").or_else(|_| {
            // Without IPv6 the same question is asked of IPv4.
            std::net::TcpListener::bind("127.0.0.1:0")
        });
        let listener = listener.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut sockets = super::super::read::read(super::super::read::OWN.as_ref()).unwrap().inet;
        if let Err(errno) = fill(&mut sockets, |_| true) {
            // Allowed to be missing; what is not told stays unknown.
            assert!(sockets.iter().any(|s| s.told.is_none()), "{errno}");
            return;
        }
        let own = sockets.iter().find(|s| s.is_open() && s.local.port() == port).unwrap();
        assert_eq!(own.told.unwrap().device, 0);
        assert_eq!(own.told.unwrap().only_v6.is_some(), own.v6);
    }

    proptest! {
        #[test]
        fn any_answer_is_walked_to_its_end(bytes: Vec<u8>) {
            let mut rest = &bytes[..];
            while let Some((_, body, next)) = message(rest) {
                prop_assert!(one(body, 3).is_none_or(|_| body.first() == Some(&3)));
                prop_assert!(next.len() < rest.len());
                rest = next;
            }
        }
    }
}
