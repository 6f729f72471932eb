//! Refusals as HTTP: at once, and with the reason where most clients show it, in the status phrase.

use super::head::HeadError;
use crate::egress::gate::Gate;
use crate::firewall::{Denial, Door, Host, Reason};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Characters of a status phrase.
const PHRASE: usize = 200;
/// The host of a denial where the client has not named one.
const UNKNOWN: &str = "?";

/// A denial with the status that says it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) denial: Denial,
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        let status = match denial.reason {
            Reason::Malformed { .. } | Reason::BadHost { .. } => 400,
            Reason::HttpsAbsoluteForm => 501,
            Reason::Unreachable { .. } | Reason::NoAddress { .. } => 502,
            _ => 403,
        };
        Self { status, denial }
    }
}

/// Where a request was going, as far as that is known.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) host: Option<Host>,
    pub(super) port: u16,
    pub(super) door: Door,
}

impl Place {
    pub(super) fn denial(&self, gate: &Gate, reason: Reason) -> Denial {
        let host = self.host.as_ref().map_or_else(|| UNKNOWN.to_owned(), ToString::to_string);
        Denial::of_text(&gate.config.who, &host, self.port, self.door, reason)
    }

    pub(super) fn malformed(&self, gate: &Gate, why: impl Into<String>) -> Refusal {
        self.denial(gate, Reason::Malformed { why: why.into() }).into()
    }

    pub(super) fn unreachable(&self, gate: &Gate, why: impl Into<String>) -> Refusal {
        self.denial(gate, Reason::Unreachable { why: why.into() }).into()
    }

    /// Allowed, but the answer did not come in time.
    pub(super) fn no_answer(&self, gate: &Gate) -> Refusal {
        let reason = Reason::Unreachable { why: "no answer in time".to_owned() };
        Refusal { status: 504, denial: self.denial(gate, reason) }
    }

    /// The client was too slow with a head.
    pub(super) fn too_slow(&self, gate: &Gate) -> Refusal {
        let seconds = gate.config.limits.handshake.as_secs();
        let what = format!("the head of a request took more than {seconds} s");
        Refusal { status: 408, denial: self.denial(gate, Reason::Limit { what }) }
    }

    pub(super) fn of_head(&self, gate: &Gate, error: HeadError) -> Refusal {
        let who = &gate.config.who;
        match error {
            HeadError::TooLong | HeadError::TooMany => {
                let reason = Reason::Limit { what: error.to_string() };
                Refusal { status: 431, denial: self.denial(gate, reason) }
            }
            HeadError::BadHost { text, why } => {
                let reason = Reason::BadHost { why: why.to_string() };
                Denial::of_text(who, &text, self.port, self.door, reason).into()
            }
            HeadError::Https(target) => {
                let port = target.port.unwrap_or(443);
                let reason = Reason::HttpsAbsoluteForm;
                Denial::new(who, &target.host, port, self.door, reason).into()
            }
            HeadError::HostMismatch { target, host } => {
                let port = target.port.unwrap_or(80);
                let reason = Reason::HostMismatch { host: host.to_string() };
                Denial::new(who, &target.host, port, self.door, reason).into()
            }
            HeadError::Malformed(why) => self.malformed(gate, why),
        }
    }
}

impl Refusal {
    /// The answer; without its body where a client that sent HEAD would take that for the next answer.
    pub(super) fn response(&self, head_only: bool) -> Vec<u8> {
        let reason = text(&self.denial);
        let fix = self.denial.fix();
        let body = match &fix {
            Some(fix) => format!("jail: {reason}\n\nto allow it:\n  {fix}\n"),
            None => format!("jail: {reason}\n"),
        };
        let mut phrase = format!("jail: {reason}");
        if let Some(fix) = fix.filter(|fix| phrase.len() + fix.len() + 2 <= PHRASE) {
            phrase = format!("{phrase}; {fix}");
        }
        let phrase: String = phrase.chars().map(printable).take(PHRASE).collect();
        let head = format!(
            "HTTP/1.1 {} {phrase}\r\njail-denied: {}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
            self.status,
            self.denial.reason.code(),
            body.len(),
        );
        if head_only { head.into_bytes() } else { (head + &body).into_bytes() }
    }

    /// Reports the refusal, answers and closes.
    pub(super) async fn send(self, gate: &Gate, mut client: TcpStream, head_only: bool) {
        gate.denied(&self.denial);
        let answer = self.response(head_only);
        let sent = timeout(gate.config.limits.handshake, client.write_all(&answer)).await;
        if matches!(sent, Ok(Ok(()))) {
            linger(client).await;
        }
    }
}

/// Closes so that the peer reads what was sent: with bytes of it unread, the kernel would reset the
/// connection and take the answer with it.
pub(super) async fn linger(mut client: TcpStream) {
    if client.shutdown().await.is_err() {
        return;
    }
    let drain = async {
        let mut room = vec![0; 4 << 10];
        for _ in 0..1024 {
            if !matches!(client.read(&mut room).await, Ok(1..)) {
                return;
            }
        }
    };
    // However it ends, the connection is closed now.
    drop(timeout(Duration::from_secs(2), drain).await);
}

fn text(denial: &Denial) -> String {
    let (host, port, reason) = (&denial.host, denial.port, &denial.reason);
    match (host.as_str(), port) {
        (UNKNOWN, _) => reason.to_string(),
        (_, 0) => format!("{host} {reason}"),
        _ if host.contains(':') => format!("[{host}]:{port} {reason}"),
        _ => format!("{host}:{port} {reason}"),
    }
}

fn printable(c: char) -> char {
    if c == ' ' || c.is_ascii_graphic() { c } else { '?' }
}
