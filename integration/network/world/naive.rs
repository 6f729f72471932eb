//! A proxy that does what it is told, as C libraries and lenient parsers do. In a control it stands
//! where a jail has its doors: an attack on the doors must reach its goal here, or it is none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// A client that has gone can have sent a datagram whose turn comes after its end.
const LAST: std::time::Duration = std::time::Duration::from_millis(500);

type Result<T> = std::io::Result<T>;

pub async fn http(mut client: TcpStream) -> Result<()> {
    // Room for a whole request: the part after the head goes on as it came, in one piece.
    let mut head = Vec::with_capacity(16 << 10);
    let end = loop {
        if client.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
        let mut ends = [&b"\r\n\r\n"[..], b"\n\n"].into_iter().filter_map(|mark| {
            head.windows(mark.len()).position(|part| part == mark).map(|at| at + mark.len())
        });
        if let Some(end) = ends.next() {
            break end;
        }
    };
    let rest = head.split_off(end);
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut words = text.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let tunnel = method == "CONNECT";
    let (authority, path) = if tunnel {
        (target.to_owned(), String::new())
    } else {
        let bare = target.strip_prefix("http://").unwrap_or(target);
        let (authority, path) = bare.split_once('/').unwrap_or((bare, ""));
        (authority.to_owned(), format!("/{path}"))
    };
    let Ok(mut server) = dial(&authority, 80).await else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
    };
    if tunnel {
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    } else {
        server.write_all(text.replacen(target, &path, 1).as_bytes()).await?;
    }
    server.write_all(&rest).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// `[user@]host[:port]`, with what people and libraries put up with.
async fn dial(authority: &str, default: u16) -> Result<TcpStream> {
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, ""),
    };
    // As C has it: a number of 32 bits that is cut down to 16.
    let port = port.trim().parse::<u32>().map_or(default, |port| (port & 0xffff) as u16);
    let host = unescape(host.trim_start_matches('[').trim_end_matches(']'));
    connect(host.as_bytes(), port).await
}

fn unescape(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        match after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &after[2..];
            }
            None => return text.to_owned(),
        }
    }
    out + rest
}

/// A name ends at its first NUL, for getaddrinfo(3).
async fn connect(host: &[u8], port: u16) -> Result<TcpStream> {
    let host = host.split(|byte| *byte == 0).next().unwrap_or_default();
    TcpStream::connect((String::from_utf8_lossy(host).as_ref(), port)).await
}

pub async fn socks(mut client: TcpStream) -> Result<()> {
    client.read_u8().await?;
    let methods = client.read_u8().await?;
    client.read_exact(&mut vec![0; usize::from(methods)]).await?;
    client.write_all(&[5, 0]).await?;
    let mut request = [0; 4];
    client.read_exact(&mut request).await?;
    let host = match request[3] {
        1 => IpAddr::from(Ipv4Addr::from(client.read_u32().await?)).to_string().into_bytes(),
        4 => IpAddr::from(Ipv6Addr::from(client.read_u128().await?)).to_string().into_bytes(),
        _ => {
            let mut name = vec![0; usize::from(client.read_u8().await?)];
            client.read_exact(&mut name).await?;
            name
        }
    };
    let port = client.read_u16().await?;
    match request[1] {
        2 => return bind(client).await,
        3 => return associate(client).await,
        _ => {}
    }
    let server = connect(&host, port).await;
    let code = u8::from(server.is_err());
    client.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    copy_bidirectional(&mut client, &mut server?).await.map(drop)
}

fn success(port: u16) -> Vec<u8> {
    let IpAddr::V4(door) = super::DOOR else { panic!("an IPv4 address") };
    [&[5, 0, 0, 1][..], &door.octets(), &port.to_be_bytes()].concat()
}

/// Lets in whoever comes first.
async fn bind(mut client: TcpStream) -> Result<()> {
    let listener = TcpListener::bind((super::DOOR, 0)).await?;
    client.write_all(&success(listener.local_addr()?.port())).await?;
    let (mut stranger, from) = listener.accept().await?;
    client.write_all(&success(from.port())).await?;
    copy_bidirectional(&mut client, &mut stranger).await.map(drop)
}

/// Sends on what comes, as long as the client holds the connection; what it sent before it let go, too.
async fn associate(mut client: TcpStream) -> Result<()> {
    let socket = UdpSocket::bind((super::DOOR, 0)).await?;
    let outward = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    client.write_all(&success(socket.local_addr()?.port())).await?;
    let (mut datagram, mut end, mut gone) = (vec![0; 4096], [0], false);
    loop {
        let length = tokio::select! {
            length = socket.recv(&mut datagram) => length?,
            _ = client.read(&mut end), if !gone => {
                gone = true;
                continue;
            }
            () = tokio::time::sleep(LAST), if gone => return Ok(()),
        };
        let [0, 0, 0, 1, a, b, c, d, high, low, ref data @ ..] = datagram[..length] else {
            continue;
        };
        let port = u16::from_be_bytes([high, low]);
        outward.send_to(data, (Ipv4Addr::new(a, b, c, d), port)).await?;
    }
}
