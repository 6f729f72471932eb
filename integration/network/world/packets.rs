//! Watches the loopback of the host and all of the internet, so that nothing of any protocol passes
//! unseen.

use super::seen::Seen;
use nix::libc;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const TCP: u8 = 6;
const UDP: u8 = 17;
/// A packet to this port says: everything before it has been seen.
const SENTINEL: u16 = 9;

static SENT: AtomicU16 = AtomicU16::new(0);
static CAME: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Internet,
    Host,
}

/// In the namespace of this thread.
pub fn watch(side: Side) {
    let protocol = i32::from((libc::ETH_P_ALL as u16).to_be());
    let fd =
        unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, protocol) };
    assert!(fd >= 0, "a packet socket: {}", std::io::Error::last_os_error());
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let size: libc::c_int = 8 << 20;
    // As much as the machine gives: a flood must not push out what matters.
    let length = size_of::<libc::c_int>() as u32;
    unsafe {
        libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, (&raw const size).cast(), length)
    };
    std::thread::spawn(move || read(&socket, side));
}

fn read(socket: &OwnedFd, side: Side) {
    let mut bytes = [0u8; 256];
    loop {
        let mut from: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        let mut size = size_of::<libc::sockaddr_ll>() as u32;
        let length = unsafe {
            let from = (&raw mut from).cast();
            libc::recvfrom(
                socket.as_raw_fd(),
                bytes.as_mut_ptr().cast(),
                bytes.len(),
                0,
                from,
                &raw mut size,
            )
        };
        // On loopback each packet is seen twice: going out and coming in.
        let Ok(length) = usize::try_from(length) else { continue };
        let loopback = from.sll_ifindex == 1;
        if from.sll_pkttype == libc::PACKET_OUTGOING || (side == Side::Host && !loopback) {
            continue;
        }
        if let Some((to, protocol, port)) = parse(&bytes[..length]) {
            if (protocol, port) == (UDP, SENTINEL) {
                CAME[side as usize].fetch_add(1, Ordering::SeqCst);
            } else {
                super::get().seen.add_once(Seen::Packet { to, protocol, port });
            }
        }
    }
}

/// Destination, protocol and port of a packet that begins something.
fn parse(packet: &[u8]) -> Option<(IpAddr, u8, u16)> {
    let (to, protocol, rest) = match packet.first()? >> 4 {
        4 => {
            let to: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
            let head = usize::from(packet[0] & 15) * 4;
            (IpAddr::from(Ipv4Addr::from(to)), packet[9], packet.get(head..)?)
        }
        6 => {
            let to: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
            (IpAddr::from(Ipv6Addr::from(to)), packet[6], packet.get(40..)?)
        }
        _ => return None,
    };
    if protocol == TCP && rest.get(13)? & 0x12 != 0x02 {
        return None; // no SYN, or the answer to one
    }
    let port = match protocol {
        // TCP, UDP, DCCP, SCTP, UDP-Lite have it at the same place.
        TCP | UDP | 33 | 132 | 136 => u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]),
        _ => 0,
    };
    Some((to, protocol, port))
}

/// Comes back when all that was on the way before has been recorded. For threads on the host.
pub fn settle() {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    let until = Instant::now() + crate::run::patience(10_000);
    let sides = [(Side::Internet, super::NAMESERVER), (Side::Host, Ipv4Addr::LOCALHOST.into())];
    for (side, address) in sides {
        let before = CAME[side as usize].load(Ordering::SeqCst);
        while CAME[side as usize].load(Ordering::SeqCst) == before {
            assert!(Instant::now() < until, "the world does not see its own packets");
            let mark = SENT.fetch_add(1, Ordering::SeqCst).to_be_bytes();
            // An answer that nobody listens may lie in wait as the error of the next one.
            drop(socket.send_to(&mark, (address, SENTINEL)));
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
