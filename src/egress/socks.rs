//! The SOCKS5 door: for ssh, databases and whatever else is neither HTTP nor content with any address.
//!
//! No password (whoever can reach this socket is the connector), CONNECT only. A refusal is a reply, so
//! that the client fails at once.

pub mod message;

use self::message::{Command, Destination, Greeting, Read, Reply, Request};
use super::gate::{Gate, Grant, Target};
use super::hold::Client;
use super::{ending, tunnel};
use crate::firewall::{Denial, Door, Host, Reason};
use std::net::IpAddr;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Why a negotiation came to nothing.
enum End {
    /// The client left before it had asked for anything.
    Gone,
    Refused {
        denial: Box<Denial>,
        word: Vec<u8>,
    },
}

struct Negotiation {
    gate: Rc<Gate>,
    client: TcpStream,
    /// Read and not yet used.
    head: Vec<u8>,
}

/// Serves one connection to the door.
pub async fn serve(gate: Rc<Gate>, client: TcpStream) {
    let mut negotiation = Negotiation { gate, client, head: Vec::new() };
    match negotiation.run().await {
        Ok((grant, addresses, server)) => {
            let Negotiation { gate, client, head } = negotiation;
            let Grant { port, door, .. } = grant;
            let target = Target { candidates: vec![grant], addresses, port, door };
            match server {
                Some(server) => tunnel::serve_dialled(gate, client, head, target, server).await,
                None => tunnel::serve(gate, client, head, target).await,
            }
        }
        Err(End::Gone) => {}
        Err(End::Refused { denial, word }) => {
            negotiation.gate.denied(&denial);
            ending::say(negotiation.client, &word).await;
        }
    }
}

/// What a host without a connection is told as.
fn unreached(denial: Denial) -> End {
    let reply = match denial.reason {
        Reason::NoAddress { .. } | Reason::Unreachable { .. } => Reply::HostUnreachable,
        _ => Reply::NotAllowed,
    };
    refused(denial, reply)
}

impl Negotiation {
    async fn run(&mut self) -> Result<(Grant, Vec<IpAddr>, Option<TcpStream>), End> {
        let limit = self.gate.config.limits.handshake;
        let Ok(asked) = tokio::time::timeout(limit, self.ask()).await else {
            let what = format!("no complete SOCKS request within {} s", limit.as_secs_f32());
            return Err(self.refuse(Reason::Limit { what }, &Reply::Failure.message()));
        };
        let (host, port) = asked?;
        let client = Client::Stream(&self.client);
        let grant = self.gate.ask_owner(&host, port, Door::Socks, client).await;
        let grant = grant.map_err(|denial| refused(denial, Reply::NotAllowed))?;
        let addresses = self.gate.resolved_once(&grant).await.map_err(unreached)?;
        let (grant, server) = self.dial(grant, &addresses).await?;
        self.write(&Reply::Succeeded.message()).await?;
        Ok((grant, addresses, server))
    }

    /// What the client wants.
    async fn ask(&mut self) -> Result<(Host, u16), End> {
        match self.read(message::greeting, &[]).await? {
            Greeting::V5 { no_password: true } => self.write(&message::NO_PASSWORD).await?,
            Greeting::V5 { no_password: false } => {
                let why = "a SOCKS client that wants to give a password; none is needed";
                return Err(self.refuse(malformed(why), &message::NO_METHOD));
            }
            Greeting::V4 => {
                return Err(self.refuse(malformed("SOCKS 4; use SOCKS 5"), &message::V4_REJECTED));
            }
        }
        let failure = Reply::Failure.message();
        let Request { command, destination, port } = self.read(message::request, &failure).await?;
        let not_served = match command {
            Command::Connect => None,
            Command::Bind => Some(malformed("SOCKS BIND: nothing is let in")),
            Command::UdpAssociate => Some(Reason::NotTcp { protocol: "UDP over SOCKS".to_owned() }),
            Command::Unknown(_) => Some(malformed("an unknown SOCKS command")),
        };
        let who = &self.gate.config.who;
        if let Some(reason) = not_served {
            let denial = Denial::of_text(who, &text(&destination), port, Door::Socks, reason);
            return Err(refused(denial, Reply::CommandNotSupported));
        }
        match destination {
            Destination::Host(host) => Ok((host, port)),
            Destination::NotAHost(_, ref why) => {
                let reason = Reason::BadHost { why: why.to_string() };
                let denial = Denial::of_text(who, &text(&destination), port, Door::Socks, reason);
                Err(refused(denial, Reply::NotAllowed))
            }
        }
    }

    /// Dials before the client is told of success, so that a host that cannot be reached is a reply.
    /// `None` for plain HTTP, where each request dials, and has a status of its own.
    async fn dial(
        &self,
        grant: Grant,
        addresses: &[IpAddr],
    ) -> Result<(Grant, Option<TcpStream>), End> {
        if tunnel::is_plain_http(grant.port) && !grant.rule.raw {
            return Ok((grant, None));
        }
        let grant = self.gate.let_out(&grant, Client::Stream(&self.client)).await;
        let grant = grant.map_err(unreached)?;
        let server = self.gate.dial(&grant, addresses).await.map_err(unreached)?;
        Ok((grant, Some(server)))
    }

    /// Reads one message; what follows it stays in `head`. `word`: the answer to nonsense.
    async fn read<T>(&mut self, parse: fn(&[u8]) -> Read<T>, word: &[u8]) -> Result<T, End> {
        loop {
            match parse(&self.head) {
                Read::Complete(message, used) => {
                    self.head.drain(..used);
                    return Ok(message);
                }
                Read::Malformed(why) => return Err(self.refuse(malformed(why), word)),
                Read::Incomplete => {}
            }
            match self.client.read_buf(&mut self.head).await {
                // An end or a break is the client's right.
                Ok(0) | Err(_) => return Err(End::Gone),
                Ok(_) => {}
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), End> {
        self.client.write_all(bytes).await.map_err(|_| End::Gone)
    }

    /// A refusal before the client has named a host.
    fn refuse(&self, reason: Reason, word: &[u8]) -> End {
        let denial = Denial::of_text(&self.gate.config.who, "-", 0, Door::Socks, reason);
        End::Refused { denial: Box::new(denial), word: word.to_vec() }
    }
}

fn refused(denial: Denial, reply: Reply) -> End {
    End::Refused { denial: Box::new(denial), word: reply.message().to_vec() }
}

fn malformed(why: &str) -> Reason {
    Reason::Malformed { why: why.to_owned() }
}

/// The host for the record, where it may be none.
fn text(destination: &Destination) -> String {
    match destination {
        Destination::Host(host) => host.to_string(),
        Destination::NotAHost(bytes, _) => String::from_utf8_lossy(bytes).into_owned(),
    }
}
