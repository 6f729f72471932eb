//! DNS over UDP, at every address: the answer comes from the one that was asked.

use super::super::gate::Gate;
use super::super::hold::Client;
use super::answer::answer;
use super::question::fitted;
use crate::firewall::{Denial, Door, Reason};
use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;

/// Questions that are worked on at one time.
const AT_ONCE: usize = 128;
/// No question is longer.
const LARGEST: usize = 4096;

const PAUSE: Duration = Duration::from_millis(5);

/// A question and where it came from.
struct Datagram {
    bytes: Vec<u8>,
    from: SockaddrStorage,
    asked: Asked,
}

/// The address that was asked, as the kernel wants it back.
#[derive(Clone, Copy)]
enum Asked {
    V4(libc::in_pktinfo),
    V6(libc::in6_pktinfo),
}

/// Serves a bound socket that has IP_PKTINFO or IPV6_RECVPKTINFO set.
pub(in super::super) fn start(gate: &Rc<Gate>, socket: OwnedFd) -> io::Result<()> {
    let socket = std::net::UdpSocket::from(socket);
    socket.set_nonblocking(true)?;
    let socket = Rc::new(UdpSocket::from_std(socket)?);
    tokio::task::spawn_local(serve(Rc::clone(gate), socket));
    Ok(())
}

async fn serve(gate: Rc<Gate>, socket: Rc<UdpSocket>) {
    let places = Rc::new(Semaphore::new(AT_ONCE));
    loop {
        let received = socket.async_io(Interest::READABLE, || receive(socket.as_raw_fd())).await;
        let datagram = match received {
            Ok(Some(datagram)) => datagram,
            Ok(None) => continue,
            // One that an earlier answer met (a port that was closed since), or no memory: the socket
            // goes on working.
            Err(_) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        if places.available_permits() == 0 {
            let what = format!("{AT_ONCE} DNS questions at one time");
            let reason = Reason::Limit { what };
            gate.denied(&Denial::of_text(&gate.config.who, "", 0, Door::Dns, reason));
            continue;
        }
        let (gate, socket, places) = (Rc::clone(&gate), Rc::clone(&socket), Rc::clone(&places));
        tokio::task::spawn_local(async move {
            let Ok(_place) = places.acquire().await else { return };
            reply(&gate, &socket, datagram).await;
        });
    }
}

async fn reply(gate: &Gate, socket: &UdpSocket, datagram: Datagram) {
    let client = Client::Datagram(address(&datagram.from));
    let Some((message, room)) = answer(gate, &datagram.bytes, client).await else { return };
    let Some(bytes) = fitted(message, room) else { return };
    let sent =
        socket.async_io(Interest::WRITABLE, || send(socket.as_raw_fd(), &bytes, &datagram)).await;
    // As with every resolver, a client that gets no answer asks again.
    drop(sent);
}

fn address(from: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = from.as_sockaddr_in().map(|v4| SocketAddr::from(*v4));
    v4.or_else(|| from.as_sockaddr_in6().map(|v6| SocketAddr::from(*v6)))
}

fn receive(socket: RawFd) -> io::Result<Option<Datagram>> {
    let mut bytes = vec![0; LARGEST];
    let mut space = nix::cmsg_space!(libc::in6_pktinfo);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let received =
        recvmsg::<SockaddrStorage>(socket, &mut parts, Some(&mut space), MsgFlags::MSG_DONTWAIT)?;
    let length = received.bytes;
    let asked = received.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(Asked::V4(info)),
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(Asked::V6(info)),
        _ => None,
    });
    let (Some(asked), Some(from)) = (asked, received.address) else { return Ok(None) };
    bytes.truncate(length);
    Ok(Some(Datagram { bytes, from, asked }))
}

fn send(socket: RawFd, bytes: &[u8], datagram: &Datagram) -> io::Result<()> {
    let part = [IoSlice::new(bytes)];
    let to = Some(&datagram.from);
    // The route to the client decides the interface.
    let sent = match datagram.asked {
        Asked::V4(mut info) => {
            info.ipi_spec_dst = info.ipi_addr;
            info.ipi_ifindex = 0;
            let from = [ControlMessage::Ipv4PacketInfo(&info)];
            sendmsg(socket, &part, &from, MsgFlags::MSG_DONTWAIT, to)
        }
        Asked::V6(mut info) => {
            info.ipi6_ifindex = 0;
            let from = [ControlMessage::Ipv6PacketInfo(&info)];
            sendmsg(socket, &part, &from, MsgFlags::MSG_DONTWAIT, to)
        }
    };
    match sent {
        Ok(_) => Ok(()),
        Err(Errno::EAGAIN) => Err(io::ErrorKind::WouldBlock.into()),
        Err(errno) => Err(errno.into()),
    }
}
