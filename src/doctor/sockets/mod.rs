//! Every socket of a network namespace, and who holds it.
//!
//! `/proc/net` is the source ([`read`]); one pure parser per format ([`inet`], [`sctp`], [`unix`]) takes
//! bytes. What those files do not say (which interface a socket is bound to, whether an IPv6 wildcard
//! takes IPv4 too) is asked of the kernel over netlink ([`diag`]), and stays unknown where that is
//! refused. Holders come from one pass over `/proc/*/fd` ([`owners`]).

pub mod cgroup;
pub mod diag;
pub mod inet;
pub mod owners;
mod process;
pub mod read;
pub mod sctp;
pub mod unix;

pub use process::Process;

use serde::Serialize;
use std::net::SocketAddr;

/// What a socket speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    Tcp,
    Udp,
    UdpLite,
    Sctp,
    /// The local port is the number of the protocol.
    Raw,
    /// Sockets for ping; the local port is the identifier.
    Icmp,
}

impl Transport {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::UdpLite => "udplite",
            Self::Sctp => "sctp",
            Self::Raw => "raw",
            Self::Icmp => "icmp",
        }
    }
}

/// The state as the kernel numbers it, for all transports alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct State(pub u8);

impl State {
    pub const ESTABLISHED: Self = Self(1);
    /// Neither connected nor listening: all that a datagram socket without a peer can be.
    pub const CLOSE: Self = Self(7);
    pub const LISTEN: Self = Self(10);

    /// The names of ss(8).
    pub const fn name(self) -> &'static str {
        match self.0 {
            1 => "ESTAB",
            2 => "SYN-SENT",
            3 => "SYN-RECV",
            4 => "FIN-WAIT-1",
            5 => "FIN-WAIT-2",
            6 => "TIME-WAIT",
            7 => "UNCONN",
            8 => "CLOSE-WAIT",
            9 => "LAST-ACK",
            10 => "LISTEN",
            11 => "CLOSING",
            12 => "SYN-RECV",
            _ => "UNKNOWN",
        }
    }
}

/// One row of `/proc/net/{tcp,udp,udplite,raw,icmp}{,6}` or `sctp/*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inet {
    pub transport: Transport,
    /// Made as AF_INET6, whatever its addresses are.
    pub v6: bool,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub state: State,
    pub uid: u32,
    /// 0 where no file belongs to it (any more).
    pub inode: u64,
    /// What `/proc/net` does not say; `None` where nobody could tell.
    pub told: Option<Told>,
}

/// What the kernel tells of a socket over netlink only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The interface that it is bound to; 0 for none.
    pub device: u32,
    /// IPV6_V6ONLY; `None` for an IPv4 socket.
    pub only_v6: Option<bool>,
}

impl Inet {
    /// As ss(8) understands `-l`.
    pub fn is_open(&self) -> bool {
        match self.transport {
            Transport::Tcp | Transport::Sctp => self.state == State::LISTEN,
            _ => self.state == State::CLOSE,
        }
    }
}

/// The rows that were understood, and how many were not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table<T> {
    pub rows: Vec<T>,
    pub bad: Bad,
}

/// Lines that could not be understood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bad {
    pub count: usize,
    /// The first of them, from 1.
    pub first: usize,
}

/// Reads all lines but the head. A first line that is a row already is taken as one.
fn table<T>(bytes: &[u8], row: impl Fn(&[u8]) -> Option<T>) -> Table<T> {
    let mut rows = Vec::with_capacity(bytes.len() / 150);
    let mut bad = Bad::default();
    for (index, line) in bytes.split(|b| *b == b'\n').enumerate() {
        match row(line) {
            Some(row) => rows.push(row),
            None if index == 0 || line.is_empty() => {}
            None => {
                bad.count += 1;
                if bad.first == 0 {
                    bad.first = index + 1;
                }
            }
        }
    }
    Table { rows, bad }
}

/// Words between blanks.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|b| *b == b' ' || *b == b'\t').filter(|word| !word.is_empty())
}

fn number<N: TryFrom<u64>>(word: &[u8]) -> Option<N> {
    if word.is_empty() || word.len() > 20 {
        return None;
    }
    let mut value = 0u64;
    for digit in word {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    N::try_from(value).ok()
}

/// Exactly as many hexadecimal digits as there are.
fn hex(word: &[u8]) -> Option<u32> {
    if word.is_empty() || word.len() > 8 {
        return None;
    }
    word.iter().try_fold(0u32, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'A'..=b'F' => digit - b'A' + 10,
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u32::from(digit))
    })
}
