//! Listening sockets: which door a connection came to, and new ports while the run goes on.

use super::close::refuse;
use super::config::{self, HTTP_PORT, SOCKS_PORT};
use super::gate::Gate;
use super::{dns, http, socks, transparent};
use crate::firewall::{Denial, Door, Host, Reason};
use nix::sys::socket::{
    AddressFamily, Backlog, SockaddrLike, SockaddrStorage, bind, getsockname, listen, setsockopt,
    sockopt,
};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// Port of the resolver, at every address.
const DNS_PORT: u16 = 53;
/// After an accept that failed for want of memory or descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Where a connection arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrived {
    Http,
    Socks,
    Dns,
    Transparent,
    /// At the proxy's own address, at a port that is no door.
    Nowhere,
}

fn arrived(local: SocketAddr) -> Arrived {
    // In a container, which has no interface but its loopback, the doors are there. Nothing else of ours ever
    // listens at that address.
    let ours = config::is_proxy(local.ip()) || local.ip().to_canonical() == Ipv4Addr::LOCALHOST;
    match (ours, local.port()) {
        (_, DNS_PORT) => Arrived::Dns,
        (true, HTTP_PORT) => Arrived::Http,
        (true, SOCKS_PORT) => Arrived::Socks,
        (true, _) => Arrived::Nowhere,
        (false, _) => Arrived::Transparent,
    }
}

pub(super) struct Doors {
    gate: Rc<Gate>,
    open: RefCell<BTreeSet<u16>>,
    /// In a container nothing but the doors can be reached, and no other port need be listened on.
    doors_alone: bool,
    spare_v4: RefCell<Vec<OwnedFd>>,
    spare_v6: RefCell<Vec<OwnedFd>>,
}

impl Doors {
    pub(super) fn new(gate: Rc<Gate>, spare_v4: Vec<OwnedFd>, spare_v6: Vec<OwnedFd>) -> Rc<Self> {
        let (open, doors_alone) = (RefCell::default(), spare_v4.is_empty());
        Rc::new(Self {
            gate,
            open,
            doors_alone,
            spare_v4: RefCell::new(spare_v4),
            spare_v6: RefCell::new(spare_v6),
        })
    }

    pub(super) fn is_open(&self, port: u16) -> bool {
        self.open.borrow().contains(&port)
    }

    /// Serves a socket that listens already.
    pub(super) fn serve(&self, listener: OwnedFd) -> io::Result<()> {
        self.serve_as(listener, None)
    }

    /// One that is this door alone, or that its address tells.
    pub(super) fn serve_as(&self, listener: OwnedFd, door: Option<Arrived>) -> io::Result<()> {
        let listener = std::net::TcpListener::from(listener);
        listener.set_nonblocking(true)?;
        self.open.borrow_mut().insert(listener.local_addr()?.port());
        let listener = TcpListener::from_std(listener)?;
        tokio::task::spawn_local(accept(Rc::clone(&self.gate), listener, door));
        Ok(())
    }

    /// Opens the ports among these that are not yet; those that cannot be are reported.
    pub(super) fn open_ports(&self, ports: Vec<u16>) {
        for port in ports {
            if self.doors_alone || self.is_open(port) {
                continue;
            }
            if let Err(error) = self.open_port(port) {
                let why = format!("{error}; start the connector again to use it");
                self.gate.warn(format!("port {port} stays closed"), why);
            }
        }
    }

    /// IPv6 is best effort, since the machine may be without.
    fn open_port(&self, port: u16) -> io::Result<()> {
        let spare = self.spare_v4.borrow_mut().pop();
        let v4 =
            spare.ok_or_else(|| io::Error::other("too many ports were allowed during this run"))?;
        start(&v4, SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))?;
        self.serve(v4)?;
        if let Some(v6) = self.spare_v6.borrow_mut().pop() {
            start(&v6, SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port))?;
            self.serve(v6)?;
        }
        Ok(())
    }
}

fn start(socket: &OwnedFd, at: SocketAddr) -> io::Result<()> {
    setsockopt(socket, sockopt::ReuseAddr, &true)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(at))?;
    listen(socket, Backlog::MAXCONN)?;
    Ok(())
}

/// True for an IPv6 socket.
pub(super) fn is_v6(socket: &impl AsFd) -> io::Result<bool> {
    let address = getsockname::<SockaddrStorage>(socket.as_fd().as_raw_fd())?;
    Ok(address.family() == Some(AddressFamily::Inet6))
}

async fn accept(gate: Rc<Gate>, listener: TcpListener, door: Option<Arrived>) {
    let mut said = false;
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                said = false;
                tokio::task::spawn_local(admit(Rc::clone(&gate), client, door));
            }
            Err(error) if is_clients(&error) => {}
            Err(error) => {
                if !said {
                    let what = "connections of the connector wait".to_owned();
                    gate.warn(what, error.to_string());
                    said = true;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// The connection ended before it was accepted: see accept(2).
fn is_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | TimedOut)
}

async fn admit(gate: Rc<Gate>, client: TcpStream, only: Option<Arrived>) {
    let Ok(local) = client.local_addr() else {
        return refuse(client);
    };
    let deny = |client, reason, door| {
        refuse(client);
        let host = Host::Address(local.ip().to_canonical());
        gate.denied(&Denial::new(&gate.config.who, &host, local.port(), door, reason));
    };
    let arrived = only.unwrap_or_else(|| arrived(local));
    let Some(permit) = gate.admit() else {
        let what = format!("{} connections at one time", gate.config.limits.connections);
        return deny(client, Reason::Limit { what }, door(arrived));
    };
    super::dial::at_once(&client);
    match arrived {
        Arrived::Http => http::serve_proxy(Rc::clone(&gate), client).await,
        Arrived::Socks => socks::serve(Rc::clone(&gate), client).await,
        Arrived::Dns => dns::tcp::serve(Rc::clone(&gate), client).await,
        Arrived::Transparent => transparent::serve(Rc::clone(&gate), client, local).await,
        Arrived::Nowhere => deny(client, Reason::UnknownAddress, Door::Transparent),
    }
    drop(permit);
}

fn door(arrived: Arrived) -> Door {
    match arrived {
        Arrived::Http => Door::Connect,
        Arrived::Socks => Door::Socks,
        Arrived::Dns => Door::Dns,
        Arrived::Transparent | Arrived::Nowhere => Door::Transparent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_address_says_which_door() {
        let cases = [
            ("169.254.77.1:3128", Arrived::Http),
            ("[fd6a:6169:6c::1]:3128", Arrived::Http),
            ("[::ffff:169.254.77.1]:1080", Arrived::Socks),
            ("127.0.0.1:3128", Arrived::Http),
            ("127.0.0.1:1080", Arrived::Socks),
            ("127.0.0.1:443", Arrived::Nowhere),
            ("169.254.77.1:53", Arrived::Dns),
            ("8.8.8.8:53", Arrived::Dns),
            ("169.254.77.1:443", Arrived::Nowhere),
            ("192.0.2.7:3128", Arrived::Transparent),
            ("[2001:db8::1]:443", Arrived::Transparent),
        ];
        for (local, expected) in cases {
            assert_eq!(arrived(local.parse().unwrap()), expected, "{local}");
        }
    }
}
