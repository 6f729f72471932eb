//! What a tunnel carries, with real sockets and real TLS at both ends.

use crate::network::{
    World, block, hello, host, listen, pair, raw, rule, server_name, tls, untouched, with_extension,
};
use jail::egress::Limits;
use jail::egress::gate::Target;
use jail::egress::tunnel::{serve, serve_dialled};
use jail::firewall::{Reason, Rule, Rules};
use std::io::ErrorKind;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::{TlsAcceptor, TlsConnector};

const A: &str = "a.example.com";
const B: &str = "b.example.com";

/// The proxy's part: a client with these first words, to this target.
async fn tunnel(
    world: &World,
    target: Target,
    head: &[u8],
) -> (TcpStream, impl Future<Output = ()> + use<>) {
    let (client, accepted) = pair().await;
    (client, serve(Rc::clone(&world.gate), accepted, head.to_vec(), target))
}

/// Refused without a byte to the server: what the client is left with.
fn refused(world: &World, names: &[&str], port: u16, words: &[u8]) -> Result<Vec<u8>, ErrorKind> {
    block(async {
        let (mut client, serving) = tunnel(world, world.target(names, port), b"").await;
        client.write_all(words).await.unwrap();
        let hear = async move {
            let mut answer = Vec::new();
            let read = client.read_to_end(&mut answer).await;
            read.map(|_| answer).map_err(|error| error.kind())
        };
        tokio::join!(hear, serving).0
    })
}

fn alert(code: u8) -> Result<Vec<u8>, ErrorKind> {
    Ok(vec![21, 3, 3, 0, 2, 2, code])
}

const RESET: Result<Vec<u8>, ErrorKind> = Err(ErrorKind::ConnectionReset);

fn real_hello(name: &str) -> Vec<u8> {
    hello(name, tls(&[name]).1)
}

fn hello_without_name() -> Vec<u8> {
    let (_, mut client) = tls(&[A]);
    client.enable_sni = false;
    hello(A, client)
}

/// Answers one TLS connection with what it says.
async fn tls_echo(listener: &TcpListener, acceptor: TlsAcceptor) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = acceptor.accept(stream).await.unwrap();
    let mut said = [0; 4];
    stream.read_exact(&mut said).await.unwrap();
    stream.write_all(&said).await.unwrap();
    stream.shutdown().await.unwrap();
}

/// A whole TLS connection to `sni` through a tunnel with these candidates.
fn tls_round_trip(
    rules: impl Fn(u16) -> Vec<Rule>,
    names: &[&str],
    sni: &str,
    client: impl Fn(&mut ClientConfig),
) {
    let (server, mut config) = tls(&[A, B, "127.0.0.1"]);
    client(&mut config);
    block(async {
        let (listener, port) = listen().await;
        let mut world = World::new(rules(port));
        let (stream, serving) = tunnel(&world, world.target(names, port), b"").await;
        let talk = async {
            let connector = TlsConnector::from(Arc::new(config));
            let mut stream = connector.connect(server_name(sni), stream).await.unwrap();
            stream.write_all(b"ping").await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            assert_eq!(answer, b"ping");
        };
        tokio::join!(serving, talk, tls_echo(&listener, TlsAcceptor::from(server)));
        world.was_allowed();
    });
}

#[test]
fn tls_for_the_name() {
    let rules = |port| vec![rule(A, port)];
    tls_round_trip(rules, &[A], A, |_| {});
    tls_round_trip(rules, &[A], "A.Example.COM", |_| {});
    tls_round_trip(rules, &[A], A, |client| client.max_fragment_size = Some(32));
}

#[test]
fn tls_for_one_of_several_names() {
    let rules = |port| vec![rule(A, port), rule(B, port)];
    tls_round_trip(rules, &[A, B], A, |_| {});
    tls_round_trip(rules, &[A, B], B, |_| {});
}

#[test]
fn tls_where_anything_goes() {
    tls_round_trip(|port| vec![raw(A, port)], &[A], B, |_| {});
    tls_round_trip(|port| vec![raw(A, port)], &[A], A, |client| client.enable_sni = false);
}

#[test]
fn tls_to_an_address() {
    let rules = |port| vec![rule("127.0.0.1", port), rule(A, port)];
    tls_round_trip(rules, &["127.0.0.1"], "127.0.0.1", |_| {});
    tls_round_trip(rules, &[A, "127.0.0.1"], "127.0.0.1", |_| {});
    tls_round_trip(rules, &["127.0.0.1", A], A, |_| {});
    let mut world = World::new(rules(443));
    assert_eq!(refused(&world, &["127.0.0.1"], 443, &real_hello(A)), alert(112));
    assert_eq!(world.denial().reason, Reason::SniMismatch { sni: A.to_owned() });
}

#[test]
fn a_client_is_told_why_in_its_own_words() {
    let (_, client) = tls(&[A, B]);
    let mut world = World::new(vec![rule(A, 443)]);
    let error = block(async {
        let (stream, serving) = tunnel(&world, world.target(&[A], 443), b"").await;
        let connector = TlsConnector::from(Arc::new(client));
        let (connected, ()) = tokio::join!(connector.connect(server_name(B), stream), serving);
        connected.expect_err("refused").to_string()
    });
    assert!(error.contains("UnrecognisedName"), "{error}");
    let denial = world.denial();
    assert_eq!(denial.reason, Reason::SniMismatch { sni: B.to_owned() });
    assert_eq!(denial.host, A);
    assert_eq!(denial.fix(), None, "no rule allows fronting");
}

#[test]
fn another_name_below_or_above_is_another() {
    for name in ["x.a.example.com", "example.com", "aa.example.com", "a.example.com.test"] {
        let mut world = World::new(vec![rule(A, 443)]);
        assert_eq!(refused(&world, &[A], 443, &real_hello(name)), alert(112));
        assert_eq!(world.denial().reason, Reason::SniMismatch { sni: name.to_owned() });
    }
}

#[test]
fn tls_without_a_name() {
    let mut world = World::new(vec![rule(A, 443)]);
    assert_eq!(refused(&world, &[A], 443, &hello_without_name()), alert(112));
    let denial = world.denial();
    assert_eq!(denial.reason, Reason::NoSni);
    assert_eq!(denial.fix().unwrap(), "jail firewall allow a.example.com --raw");
}

#[test]
fn encrypted_name() {
    let words = with_extension(&real_hello(A), 0xfe0d, &[0; 200]);
    let mut world = World::new(vec![rule(A, 443)]);
    assert_eq!(refused(&world, &[A], 443, &words), alert(49));
    let denial = world.denial();
    assert_eq!(denial.reason, Reason::Ech);
    assert_eq!(denial.fix().unwrap(), "jail firewall allow a.example.com --ech");
    arrives(|port| vec![Rule { ech: true, ..rule(A, port) }], &[A], &words, 4096);
}

/// What the client says in pieces of `size` reaches the server byte for byte.
fn arrives(rules: impl Fn(u16) -> Vec<Rule>, names: &[&str], words: &[u8], size: usize) {
    block(async {
        let (listener, port) = listen().await;
        let mut world = World::new(rules(port));
        let head = &words[..words.len().min(3)];
        let (mut client, serving) = tunnel(&world, world.target(names, port), head).await;
        client.set_nodelay(true).unwrap();
        let talk = async {
            for piece in words[head.len()..].chunks(size) {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            client.shutdown().await.unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            assert_eq!(answer, b"heard");
        };
        let hear = async {
            let (mut server, _) = listener.accept().await.unwrap();
            let mut heard = Vec::new();
            server.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, words);
            server.write_all(b"heard").await.unwrap();
        };
        tokio::join!(serving, talk, hear);
        world.was_allowed();
    });
}

#[test]
fn nothing_that_was_read_is_lost() {
    let words = [&real_hello(A)[..], b"and what a client sends early"].concat();
    for size in [1, 100, 1 << 20] {
        arrives(|port| vec![rule(A, port)], &[A], &words, size);
    }
    arrives(|port| vec![raw(A, port)], &[A], b"\0any bytes", 1);
}

#[test]
fn malformed_tls() {
    let words = [&real_hello(A)[..5], b"\x02garbage"].concat();
    let mut world = World::new(vec![rule(A, 443)]);
    assert_eq!(refused(&world, &[A], 443, &words), alert(50));
    assert_eq!(world.denial().reason.code(), "malformed");
    let name = real_hello("aaa.example.com");
    let at = name.windows(3).position(|w| w == b"aaa").unwrap();
    let nul = [&name[..at], b"a\0a", &name[at + 3..]].concat();
    let mut world = World::new(vec![rule("aaa.example.com", 443)]);
    assert_eq!(refused(&world, &["aaa.example.com"], 443, &nul), alert(49));
    assert_eq!(world.denial().reason.code(), "malformed");
}

#[test]
fn plain_http_on_a_tls_port() {
    for port in [443, 8443, 853, 993] {
        let mut world = World::new(vec![rule(A, port)]);
        let words = b"GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n";
        assert_eq!(refused(&world, &[A], port, words), RESET);
        assert_eq!(world.denial().reason, Reason::NotTls);
    }
}

#[test]
fn other_protocols() {
    let postgres = [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f];
    let others: [&[u8]; 6] = [
        b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"get / HTTP/1.1\r\n",
        b" GET / HTTP/1.1\r\n",
        b"\x80\x2e\x01\x03\x01",
        &postgres,
    ];
    for words in others {
        let mut world = World::new(vec![rule(A, 5432)]);
        assert_eq!(refused(&world, &[A], 5432, words), RESET, "{words:?}");
        let denial = world.denial();
        assert_eq!(denial.reason, Reason::NotTls);
        assert_eq!(denial.fix().unwrap(), "jail firewall allow a.example.com:5432 --raw");
    }
}

#[test]
fn several_names_and_nothing_says_which() {
    let rules = vec![rule(A, 5432), raw(B, 5432)];
    let names = vec![A.to_owned(), B.to_owned()];
    for (words, answer) in [(&b"\0\0\0\x08"[..], RESET), (&hello_without_name(), alert(49))] {
        let mut world = World::new(rules.clone());
        assert_eq!(refused(&world, &[A, B], 5432, words), answer);
        assert_eq!(world.denial().reason, Reason::Ambiguous { names: names.clone() });
    }
}

#[test]
fn silence() {
    let limits = Limits { handshake: Duration::from_millis(20), ..Limits::default() };
    let silent = |port, words: &[u8]| {
        let mut world = World::limited(vec![rule(A, port)], limits);
        assert_eq!(refused(&world, &[A], port, words), RESET);
        world.denial().reason
    };
    assert_eq!(silent(25, b""), Reason::NotTls, "a server would speak first");
    assert!(matches!(silent(443, b""), Reason::Limit { .. }));
    assert!(matches!(silent(25, b"\x16\x03\x01"), Reason::Limit { .. }));
    assert!(matches!(silent(25, b"GET"), Reason::Limit { .. }));
}

#[test]
fn a_client_that_leaves_has_asked_for_nothing() {
    let mut world = World::new(vec![rule(A, 443)]);
    let leave = |words: &'static [u8]| {
        block(async {
            let (mut client, serving) = tunnel(&world, world.target(&[A], 443), b"").await;
            client.write_all(words).await.unwrap();
            drop(client);
            serving.await;
        });
    };
    leave(b"");
    assert_eq!(world.gate.counters().denied, 0);
    leave(b"\x16\x03");
    assert_eq!(world.denial().reason, Reason::NotTls);
}

#[test]
fn a_server_that_speaks_first() {
    let speak = |rules: Vec<Rule>, listener: TcpListener, port: u16| async move {
        let world = World::new(rules);
        let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (mut other_end, _) = listener.accept().await.unwrap();
        other_end.write_all(b"220 hello\r\n").await.unwrap();
        let (mut client, accepted) = pair().await;
        let target = world.target(&[A], port);
        let serving = serve_dialled(Rc::clone(&world.gate), accepted, Vec::new(), target, server);
        let talk = async {
            let mut banner = [0; 11];
            let read = client.read_exact(&mut banner).await.map(|_| banner);
            drop((client, other_end));
            read
        };
        let ((), read) = tokio::join!(serving, talk);
        (world, read)
    };
    block(async {
        let (listener, port) = listen().await;
        let (mut world, read) = speak(vec![raw(A, port)], listener, port).await;
        assert_eq!(&read.unwrap(), b"220 hello\r\n");
        world.was_allowed();
        let (listener, port) = listen().await;
        let (mut world, read) = speak(vec![rule(A, port)], listener, port).await;
        assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(world.denial().reason, Reason::NotTls);
    });
}

#[test]
fn a_rule_that_goes_while_the_client_thinks() {
    let after = |now: fn(u16) -> Vec<Rule>| {
        block(async {
            let (listener, port) = listen().await;
            let mut world = World::new(vec![rule(A, port)]);
            let (mut client, serving) = tunnel(&world, world.target(&[A], port), b"").await;
            world.gate.replace(Rules(now(port)));
            client.write_all(&real_hello(A)).await.unwrap();
            serving.await;
            assert!(untouched(listener));
            world.denial().reason
        })
    };
    assert_eq!(after(|_| Vec::new()), Reason::NotListed);
    assert_eq!(after(|port| vec![Rule { ech: true, ..rule(A, port) }]), Reason::Revoked);
}

#[test]
fn removing_the_rule_cuts_the_tunnel_and_no_other() {
    block(async {
        let (listener, port) = listen().await;
        let mut world = World::new(vec![raw(A, port), rule(B, port)]);
        let (mut first, first_serving) = tunnel(&world, world.target(&[A], port), b"x").await;
        let (mut second, second_serving) =
            tunnel(&world, world.target(&[A, B], port), &real_hello(B)).await;
        let gate = Rc::clone(&world.gate);
        let talk = async {
            let mut byte = [0];
            let (mut one, _) = listener.accept().await.unwrap();
            one.read_exact(&mut byte).await.unwrap();
            let (mut two, _) = listener.accept().await.unwrap();
            two.read_exact(&mut byte).await.unwrap();
            gate.replace(Rules(vec![rule(B, port)]));
            assert!(matches!(first.read(&mut byte).await, Ok(0) | Err(_)));
            assert_eq!(one.read(&mut byte).await.unwrap_or(0), 0);
            two.write_all(b"y").await.unwrap();
            second.read_exact(&mut byte).await.unwrap();
            assert_eq!(&byte, b"y");
            gate.replace(Rules::default());
            assert!(matches!(second.read(&mut byte).await, Ok(0) | Err(_)));
        };
        tokio::join!(first_serving, second_serving, talk);
        let denials = world.denials();
        assert_eq!(denials.len(), 2);
        assert!(denials.iter().all(|denial| denial.reason == Reason::Revoked));
        assert_eq!((&*denials[0].host, &*denials[1].host), (A, B));
    });
}

#[test]
fn a_host_that_cannot_be_reached() {
    let (_, port) = block(listen());
    let mut world = World::new(vec![rule(A, port)]);
    assert_eq!(refused(&world, &[A], port, &real_hello(A)), RESET);
    let denial = world.denial();
    assert!(matches!(denial.reason, Reason::Unreachable { .. }));
    assert_eq!(denial.host, host(A).to_string());
}

#[test]
fn what_is_refused_never_reaches_the_server() {
    let cases: [(Vec<u8>, &str); 4] = [
        (real_hello(B), "sni-mismatch"),
        (hello_without_name(), "no-sni"),
        (with_extension(&real_hello(A), 0xfe0d, &[0]), "ech"),
        (b"SSH-2.0-x\r\n".to_vec(), "not-tls"),
    ];
    for (words, code) in cases {
        let mut world = block(async {
            let (listener, port) = listen().await;
            let world = World::new(vec![rule(A, port)]);
            let (mut client, serving) = tunnel(&world, world.target(&[A], port), b"").await;
            client.write_all(&words).await.unwrap();
            serving.await;
            assert!(untouched(listener), "{code}");
            world
        });
        assert_eq!(world.denial().reason.code(), code);
    }
}
