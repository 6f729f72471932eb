//! A host program hands a connected socket of its own to whoever asks at an abstract unix socket.
//!
//! Stopped by: the network namespace and Landlock's scope, which do not let it ask.

use super::prelude::*;

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener, UnixStream};

fn address(marker: &str) -> UnixAddress {
    UnixAddress::from_abstract_name(format!("jail-passes-{marker}")).expect("an address")
}

fn pass(listener: &UnixListener) -> io::Result<()> {
    loop {
        let (asker, _) = listener.accept()?;
        let socket = TcpStream::connect(SocketAddr::new(world::OTHER, 80))?;
        let descriptors = [socket.as_raw_fd()];
        let passed = [ControlMessage::ScmRights(&descriptors)];
        let bytes = [IoSlice::new(b"!")];
        sendmsg::<()>(asker.as_raw_fd(), &bytes, &passed, MsgFlags::empty(), None)?;
    }
}

fn passed(from: &UnixStream) -> io::Result<TcpStream> {
    let (mut byte, mut room) = ([0], nix::cmsg_space!([i32; 1]));
    let mut bytes = [IoSliceMut::new(&mut byte)];
    let message =
        recvmsg::<()>(from.as_raw_fd(), &mut bytes, Some(&mut room), MsgFlags::MSG_CMSG_CLOEXEC)?;
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(descriptors) = part {
            let owned = unsafe { OwnedFd::from_raw_fd(descriptors[0]) };
            return Ok(owned.into());
        }
    }
    Err(io::Error::other("no socket came"))
}

pub const ATTACK: Attack = Attack {
    name: "passed_socket",
    about: "a socket of the host, got from a host program",
    setup: |fixture| {
        let listener = UnixListener::bind_addr(&address(&fixture.values["marker"]));
        let listener = listener.expect("a socket");
        std::thread::spawn(move || drop(pass(&listener)));
    },
    attack: |env| {
        let socket = UnixStream::connect_addr(&address(env.get("marker")));
        let socket = socket.and_then(|from| passed(&from));
        judge_reply(socket.and_then(|socket| client::exchange(socket, &client::get("other.test"))))
    },
    effect: Some(|_, _| client::reached_other()),
    ..BASE
};
