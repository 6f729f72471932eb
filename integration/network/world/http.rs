//! The world's web servers: lenient, as some are, so that smuggled requests are understood; and they
//! record each request.
//!
//! | path | answer |
//! |---|---|
//! | `/to?URL` | a redirect |
//! | `/files/…` | a file of [`super::World::files`] |
//! | `/git/…` | git's protocol, for the repositories there |
//! | `/drip` | a byte now and then, until the client goes |
//! | anything else | [`REACHED`] |
//!
//! In a path, `te-first` says which of two lengths of a body counts, `last-length` which of two
//! `Content-Length`.

use super::REACHED;
use super::seen::Seen;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const LONGEST_HEAD: usize = 4 << 20;

/// `sni`: the name that TLS was made for.
pub async fn serve<S>(mut stream: S, to: SocketAddr, sni: Option<String>) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut buffer = Vec::new();
    while let Some(end) = head(&mut stream, &mut buffer).await? {
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end);
        let body = body(&mut stream, &mut buffer, &head).await?;
        let seen = Seen::Request { to, sni: sni.clone(), head: head.clone(), body: body.clone() };
        super::get().seen.add(seen);
        let path = head.split_whitespace().nth(1).unwrap_or("/").to_owned();
        if path.starts_with("/drip") {
            return drip(stream).await;
        }
        let answer = match path.starts_with("/git/") {
            true => git(head.clone(), body).await?,
            false => answer(&path, to),
        };
        stream.write_all(&answer).await?;
        stream.flush().await?;
        if field(&head, "connection").any(|value| value.eq_ignore_ascii_case("close"))
            || head.lines().next().is_some_and(|line| line.ends_with("HTTP/1.0"))
        {
            break;
        }
    }
    stream.shutdown().await
}

/// It takes its time, and other connections need the thread.
async fn git(head: String, body: Vec<u8>) -> std::io::Result<Vec<u8>> {
    let answer = move || super::git::answer(&super::get().files(), &head, &body);
    tokio::task::spawn_blocking(answer).await.map_err(std::io::Error::other)
}

/// Where the head ends, at the first empty line, however lines are ended.
async fn head<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
) -> std::io::Result<Option<usize>> {
    loop {
        let ends = |mark: &[u8]| {
            let at = buffer.windows(mark.len()).position(|part| part == mark);
            at.map(|at| at + mark.len())
        };
        if let Some(end) = ends(b"\r\n\r\n").into_iter().chain(ends(b"\n\n")).min() {
            return Ok(Some(end));
        }
        if buffer.len() > LONGEST_HEAD || stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

pub fn field<'a>(head: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    head.lines().skip(1).filter_map(move |line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

async fn body<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
    head: &str,
) -> std::io::Result<Vec<u8>> {
    let chunked = field(head, "transfer-encoding").any(|v| v.to_lowercase().contains("chunked"));
    let lengths: Vec<usize> =
        field(head, "content-length").filter_map(|value| value.parse().ok()).collect();
    if chunked && (head.contains("te-first") || lengths.is_empty()) {
        let mut whole = Vec::new();
        loop {
            let line = take_line(stream, buffer).await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let Ok(size) = usize::from_str_radix(size, 16) else { return Ok(whole) };
            whole.extend(take(stream, buffer, size).await?);
            take_line(stream, buffer).await?;
            if size == 0 {
                return Ok(whole);
            }
        }
    }
    let length = if head.contains("last-length") { lengths.last() } else { lengths.first() };
    take(stream, buffer, length.copied().unwrap_or(0)).await
}

async fn take<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
    length: usize,
) -> std::io::Result<Vec<u8>> {
    while buffer.len() < length {
        if stream.read_buf(buffer).await? == 0 {
            return Ok(std::mem::take(buffer));
        }
    }
    Ok(buffer.drain(..length).collect())
}

async fn take_line<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
) -> std::io::Result<String> {
    loop {
        if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            return Ok(String::from_utf8_lossy(&line).trim().to_owned());
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn answer(path: &str, to: SocketAddr) -> Vec<u8> {
    if let Some(url) = path.strip_prefix("/to?") {
        let head = format!("HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n");
        return head.into_bytes();
    }
    if let Some(file) = path.strip_prefix("/files/") {
        let file = file.split('?').next().unwrap_or_default();
        return match std::fs::read(super::get().files().join(file)) {
            Ok(bytes) if !file.contains("..") => {
                let kind = match file.rsplit('.').next() {
                    Some("html") => "text/html",
                    Some("json") => "application/json",
                    _ => "application/octet-stream",
                };
                found(kind, &bytes)
            }
            _ => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
        };
    }
    if path == "/robots.txt" {
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
    }
    found("text/plain", format!("{REACHED} at {to}: {path}\n").as_bytes())
}

fn found(kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

async fn drip<S: AsyncWrite + Unpin>(mut stream: S) -> std::io::Result<()> {
    stream.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{REACHED}\n").as_bytes()).await?;
    loop {
        stream.write_all(b".").await?;
        stream.flush().await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
