//! A gate with rules, the proxy on loopback, an origin that does what a request's path asks for.

use crate::egress::gate::{Gate, Target};
use crate::egress::http::{serve_origin, serve_proxy};
use crate::egress::{Config, Event, Limits};
use crate::firewall::{Denial, Door, Effect, Host, HostPattern, Ports, Rule, Rules, Who};
use crate::policy::{ConnectorName, Origin};
use std::cell::RefCell;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local};

pub(super) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = LocalSet::new();
    runtime.block_on(local.run_until(async {
        // A hang is a failure, not a machine that is never done.
        tokio::time::timeout(Duration::from_secs(60), test).await.expect("the test hangs");
    }));
}

pub(super) fn rule(host: &str, port: u16) -> Rule {
    let pattern = HostPattern::Exact(Host::parse(host).unwrap());
    let rule = Rule::new(Effect::Allow, pattern, Ports::One(port), Origin::Flag("--net"));
    // All servers of the tests are on loopback.
    Rule { private: true, ..rule }
}

pub(super) fn config(limits: Limits) -> Config {
    let connector = ConnectorName::of_command("test".as_ref());
    Config {
        who: Who { connector, tool: None, run: None },
        fixed: Rules::default(),
        firewall: None,
        limits,
        hold: None,
        upstream: None,
        secrets: [("key".to_owned(), "s3cret".to_owned())].into(),
        publish: Vec::new(),
    }
}

pub(super) struct Rig {
    pub(super) gate: Rc<Gate>,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Rig {
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        Self::limited(rules, Limits::default())
    }

    pub(super) fn limited(rules: Vec<Rule>, limits: Limits) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        Self { gate: Gate::new(config(limits), Rules(rules), sender), events }
    }

    /// A new connection to the proxy door.
    pub(super) async fn proxy(&self) -> Peer {
        let gate = Rc::clone(&self.gate);
        connection(move |stream| serve_proxy(gate, stream)).await
    }

    /// A new connection that came to a host whose name is not confirmed yet.
    pub(super) async fn origin(&self, target: Target) -> Peer {
        let gate = Rc::clone(&self.gate);
        connection(move |stream| serve_origin(gate, stream, Vec::new(), target)).await
    }

    /// All that was refused so far.
    pub(super) fn denials(&mut self) -> Vec<Denial> {
        let mut denials = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            if let Event::Denied { denial, .. } = event {
                denials.push(denial);
            }
        }
        denials
    }

    pub(super) fn target(&self, host: &str, port: u16, address: &str) -> Target {
        let grant = self.gate.ask(&Host::parse(host).unwrap(), port, Door::Transparent).unwrap();
        let addresses = vec![address.parse().unwrap()];
        Target { candidates: vec![grant], addresses, port, door: Door::Transparent }
    }
}

async fn connection<F: Future<Output = ()> + 'static>(
    serve: impl FnOnce(TcpStream) -> F + 'static,
) -> Peer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    spawn_local(serve(server));
    Peer { stream }
}

/// The client's end.
pub(super) struct Peer {
    pub(super) stream: TcpStream,
}

impl Peer {
    pub(super) async fn send(&mut self, text: impl AsRef<[u8]>) {
        // A refusal may come, and the connection end, before all has been sent.
        drop(self.stream.write_all(text.as_ref()).await);
    }

    /// Reads up to and with `end`.
    pub(super) async fn until(&mut self, end: &str) -> String {
        read_until(&mut self.stream, end).await
    }

    /// All that comes until the connection ends.
    pub(super) async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).await.unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(super) async fn ask(mut self, text: impl AsRef<[u8]>) -> String {
        self.send(text).await;
        self.rest().await
    }
}

pub(super) async fn read_until(from: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        match from.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What an origin saw.
#[derive(Clone, Default)]
pub(super) struct Seen {
    /// Heads, as they came.
    pub(super) heads: Rc<RefCell<Vec<String>>>,
    pub(super) connections: Rc<RefCell<usize>>,
    /// Connections that ended.
    pub(super) ended: Rc<RefCell<usize>>,
}

pub(super) async fn origin() -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Seen::default());
    let all = seen.clone();
    spawn_local(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            *all.connections.borrow_mut() += 1;
            let seen = all.clone();
            spawn_local(async move {
                answer(stream, &seen).await;
                *seen.ended.borrow_mut() += 1;
            });
        }
    });
    (address, seen)
}

/// Answers requests by their paths until the connection ends.
pub(super) async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, seen: &Seen) {
    loop {
        let head = read_until(&mut stream, "\r\n\r\n").await;
        if !head.ends_with("\r\n\r\n") {
            return;
        }
        seen.heads.borrow_mut().push(head.clone());
        let path = head.split(' ').nth(1).unwrap().to_owned();
        if path == "/continue" {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
        }
        if path == "/early" {
            let answer = "HTTP/1.1 413 Too much\r\nContent-Length: 2\r\n\r\nno";
            stream.write_all(answer.as_bytes()).await.unwrap();
            // Reads nothing of the body; waits for the proxy to give up.
            drop(stream.read(&mut [0; 1]).await);
            return;
        }
        let body = body(&mut stream, &head).await;
        let close = match path.as_str() {
            "/web-socket" => {
                let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                              Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\nhi";
                stream.write_all(answer.as_bytes()).await.unwrap();
                let (mut from, mut to) = tokio::io::split(stream);
                drop(tokio::io::copy(&mut from, &mut to).await);
                drop(to.shutdown().await);
                return;
            }
            "/close-after" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
                return;
            }
            "/until-close" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nto the end").await.unwrap();
                true
            }
            "/hang" => {
                let start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
                stream.write_all(start).await.unwrap();
                drop(stream.read(&mut [0; 1]).await);
                return;
            }
            "/mute" => {
                drop(stream.read(&mut [0; 1]).await);
                return;
            }
            _ => {
                stream.write_all(&fixed(&path, &head, &body)).await.unwrap();
                false
            }
        };
        if close {
            return;
        }
    }
}

fn fixed(path: &str, head: &str, body: &[u8]) -> Vec<u8> {
    let plain = |extra: &str, body: &str| {
        format!("HTTP/1.1 200 OK\r\n{extra}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    let text = match path {
        _ if head.starts_with("HEAD ") => "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".into(),
        "/chunked" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n\
                       5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nT: secret-trailer\r\n\r\n"
            .into(),
        "/204" => "HTTP/1.1 204 No Content\r\n\r\n".into(),
        "/304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n".into(),
        "/redirect" => {
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:9/\r\nContent-Length: 0\r\n\r\n"
                .into()
        }
        "/headers" => plain(
            "Alt-Svc: h3=\":443\"\r\njail-denied: forged\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\
             Keep-Alive: timeout=5\r\nUpgrade: h2c\r\nProxy-Authenticate: Basic\r\nSet-Cookie: a=b\r\n",
            "ok",
        ),
        "/two-lengths" => {
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".into()
        }
        "/bare-lf" => "HTTP/1.1 200 OK\nContent-Length: 1\n\na".into(),
        "/switch" => {
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n".into()
        }
        "/interim" => "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100),
        _ => plain("", &String::from_utf8_lossy(body)),
    };
    text.into_bytes()
}

async fn body(stream: &mut (impl AsyncRead + Unpin), head: &str) -> Vec<u8> {
    let lower = head.to_ascii_lowercase();
    if let Some(length) = lower.split("content-length: ").nth(1) {
        let length = length.split("\r\n").next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        return if stream.read_exact(&mut body).await.is_ok() { body } else { Vec::new() };
    }
    let mut body = Vec::new();
    while lower.contains("transfer-encoding: chunked") {
        let line = read_until(stream, "\r\n").await;
        let Ok(size) = usize::from_str_radix(line.trim_end(), 16) else { return body };
        let mut chunk = vec![0; size + 2];
        stream.read_exact(&mut chunk).await.unwrap();
        body.extend_from_slice(&chunk[..size]);
        if size == 0 {
            return body;
        }
    }
    body
}
