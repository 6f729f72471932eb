//! Ports of the jail that programs of this machine may reach, at its loopback addresses only.
//!
//! The sockets that connect to the jail's loopback were made inside its network namespace. There is a
//! bounded number of them, and none can be made later, so that each is used again.

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

/// Listens at the host's address for the jail's port; says where.
pub(super) fn start(
    gate: &Rc<Gate>,
    pool: &Rc<Pool>,
    at: SocketAddr,
    port: u16,
) -> Result<SocketAddr, Failure> {
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
    let at = listener.local_addr().map_err(failed)?;
    let listener = TcpListener::from_std(listener).map_err(failed)?;
    let (gate, pool) = (Rc::clone(gate), Rc::clone(pool));
    tokio::task::spawn_local(async move {
        loop {
            match listener.accept().await {
                Ok((client, _)) => {
                    let (gate, pool) = (Rc::clone(&gate), Rc::clone(&pool));
                    tokio::task::spawn_local(serve(gate, pool, client, port));
                }
                Err(error) => {
                    let what = format!("connections to the published port {port} are not taken");
                    gate.warn(what, error.to_string());
                    tokio::time::sleep(STEP).await;
                }
            }
        }
    });
    Ok(at)
}

async fn serve(gate: Rc<Gate>, pool: Rc<Pool>, mut client: TcpStream, port: u16) {
    let (socket, sort, mut server) = match connect(&pool, port).await {
        Ok(connected) => connected,
        Err(error) => {
            refuse(client);
            let what = format!("a connection to the published port {port} was refused");
            return gate.warn(what, error.to_string());
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
        gate.warn(what, error.to_string());
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

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::super::world::{World, listener, run};
    use super::*;
    use socket2::{Domain, Socket, Type};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn sockets(domain: Domain, count: usize) -> Vec<OwnedFd> {
        let one = |_| Socket::new(domain, Type::STREAM, None).unwrap().into();
        (0..count).map(one).collect()
    }

    /// Says what it hears, and with whom it talks.
    async fn echo(listener: TcpListener) {
        while let Ok((mut stream, from)) = listener.accept().await {
            let mut said = Vec::new();
            if stream.read_to_end(&mut said).await.is_ok() {
                said.extend(format!(" {}", from.ip()).bytes());
                stream.write_all(&said).await.unwrap();
            }
        }
    }

    async fn talk(at: SocketAddr, words: &[u8]) -> io::Result<String> {
        let mut client = TcpStream::connect(at).await?;
        client.write_all(words).await?;
        client.shutdown().await?;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    async fn wait_for(pool: &Pool, count: usize) {
        while pool.0.borrow().len() != count {
            tokio::time::sleep(STEP).await;
        }
    }

    #[test]
    fn one_socket_serves_many_connections_one_after_the_other() {
        run(async {
            for (domain, at) in [(Domain::IPV4, "127.0.0.1"), (Domain::IPV6, "127.0.0.1")] {
                let mut world = World::of(vec![]).await;
                let (listener, server) = listener(at).await;
                tokio::task::spawn_local(echo(listener));
                let pool = Rc::new(Pool::new(sockets(domain, 1)).unwrap());
                let at = start(&world.gate, &pool, "127.0.0.1:0".parse().unwrap(), server.port());
                let at = at.unwrap();
                for turn in 0..20 {
                    let words = format!("{turn}").repeat(10_000);
                    let answer = talk(at, words.as_bytes()).await.unwrap();
                    assert_eq!(answer, format!("{words} 127.0.0.1"), "{domain:?}");
                    wait_for(&pool, 1).await;
                }
                assert!(world.events.try_recv().is_err(), "no warning");
            }
        });
    }

    #[test]
    fn a_server_on_the_ipv6_loopback_alone_is_reached_too() {
        run(async {
            let world = World::of(vec![]).await;
            let (listener, server) = listener("::1").await;
            tokio::task::spawn_local(echo(listener));
            let pool = Rc::new(Pool::new(sockets(Domain::IPV6, 2)).unwrap());
            let at = start(&world.gate, &pool, "127.0.0.1:0".parse().unwrap(), server.port());
            let at = at.unwrap();
            for _ in 0..20 {
                assert_eq!(talk(at, b"hello").await.unwrap(), "hello ::1");
                wait_for(&pool, 2).await;
            }
        });
    }

    #[test]
    fn without_a_socket_or_a_server_a_client_is_refused_and_told_about() {
        run(async {
            let (listener, server) = listener("127.0.0.1").await;
            for (count, word) in [(0, "too many"), (1, "refused")] {
                let mut world = World::of(vec![]).await;
                let pool = Rc::new(Pool::new(sockets(Domain::IPV4, count)).unwrap());
                let port = if count == 0 { server.port() } else { 1 };
                let at = start(&world.gate, &pool, "127.0.0.1:0".parse().unwrap(), port).unwrap();
                assert!(talk(at, b"hello").await.is_err());
                let Some(Event::Warning { why, .. }) = world.events.recv().await else {
                    panic!("no warning");
                };
                assert!(why.contains(word), "{why}");
                wait_for(&pool, count).await;
            }
            drop(listener);
        });
    }

    #[test]
    fn nothing_is_published_beyond_this_machine() {
        run(async {
            let world = World::of(vec![]).await;
            let pool = Rc::new(Pool::default());
            let error = start(&world.gate, &pool, "0.0.0.0:0".parse().unwrap(), 3000).unwrap_err();
            assert!(!error.hints.is_empty());
        });
    }
}
