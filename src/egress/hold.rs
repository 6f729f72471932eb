//! Connections that wait for their owner's answer.
//!
//! Where nothing decides about a target and somebody can be asked, the connection is held for a bounded
//! time: the owner is asked, each change of the firewall's files is looked at, and what is allowed goes on.
//! All else is refused at once. A name that no rule allows is not resolved meanwhile.

use super::asks::Ask;
use super::gate::{Gate, Grant, Judged};
use crate::approvals::{Asker, RequestId, Subject};
use crate::firewall::{DEFAULT_PORT, Denial, Door, Host, HostPattern, Reason, address};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// A client that has sent more than was read is looked at so often: it may have gone all the same.
const LOOK: Duration = Duration::from_millis(50);

/// The connector's end of what is held.
#[derive(Clone, Copy)]
pub(super) enum Client<'a> {
    Stream(&'a TcpStream),
    Datagram(Option<SocketAddr>),
}

/// Where a connection wants to go.
#[derive(Clone, Copy)]
struct Aim<'a> {
    host: &'a Host,
    port: u16,
    door: Door,
}

/// A place among what is held.
struct Held<'a> {
    gate: &'a Gate,
    request: RequestId,
}

impl Gate {
    /// Asks the rules, and where they do not decide it, the owner. A refusal is not yet reported.
    pub(super) async fn ask_owner(
        &self,
        host: &Host,
        port: u16,
        door: Door,
        client: Client<'_>,
    ) -> Result<Grant, Denial> {
        match self.judge(host, port, door) {
            Judged::Allow(grant) => Ok(*grant),
            Judged::Deny(denial) => Err(denial),
            Judged::Ask(denial) => self.hold(Aim { host, port, door }, client, denial).await,
        }
    }

    /// The moment in which a connection goes out. Between the last look at the rules and the mark in those
    /// that are for one connection, nothing else happens.
    pub(super) async fn let_out(&self, grant: &Grant, client: Client<'_>) -> Result<Grant, Denial> {
        if grant.used {
            return self.again(grant);
        }
        let Grant { host, port, door, .. } = grant;
        let aim = Aim { host, port: *port, door: *door };
        loop {
            match self.judge(host, *port, *door) {
                Judged::Allow(now) => return Ok(self.use_up(*now)),
                Judged::Deny(denial) => return Err(denial),
                Judged::Ask(denial) => drop(self.hold(aim, client, denial).await?),
            }
        }
    }

    async fn hold(
        &self,
        Aim { host, port, door }: Aim<'_>,
        client: Client<'_>,
        denial: Denial,
    ) -> Result<Grant, Denial> {
        let (Some(patience), Some(subject)) = (self.config.hold, subject(host, port, door)) else {
            return Err(denial);
        };
        let mut changes = self.changes();
        let since = *changes.borrow_and_update();
        let ask = self.question(subject, &denial, client.address());
        let request = ask.request.clone();
        self.tell_ask(ask);
        let connections = self.config.limits.connections;
        if !self.asks.borrow_mut().hold(&request, connections) {
            self.asks.borrow_mut().settle(&request);
            return Err(denial);
        }
        let _held = Held { gate: self, request: request.clone() };
        let begun = Instant::now();
        let deadline = tokio::time::sleep(patience);
        let gone = client.gone();
        tokio::pin!(deadline, gone);
        let waited = loop {
            tokio::select! {
                biased;
                // The sender is ours: it cannot be gone.
                changed = changes.changed() => if changed.is_err() { break patience },
                () = &mut gone => break begun.elapsed(),
                () = &mut deadline => break patience,
            }
            match self.judge(host, port, door) {
                Judged::Allow(grant) => return Ok(*grant),
                Judged::Deny(denial) => return Err(denial),
                Judged::Ask(_) if self.asks.borrow().is_denied(&request, since) => {
                    let rule = format!("the answer to {request}");
                    // It counts for nothing more: what would allow it is what would have before.
                    let lift = denial.fix();
                    return Err(Denial { reason: Reason::DeniedByRule { rule, lift }, ..denial });
                }
                Judged::Ask(_) => {}
            }
        };
        let waited = Duration::from_millis(u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
        let waited = humantime::format_duration(waited).to_string();
        Err(Denial {
            reason: Reason::Unanswered { request: request.to_string(), waited },
            ..denial
        })
    }

    /// Asks the owner about something that cannot wait.
    pub(super) fn note(&self, host: &Host, port: u16, door: Door) {
        if self.config.hold.is_none() {
            return;
        }
        if let Judged::Ask(denial) = self.judge(host, port, door)
            && let Some(subject) = subject(host, port, door)
        {
            self.note_ask(subject, &denial);
        }
    }

    /// The same for an allowed name whose address is not public.
    pub(super) fn note_private(&self, denial: &Denial) {
        let Reason::NotPublic { class, .. } = &denial.reason else { return };
        // `private` does not cover what hands out credentials.
        if self.config.hold.is_none() || class == address::METADATA {
            return;
        }
        let Ok(host) = Host::parse(&denial.host) else { return };
        let port = if denial.port > 0 { denial.port } else { self.allowed_port(&host) };
        let subject = Subject::Egress { host: HostPattern::Exact(host), port, private: true };
        self.note_ask(subject, denial);
    }

    fn note_ask(&self, subject: Subject, denial: &Denial) {
        let ask = self.question(subject, denial, None);
        let request = ask.request.clone();
        self.tell_ask(ask);
        self.asks.borrow_mut().settle(&request);
    }

    fn tell_ask(&self, ask: Ask) {
        let event = self.asks.borrow_mut().take(ask, Instant::now());
        if let Some(event) = event {
            self.tell(event);
        }
    }

    fn question(&self, subject: Subject, denial: &Denial, client: Option<SocketAddr>) -> Ask {
        let who = &self.config.who;
        let asker = Asker::connector(who.connector.clone(), who.tool.clone());
        let by_number = match &subject {
            Subject::Egress { host: HostPattern::Exact(Host::Address(address)), .. } => {
                address::not_public(*address).map(str::to_owned)
            }
            _ => None,
        };
        let class = match &denial.reason {
            Reason::NotPublic { class, .. } => Some(class.clone()),
            _ => by_number,
        };
        let (door, reason) = (denial.door, denial.reason.code().to_owned());
        Ask { request: RequestId::of(&asker, &subject), subject, door, reason, class, client }
    }

    /// The port for which a rule allows this name.
    fn allowed_port(&self, host: &Host) -> u16 {
        let rules = self.rules();
        let named = rules.0.iter().filter(|rule| rule.host.matches(host));
        let ports: Vec<u16> = named.filter_map(|rule| rule.ports.one()).collect();
        let other = ports.first().filter(|_| !ports.contains(&DEFAULT_PORT));
        other.copied().unwrap_or(DEFAULT_PORT)
    }
}

/// What would be granted; `None` where no rule could make it work.
fn subject(host: &Host, port: u16, door: Door) -> Option<Subject> {
    if matches!(host, Host::Address(own) if super::resolve::is_jails_own(*own)) {
        return None;
    }
    let port = if door == Door::Dns { DEFAULT_PORT } else { port };
    let host = HostPattern::Exact(host.clone());
    (port > 0).then_some(Subject::Egress { host, port, private: false })
}

impl Client<'_> {
    fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Stream(stream) => stream.peer_addr().ok(),
            Self::Datagram(from) => from,
        }
    }

    /// Comes back when the client has closed its end, or will send no more: the two look the same.
    async fn gone(self) {
        let Self::Stream(stream) = self else { return std::future::pending().await };
        loop {
            match stream.ready(Interest::READABLE).await {
                Ok(ready) if !ready.is_read_closed() => tokio::time::sleep(LOOK).await,
                Ok(_) | Err(_) => return,
            }
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.gate.asks.borrow_mut().let_go(&self.request);
    }
}

#[cfg(test)]
#[path = "hold_tests.rs"]
mod tests;
