//! Ports of the jail that programs of this machine may reach, at its loopback addresses only.
//!
//! The sockets that connect to the jail's loopback were made inside its network namespace. There is a
//! bounded number of them, and none can be made later, so that each is used again.

use super::Event;
use super::close::{Abort, refuse};
use super::dial::at_once;
use super::doors::is_v6;
use super::gate::Gate;
use super::relay::{End, copy};
use crate::failure::{Failure, Kind};
use crate::sys;
use socket2::SockRef;
use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as StdListener};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// For what was written to be taken by the jail's kernel, before the socket is used again.
const DRAIN: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(10);
/// The program may still be starting to listen when its client comes.
const CONNECT: Duration = Duration::from_secs(5);

/// A socket of the jail. One that has carried IPv4 keeps to it: the kernel changes its inner workings,
/// and not all versions change them back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    V4,
    /// Not used yet; IPv6 that can carry IPv4.
    Fresh,
    V6,
}

/// Unconnected sockets of the jail's namespace.
#[derive(Default)]
pub(super) struct Pool(RefCell<Vec<(OwnedFd, Sort)>>);

impl Pool {
    pub(super) fn new(sockets: Vec<OwnedFd>) -> io::Result<Self> {
        let mut pool = Vec::new();
        for socket in sockets {
            let sort = if is_v6(&socket)? { Sort::Fresh } else { Sort::V4 };
            SockRef::from(&socket).set_nonblocking(true)?;
            pool.push((socket, sort));
        }
        Ok(Self(RefCell::new(pool)))
    }

    fn take(&self, sort: Sort) -> Option<(OwnedFd, Sort)> {
        let mut pool = self.0.borrow_mut();
        let place = pool.iter().position(|(_, own)| *own == sort);
        let place = place.or_else(|| pool.iter().position(|(_, own)| *own == Sort::Fresh))?;
        Some((pool.swap_remove(place).0, sort))
    }

    /// Makes the socket unconnected again; one that cannot be is closed.
    fn give_back(&self, socket: OwnedFd, sort: Sort) -> io::Result<()> {
        sys::net::disconnect(socket.as_fd()).map_err(io::Error::other)?;
        // The error that the last connection left there would be the next one's.
        SockRef::from(&socket).take_error()?;
        self.0.borrow_mut().push((socket, sort));
        Ok(())
    }
}

/// Listens at the host's address for the jail's port.
pub(super) fn start(
    gate: &Rc<Gate>,
    pool: &Rc<Pool>,
    at: SocketAddr,
    port: u16,
) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        Failure::new(Kind::Io, format!("cannot publish port {port} at {at}"))
            .because(error)
            .hint("choose a free port of a loopback address: `publish: 127.0.0.1:PORT`")
    };
    if !at.ip().is_loopback() {
        return Err(failed(io::Error::other("it is not an address of this machine alone")));
    }
    let listener = StdListener::bind(at).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let listener = TcpListener::from_std(listener).map_err(failed)?;
    let (gate, pool) = (Rc::clone(gate), Rc::clone(pool));
    tokio::task::spawn_local(async move {
        loop {
            match listener.accept().await {
                Ok((client, _)) => {
                    let (gate, pool) = (Rc::clone(&gate), Rc::clone(&pool));
                    tokio::task::spawn_local(serve(gate, pool, client, port));
                }
                Err(_) => tokio::time::sleep(STEP).await,
            }
        }
    });
    Ok(())
}

async fn serve(gate: Rc<Gate>, pool: Rc<Pool>, mut client: TcpStream, port: u16) {
    let (socket, sort, mut server) = match connect(&pool, port).await {
        Ok(connected) => connected,
        Err(error) => {
            refuse(client);
            let what = format!("a connection to the published port {port} was refused");
            return gate.tell(Event::Warning { what, why: error.to_string() });
        }
    };
    at_once(&client);
    at_once(&server);
    let end = copy(None, gate.config.limits.idle, &mut client, &mut server, &[]).await;
    if end == End::Closed {
        drain(&socket).await;
    } else {
        client.abort();
    }
    drop((client, server));
    if let Err(error) = pool.give_back(socket, sort) {
        let what = "one connection less can be made to published ports".to_owned();
        gate.tell(Event::Warning { what, why: error.to_string() });
    }
}

/// A connection to the jail's loopback, IPv4 first, and the socket behind it.
async fn connect(pool: &Pool, port: u16) -> io::Result<(OwnedFd, Sort, TcpStream)> {
    let mut last = None;
    for sort in [Sort::V4, Sort::V6] {
        let Some((socket, sort)) = pool.take(sort) else {
            let full = || io::Error::other("too many connections to published ports at one time");
            return Err(last.unwrap_or_else(full));
        };
        let to = destination(&socket, sort, port)?;
        // A second descriptor for the runtime: the socket must outlive it.
        let stream = std::net::TcpStream::from(socket.try_clone()?);
        let connecting = TcpSocket::from_std_stream(stream).connect(to);
        match tokio::time::timeout(CONNECT, connecting).await {
            Ok(Ok(stream)) => return Ok((socket, sort, stream)),
            Ok(Err(error)) => last = Some(error),
            Err(_) => last = Some(io::ErrorKind::TimedOut.into()),
        }
        pool.give_back(socket, sort)?;
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::ConnectionRefused.into()))
}

fn destination(socket: &OwnedFd, sort: Sort, port: u16) -> io::Result<SocketAddr> {
    let ip: IpAddr = match (sort, is_v6(socket)?) {
        (Sort::V6, _) => Ipv6Addr::LOCALHOST.into(),
        (_, true) => Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(),
        (_, false) => Ipv4Addr::LOCALHOST.into(),
    };
    Ok(SocketAddr::new(ip, port))
}

/// Waits until the other side has taken all; disconnecting throws away what it has not.
async fn drain(socket: &OwnedFd) {
    let steps = DRAIN.as_millis() / STEP.as_millis();
    for _ in 0..steps {
        if sys::net::unsent(socket.as_fd()) == 0 {
            return;
        }
        tokio::time::sleep(STEP).await;
    }
}
