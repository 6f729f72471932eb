//! Socket options and messages that nix has not, or not without the heap.

use super::{Call, SysError, SysResult, check};
use std::os::fd::{AsRawFd, BorrowedFd};

/// `linux/in6.h`
const IPV6_FREEBIND: libc::c_int = 78;

/// What a knock is copied of: headers, no payload.
const SNAP: u32 = 96;

/// Lets an IPv6 socket send from addresses that no interface has. man: ipv6(7), IP_FREEBIND in ip(7)
pub fn free_bind_v6(socket: BorrowedFd<'_>) -> SysResult<()> {
    let one: libc::c_int = 1;
    // WHY: nix knows IP_FREEBIND only, which does not count for IPv6 packets.
    // SAFETY: the option is an int, which lives over the call. man: setsockopt(2)
    let returned = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IPV6,
            IPV6_FREEBIND,
            (&raw const one).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    check(Call::Setsockopt, returned.into()).map(drop)
}

const fn statement(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

const fn jump(k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, jt, jf, k }
}

/// Lets a raw socket see only what opens something: TCP segments with SYN and without ACK that are for
/// none of `doors`, or (`None`) UDP packets that are not for port 53.
///
/// An IPv4 raw socket's data begin at the IP header, an IPv6 one's at the transport header (raw(7),
/// ipv6(7)); the filter sees the same.
pub fn filter_knocks(socket: BorrowedFd<'_>, v6: bool, doors: Option<[u16; 3]>) -> SysResult<()> {
    use libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_B, BPF_H, BPF_IND, BPF_K, BPF_LD, BPF_LDX, BPF_MSH};
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const SYN_AND_ACK: u32 = 0x12;
    const DESTINATION_PORT: u32 = 2;
    // X = length of the IPv4 header; nothing to skip for IPv6.
    let skip = statement(BPF_LDX | BPF_B | BPF_MSH, 0);
    let load =
        |size: u32, at: u32| statement(BPF_LD | size | if v6 { BPF_ABS } else { BPF_IND }, at);
    let (take, leave) =
        (statement(libc::BPF_RET | BPF_K, SNAP), statement(libc::BPF_RET | BPF_K, 0));
    let port = load(BPF_H, DESTINATION_PORT);
    let (mut tcp, mut udp);
    let program: &mut [libc::sock_filter] = if let Some([a, b, c]) = doors {
        let and = statement(BPF_ALU | BPF_AND | BPF_K, SYN_AND_ACK);
        let is = |port: u16, left: u8| jump(port.into(), left, 0);
        let (flags, opens) = (load(BPF_B, FLAGS), jump(SYN, 0, 5));
        tcp = [skip, flags, and, opens, port, is(a, 3), is(b, 2), is(c, 1), take, leave];
        &mut tcp
    } else {
        udp = [skip, port, jump(53, 1, 0), take, leave];
        &mut udp
    };
    let start = usize::from(v6);
    let Some(program) = program.get_mut(start..) else { return Err(SysError::unverified()) };
    let filter =
        libc::sock_fprog { len: program.len() as libc::c_ushort, filter: program.as_mut_ptr() };
    // WHY: nix has no SO_ATTACH_FILTER.
    // SAFETY: the kernel copies the program, which lives over the call. man: socket(7)
    let returned = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const filter).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    check(Call::Setsockopt, returned.into()).map(drop)
}

/// One control message with one descriptor, padded as CMSG_SPACE wants it. man: cmsg(3)
#[repr(C)]
struct Control {
    head: libc::cmsghdr,
    fd: libc::c_int,
    pad: libc::c_int,
}

/// Sends one byte, and a descriptor with it.
pub fn send_descriptor(to: BorrowedFd<'_>, tag: u8, fd: Option<BorrowedFd<'_>>) -> SysResult<()> {
    let mut byte = [tag];
    let mut io = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: integers.
    let mut control: Control = unsafe { std::mem::zeroed() };
    // SAFETY: all-zero is a valid msghdr: no address, no control data.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut io;
    message.msg_iovlen = 1;
    if let Some(fd) = fd {
        let head = libc::cmsghdr {
            cmsg_len: size_of::<libc::cmsghdr>() + size_of::<libc::c_int>(),
            cmsg_level: libc::SOL_SOCKET,
            cmsg_type: libc::SCM_RIGHTS,
        };
        control.head = head;
        control.fd = fd.as_raw_fd();
        message.msg_control = (&raw mut control).cast();
        message.msg_controllen = size_of::<Control>();
    }
    // WHY: nix's sendmsg makes its control buffer on the heap.
    // SAFETY: `message` and all that it points to live over the call. man: sendmsg(2), unix(7)
    let returned = unsafe { libc::sendmsg(to.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL) };
    let sent = check(Call::Send, returned as libc::c_long)?;
    if sent == 1 { Ok(()) } else { Err(SysError::unverified()) }
}
