//! The SOCKS5 door: its messages, and whole connections.

use crate::network::{World, block, listen, pair, raw, rule, tls, untouched};
use jail::egress::Limits;
use jail::egress::socks::message::{
    Command, Destination, Greeting, Read, Request, greeting, request,
};
use jail::egress::socks::serve;
use jail::firewall::host::NotAHost;
use jail::firewall::{Denial, Door, Host, Reason, Rule};
use proptest::prelude::*;
use std::fmt::Debug;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const HELLO: &[u8] = &[5, 1, 0];
const LOCALHOST_V4: &[u8] = &[1, 127, 0, 0, 1];

fn to_name(name: &[u8]) -> Vec<u8> {
    [&[3, u8::try_from(name.len()).unwrap()][..], name].concat()
}

fn asking(command: u8, address: &[u8], port: u16) -> Vec<u8> {
    [&[5, command, 0][..], address, &port.to_be_bytes()].concat()
}

fn connect(address: &[u8], port: u16) -> Vec<u8> {
    asking(1, address, port)
}

/// The message is read at its last byte, not before, and takes no more.
fn read_at_its_end<T: PartialEq + Debug>(parse: fn(&[u8]) -> Read<T>, bytes: &[u8], value: T) {
    for length in 0..bytes.len() {
        assert_eq!(parse(&bytes[..length]), Read::Incomplete, "{length}");
    }
    let more = [bytes, b"more"].concat();
    assert_eq!(parse(&more), Read::Complete(value, bytes.len()));
}

#[test]
fn greetings() {
    read_at_its_end(greeting, HELLO, Greeting::V5 { no_password: true });
    read_at_its_end(greeting, &[5, 3, 1, 2, 0], Greeting::V5 { no_password: true });
    read_at_its_end(greeting, &[5, 1, 2], Greeting::V5 { no_password: false });
    let all: Vec<u8> = [5, 255].into_iter().chain(1..=255).collect();
    read_at_its_end(greeting, &all, Greeting::V5 { no_password: false });
    assert!(matches!(greeting(&[4]), Read::Complete(Greeting::V4, _)));
    for bad in [&[5, 0][..], b"GET / HTTP/1.1", b"CONNECT", &[0], &[0x16, 3, 1]] {
        assert!(matches!(greeting(bad), Read::Malformed(_)), "{bad:?}");
    }
}

#[test]
fn requests() {
    let to = |destination| Request { command: Command::Connect, destination, port: 0x1234 };
    let host = |text: &str| to(Destination::Host(Host::parse(text).unwrap()));
    let v6 = [&[4][..], &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]].concat();
    let mapped = [&[4][..], &Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets()].concat();
    for (address, expected) in [
        (LOCALHOST_V4.to_vec(), host("127.0.0.1")),
        (v6, host("2001:db8::1")),
        (mapped, host("127.0.0.1")),
        (to_name(b"API.example.com."), host("api.example.com")),
        (to_name(b"192.0.2.1"), host("192.0.2.1")),
        (to_name(b"[2001:db8::1]"), host("2001:db8::1")),
        (to_name("fa\u{df}.example.com".as_bytes()), host("xn--fa-hia.example.com")),
    ] {
        read_at_its_end(request, &connect(&address, 0x1234), expected);
    }
    for (byte, command) in
        [(2, Command::Bind), (3, Command::UdpAssociate), (9, Command::Unknown(9))]
    {
        let bytes = asking(byte, LOCALHOST_V4, 0x1234);
        read_at_its_end(request, &bytes, Request { command, ..host("127.0.0.1") });
    }
    for bad in [&[4, 1][..], &[5, 1, 1], &[5, 1, 0, 2], &[5, 1, 0, 0, 0]] {
        assert!(matches!(request(bad), Read::Malformed(_)), "{bad:?}");
    }
}

#[test]
fn names_that_are_none() {
    let long = vec![b'a'; 255];
    let cases: [(&[u8], NotAHost); 7] = [
        (b"evil.test\0.api.example.com", NotAHost::Character('\0')),
        (b"api.example.com\0", NotAHost::Character('\0')),
        (b"", NotAHost::Empty),
        (b"127.1", NotAHost::AddressSpelling),
        (b"0x7f.0.0.1", NotAHost::AddressSpelling),
        (b"\xff.example.com", NotAHost::NotText),
        (&long, NotAHost::TooLong),
    ];
    for (name, why) in cases {
        let destination = Destination::NotAHost(name.to_vec(), why);
        let expected = Request { command: Command::Connect, destination, port: 443 };
        read_at_its_end(request, &connect(&to_name(name), 443), expected);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_judged_once(bytes: Vec<u8>) {
        judged_once(greeting, &bytes)?;
        judged_once(greeting, &[&[5], &bytes[..]].concat())?;
        judged_once(request, &[&[5, 1, 0, 3], &bytes[..]].concat())?;
        judged_once(request, &[&[5, 1, 0], &bytes[..]].concat())?;
    }
}

/// More bytes never change what was read.
fn judged_once<T: PartialEq + Debug>(
    parse: fn(&[u8]) -> Read<T>,
    bytes: &[u8],
) -> Result<(), TestCaseError> {
    let first = (0..=bytes.len()).find(|length| parse(&bytes[..*length]) != Read::Incomplete);
    if let Some(first) = first {
        match (parse(&bytes[..first]), parse(bytes)) {
            // A version 4 greeting is not read any further.
            (Read::Complete(a, _), Read::Complete(b, _)) => prop_assert_eq!(a, b),
            (a, b) => prop_assert_eq!(a, b),
        }
        if let Read::Complete(_, used) = parse(bytes) {
            prop_assert!(used <= bytes.len());
        }
    }
    Ok(())
}

/// What a client hears that says all this at once and then waits, and what is recorded.
fn answer(rules: Vec<Rule>, words: &[u8]) -> (Vec<u8>, Denial) {
    let limits = Limits { handshake: Duration::from_millis(500), ..Limits::default() };
    let mut world = World::limited(rules, limits);
    let heard = block(async {
        let (mut client, accepted) = pair().await;
        client.write_all(words).await.unwrap();
        let hear = async move {
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).await.unwrap();
            heard
        };
        tokio::join!(serve(Rc::clone(&world.gate), accepted), hear).1
    });
    (heard, world.denial())
}

fn reply(code: u8) -> Vec<u8> {
    [&[5, 0][..], &[5, code, 0, 1, 0, 0, 0, 0, 0, 0]].concat()
}

#[test]
fn refusals_by_rule() {
    let rules = || vec![rule("api.example.com", 443)];
    let ask = |address: &[u8], port| answer(rules(), &[HELLO, &connect(address, port)].concat());
    let (heard, denial) = ask(&to_name(b"evil.test"), 443);
    assert_eq!(heard, reply(2));
    assert_eq!((&*denial.host, denial.port, denial.door), ("evil.test", 443, Door::Socks));
    assert_eq!(denial.reason, Reason::NotListed);
    let (heard, denial) = ask(&to_name(b"api.example.com"), 22);
    assert_eq!((heard, denial.reason), (reply(2), Reason::OtherPort { allowed: vec![443] }));
    let (heard, denial) = ask(&to_name(b"evil.test\0.api.example.com"), 443);
    assert_eq!((heard, denial.reason.code()), (reply(2), "bad-host"));
    assert!(!denial.host.contains('\0'));
    let metadata = [1, 169, 254, 169, 254];
    let mapped = [&[4][..], &Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets()].concat();
    for address in [&metadata[..], &mapped, LOCALHOST_V4, &to_name(b"127.0.0.1")] {
        let (heard, denial) = ask(address, 443);
        assert_eq!(heard, reply(2), "{address:?}");
        assert!(denial.host.parse::<Ipv4Addr>().is_ok(), "{denial:?}");
    }
}

#[test]
fn what_is_not_served() {
    let all = || vec![rule("127.0.0.1", 443)];
    let (heard, denial) = answer(all(), &[HELLO, &asking(2, LOCALHOST_V4, 443)].concat());
    assert_eq!((heard, denial.reason.code()), (reply(7), "malformed"));
    let (heard, denial) = answer(all(), &[HELLO, &asking(3, LOCALHOST_V4, 443)].concat());
    assert_eq!((heard, denial.reason.code()), (reply(7), "not-tcp"));
    let (heard, denial) = answer(all(), &[HELLO, &asking(0xf0, LOCALHOST_V4, 443)].concat());
    assert_eq!((heard, denial.reason.code()), (reply(7), "malformed"));
    let (heard, _) = answer(all(), &[5, 1, 2]);
    assert_eq!(heard, [5, 0xff]);
    let socks4a = b"\x04\x01\x01\xbb\0\0\0\x01user\0api.example.com\0";
    let (heard, denial) = answer(all(), socks4a);
    assert_eq!((&*heard, denial.reason.code()), (&[0, 91, 0, 0, 0, 0, 0, 0][..], "malformed"));
    let (heard, _) = answer(all(), &[HELLO, &[5, 1, 1, 1]].concat());
    assert_eq!(heard, reply(1));
    let (heard, denial) = answer(all(), b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!((&*heard, denial.reason.code()), (&b""[..], "malformed"));
}

#[test]
fn half_a_request() {
    let (heard, denial) = answer(vec![], &[HELLO, &[5, 1, 0, 3, 20, b'a']].concat());
    assert_eq!((heard, denial.reason.code()), (reply(1), "limit"));
}

#[test]
fn a_client_that_leaves_has_asked_for_nothing() {
    for words in [&b""[..], HELLO, &[5, 1, 0, 5, 1, 0, 3, 20]] {
        let mut world = World::new(vec![]);
        block(async {
            let (mut client, accepted) = pair().await;
            client.write_all(words).await.unwrap();
            client.shutdown().await.unwrap();
            serve(Rc::clone(&world.gate), accepted).await;
        });
        assert_eq!(world.denials(), []);
    }
}

#[test]
fn an_address_that_does_not_answer() {
    let (_, port) = block(listen());
    let words = [HELLO, &connect(LOCALHOST_V4, port)].concat();
    let (heard, denial) = answer(vec![raw("127.0.0.1", port)], &words);
    assert_eq!((heard, denial.reason.code()), (reply(4), "unreachable"));
}

#[test]
fn what_a_client_says_early_is_kept() {
    for size in [1, 5, 1 << 10] {
        block(async {
            let (listener, port) = listen().await;
            let mut world = World::new(vec![raw("127.0.0.1", port)]);
            let (mut client, accepted) = pair().await;
            client.set_nodelay(true).unwrap();
            let talk = async {
                let address = to_name(b"127.0.0.1");
                let words = [HELLO, &connect(&address, port), b"early"].concat();
                for piece in words.chunks(size) {
                    client.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
                client.shutdown().await.unwrap();
                let mut heard = Vec::new();
                client.read_to_end(&mut heard).await.unwrap();
                assert_eq!(heard, [&reply(0)[..], b"late"].concat());
            };
            let hear = async {
                let (mut server, _) = listener.accept().await.unwrap();
                let mut heard = Vec::new();
                server.read_to_end(&mut heard).await.unwrap();
                assert_eq!(heard, b"early");
                server.write_all(b"late").await.unwrap();
            };
            tokio::join!(serve(Rc::clone(&world.gate), accepted), talk, hear);
            world.was_allowed();
        });
    }
}

#[test]
fn tls_is_looked_for_behind_the_door() {
    let (server_tls, client_tls) = tls(&["127.0.0.1", "a.example.com"]);
    for (sni, passes) in [("127.0.0.1", true), ("a.example.com", false)] {
        block(async {
            let (listener, port) = listen().await;
            let mut world = World::new(vec![rule("127.0.0.1", port)]);
            let (mut client, accepted) = pair().await;
            let connector = TlsConnector::from(Arc::new(client_tls.clone()));
            let talk = async {
                let words = [HELLO, &connect(LOCALHOST_V4, port)].concat();
                client.write_all(&words).await.unwrap();
                client.read_exact(&mut [0; 12]).await.unwrap();
                connector.connect(crate::network::server_name(sni), client).await.is_ok()
            };
            let hear = async {
                let (server, _) = listener.accept().await.unwrap();
                TlsAcceptor::from(Arc::clone(&server_tls)).accept(server).await.is_ok()
            };
            let ((), talked, heard) =
                tokio::join!(serve(Rc::clone(&world.gate), accepted), talk, hear);
            assert_eq!((talked, heard), (passes, passes));
            if passes {
                world.was_allowed();
            } else {
                let reason = Reason::SniMismatch { sni: sni.to_owned() };
                assert_eq!(world.denial().reason, reason);
            }
        });
    }
}

/// curl as a real client: it says what it was told.
#[test]
fn curl_through_the_door() {
    if !crate::network::is_here("curl") {
        return;
    }
    let curl = |proxy: u16, url: String| {
        let mut command = tokio::process::Command::new("curl");
        let proxy = format!("socks5h://127.0.0.1:{proxy}");
        command.args(["-sS", "--max-time", "30", "--noproxy", "", "--proxy", &proxy, &url]);
        async move { command.output().await.unwrap() }
    };
    block(async {
        let (listener, port) = listen().await;
        let (door, door_port) = listen().await;
        let mut world = World::new(vec![raw("127.0.0.1", port)]);
        let one = async || serve(Rc::clone(&world.gate), door.accept().await.unwrap().0).await;
        let hear = async {
            let (mut server, _) = listener.accept().await.unwrap();
            let head: &mut [u8] = &mut [0; 512];
            assert!(server.read(head).await.unwrap() > 0);
            let page = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
            server.write_all(page).await.unwrap();
        };
        let url = format!("http://127.0.0.1:{port}/");
        let ((), (), output) = tokio::join!(one(), hear, curl(door_port, url));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "hello", "{output:?}");
        let ((), output) = tokio::join!(one(), curl(door_port, "http://evil.test/".to_owned()));
        assert_eq!(output.status.code(), Some(97), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("evil.test"), "{said}");
        let denials = world.denials();
        assert_eq!(denials.len(), 1);
        assert_eq!((&*denials[0].host, &denials[0].reason), ("evil.test", &Reason::NotListed));
        assert!(untouched(listener));
    });
}

#[test]
fn refusals_tell_the_fix() {
    let words = [HELLO, &connect(&to_name(b"db.example.com"), 5432)].concat();
    let (_, denial) = answer(vec![], &words);
    assert_eq!(denial.fix().unwrap(), "jail firewall allow db.example.com:5432");
}
