//! The reader of ClientHellos, against what real clients send and what no honest one would.

use crate::network::{hello, is_here, tls, with_extension};
use jail::egress::tls::client_hello::{
    BadSni, ClientHello, Hello, LONGEST, LONGEST_WITH_RECORDS, read,
};
use jail::firewall::HostName;
use proptest::prelude::*;
use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio_rustls::rustls::server::Acceptor;

const NAME: &str = "api.example.com";

fn named(name: &str) -> Option<Result<HostName, BadSni>> {
    Some(Ok(HostName::parse(name).unwrap()))
}

fn complete(bytes: &[u8]) -> ClientHello {
    match read(bytes) {
        Hello::Complete(hello) => hello,
        other => panic!("{other:?}"),
    }
}

fn malformed(bytes: &[u8]) -> &'static str {
    match read(bytes) {
        Hello::Malformed(why) => why,
        other => panic!("{other:?}"),
    }
}

fn real() -> Vec<u8> {
    hello(NAME, tls(&[NAME]).1)
}

/// A ClientHello made by hand: what real clients do not send.
fn body(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let list: Vec<u8> = extensions
        .iter()
        .flat_map(|(kind, content)| [kind.to_be_bytes().to_vec(), vector(content)].concat())
        .collect();
    [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 1], &[1, 0], &vector(&list)].concat()
}

fn vector(content: &[u8]) -> Vec<u8> {
    [&u16::try_from(content.len()).unwrap().to_be_bytes()[..], content].concat()
}

fn message(body: &[u8]) -> Vec<u8> {
    [&[1][..], &u32::try_from(body.len()).unwrap().to_be_bytes()[1..], body].concat()
}

fn records(message: &[u8], size: usize) -> Vec<u8> {
    message.chunks(size).flat_map(|part| [&[22, 3, 1][..], &vector(part)].concat()).collect()
}

fn with(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    records(&message(&body(extensions)), 1 << 14)
}

/// The content of a server_name extension with these entries.
fn names(entries: &[(u8, &[u8])]) -> Vec<u8> {
    let list: Vec<u8> =
        entries.iter().flat_map(|(kind, name)| [&[*kind][..], &vector(name)].concat()).collect();
    vector(&list)
}

fn sni_of(name: &[u8]) -> Hello {
    read(&with(&[(0, names(&[(0, name)]))]))
}

#[test]
fn real_hello_of_rustls() {
    let (_, mut client) = tls(&[NAME]);
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let hello = complete(&hello(NAME, client));
    assert_eq!(hello.sni, named(NAME));
    assert_eq!(hello.alpn, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert!(!hello.ech);
    assert_eq!(complete(&crate::network::hello("192.0.2.1", tls(&[NAME]).1)).sni, None);
}

/// Programs of this machine connect to a listener of this test; each one that is here must be read.
#[test]
fn real_hellos_of_programs() {
    let port = "PORT";
    let node = "require('tls').connect({host:'127.0.0.1',port:PORT,servername:'api.example.com',\
                ALPNProtocols:['h2','http/1.1']}).on('error',()=>{})";
    let python = "import socket,ssl\n\
                  ssl.create_default_context().wrap_socket(\
                  socket.create_connection(('127.0.0.1',PORT)),server_hostname='api.example.com')";
    let resolve = format!("{NAME}:{port}:127.0.0.1");
    let url = format!("https://{NAME}:{port}/");
    let programs: [(&str, Vec<&str>); 6] = [
        ("openssl", vec!["s_client", "-connect", "127.0.0.1:PORT", "-servername", NAME]),
        ("openssl", vec!["s_client", "-tls1_2", "-connect", "127.0.0.1:PORT", "-servername", NAME]),
        ("curl", vec!["-sk", "--noproxy", "*", "--resolve", &resolve, &url]),
        ("node", vec!["-e", node]),
        ("python3", vec!["-c", python]),
        ("openssl", vec!["s_client", "-connect", "127.0.0.1:PORT", "-noservername"]),
    ];
    for (program, arguments) in programs {
        if !is_here(program) {
            continue;
        }
        let bytes = captured(program, &arguments);
        let expected = if arguments.contains(&"-noservername") { None } else { named(NAME) };
        assert_eq!(complete(&bytes).sni, expected, "{program} {arguments:?}");
        every_prefix_waits(&bytes);
    }
}

/// What a program sends first.
fn captured(program: &str, arguments: &[&str]) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let arguments = arguments.iter().map(|argument| argument.replace("PORT", &port));
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    let mut stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => panic!("{program} did not connect: {error}"),
        }
    };
    stream.set_nonblocking(false).unwrap();
    let mut bytes = vec![0; LONGEST_WITH_RECORDS];
    let mut length = 0;
    while read(&bytes[..length]) == Hello::Incomplete {
        let read = stream.read(&mut bytes[length..]).unwrap();
        assert!(read > 0, "{program} left");
        length += read;
    }
    drop(stream);
    child.kill().unwrap();
    child.wait().unwrap();
    bytes.truncate(length);
    bytes
}

fn every_prefix_waits(bytes: &[u8]) {
    for length in 0..bytes.len() {
        assert_eq!(read(&bytes[..length]), Hello::Incomplete, "{length} of {}", bytes.len());
    }
}

#[test]
fn every_prefix_of_a_hello_waits_whatever_its_records() {
    let real = real();
    let message = &real[5..];
    for size in [1, 2, 3, 7, 100, message.len()] {
        let bytes = records(message, size);
        assert_eq!(complete(&bytes).sni, named(NAME), "records of {size}");
        every_prefix_waits(&bytes);
    }
}

#[test]
fn what_follows_is_opaque() {
    let whole = complete(&real());
    for more in [&[20, 3, 3, 0, 1, 1][..], &[23, 3, 3, 0, 9], b"\0", b"GET / HTTP/1.1"] {
        assert_eq!(complete(&[&real(), more].concat()), whole);
    }
}

#[test]
fn other_protocols_are_not_tls() {
    let ssl2 = [0x80, 0x2e, 1, 3, 1, 0, 3, 0, 0];
    let postgres = [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f];
    for bytes in
        [&ssl2[..], &postgres, b"GET / HTTP/1.1\r\n", b"SSH-2.0-x", b"\x16\x04", b"\x15\x03"]
    {
        assert_eq!(read(bytes), Hello::NotTls, "{bytes:?}");
    }
}

#[test]
fn encrypted_hello_is_seen() {
    for kind in [0xfe0d, 0xffce] {
        assert!(complete(&with_extension(&real(), kind, &[0; 250])).ech);
    }
    assert!(!complete(&with_extension(&real(), 0x0a0a, &[0])).ech, "GREASE of another kind");
}

#[test]
fn names_are_parsed_by_the_one_parser() {
    let name = |bytes: &[u8]| match sni_of(bytes) {
        Hello::Complete(ClientHello { sni: Some(name), .. }) => name.map(|n| n.to_string()),
        other => panic!("{other:?}"),
    };
    assert_eq!(name(b"API.Example.COM."), Ok("api.example.com".to_owned()));
    assert_eq!(name(b"192.0.2.1"), Err(BadSni::Address));
    assert_eq!(name(b"::ffff:192.0.2.1"), Err(BadSni::Address));
    for bad in [
        &b"a\0.example.com"[..],
        b"0x7f.1",
        b"127.1",
        b"a b.example.com",
        b"a\r\n.example.com",
        b"-a.example.com",
        b"a..example.com",
        // A server takes it; it is not what Punycode makes of anything.
        b"xn--example.com",
        b".",
        b"*.example.com",
        &[b'a'; 64],
    ] {
        assert!(matches!(name(bad), Err(BadSni::NotAHost(_))), "{bad:?}");
    }
    malformed(&with(&[(0, names(&[(0, "fa\u{df}.example.com".as_bytes())]))]));
    malformed(&with(&[(0, names(&[(0, b"\xff.example.com")]))]));
}

#[test]
fn exactly_one_name() {
    let (a, b) = (&b"a.example.com"[..], &b"b.example.com"[..]);
    assert_eq!(complete(&with(&[(0, names(&[(0, a)]))])).sni, named("a.example.com"));
    for entries in [&[(0, a), (0, b)][..], &[(0, a), (0, a)], &[(1, a)], &[(1, a), (0, b)], &[]] {
        malformed(&with(&[(0, names(entries))]));
    }
    let twice = [(0, names(&[(0, a)])), (0, names(&[(0, b)]))];
    assert_eq!(malformed(&with(&twice)), "an extension twice");
    malformed(&with(&[(0, Vec::new())]));
    malformed(&with(&[(0, [names(&[(0, a)]), vec![0]].concat())]));
    assert_eq!(
        malformed(&with(&[(5, vec![]), (16, vector(b"\x02h2")), (5, vec![])])),
        "an extension twice"
    );
}

#[test]
fn every_list_ends_where_it_says() {
    let plain = body(&[(0, names(&[(0, b"a.example.com")]))]);
    assert_eq!(complete(&records(&message(&plain), 1 << 14)).sni, named("a.example.com"));
    malformed(&records(&message(&[&plain[..], &[0]].concat()), 1 << 14));
    for length in 0..plain.len() {
        // The end of the compression methods is a hello without extensions, which is allowed.
        let cut = records(&message(&plain[..length]), 1 << 14);
        match read(&cut) {
            Hello::Complete(hello) => {
                assert_eq!((length, hello.sni), (2 + 32 + 1 + 4 + 2, None));
            }
            Hello::Malformed(_) => {}
            other => panic!("{length}: {other:?}"),
        }
    }
    for alpn in [&b""[..], b"\x00", b"\x03h2", b"\x02h2\x00"] {
        malformed(&with(&[(16, vector(alpn))]));
    }
    malformed(&with(&[(16, [vector(b"\x02h2"), vec![9]].concat())]));
}

#[test]
fn records_hide_nothing() {
    let message = message(&body(&[]));
    let two = [&message[..], &message].concat();
    malformed(&records(&two, 1 << 14));
    malformed(&records(&[&message[..], &[0]].concat(), 1 << 14));
    // The rest of the record has not come, and is refused all the same.
    malformed(&records(&two, 1 << 14)[..5 + message.len()]);
    let halves = records(&message, message.len() / 2);
    let first = 5 + message.len() / 2;
    for between in [&[20, 3, 3, 0, 1, 1][..], &[23, 3, 3, 0, 0], &[22, 3, 3, 0, 0], &[22, 2]] {
        malformed(&[&halves[..first], between, &halves[first..]].concat());
    }
    assert_eq!(malformed(&[22, 3, 1, 0, 0]), "a record of a length that is not allowed");
    malformed(&[22, 3, 1, 0x40, 1]);
    malformed(&[22, 3, 1, 0, 4, 2]);
}

#[test]
fn size_is_bounded() {
    let filler = |length: usize| message(&body(&[(21, vec![0; length])]));
    let room = LONGEST - (filler(0).len() - 4);
    assert_eq!(complete(&records(&filler(room), 1 << 14)), ClientHello::default());
    malformed(&records(&filler(room + 1), 1 << 14)[..9]);
    malformed(&[22, 3, 1, 0x40, 0, 1, 1, 0, 0]);
    let small = records(&filler(room), 1);
    assert_eq!(read(&small[..LONGEST_WITH_RECORDS - 1]), Hello::Incomplete);
    malformed(&small[..LONGEST_WITH_RECORDS]);
}

/// What rustls makes of the same bytes as a server; `None`: it refuses them or wants more.
fn rustls(bytes: &[u8]) -> Option<Option<String>> {
    let mut acceptor = Acceptor::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        acceptor.read_tls(&mut rest).ok()?;
    }
    let accepted = acceptor.accept().ok()??;
    Some(accepted.client_hello().server_name().map(|name| name.to_ascii_lowercase()))
}

/// A server must not see another name than we did.
fn agrees_with_rustls(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let (Hello::Complete(ours), Some(theirs)) = (read(bytes), rustls(bytes)) {
        let ours = ours.sni.and_then(Result::ok).map(|name| name.to_string());
        let theirs = theirs.map(|name| name.strip_suffix('.').unwrap_or(&name).to_owned());
        prop_assert_eq!(ours, theirs);
    }
    Ok(())
}

#[test]
fn rustls_sees_the_same_name() {
    assert_eq!(rustls(&real()), Some(Some(NAME.to_owned())), "the comparison compares");
    assert_eq!(rustls(&records(&real()[5..], 50)), Some(Some(NAME.to_owned())));
}

proptest! {
    #[test]
    fn any_bytes_are_judged(bytes: Vec<u8>) {
        agrees_with_rustls(&bytes)?;
        let tls = [&[22, 3, 1][..], &bytes].concat();
        agrees_with_rustls(&tls)?;
        let decided = |bytes: &[u8]| match read(bytes) {
            Hello::Incomplete => None,
            other => Some(other),
        };
        // More bytes never change a verdict.
        for length in 0..tls.len() {
            if let Some(verdict) = decided(&tls[..length]) {
                prop_assert_eq!(Some(verdict), decided(&tls));
                break;
            }
        }
    }

    #[test]
    fn a_changed_hello_is_read_as_by_rustls(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        size in 1_usize..300,
    ) {
        let mut message = real()[5..].to_vec();
        for (at, byte) in changes {
            let at = at.index(message.len());
            message[at] = byte;
        }
        agrees_with_rustls(&records(&message, size))?;
    }

    #[test]
    fn any_name_is_read_as_by_rustls(name in "[a-zA-Z0-9._*\u{df}-]{1,30}") {
        let bytes = with_extension(&without_name(), 0, &names(&[(0, name.as_bytes())]));
        agrees_with_rustls(&bytes)?;
    }
}

fn without_name() -> Vec<u8> {
    let (_, mut client) = tls(&[NAME]);
    client.enable_sni = false;
    hello(NAME, client)
}
