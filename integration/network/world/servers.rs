//! Starts the servers of one side of the world, in one thread. All listen at every address there.

use super::seen::Seen;
use super::{ECHO, REACHED, dns, http, naive};
use rustls::server::Acceptor;
use socket2::{Domain, Socket, Type};
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_rustls::LazyConfigAcceptor;

#[derive(Clone, Copy)]
pub enum Role {
    Internet,
    /// `naive`: with a proxy that allows everything where a jail has its doors.
    Host {
        naive: bool,
    },
}

/// Comes back when all of them listen.
pub fn start(role: Role) {
    let (ready, is_ready) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async move {
            for port in [80, 8080] {
                listen(port, plain);
            }
            for port in [443, 8443] {
                listen(port, tls);
            }
            ECHO.iter().for_each(|port| listen(*port, echo));
            match role {
                Role::Internet => resolvers(),
                Role::Host { naive: false } => {}
                Role::Host { naive: true } => {
                    listen(super::HTTP_DOOR, naive::http);
                    listen(super::SOCKS_DOOR, naive::socks);
                }
            }
            ready.send(()).expect("somebody waits");
            std::future::pending::<()>().await;
        });
    });
    is_ready.recv().expect("the servers start");
}

fn resolvers() {
    listen(53, dns::serve_tcp);
    // Each at its own address, so that it answers from there. The gateway's comes later.
    for address in [super::NAMESERVER, super::RESOLVER, super::OTHER, super::OTHER6] {
        tokio::spawn(dns::serve_udp(udp(address, 53), address));
    }
}

fn listen<F>(port: u16, serve: fn(TcpStream) -> F)
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    for any in [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()] {
        let listener = tcp(any, port);
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                tokio::spawn(async move {
                    // How a client breaks off is not the servers' concern; what it sent is recorded.
                    drop(serve(stream).await);
                });
            }
        });
    }
}

fn tcp(any: IpAddr, port: u16) -> TcpListener {
    let socket = bound(any, Type::STREAM, port);
    socket.listen(4096).expect("a listener");
    TcpListener::from_std(socket.into()).expect("a listener")
}

fn udp(any: IpAddr, port: u16) -> UdpSocket {
    UdpSocket::from_std(bound(any, Type::DGRAM, port).into()).expect("a socket")
}

/// IPv6 apart from IPv4, so that the address that was dialled is seen as it was.
fn bound(any: IpAddr, kind: Type, port: u16) -> Socket {
    let address = SocketAddr::new(any, port);
    let socket = Socket::new(Domain::for_address(address), kind, None).expect("a socket");
    socket.set_nonblocking(true).expect("nonblocking");
    socket.set_reuse_address(true).expect("reuse");
    // Before the address is there.
    match any {
        IpAddr::V4(_) => socket.set_freebind_v4(true).expect("freebind"),
        IpAddr::V6(_) => socket.set_freebind_v6(true).expect("freebind"),
    }
    if any.is_ipv6() {
        socket.set_only_v6(true).expect("IPv6 only");
    }
    socket.bind(&address.into()).unwrap_or_else(|error| panic!("port {port}: {error}"));
    socket
}

/// Records that somebody came, and what they said first.
async fn greet(stream: &TcpStream) -> std::io::Result<SocketAddr> {
    let to = stream.local_addr()?;
    let mut first = vec![0; 2048];
    let length = stream.peek(&mut first).await?;
    first.truncate(length);
    super::get().seen.add(Seen::Bytes { to, first });
    Ok(to)
}

async fn plain(stream: TcpStream) -> std::io::Result<()> {
    let to = greet(&stream).await?;
    http::serve(stream, to, None).await
}

async fn tls(stream: TcpStream) -> std::io::Result<()> {
    let to = greet(&stream).await?;
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let sni = start.client_hello().server_name().map(str::to_owned);
    let config = super::get().authority.server(sni.as_deref().unwrap_or("nameless.test"));
    let stream = start.into_stream(config).await?;
    http::serve(stream, to, Some(sni.unwrap_or_default())).await
}

async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    let to = stream.local_addr()?;
    super::get().seen.add(Seen::Bytes { to, first: Vec::new() });
    stream.write_all(format!("{REACHED} at {to}\r\n").as_bytes()).await?;
    let mut bytes = vec![0; 64 << 10];
    loop {
        let length = stream.read(&mut bytes).await?;
        if length == 0 {
            return Ok(());
        }
        stream.write_all(&bytes[..length]).await?;
    }
}
