//! The client hands over a connection of the host's network as stdin: dissolved, it connects anew, past
//! the proxy.
//!
//! Stopped by: jail refuses a network socket as stdin where Landlock does not hold its connect.

use super::prelude::*;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};

pub const ATTACK: Attack = Attack {
    name: "stream_as_stdin",
    about: "connect an inherited TCP socket to somebody else, in a jail with a way out",
    setup: |fixture| {
        let client = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let other = TcpListener::bind("127.0.0.1:0").expect("a socket");
        other.set_nonblocking(true).expect("nonblocking");
        fixture.set("port", &other.local_addr().expect("an address").port().to_string());
        fixture.set("listener", &other.as_raw_fd().to_string());
        let given = TcpStream::connect(client.local_addr().expect("an address")).expect("connected");
        fixture.keep.push(Box::new((client, other)));
        fixture.hook(move |command| {
            command.stdin(OwnedFd::from(given.try_clone().expect("a copy")));
        });
    },
    jail_args: &["--allow", "allowed.test"],
    attack: |env| {
        let nobody = libc::sockaddr { sa_family: libc::AF_UNSPEC as u16, sa_data: [0; 14] };
        if unsafe { libc::connect(0, &raw const nobody, 16) } != 0 {
            return Verdict::Refused(std::io::Error::last_os_error().to_string());
        }
        let mut to: libc::sockaddr_in = unsafe { std::mem::zeroed() };
        to.sin_family = libc::AF_INET as u16;
        to.sin_port = env.get("port").parse::<u16>().expect("a port").to_be();
        to.sin_addr.s_addr = u32::from(std::net::Ipv4Addr::LOCALHOST).to_be();
        let size = size_of::<libc::sockaddr_in>() as u32;
        match unsafe { libc::connect(0, (&raw const to).cast(), size) } {
            0 => Verdict::Escaped("connected".into()),
            _ => Verdict::Refused(std::io::Error::last_os_error().to_string()),
        }
    },
    effect: Some(|fixture, _| {
        let fd: i32 = fixture.fill("{listener}").parse().expect("a descriptor");
        let null = std::ptr::null_mut();
        let got = unsafe { libc::accept4(fd, null, null.cast(), libc::SOCK_CLOEXEC) };
        (got >= 0).then(|| "it connected".into())
    }),
    run_refused: Some("socket"),
    ..Attack::BASE
};
