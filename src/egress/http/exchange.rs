//! One request and its answer: both bodies flow at the same time, and either may end first.

use super::body::Decoder;
use super::head::{Framing, RequestHead, ResponseHead, Version};
use super::refuse::{Place, Refusal};
use super::upstream::Upstream;
use super::wire::{CopyError, Inbox, Pulse, ReadError, copy_body, read_head};
use crate::egress::gate::{Gate, Grant};
use crate::firewall::Reason;
use std::cell::Cell;
use std::future::pending;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// `1xx` answers before the real one.
const INTERIM: usize = 16;
/// Answers alone may not say these: they would lead around the proxy, or speak in its name.
const STRIPPED: [&str; 3] = ["alt-svc", "alternate-protocol", "jail-denied"];

pub(super) struct Client {
    pub(super) stream: TcpStream,
    pub(super) inbox: Inbox,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Done {
        keep_client: bool,
        keep_upstream: bool,
    },
    /// Both ends speak another protocol from now on.
    Upgraded,
}

#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing of the answer has been sent, so that the client can be told.
    Refused(Box<Refusal>),
    /// The host had closed the connection before this request, which may be sent again.
    Stale,
    /// The client is gone, or has a part of an answer that will not be completed.
    Cut,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

pub(super) struct Exchange<'a> {
    pub(super) gate: &'a Gate,
    pub(super) grant: &'a Grant,
    /// As it goes out.
    pub(super) request: &'a RequestHead,
    /// Of the client, who gets an answer that it understands.
    pub(super) version: Version,
    /// The client wants no further request on its connection.
    pub(super) close: bool,
    /// The client wants a web socket.
    pub(super) upgrade: bool,
    pulse: Pulse,
    /// The request has been sent whole.
    uploaded: Cell<bool>,
    /// The answer (not an interim one) has begun to be sent.
    begun: Cell<bool>,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(gate: &'a Gate, grant: &'a Grant, request: &'a RequestHead) -> Self {
        Self {
            gate,
            grant,
            request,
            version: Version::Http11,
            close: false,
            upgrade: false,
            pulse: Pulse::new(),
            uploaded: Cell::new(false),
            begun: Cell::new(false),
        }
    }

    pub(super) async fn run(
        &self,
        client: &mut Client,
        upstream: &mut Upstream,
    ) -> Result<Outcome, Failure> {
        let used = upstream.used;
        let _live = self.gate.live(self.grant);
        let (mut from_client, mut to_client) = client.stream.split();
        let (mut from_host, mut to_host) = tokio::io::split(&mut upstream.stream);
        let result = tokio::select! {
            biased;
            () = self.gate.revoked(self.grant) => Err(self.revoked()),
            failure = self.upload((&mut client.inbox, &mut from_client), &mut to_host) => Err(failure),
            result = self.download((&mut upstream.inbox, &mut from_host), &mut to_client, used) => result,
            () = self.pulse.stopped(self.gate.config.limits.idle) => {
                Err(self.place().no_answer(self.gate).into())
            }
        };
        match result {
            Err(Failure::Refused(_)) if self.begun.get() => Err(Failure::Cut),
            result => result,
        }
    }

    fn place(&self) -> Place {
        Place::from(self.grant)
    }

    /// The rule is gone. Reported here where the client can no longer be told.
    fn revoked(&self) -> Failure {
        let refusal = Refusal::from(self.place().denial(self.gate, Reason::Revoked));
        if self.begun.get() {
            self.gate.denied(&refusal.denial);
            return Failure::Cut;
        }
        refusal.into()
    }

    /// Sends the request; comes back only when there is no use in going on.
    async fn upload(
        &self,
        (inbox, from): (&mut Inbox, &mut (impl AsyncRead + Unpin)),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Failure {
        let mut head = Vec::new();
        self.request.write(&mut head);
        let sent = async {
            to.write_all(&head).await?;
            to.flush().await
        };
        if sent.await.is_err() {
            // It may have answered all the same, or be stale: the answering side finds out.
            return pending().await;
        }
        self.count(head.len(), 0);
        let mut decoder = Decoder::new(Some(self.request.framing));
        let chunked = self.request.framing == Framing::Chunked;
        let moved = async |count| {
            self.count(count, 0);
            self.gate.out.spend(count).await;
        };
        match copy_body(&mut decoder, (&mut *inbox, &mut *from), to, chunked, moved).await {
            Ok(()) => self.uploaded.set(true),
            Err(CopyError::Write(_)) => return pending().await,
            Err(error @ CopyError::Malformed(_)) => {
                return self.place().malformed(self.gate, error.to_string()).into();
            }
            Err(CopyError::Short | CopyError::Read(_)) => return Failure::Cut,
        }
        self.client_left(inbox, from).await;
        Failure::Cut
    }

    /// Comes back when the client has gone while it is owed an answer. One that only says that it will
    /// send no more gets a while, as the two look the same.
    async fn client_left(&self, inbox: &mut Inbox, from: &mut (impl AsyncRead + Unpin)) {
        let limits = &self.gate.config.limits;
        while inbox.unread().len() < limits.head {
            match inbox.fill(from).await {
                Ok(0) => return sleep(limits.handshake).await,
                Ok(_) => {}
                Err(_) => return,
            }
        }
        pending().await
    }

    async fn download(
        &self,
        (inbox, from): (&mut Inbox, &mut (impl AsyncRead + Unpin)),
        to: &mut (impl AsyncWrite + Unpin),
        used: bool,
    ) -> Result<Outcome, Failure> {
        let limits = &self.gate.config.limits;
        for interim in 0..INTERIM {
            let bytes = read_head(inbox, from, limits.head, limits.handshake)
                .await
                .map_err(|error| self.no_head(error, used && interim == 0))?;
            self.count(0, bytes.len());
            let mut head =
                ResponseHead::parse(&bytes).map_err(|error| self.bad_answer(&error.to_string()))?;
            let asked = head.clone();
            head.fields.strip_hop_by_hop();
            head.fields.retain(|name| !STRIPPED.contains(&name));
            match head.status {
                101 => return self.switch(&asked, head, to).await,
                100..200 if self.version == Version::Http10 => {}
                100..200 => {
                    head.framing = Framing::Absent;
                    self.send_head(&head, to).await?;
                }
                _ => return self.answer(&asked, head, (inbox, from), to).await,
            }
        }
        Err(self.bad_answer("too many interim answers"))
    }

    fn bad_answer(&self, why: &str) -> Failure {
        self.place().unreachable(self.gate, format!("its answer is malformed: {why}")).into()
    }

    fn no_head(&self, error: ReadError, used: bool) -> Failure {
        let again = used && matches!(self.request.framing, Framing::Absent | Framing::Length(0));
        match error {
            ReadError::Closed { begun: false } | ReadError::Io(_) if again => Failure::Stale,
            ReadError::Head(error) => self.bad_answer(&error.to_string()),
            ReadError::Late => self.place().no_answer(self.gate).into(),
            ReadError::Closed { .. } | ReadError::Io(_) => {
                self.place().unreachable(self.gate, format!("no answer: {error}")).into()
            }
        }
    }

    async fn switch(
        &self,
        asked: &ResponseHead,
        mut head: ResponseHead,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<Outcome, Failure> {
        if !self.upgrade || asked.fields.tokens("upgrade") != ["websocket"] {
            return Err(self.bad_answer("it switches to a protocol that was not asked for"));
        }
        head.framing = Framing::Absent;
        head.fields.push("Connection", b"Upgrade");
        head.fields.push("Upgrade", b"websocket");
        self.begun.set(true);
        self.send_head(&head, to).await?;
        Ok(Outcome::Upgraded)
    }

    /// Sends the answer on: `asked` is how it came, `head` what of it concerns the client.
    async fn answer(
        &self,
        asked: &ResponseHead,
        mut head: ResponseHead,
        (inbox, from): (&mut Inbox, &mut (impl AsyncRead + Unpin)),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<Outcome, Failure> {
        let bodiless = self.request.method == "HEAD" || matches!(head.status, 204 | 304);
        let framing = match asked.framing {
            _ if bodiless => Some(Framing::Absent),
            Framing::Absent => None,
            framing => Some(framing),
        };
        let chunked = framing == Some(Framing::Chunked) && self.version == Version::Http11;
        let length = matches!(asked.framing, Framing::Length(_)) && head.status != 204;
        head.framing = match asked.framing {
            framing if length => framing,
            _ if chunked => Framing::Chunked,
            _ => Framing::Absent,
        };
        // Not yet sent whole: the client may never send the rest, and its next request would be that.
        let whole = self.uploaded.get();
        let framed = framing.is_some() && (self.version == Version::Http11);
        let keep_client = whole && framed && !self.close;
        if !keep_client {
            head.fields.push("Connection", b"close");
        }
        self.begun.set(true);
        // A small answer is one packet: its head waits for what of the body has come already.
        let to = &mut BufWriter::new(to);
        self.send_head(&head, to).await?;
        let mut decoder = Decoder::new(framing);
        let moved = async |count| {
            self.count(0, count);
            self.gate.into.spend(count).await;
        };
        copy_body(&mut decoder, (&mut *inbox, from), to, chunked, moved)
            .await
            .map_err(|_| Failure::Cut)?;
        let last =
            asked.version == Version::Http10 || asked.fields.has_token("connection", "close");
        let keep_upstream = whole && framing.is_some() && !last && inbox.unread().is_empty();
        Ok(Outcome::Done { keep_client, keep_upstream })
    }

    async fn send_head(
        &self,
        head: &ResponseHead,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        let head = ResponseHead { version: Version::Http11, ..head.clone() };
        head.write(&mut bytes);
        to.write_all(&bytes).await.map_err(|_| Failure::Cut)
    }

    fn count(&self, out: usize, into: usize) {
        self.pulse.beat();
        self.gate.count_bytes(out as u64, into as u64);
    }
}
