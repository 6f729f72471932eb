//! The servers: each says [`REACHED`] to whoever connects. And, for the run without jail, proxies that refuse nothing.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const REACHED: &str = "THE-SERVER-WAS-REACHED";

/// What came to servers that no rule names.
pub type Hits = Arc<Mutex<Vec<String>>>;

pub struct Server {
    /// Ports on 127.0.0.1: of one that no rule names, and of one that a rule does.
    pub secret: u16,
    pub allowed: u16,
    pub address: SocketAddr,
    pub metadata: SocketAddr,
    pub resolver: SocketAddr,
    pub abstract_name: String,
    pub http: u16,
    pub socks: u16,
    /// Taken by nobody, a moment ago.
    pub free: u16,
}

impl Server {
    pub fn start(
        (own, metadata): (Ipv4Addr, Ipv4Addr),
        resolver: u16,
        name: &str,
        hits: &Hits,
    ) -> io::Result<Self> {
        let abstract_name = format!("jail-test-{name}");
        let unix = UnixListener::bind_addr(&UnixAddr::from_abstract_name(&abstract_name)?)?;
        let log = Arc::clone(hits);
        std::thread::spawn(move || {
            for mut client in unix.incoming().flatten() {
                log.lock().unwrap().push("abstract socket".to_owned());
                client.write_all(REACHED.as_bytes()).ok();
            }
        });
        Ok(Self {
            secret: serve(Ipv4Addr::LOCALHOST, Some(("loopback", hits)))?.port(),
            allowed: serve(Ipv4Addr::LOCALHOST, None)?.port(),
            address: serve(own, Some(("another address", hits)))?,
            metadata: serve(metadata, Some(("metadata", hits)))?,
            resolver: resolve(UdpSocket::bind((own, resolver))?, hits)?,
            abstract_name,
            http: proxy(http)?,
            socks: proxy(socks)?,
            free: TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port(),
        })
    }
}

fn serve(at: Ipv4Addr, counted: Option<(&'static str, &Hits)>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((at, 0))?;
    let address = listener.local_addr()?;
    let counted = counted.map(|(name, hits)| (name, Arc::clone(hits)));
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            if let Some((name, hits)) = &counted {
                hits.lock().unwrap().push((*name).to_owned());
            }
            client.write_all(format!("HTTP/1.0 200 OK\r\n\r\n{REACHED}\n").as_bytes()).ok();
        }
    });
    Ok(address)
}

/// Knows one address for every name: loopback's. What it is asked is a hit, but for the names of the rules.
fn resolve(socket: UdpSocket, hits: &Hits) -> io::Result<SocketAddr> {
    let address = socket.local_addr()?;
    let hits = Arc::clone(hits);
    std::thread::spawn(move || {
        let mut bytes = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut bytes) {
            let Some((name, end)) = question(&bytes[..length]) else { continue };
            if !["named.test", "loop.test"].contains(&name.as_str()) {
                hits.lock().unwrap().push(format!("resolver: {name}"));
            }
            let wanted = bytes[end - 3];
            let mut answer = bytes[..end].to_vec();
            let count = u8::from(wanted == 1);
            answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0]);
            if count == 1 {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 127, 0, 0, 1]);
            }
            socket.send_to(&answer, from).ok();
        }
    });
    Ok(address)
}

/// The name that is asked for, and where the question ends.
fn question(bytes: &[u8]) -> Option<(String, usize)> {
    let (mut at, mut name) = (12, String::new());
    loop {
        let length = usize::from(*bytes.get(at)?);
        if length == 0 {
            let end = at + 5;
            return (end <= bytes.len()).then(|| (name.to_lowercase(), end));
        }
        let label = bytes.get(at + 1..at + 1 + length)?;
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&String::from_utf8_lossy(label));
        at += 1 + length;
    }
}

/// A query for the address of a name.
pub fn query(name: &str) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap_or(0));
        bytes.extend(label.as_bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    bytes
}

fn proxy(speak: fn(&mut TcpStream) -> io::Result<String>) -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            client.set_read_timeout(Some(Duration::from_secs(5))).ok();
            // Every name of the tests is loopback's.
            let done = speak(&mut client).and_then(|to| {
                let to = match to.split_once(".test:") {
                    Some((_, port)) => format!("127.0.0.1:{port}"),
                    None => to,
                };
                let mut server = TcpStream::connect(to)?;
                io::copy(&mut server, &mut client)
            });
            if let Err(error) = done {
                client.write_all(format!("the naive proxy: {error}").as_bytes()).ok();
            }
        }
    });
    Ok(port)
}

fn http(client: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default();
    match target.strip_prefix("http://") {
        Some(rest) => Ok(rest.trim_end_matches('/').to_owned()),
        None => client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").map(|()| target.to_owned()),
    }
}

fn socks(client: &mut TcpStream) -> io::Result<String> {
    let mut greeting = [0; 3];
    client.read_exact(&mut greeting)?;
    client.write_all(&[5, 0])?;
    let mut head = [0; 5];
    client.read_exact(&mut head)?;
    let mut name = vec![0; usize::from(head[4]) + 2];
    client.read_exact(&mut name)?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
    let port = name.split_off(name.len() - 2);
    Ok(format!("{}:{}", String::from_utf8_lossy(&name), u16::from_be_bytes([port[0], port[1]])))
}
