//! What the attacks are made of: bytes to a door, and what came back. Nothing here knows of proxies
//! more than it says on the wire.

use crate::harness::Verdict;
use crate::world::{DOOR, HTTP_DOOR, NAMESERVER, REACHED, SOCKS_DOOR};
use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// For an answer. What is refused is refused at once; this is for what hangs.
const PATIENCE: u64 = 8000;

/// Seconds more, for what is held while somebody is asked.
pub static MORE: AtomicU64 = AtomicU64::new(0);

fn patience() -> Duration {
    crate::run::patience(PATIENCE) + Duration::from_secs(MORE.load(Ordering::Relaxed))
}

pub fn dial(to: IpAddr, port: u16) -> io::Result<TcpStream> {
    let stream =
        TcpStream::connect_timeout(&SocketAddr::new(to, port), crate::run::patience(PATIENCE))?;
    stream.set_read_timeout(Some(patience()))?;
    stream.set_write_timeout(Some(crate::run::patience(PATIENCE)))?;
    Ok(stream)
}

/// Sends, then reads until the world speaks, the other side closes or patience ends.
pub fn exchange(mut stream: impl Read + Write, bytes: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(bytes)?;
    stream.flush()?;
    let (mut got, mut piece) = (Vec::new(), [0; 4096]);
    let until = Instant::now() + patience();
    while Instant::now() < until {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => got.extend(&piece[..length]),
            Err(error) if got.is_empty() => return Err(error),
            Err(_) => break,
        }
        if reached(&got) {
            break;
        }
    }
    Ok(got)
}

pub fn reached(bytes: &[u8]) -> bool {
    crate::kit::contains(bytes, REACHED)
}

/// An escape if the world answered.
pub fn judge_reply(reply: io::Result<Vec<u8>>) -> Verdict {
    match reply {
        Ok(bytes) if reached(&bytes) => Verdict::Escaped(first_line(&bytes)),
        Ok(bytes) => Verdict::Refused(format!("answer: {}", first_line(&bytes))),
        Err(error) => Verdict::Refused(error.to_string()),
    }
}

/// An escape if any of them is one; else what the last was refused with.
pub fn any(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    let mut last = Verdict::Refused("nothing was tried".into());
    for verdict in verdicts {
        match verdict {
            Verdict::Refused(_) => last = verdict,
            _ => return verdict,
        }
    }
    last
}

fn first_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]);
    let line = text.lines().find(|line| line.contains(REACHED)).or(text.lines().next());
    line.unwrap_or_default().chars().flat_map(char::escape_default).collect()
}

/// A plain request in origin form.
pub fn get(host: &str) -> Vec<u8> {
    format!("GET /{host} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes()
}

/// The same as a proxy wants it; `authority` is the host with its port.
pub fn get_absolute(authority: &str) -> Vec<u8> {
    format!("GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n")
        .into_bytes()
}

/// These bytes to the HTTP proxy.
pub fn http_door(bytes: &[u8]) -> io::Result<Vec<u8>> {
    exchange(dial(DOOR, HTTP_DOOR)?, bytes)
}

/// A tunnel by CONNECT to `authority`, whatever is in it.
pub fn tunnel(authority: &str) -> io::Result<TcpStream> {
    let mut stream = dial(DOOR, HTTP_DOOR)?;
    stream.write_all(format!("CONNECT {authority} HTTP/1.1\r\n").as_bytes())?;
    stream.write_all(format!("Host: {authority}\r\n\r\n").as_bytes())?;
    let head = read_head(&mut stream)?;
    if head.split_whitespace().nth(1) == Some("200") { Ok(stream) } else { Err(refusal(&head)) }
}

fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte)? == 0 {
            break;
        }
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn refusal(head: &str) -> io::Error {
    io::Error::other(head.lines().next().unwrap_or("closed").to_owned())
}

pub fn socks_name(name: &[u8], port: u16) -> io::Result<TcpStream> {
    let length = u8::try_from(name.len()).map_err(io::Error::other)?;
    socks(&[&[3, length], name].concat(), port)
}

pub fn socks_address(address: IpAddr, port: u16) -> io::Result<TcpStream> {
    match address {
        IpAddr::V4(v4) => socks(&[&[1][..], &v4.octets()].concat(), port),
        IpAddr::V6(v6) => socks(&[&[4][..], &v6.octets()].concat(), port),
    }
}

/// A tunnel by SOCKS5; `target` has the kind of address before it.
pub fn socks(target: &[u8], port: u16) -> io::Result<TcpStream> {
    let mut stream = dial(DOOR, SOCKS_DOOR)?;
    stream.write_all(&[5, 1, 0])?;
    let mut chosen = [0; 2];
    stream.read_exact(&mut chosen)?;
    stream.write_all(&[&[5, 1, 0][..], target, &port.to_be_bytes()].concat())?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer)?;
    if answer[1] != 0 {
        return Err(io::Error::other(format!("SOCKS5 reply {}", answer[1])));
    }
    let rest = if answer[3] == 4 { 18 } else { 6 };
    stream.read_exact(&mut vec![0; rest])?;
    Ok(stream)
}

/// Another command of SOCKS5 than CONNECT; where the proxy says that it serves that, with the connection.
pub fn socks_command(command: u8, to: IpAddr, port: u16) -> io::Result<(TcpStream, SocketAddr)> {
    let IpAddr::V4(v4) = to else { panic!("an IPv4 address") };
    let mut stream = dial(DOOR, SOCKS_DOOR)?;
    stream.write_all(&[5, 1, 0])?;
    stream.read_exact(&mut [0; 2])?;
    let request = [&[5, command, 0, 1][..], &v4.octets(), &port.to_be_bytes()].concat();
    stream.write_all(&request)?;
    let mut answer = [0; 10];
    stream.read_exact(&mut answer)?;
    if answer[1] != 0 {
        return Err(io::Error::other(format!("SOCKS5 reply {}", answer[1])));
    }
    Ok((stream, SocketAddr::new(DOOR, u16::from_be_bytes([answer[8], answer[9]]))))
}

/// Where programs ask for names here.
pub fn nameserver() -> IpAddr {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let first = text.lines().find_map(|line| line.strip_prefix("nameserver ")?.trim().parse().ok());
    first.unwrap_or(NAMESERVER)
}

pub fn question(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    let name = Name::from_ascii(format!("{}.", name.trim_end_matches('.'))).expect("a name");
    message.add_query(Query::query(name, kind));
    message.to_vec().expect("a message")
}

/// Asks `server` over UDP.
pub fn ask(server: IpAddr, name: &str, kind: RecordType) -> io::Result<Message> {
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any)?;
    let more = Duration::from_secs(MORE.load(Ordering::Relaxed));
    socket.set_read_timeout(Some(crate::run::patience(1000) + more))?;
    socket.connect((server, 53))?;
    socket.send(&question(name, kind))?;
    let mut answer = [0; 4096];
    let length = socket.recv(&mut answer)?;
    Message::from_vec(&answer[..length]).map_err(io::Error::other)
}

/// The addresses of a name, as the resolver here has them.
pub fn resolve(name: &str) -> Vec<IpAddr> {
    let ask = |kind| {
        let answers = ask(nameserver(), name, kind).map(|message| message.answers);
        answers.unwrap_or_default().into_iter().filter_map(|record| match record.data {
            RData::A(a) => Some(IpAddr::V4(a.0)),
            RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
            _ => None,
        })
    };
    ask(RecordType::A).chain(ask(RecordType::AAAA)).collect()
}

/// A request for `host` over each door: proxy, CONNECT, SOCKS5, and by looking it up and dialling.
pub fn by_every_door(host: &str, port: u16) -> Vec<(&'static str, Verdict)> {
    let literal: Option<IpAddr> = host.parse().ok();
    let bracketed = match literal {
        Some(IpAddr::V6(_)) => format!("[{host}]"),
        _ => host.to_owned(),
    };
    let authority = format!("{bracketed}:{port}");
    let request = get(&bracketed);
    let by_socks = match literal {
        Some(address) => socks_address(address, port),
        None => socks_name(host.as_bytes(), port),
    };
    let addresses = literal.map_or_else(|| resolve(host), |address| vec![address]);
    let direct = addresses.into_iter().map(|to| {
        let reply = dial(to, port).and_then(|stream| exchange(stream, &request));
        judge_reply(reply)
    });
    vec![
        ("http", judge_reply(http_door(&get_absolute(&authority)))),
        ("connect", judge_reply(tunnel(&authority).and_then(|s| exchange(s, &request)))),
        ("socks", judge_reply(by_socks.and_then(|s| exchange(s, &request)))),
        ("direct", any(direct)),
    ]
}

/// One of [`by_every_door`].
pub fn by_door(door: &str, host: &str, port: u16) -> Verdict {
    let authority = format!("{host}:{port}");
    let request = get(host);
    match door {
        "http" => judge_reply(http_door(&get_absolute(&authority))),
        "connect" => judge_reply(tunnel(&authority).and_then(|s| exchange(s, &request))),
        "socks" => {
            judge_reply(socks_name(host.as_bytes(), port).and_then(|s| exchange(s, &request)))
        }
        _ => any(resolve(host)
            .into_iter()
            .take(1)
            .map(|to| judge_reply(dial(to, port).and_then(|stream| exchange(stream, &request))))),
    }
}

/// [`by_every_door`] as a verdict: jailed, none may open; in a control, all but `except` must, so
/// that each of them is worth something.
pub fn every_door(jailed: bool, host: &str, port: u16, except: &[&str]) -> Verdict {
    let (mut opened, mut closed) = (Vec::new(), Vec::new());
    for (door, verdict) in by_every_door(host, port) {
        match verdict {
            Verdict::Refused(why) if except.contains(&door) => drop(why),
            Verdict::Refused(why) => closed.push(format!("{door}: {why}")),
            Verdict::Escaped(what) | Verdict::Tried(what) => opened.push(format!("{door}: {what}")),
        }
    }
    settle(jailed, opened, closed)
}

/// Of many tries: jailed, one that came through is an escape; in a control, each must.
pub fn settle(jailed: bool, opened: Vec<String>, closed: Vec<String>) -> Verdict {
    let through = if jailed { !opened.is_empty() } else { closed.is_empty() };
    match through {
        true => Verdict::Escaped(opened.join("; ")),
        false => Verdict::Refused(closed.join("; ")),
    }
}

/// Does what is allowed work? Where it does not, a refusal proves nothing.
pub fn allowed_works() -> Result<(), String> {
    let reply = http_door(&get_absolute("allowed.test:80"));
    match judge_reply(reply) {
        Verdict::Escaped(_) => Ok(()),
        Verdict::Refused(why) | Verdict::Tried(why) => Err(why),
    }
}

/// [`every_door`] for several names.
pub fn every_name(jailed: bool, names: &[&str], port: u16) -> Verdict {
    let (mut opened, mut closed) = (Vec::new(), Vec::new());
    for name in names {
        match every_door(jailed, name, port, &[]) {
            Verdict::Refused(why) => closed.push(format!("{name}: {why}")),
            _ => opened.push((*name).to_owned()),
        }
    }
    settle(jailed, opened, closed)
}

/// Targets that are sent as they are: by CONNECT, and in absolute form.
pub fn every_authority(jailed: bool, targets: &[&str]) -> Verdict {
    let (mut opened, mut closed) = (Vec::new(), Vec::new());
    for target in targets {
        let by_tunnel = tunnel(target).and_then(|stream| exchange(stream, &get("x")));
        for (door, reply) in [("connect", by_tunnel), ("http", http_door(&get_absolute(target)))] {
            match judge_reply(reply) {
                Verdict::Refused(why) => closed.push(format!("{door} {target}: {why}")),
                _ => opened.push(format!("{door} {target}")),
            }
        }
    }
    settle(jailed, opened, closed)
}

/// Did anything come to the host that nobody may reach?
pub fn reached_other() -> Option<String> {
    let seen = &crate::world::get().seen;
    seen.packet_to(crate::world::OTHER).or_else(|| seen.packet_to(crate::world::OTHER6))
}

/// For raw calls; of an IPv4 address.
pub fn sockaddr(to: IpAddr, port: u16) -> libc::sockaddr_in {
    let IpAddr::V4(v4) = to else { panic!("an IPv4 address") };
    let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    address.sin_family = libc::AF_INET as u16;
    address.sin_port = port.to_be();
    address.sin_addr.s_addr = u32::from_ne_bytes(v4.octets());
    address
}

/// [`exchange`] that reads on after the world has spoken, until the other side closes or is silent.
pub fn exchange_whole(mut stream: TcpStream, bytes: &[u8]) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(crate::run::patience(1500)))?;
    stream.write_all(bytes)?;
    let (mut got, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(length) = stream.read(&mut piece) {
        if length == 0 || got.len() > 1 << 20 {
            break;
        }
        got.extend(&piece[..length]);
    }
    Ok(got)
}

pub fn http_door_whole(bytes: &[u8]) -> io::Result<Vec<u8>> {
    exchange_whole(dial(DOOR, HTTP_DOOR)?, bytes)
}

/// Did TLS for this name come to a server?
pub fn hello_for(name: &str) -> Option<String> {
    crate::world::get().seen.find(|seen| {
        matches!(seen, crate::world::seen::Seen::Bytes { to, first }
            if to.port() == 443 && crate::kit::contains(first, name))
    })
}
