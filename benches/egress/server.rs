//! The internet: one host that serves bytes, small HTTP answers, and its own name.

use hickory_proto::op::Message;
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use socket2::{Domain, Socket, Type};
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener, UdpSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A public address, as far as anybody can tell by its looks; it exists in the benchmark's own
/// namespaces only.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(93, 184, 215, 14);
pub(crate) const NAME: &str = "allowed.test";
pub(crate) const HTTP: u16 = 80;
pub(crate) const BULK: u16 = 5000;
/// Of an answer, which with its head fits into one segment.
const BODY: usize = 256;
const BUFFER: usize = 256 << 10;

/// What a client of the bulk port may ask for, followed by a number of bytes (big endian).
pub(crate) const DOWN: u8 = b'D';
pub(crate) const UP: u8 = b'U';

/// Sockets that were made in the internet's namespace, and stay there whoever uses them.
pub(crate) struct Sockets {
    http: StdListener,
    bulk: StdListener,
    dns: Socket,
}

impl Sockets {
    pub(crate) fn open() -> Self {
        let listen = |port| {
            let listener = StdListener::bind((Ipv4Addr::UNSPECIFIED, port)).expect("cannot listen");
            listener.set_nonblocking(true).unwrap();
            listener
        };
        let dns = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        Self { http: listen(HTTP), bulk: listen(BULK), dns }
    }

    /// Serves for as long as the process lives.
    pub(crate) fn serve(self) {
        let Self { http, bulk, dns } = self;
        // Answers come from the address that was asked; the namespace has it by now.
        dns.bind(&SocketAddr::from((ADDRESS, 53)).into()).expect("cannot serve names");
        std::thread::spawn(move || names(&dns.into()));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let http = TcpListener::from_std(http).unwrap();
                let bulk = TcpListener::from_std(bulk).unwrap();
                tokio::join!(accept(http, answers), accept(bulk, bytes));
            });
        });
    }
}

async fn accept<F>(listener: TcpListener, serve: impl Fn(TcpStream) -> F)
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await.expect("cannot accept");
        stream.set_nodelay(true).unwrap();
        tokio::spawn(serve(stream));
    }
}

/// Answers every GET; the client's end of a connection is no error.
async fn answers(mut stream: TcpStream) -> std::io::Result<()> {
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + BODY, b'x');
    let mut heard = Vec::with_capacity(4096);
    loop {
        while !heard.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut heard).await? == 0 {
                return Ok(());
            }
        }
        stream.write_all(&answer).await?;
        let last = String::from_utf8_lossy(&heard).to_ascii_lowercase();
        if last.contains("\r\nconnection: close\r\n") {
            return stream.shutdown().await;
        }
        heard.clear();
    }
}

/// Sends or takes as many bytes as are asked for, then keeps the connection until the client ends it.
async fn bytes(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = vec![b'x'; BUFFER];
    loop {
        let way = stream.read_u8().await?;
        let mut left = stream.read_u64().await?;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
            let moved = match way {
                DOWN => {
                    stream.write_all(&buffer[..most]).await?;
                    most
                }
                _ => stream.read(&mut buffer[..most]).await?,
            };
            if moved == 0 {
                return Ok(());
            }
            left -= moved as u64;
        }
        // Now all that was sent has arrived.
        if way == UP {
            stream.write_u8(UP).await?;
        }
    }
}

/// One name, at one address of IPv4; everything has a life, so that resolvers that remember may.
fn names(socket: &UdpSocket) {
    let mut bytes = [0; 2048];
    while let Ok((length, from)) = socket.recv_from(&mut bytes) {
        let Ok(question) = Message::from_vec(&bytes[..length]) else { continue };
        let Some(query) = question.queries.first().cloned() else { continue };
        let mut reply = Message::response(question.metadata.id, question.metadata.op_code);
        reply.add_query(query.clone());
        if query.query_type() == RecordType::A {
            let address = RData::A(ADDRESS.into());
            reply.add_answer(Record::from_rdata(query.name().clone(), 300, address));
        } else {
            let zone = Name::from_ascii("test.").unwrap();
            let soa = SOA::new(zone.clone(), zone.clone(), 1, 300, 300, 300, 300);
            reply.add_authority(Record::from_rdata(zone, 300, RData::SOA(soa)));
        }
        // A client that has gone needs no answer.
        drop(socket.send_to(&reply.to_vec().unwrap(), from));
    }
}
