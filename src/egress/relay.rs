//! Bytes between a connector and the world, both ways, for as long as the rule stands.

use super::bandwidth::Bandwidth;
use super::close::Abort;
use super::gate::{Gate, Grant};
use crate::firewall::{Denial, Reason};
use std::cell::Cell;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// A buffer starts small, since most tunnels idle, and grows while reads fill it: its size is what
/// decides the throughput.
const SMALL: usize = 8 << 10;
const LARGE: usize = 256 << 10;

/// How a relay ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Both sides have said all.
    Closed,
    /// One side broke off.
    Broken,
    /// Nothing moved for too long.
    Idle,
}

/// Relays a granted connection until both sides have closed, nothing moves for too long, or the rule
/// that allowed it is gone. `head` is what the client has already sent.
pub async fn relay<S>(gate: &Gate, grant: &Grant, mut client: TcpStream, mut server: S, head: &[u8])
where
    S: AsyncRead + AsyncWrite + Abort + Unpin,
{
    let live = gate.live(grant);
    let reason = {
        let copying = copy(Some(gate), gate.config.limits.idle, &mut client, &mut server, head);
        tokio::select! {
            biased;
            () = gate.revoked(grant) => Some(Reason::Revoked),
            end = copying => match end {
                End::Closed => return,
                End::Broken => None,
                End::Idle => Some(idle_limit(gate.config.limits.idle)),
            },
        }
    };
    client.abort();
    server.abort();
    drop((client, server, live));
    if let Some(reason) = reason {
        gate.denied(&Denial::new(&gate.config.who, &grant.host, grant.port, grant.door, reason));
    }
}

fn idle_limit(idle: Duration) -> Reason {
    Reason::Limit { what: format!("no byte for {}", humantime::format_duration(idle)) }
}

/// Copies until the end; counts and caps for a gate where there is one.
pub(super) async fn copy<S>(
    gate: Option<&Gate>,
    idle: Duration,
    client: &mut TcpStream,
    server: &mut S,
    head: &[u8],
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let last = Cell::new(Instant::now());
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let free = Bandwidth::new(None);
    let count_out = |bytes| {
        last.set(Instant::now());
        if let Some(gate) = gate {
            gate.count_bytes(bytes, 0);
        }
    };
    let count_in = |bytes| {
        last.set(Instant::now());
        if let Some(gate) = gate {
            gate.count_bytes(0, bytes);
        }
    };
    let out = async {
        if !head.is_empty() {
            to_server.write_all(head).await?;
            to_server.flush().await?;
            count_out(head.len() as u64);
        }
        let cap = gate.map_or(&free, |gate| &gate.out);
        pump(&mut from_client, &mut to_server, cap, count_out).await
    };
    let into = async {
        let cap = gate.map_or(&free, |gate| &gate.into);
        pump(&mut from_server, &mut to_client, cap, count_in).await
    };
    let both = async { tokio::try_join!(out, into) };
    tokio::select! {
        done = both => if done.is_ok() { End::Closed } else { End::Broken },
        () = silence(&last, idle) => End::Idle,
    }
}

/// One direction, to its end; then the other side is told that no more comes.
async fn pump<R, W>(
    from: &mut R,
    to: &mut W,
    cap: &Bandwidth,
    count: impl Fn(u64),
) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let most = cap.chunk(LARGE);
    let mut buffer = vec![0; SMALL.min(most)];
    loop {
        let got = from.read(&mut buffer).await?;
        let Some(bytes) = buffer.get(..got).filter(|bytes| !bytes.is_empty()) else {
            return to.shutdown().await;
        };
        cap.spend(got).await;
        to.write_all(bytes).await?;
        to.flush().await?;
        count(got as u64);
        if got == buffer.len() && got < most {
            buffer.resize((got * 4).min(most), 0);
        }
    }
}

/// Comes back when nothing has moved for so long.
async fn silence(last: &Cell<Instant>, idle: Duration) {
    loop {
        let end = last.get() + idle;
        if Instant::now() >= end {
            return;
        }
        tokio::time::sleep_until(end).await;
    }
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
