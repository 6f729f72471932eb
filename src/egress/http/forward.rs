//! A client's connection: one request after the other, each forwarded as its own decision says.

use super::exchange::{Client, Exchange, Failure, Outcome};
use super::head::{Framing, RequestHead, Version};
use super::inject;
use super::refuse::{Place, Refusal, linger};
use super::target::Target;
use super::upstream::Upstream;
use super::wire::{Inbox, Pulse, ReadError, copy_all, read_head};
use crate::egress::gate::{Gate, Grant};
use crate::egress::hold;
use crate::firewall::{Door, Reason};
use std::net::IpAddr;
use std::rc::Rc;
use tokio::net::TcpStream;
use tokio::time::sleep;

pub(super) struct Session {
    pub(super) gate: Rc<Gate>,
    client: Client,
    upstream: Option<Upstream>,
    /// Dial these addresses only; empty: what the host of each request is resolved to.
    addresses: Vec<IpAddr>,
    /// No request has come yet.
    first: bool,
    /// What the last request went out by, where that was a rule for one connection.
    pub(super) let_out: Option<Grant>,
}

impl Session {
    pub(super) fn new(
        gate: Rc<Gate>,
        stream: TcpStream,
        head: Vec<u8>,
        addresses: Vec<IpAddr>,
    ) -> Self {
        let client = Client { stream, inbox: Inbox::new(head) };
        Self { gate, client, upstream: None, addresses, first: true, let_out: None }
    }

    /// Who waits while the owner is asked.
    pub(super) fn client(&self) -> hold::Client<'_> {
        hold::Client::Stream(&self.client.stream)
    }

    /// The connection and what came of it beyond the last request.
    pub(super) fn into_parts(mut self) -> (Rc<Gate>, TcpStream, Vec<u8>) {
        (self.gate, self.client.stream, self.client.inbox.take())
    }

    /// The next request; `None`: the client is done.
    pub(super) async fn next(&mut self, place: &Place) -> Result<Option<RequestHead>, Refusal> {
        if !self.arrives().await {
            return Ok(None);
        }
        self.first = false;
        let limits = self.gate.config.limits;
        let Client { stream, inbox } = &mut self.client;
        let bytes = match read_head(inbox, stream, limits.head, limits.handshake).await {
            Ok(bytes) => bytes,
            Err(ReadError::Head(error)) => return Err(place.of_head(&self.gate, error)),
            Err(ReadError::Late) => return Err(place.too_slow(&self.gate)),
            Err(ReadError::Closed { .. } | ReadError::Io(_)) => return Ok(None),
        };
        RequestHead::parse(&bytes).map(Some).map_err(|error| {
            let mut place = place.clone();
            if place.door == Door::Http && bytes.starts_with(b"CONNECT ") {
                place.door = Door::Connect;
            }
            place.of_head(&self.gate, error)
        })
    }

    /// Waits for the first byte of a request; false if there will be none. An upstream connection whose
    /// rule goes meanwhile goes as well.
    async fn arrives(&mut self) -> bool {
        let limits = self.gate.config.limits;
        let patience = sleep(if self.first { limits.handshake } else { limits.idle });
        tokio::pin!(patience);
        while self.client.inbox.unread().is_empty() {
            let revoked = async {
                match &self.upstream {
                    Some(upstream) => self.gate.revoked(&upstream.grant).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                read = self.client.inbox.fill(&mut self.client.stream) => {
                    if !matches!(read, Ok(1..)) {
                        return false;
                    }
                }
                () = revoked => self.upstream = None,
                () = &mut patience => return false,
            }
        }
        true
    }

    pub(super) async fn refuse(self, refusal: Refusal, head_only: bool) {
        refusal.send(&self.gate, self.client.stream, head_only).await;
    }

    /// Forwards one request and its answer. `None`: the connection is over.
    pub(super) async fn forward(mut self, request: &RequestHead, grant: &Grant) -> Option<Self> {
        match self.attempt(request, grant).await {
            Ok((Outcome::Done { keep_client: true, .. }, _)) => return Some(self),
            Ok((Outcome::Done { .. }, _)) => linger(self.client.stream).await,
            Ok((Outcome::Upgraded, upstream)) => {
                if let Some(upstream) = upstream {
                    self.relay(upstream, grant).await;
                }
            }
            Err(Failure::Refused(refusal)) => {
                self.refuse(*refusal, request.method == "HEAD").await;
            }
            Err(Failure::Stale | Failure::Cut) => self.reset(),
        }
        None
    }

    /// The upstream connection comes back where it is the client's now.
    async fn attempt(
        &mut self,
        request: &RequestHead,
        grant: &Grant,
    ) -> Result<(Outcome, Option<Upstream>), Failure> {
        let grant = &self.gate.let_out(grant, self.client()).await.map_err(Refusal::from)?;
        self.let_out = grant.used.then(|| grant.clone());
        let upgrade = wants_web_socket(request);
        let mut outgoing = outgoing(request, upgrade);
        if let Some(inject) = inject::of(grant) {
            inject::add(&self.gate, grant, inject, &mut outgoing)?;
        }
        self.gate.count_allowed();
        loop {
            let mut upstream = match self.upstream.take().filter(|kept| kept.serves(grant)) {
                Some(kept) => kept,
                None => Upstream::connect(&self.gate, grant, &self.addresses).await?,
            };
            let mut exchange = Exchange::new(&self.gate, grant, &outgoing);
            exchange.version = request.version;
            exchange.close = wants_close(request);
            exchange.upgrade = upgrade;
            match exchange.run(&mut self.client, &mut upstream).await {
                // Only a kept connection is stale, and that one is gone now: the next is a new one.
                Err(Failure::Stale) => {}
                Ok(Outcome::Upgraded) => return Ok((Outcome::Upgraded, Some(upstream))),
                Ok(outcome) => {
                    if matches!(outcome, Outcome::Done { keep_upstream: true, .. }) {
                        upstream.used = true;
                        self.upstream = Some(upstream);
                    }
                    return Ok((outcome, None));
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Carries bytes both ways until both ends have closed, or the rule is gone.
    async fn relay(mut self, mut upstream: Upstream, grant: &Grant) {
        let (gate, pulse) = (Rc::clone(&self.gate), Pulse::new());
        let _live = gate.live(grant);
        let (mut from_client, mut to_client) = self.client.stream.split();
        let (mut from_host, mut to_host) = tokio::io::split(&mut upstream.stream);
        let out =
            copy_all((&mut self.client.inbox, &mut from_client), &mut to_host, async |count| {
                pulse.beat();
                gate.count_bytes(count as u64, 0);
                gate.out.spend(count).await;
            });
        let into = copy_all((&mut upstream.inbox, &mut from_host), &mut to_client, async |count| {
            pulse.beat();
            gate.count_bytes(0, count as u64);
            gate.into.spend(count).await;
        });
        let ended = tokio::select! {
            result = async { tokio::try_join!(out, into) } => result.is_ok(),
            () = gate.revoked(grant) => {
                gate.denied(&Place::from(grant).denial(&gate, Reason::Revoked));
                false
            }
            () = pulse.stopped(gate.config.limits.idle) => false,
        };
        if !ended {
            self.reset();
        }
    }

    /// Closes so that the client cannot take what it got for the whole.
    fn reset(self) {
        // Without it the connection closes all the same.
        drop(self.client.stream.set_zero_linger());
    }
}

/// The request as it goes to its host: to a path, in our words, without what concerned us alone.
fn outgoing(request: &RequestHead, upgrade: bool) -> RequestHead {
    let mut out = request.clone();
    if let Target::Absolute(authority, path) = &request.target {
        out.host = Some(authority.clone());
        out.target = if path == "*" { Target::Asterisk } else { Target::Origin(path.clone()) };
    }
    out.fields.strip_hop_by_hop();
    if request.version == Version::Http10 {
        // It cannot be told to continue.
        out.fields.remove("expect");
    }
    out.version = Version::Http11;
    if upgrade {
        out.fields.push("Connection", b"Upgrade");
        out.fields.push("Upgrade", b"websocket");
    }
    out
}

fn wants_close(request: &RequestHead) -> bool {
    let says = |name| request.fields.has_token(name, "close");
    request.version == Version::Http10 || says("connection") || says("proxy-connection")
}

fn wants_web_socket(request: &RequestHead) -> bool {
    request.method == "GET"
        && request.version == Version::Http11
        && request.framing == Framing::Absent
        && request.fields.has_token("connection", "upgrade")
        && request.fields.tokens("upgrade") == ["websocket"]
}
