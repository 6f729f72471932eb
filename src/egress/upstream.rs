//! The way through another proxy: it is told the name, resolves it, and answers for the address.

use super::config::{Upstream, UpstreamKind};
use super::dial::{at_once, race};
use super::resolve::Resolver;
use crate::firewall::Host;
use data_encoding::BASE64;
use std::io;
use std::net::IpAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer answers are no answer.
const HEAD: usize = 16 << 10;

/// A connection to `host` through the proxy, or why there is none.
pub(super) async fn connect(
    proxy: &Upstream,
    resolver: &Resolver,
    host: &Host,
    port: u16,
) -> Result<TcpStream, String> {
    let told = |why: String| format!("the upstream proxy {}:{}: {why}", proxy.host, proxy.port);
    let addresses = match Host::parse(&proxy.host).map_err(|error| told(error.to_string()))? {
        Host::Address(address) => vec![address],
        Host::Name(name) => {
            resolver.addresses(&name).await.map_err(|error| told(error.to_string()))?
        }
    };
    let mut stream = race(&addresses, proxy.port).await.map_err(|error| told(error.to_string()))?;
    at_once(&stream);
    match proxy.kind {
        UpstreamKind::HttpConnect => http(&mut stream, proxy, host, port).await,
        UpstreamKind::Socks5 => socks(&mut stream, proxy, host, port).await,
    }
    .map_err(|error| told(error.to_string()))?;
    Ok(stream)
}

async fn http(stream: &mut TcpStream, proxy: &Upstream, host: &Host, port: u16) -> io::Result<()> {
    let target = match host {
        Host::Address(IpAddr::V6(v6)) => format!("[{v6}]:{port}"),
        host => format!("{host}:{port}"),
    };
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(credentials) = &proxy.credentials {
        let encoded = BASE64.encode(credentials.as_bytes());
        request.push_str(&format!("Proxy-Authorization: Basic {encoded}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await?;
    let head = read_head(stream).await?;
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    response.parse(&head).map_err(|_| io::Error::other("its answer is not HTTP"))?;
    match response.code {
        Some(200..=299) => Ok(()),
        Some(407) => Err(io::Error::other("it wants other credentials (407)")),
        Some(code) => {
            let phrase: String = response
                .reason
                .unwrap_or_default()
                .chars()
                .take(120)
                .filter(|c| !c.is_control())
                .collect();
            Err(io::Error::other(format!("it answered {code} {phrase}")))
        }
        None => Err(io::Error::other("its answer has no status")),
    }
}

/// Reads to the end of the head and not one byte further: what follows is the tunnel's.
async fn read_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut seen = [0; 1024];
    loop {
        let got = stream.peek(&mut seen).await?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let before = head.len();
        head.extend_from_slice(seen.get(..got).unwrap_or_default());
        let end = head.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        head.truncate(end.unwrap_or(head.len()));
        let took = head.len().saturating_sub(before);
        stream.read_exact(seen.get_mut(..took).unwrap_or_default()).await?;
        if end.is_some() {
            return Ok(head);
        }
        if head.len() > HEAD {
            return Err(io::Error::other("its answer has no end"));
        }
    }
}

const VERSION: u8 = 5;
const NO_AUTH: u8 = 0;
const PASSWORD: u8 = 2;

/// RFC 1928, with the password of RFC 1929.
async fn socks(stream: &mut TcpStream, proxy: &Upstream, host: &Host, port: u16) -> io::Result<()> {
    let method = if proxy.credentials.is_some() { PASSWORD } else { NO_AUTH };
    stream.write_all(&[VERSION, 1, method]).await?;
    let mut chosen = [0; 2];
    stream.read_exact(&mut chosen).await?;
    if chosen != [VERSION, method] {
        return Err(io::Error::other("it does not take our way to sign in"));
    }
    if let Some(credentials) = &proxy.credentials {
        sign_in(stream, credentials).await?;
    }
    let mut request = vec![VERSION, 1, 0];
    match host {
        Host::Address(IpAddr::V4(v4)) => {
            request.push(1);
            request.extend(v4.octets());
        }
        Host::Address(IpAddr::V6(v6)) => {
            request.push(4);
            request.extend(v6.octets());
        }
        Host::Name(name) => {
            request.push(3);
            push_short(&mut request, name.as_str().as_bytes())?;
        }
    }
    request.extend(port.to_be_bytes());
    stream.write_all(&request).await?;
    read_reply(stream).await
}

async fn sign_in(stream: &mut TcpStream, credentials: &str) -> io::Result<()> {
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let mut message = vec![1];
    push_short(&mut message, user.as_bytes())?;
    push_short(&mut message, password.as_bytes())?;
    stream.write_all(&message).await?;
    let mut answer = [0; 2];
    stream.read_exact(&mut answer).await?;
    let [_, status] = answer;
    if status == 0 { Ok(()) } else { Err(io::Error::other("it wants other credentials")) }
}

async fn read_reply(stream: &mut TcpStream) -> io::Result<()> {
    let mut reply = [0; 4];
    stream.read_exact(&mut reply).await?;
    let [version, status, _, kind] = reply;
    if version != VERSION {
        return Err(io::Error::other("its answer is not SOCKS5"));
    }
    if status != 0 {
        return Err(io::Error::other(format!("it answered {status} ({})", meaning(status))));
    }
    let length = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(stream.read_u8().await?),
        _ => return Err(io::Error::other("its answer is not SOCKS5")),
    };
    let mut bound = vec![0; length + 2];
    stream.read_exact(&mut bound).await?;
    Ok(())
}

fn meaning(status: u8) -> &'static str {
    match status {
        2 => "not allowed",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "time exceeded",
        _ => "failure",
    }
}

fn push_short(message: &mut Vec<u8>, text: &[u8]) -> io::Result<()> {
    let length = u8::try_from(text.len()).map_err(|_| io::Error::other("longer than 255 bytes"))?;
    message.push(length);
    message.extend(text);
    Ok(())
}
