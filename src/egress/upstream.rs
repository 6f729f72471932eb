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

#[cfg(test)]
mod tests {
    use super::super::world::{World, allow, config, host, listener, run};
    use super::*;
    use crate::firewall::{Door, Reason};

    /// What the proxy heard until it had answered, and what the dial gave.
    async fn through(
        kind: UpstreamKind,
        credentials: Option<&str>,
        script: &[(usize, &[u8])],
    ) -> (Vec<u8>, Result<TcpStream, Reason>) {
        let (proxy, at) = listener("127.0.0.1").await;
        let mut config = config(vec![allow("api.example", 443)]);
        let credentials = credentials.map(str::to_owned);
        config.upstream =
            Some(Upstream { kind, host: at.ip().to_string(), port: at.port(), credentials });
        let world = World::with(config).await;
        let grant = world.gate.ask(&host("api.example"), 443, Door::Connect).unwrap();
        let serving = async {
            let (mut stream, _) = proxy.accept().await.unwrap();
            let mut heard = Vec::new();
            for (bytes, answer) in script {
                let mut part = vec![0; *bytes];
                stream.read_exact(&mut part).await.unwrap();
                heard.extend(part);
                stream.write_all(answer).await.unwrap();
            }
            heard
        };
        let (dialled, heard) = tokio::join!(world.gate.dial(&grant, &[]), serving);
        assert_eq!(world.zone.asked_in_all(), 0, "the upstream proxy resolves");
        (heard, dialled.map_err(|denial| denial.reason))
    }

    #[test]
    fn connect_names_the_host_and_leaves_the_tunnels_bytes() {
        run(async {
            let request = "CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n\
                           Proxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n";
            let answer = b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nSSH-2.0";
            let script: &[(usize, &[u8])] = &[(request.len(), answer)];
            let (heard, dialled) =
                through(UpstreamKind::HttpConnect, Some("user:pass"), script).await;
            assert_eq!(String::from_utf8(heard).unwrap(), request);
            let mut rest = String::new();
            dialled.unwrap().read_to_string(&mut rest).await.unwrap();
            assert_eq!(rest, "SSH-2.0");
        });
    }

    #[test]
    fn what_the_proxy_refuses_is_said() {
        run(async {
            for (answer, expected) in [
                (&b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"[..], "credentials"),
                (b"HTTP/1.0 503 No\x07 way\r\n\r\n", "not HTTP"),
                (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "502 Bad Gateway"),
                (b"SSH-2.0-x\r\n\r\n", "not HTTP"),
            ] {
                let script: &[(usize, &[u8])] = &[(59, answer)];
                let (_, dialled) = through(UpstreamKind::HttpConnect, None, script).await;
                let Err(Reason::Unreachable { why }) = dialled else { panic!("{dialled:?}") };
                assert!(why.contains(expected), "{why}");
            }
        });
    }

    #[test]
    fn socks_names_the_host_too() {
        run(async {
            let script: &[(usize, &[u8])] =
                &[(3, &[5, 2]), (11, &[1, 0]), (18, &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0, b'h', b'i'])];
            let (heard, dialled) = through(UpstreamKind::Socks5, Some("user:pass"), script).await;
            assert_eq!(heard[..3], [5, 1, 2]);
            assert_eq!(&heard[3..14], b"\x01\x04user\x04pass");
            assert_eq!(&heard[14..], b"\x05\x01\x00\x03\x0bapi.example\x01\xbb");
            let mut rest = String::new();
            dialled.unwrap().read_to_string(&mut rest).await.unwrap();
            assert_eq!(rest, "hi");
        });
    }

    #[test]
    fn what_a_socks_proxy_refuses_is_said() {
        run(async {
            let script: &[(usize, &[u8])] = &[(3, &[5, 0]), (18, &[5, 2, 0, 1])];
            let (_, dialled) = through(UpstreamKind::Socks5, None, script).await;
            let Err(Reason::Unreachable { why }) = dialled else { panic!("{dialled:?}") };
            assert!(why.ends_with("it answered 2 (not allowed)"), "{why}");
        });
    }
}
