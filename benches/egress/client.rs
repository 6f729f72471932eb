//! The load: this program once more, with a line on stdin for each thing to do and a line on stdout for
//! what came of it. The same code runs in a jail and outside.

use super::server::{BULK, DOWN, HTTP, NAME, UP};
use std::io::{self, BufRead};
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

/// Nothing here takes as long, but where something hangs.
const PATIENCE: Duration = Duration::from_secs(20);
/// Connections that are tried at one time in [`churn`], well below the limit of a connector.
const ABREAST: usize = 32;

/// How the server is reached.
#[derive(Clone, Copy)]
enum Way {
    Direct(SocketAddr),
    /// Requests in absolute form.
    Plain(SocketAddr),
    Connect(SocketAddr),
    Socks(SocketAddr),
}

pub(crate) fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut held = Vec::new();
    for line in io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let work = async { tokio::time::timeout(PATIENCE, obey(&words, &mut held)).await };
        let said = match LocalSet::new().block_on(&runtime, work) {
            Ok(Ok(said)) => said,
            Ok(Err(error)) => format!("error {error}"),
            Err(_) => format!("error nothing came of it within {PATIENCE:?}"),
        };
        println!("{said}");
    }
}

async fn obey(words: &[&str], held: &mut Vec<TcpStream>) -> io::Result<String> {
    let number = |at: usize| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(0_u64);
    match words {
        ["bulk", way, direction, _] => {
            let direction = if *direction == "down" { DOWN } else { UP };
            bulk(way_of(way, BULK)?, direction, number(3)).await
        }
        ["http", way, kind, _, _] => {
            let time = Duration::from_millis(number(4));
            http(way_of(way, HTTP)?, *kind == "keep", number(3), time).await
        }
        ["churn", way, _] => churn(way_of(way, BULK)?, number(2)).await,
        ["hold", way, _] => hold(way_of(way, BULK)?, number(2), held).await,
        ["release"] => {
            held.clear();
            Ok("0".to_owned())
        }
        _ => Err(io::Error::other("no such order")),
    }
}

/// `direct`, `plain@ADDRESS`, `connect@ADDRESS`, `socks@ADDRESS`.
fn way_of(word: &str, port: u16) -> io::Result<Way> {
    let (kind, at) = word.split_once('@').unwrap_or((word, "0.0.0.0:0"));
    let at: SocketAddr = at.parse().map_err(io::Error::other)?;
    Ok(match kind {
        "plain" => Way::Plain(at),
        "connect" => Way::Connect(at),
        "socks" => Way::Socks(at),
        _ => {
            // Once for all connections: what is measured are connections, not the C library's resolver.
            let mut found = (NAME, port).to_socket_addrs()?.filter(SocketAddr::is_ipv4);
            Way::Direct(found.next().ok_or_else(|| io::Error::other("no address"))?)
        }
    })
}

async fn dial(way: Way, port: u16) -> io::Result<TcpStream> {
    let (Way::Direct(at) | Way::Plain(at) | Way::Connect(at) | Way::Socks(at)) = way;
    let mut stream = TcpStream::connect(at).await?;
    stream.set_nodelay(true)?;
    match way {
        Way::Direct(_) | Way::Plain(_) => {}
        Way::Connect(_) => {
            let request = format!("CONNECT {NAME}:{port} HTTP/1.1\r\nHost: {NAME}:{port}\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut said = Vec::new();
            while !said.ends_with(b"\r\n\r\n") {
                said.push(stream.read_u8().await?);
            }
            if !said.starts_with(b"HTTP/1.1 200") {
                return Err(io::Error::other(String::from_utf8_lossy(&said).into_owned()));
            }
        }
        Way::Socks(_) => {
            let length = u8::try_from(NAME.len()).unwrap();
            let mut request = vec![5, 1, 0, 5, 1, 0, 3, length];
            request.extend(NAME.bytes());
            request.extend(port.to_be_bytes());
            stream.write_all(&request[..3]).await?;
            stream.read_u16().await?;
            stream.write_all(&request[3..]).await?;
            let mut reply = [0; 10];
            stream.read_exact(&mut reply).await?;
            if reply[1] != 0 {
                return Err(io::Error::other(format!("SOCKS answered {}", reply[1])));
            }
        }
    }
    Ok(stream)
}

/// Seconds for so many bytes.
async fn bulk(way: Way, direction: u8, count: u64) -> io::Result<String> {
    let mut stream = dial(way, BULK).await?;
    let mut buffer = vec![b'x'; 256 << 10];
    let most = |left: u64| usize::try_from(left).unwrap_or(usize::MAX).min(256 << 10);
    let begin = Instant::now();
    stream.write_u8(direction).await?;
    stream.write_u64(count).await?;
    let mut left = count;
    while left > 0 {
        let moved = if direction == DOWN {
            stream.read(&mut buffer[..most(left)]).await?
        } else {
            stream.write(&buffer[..most(left)]).await?
        };
        if moved == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left -= moved as u64;
    }
    if direction == UP {
        stream.read_u8().await?;
    }
    Ok(begin.elapsed().as_secs_f64().to_string())
}

/// Requests a second, and the median and 99th percentile of their times in microseconds. `keep`: over
/// connections that stay, if the other side lets them.
async fn http(way: Way, keep: bool, abreast: u64, time: Duration) -> io::Result<String> {
    let mut tasks = JoinSet::new();
    let begin = Instant::now();
    for _ in 0..abreast {
        tasks.spawn_local(requests(way, keep, begin + time));
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done.map_err(io::Error::other)??);
    }
    let rate = times.len() as f64 / begin.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    Ok(format!("{rate} {} {}", at(0.5), at(0.99)))
}

async fn requests(way: Way, keep: bool, end: Instant) -> io::Result<Vec<Duration>> {
    let target =
        if matches!(way, Way::Plain(_)) { format!("http://{NAME}/") } else { "/".to_owned() };
    let close = if keep { "" } else { "Connection: close\r\n" };
    let request = format!("GET {target} HTTP/1.1\r\nHost: {NAME}\r\n{close}\r\n");
    let mut kept = None;
    let mut times = Vec::new();
    let mut said = Vec::with_capacity(4096);
    while times.is_empty() || Instant::now() < end {
        let begin = Instant::now();
        let (stream, stays) = match again(kept.take(), &request, &mut said).await {
            Some(answered) => answered,
            None => {
                let mut stream = dial(way, HTTP).await?;
                stream.write_all(request.as_bytes()).await?;
                let stays = answer(&mut stream, &mut said).await?;
                (stream, stays)
            }
        };
        times.push(begin.elapsed());
        kept = Some(stream).filter(|_| keep && stays);
    }
    Ok(times)
}

/// The next request on a connection that was kept; `None` if there is none, or the other side has ended
/// it without a word, as tinyproxy does.
async fn again(
    kept: Option<TcpStream>,
    request: &str,
    said: &mut Vec<u8>,
) -> Option<(TcpStream, bool)> {
    let mut stream = kept?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let stays = answer(&mut stream, said).await.ok()?;
    Some((stream, stays))
}

/// Reads one answer; true if the connection stays.
async fn answer(stream: &mut TcpStream, said: &mut Vec<u8>) -> io::Result<bool> {
    said.clear();
    loop {
        if stream.read_buf(said).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut room = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut room);
        let httparse::Status::Complete(length) = head.parse(said).map_err(io::Error::other)? else {
            continue;
        };
        if head.code != Some(200) {
            return Err(io::Error::other(String::from_utf8_lossy(said).into_owned()));
        }
        let field = |name: &str| {
            let mut fields = head.headers.iter();
            let found = fields.find(|field| field.name.eq_ignore_ascii_case(name));
            found.map(|field| String::from_utf8_lossy(field.value).to_ascii_lowercase())
        };
        let body = field("content-length").and_then(|length| length.parse::<usize>().ok());
        let body = body.ok_or_else(|| io::Error::other("an answer without a length"))?;
        if said.len() >= length + body {
            return Ok(field("connection").as_deref() != Some("close") && head.version == Some(1));
        }
    }
}

/// So many connections, each for a few bytes; says how many worked.
async fn churn(way: Way, count: u64) -> io::Result<String> {
    let left = Rc::new(std::cell::Cell::new(count));
    let mut tasks = JoinSet::new();
    for _ in 0..ABREAST {
        let left = Rc::clone(&left);
        tasks.spawn_local(async move {
            let mut served = 0;
            while left.get() > 0 {
                left.set(left.get() - 1);
                served += u64::from(try_one(way).await.is_ok());
            }
            served
        });
    }
    let served: u64 = tasks.join_all().await.into_iter().sum();
    Ok(served.to_string())
}

async fn try_one(way: Way) -> io::Result<TcpStream> {
    let mut stream = dial(way, BULK).await?;
    stream.write_u8(UP).await?;
    stream.write_u64(1).await?;
    stream.write_u8(0).await?;
    stream.read_u8().await?;
    Ok(stream)
}

/// Keeps as many of so many connections as are let, and says how many.
async fn hold(way: Way, count: u64, held: &mut Vec<TcpStream>) -> io::Result<String> {
    for _ in 0..count {
        held.extend(try_one(way).await.ok());
    }
    Ok(held.len().to_string())
}
