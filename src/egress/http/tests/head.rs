//! The parser alone.

use crate::egress::http::head::*;
use crate::egress::http::target::*;
use proptest::prelude::*;

const WHOLE: &[&str] = &[
    "GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\r\n",
    "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
    "CONNECT [2001:db8::1]:443 HTTP/1.0\r\n\r\n",
    "POST /a?b=c HTTP/1.1\r\nhost:EXAMPLE.com.\r\nContent-Length: 12\r\nX: a\tb \r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: [::1]:80\r\nTransfer-Encoding: Chunked\r\nX:\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "OPTIONS http://a.example HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "GET http://a.example:8080?q HTTP/1.0\r\n\r\n",
];

fn request(text: &str) -> Result<RequestHead, HeadError> {
    RequestHead::parse(text.as_bytes())
}

fn rewritten(head: &RequestHead) -> Vec<u8> {
    let mut bytes = Vec::new();
    head.write(&mut bytes);
    bytes
}

#[test]
fn what_is_accepted_reads_the_same_when_written_again() {
    for text in WHOLE {
        let head = request(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(RequestHead::parse(&rewritten(&head)).as_ref(), Ok(&head), "{text:?}");
    }
}

#[test]
fn no_prefix_is_a_head_and_none_is_a_fault() {
    for text in WHOLE {
        let bytes = text.as_bytes();
        for end in 0..bytes.len() {
            for from in 0..=end {
                let found = end_of_head(&bytes[..end], from, 1000);
                assert_eq!(found, Ok(None), "{:?}", &text[..end]);
            }
            assert!(RequestHead::parse(&bytes[..end]).is_err(), "{:?}", &text[..end]);
        }
        assert_eq!(end_of_head(bytes, bytes.len() - 1, 1000), Ok(Some(bytes.len())));
        let longer = [bytes, b"GET"].concat();
        assert_eq!(end_of_head(&longer, 0, 1000), Ok(Some(bytes.len())));
    }
}

#[test]
fn no_prefix_of_a_response_is_one() {
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x y\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\ntransfer-encoding: Chunked\r\n\r\n",
        "HTTP/1.0 204\r\n\r\n",
    ] {
        let bytes = text.as_bytes();
        for end in 0..bytes.len() {
            assert_eq!(end_of_head(&bytes[..end], 0, 1000), Ok(None), "{:?}", &text[..end]);
            assert!(ResponseHead::parse(&bytes[..end]).is_err(), "{:?}", &text[..end]);
        }
        let head = ResponseHead::parse(bytes).unwrap();
        let mut again = Vec::new();
        head.write(&mut again);
        assert_eq!(ResponseHead::parse(&again), Ok(head));
    }
}

#[test]
fn values_are_what_was_written() {
    let head = request(WHOLE[3]).unwrap();
    assert_eq!(head.host.as_ref().unwrap().to_string(), "example.com");
    assert_eq!((head.framing, head.fields.len()), (Framing::Length(12), 1));
    assert_eq!(head.fields.values("x").next(), Some(&b"a\tb"[..]));
    let head = request(WHOLE[6]).unwrap();
    assert!(matches!(head.target, Target::Absolute(_, path) if path == "*"));
    let head = request(WHOLE[7]).unwrap();
    assert_eq!(head.target.to_string(), "http://a.example:8080/?q");
}

#[test]
fn a_head_has_a_limit_of_bytes_and_fields() {
    let long = format!("GET / HTTP/1.1\r\nHost: a.example\r\nX: {}\r\n\r\n", "x".repeat(1000));
    assert_eq!(end_of_head(long.as_bytes(), 0, 1000), Err(HeadError::TooLong));
    assert_eq!(end_of_head(&long.as_bytes()[..1000], 990, 1000), Err(HeadError::TooLong));
    let limit = long.len();
    assert_eq!(end_of_head(long.as_bytes(), 0, limit), Ok(Some(limit)));
    let many =
        |count: usize| format!("GET / HTTP/1.1\r\nHost: a.b\r\n{}\r\n", "X: y\r\n".repeat(count));
    assert_eq!(request(&many(MAX_FIELDS)), Err(HeadError::TooMany));
    assert_eq!(request(&many(MAX_FIELDS - 1)).unwrap().fields.len(), MAX_FIELDS - 1);
}

#[test]
fn connect_wants_host_and_port_and_nothing_else() {
    for good in ["example.com:443", "EXAMPLE.com.:1", "[::1]:65535", "192.0.2.1:22"] {
        assert!(request(&format!("CONNECT {good} HTTP/1.1\r\n\r\n")).is_ok(), "{good}");
    }
    for bad in [
        "example.com",
        "example.com:",
        "example.com:0",
        "example.com:0443",
        "example.com:65536",
        "example.com:65979",
        "example.com:+443",
        "example.com:443/",
        ":443",
        "a@example.com:443",
        "http://example.com:443",
        "[::1]",
        "[::1]x:443",
        "[example.com]:443",
        "[192.0.2.1]:443",
        "::1:443",
        "[fe80::1%lo]:443",
        "0x7f.1:443",
        "127.1:443",
        "2130706433:443",
        "0177.0.0.1:443",
        "evil.test%00:443",
        "evil.test#.a.test:443",
        "a..b:443",
        "/:443",
        "*:443",
    ] {
        assert!(request(&format!("CONNECT {bad} HTTP/1.1\r\n\r\n")).is_err(), "{bad}");
    }
    assert!(request("CONNECT a.b:443 HTTP/1.1\r\nContent-Length: 1\r\n\r\n").is_err());
    assert!(request("CONNECT a.b:443 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
    assert!(request("CONNECT a.b:443 HTTP/1.1\r\nContent-Length: 0\r\n\r\n").is_ok());
}

#[test]
fn target_and_host_say_the_same() {
    let of = |target: &str, host: &str| {
        request(&format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    };
    for (target, host) in [
        ("http://a.test/", "A.test."),
        ("http://a.test:80/", "a.test"),
        ("http://a.test/", "a.test:80"),
        ("HTTP://a.test:81/", "a.test:81"),
        ("http://[::ffff:192.0.2.1]/", "192.0.2.1"),
    ] {
        assert!(of(target, host).is_ok(), "{target} {host}");
    }
    for (target, host) in [
        ("http://a.test/", "b.test"),
        ("http://a.test/", "a.test:81"),
        ("http://a.test:81/", "a.test:80"),
        ("http://a.test/", "a.test.b.test"),
    ] {
        assert!(matches!(of(target, host), Err(HeadError::HostMismatch { .. })), "{target} {host}");
    }
    assert!(matches!(of("https://a.test/", "a.test"), Err(HeadError::Https(_))));
    for bad in [
        "http://u@a.test/",
        "ftp://a.test/",
        "http:///",
        "http://",
        "a.test/",
        "http:/a.test/",
        "/a#b",
    ] {
        assert!(of(bad, "a.test").is_err(), "{bad}");
    }
}

#[test]
fn answers_are_read_the_same_way() {
    let answer = |text: &str| ResponseHead::parse(text.as_bytes());
    let head = answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nA: b\r\n\r\n").unwrap();
    assert_eq!((head.status, head.framing, head.phrase.as_str()), (200, Framing::Length(3), "OK"));
    let mut bytes = Vec::new();
    head.write(&mut bytes);
    assert_eq!(ResponseHead::parse(&bytes), Ok(head));
    for good in ["HTTP/1.1 200\r\n\r\n", "HTTP/1.0 404 \r\n\r\n", "HTTP/1.1 299 caf\u{e9}\r\n\r\n"]
    {
        assert!(answer(good).is_ok(), "{good:?}");
    }
    for bad in [
        "HTTP/1.1 200 OK\n\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 99 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 600 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
    ] {
        assert!(answer(bad).is_err(), "{bad:?}");
    }
}

/// What a reader that takes any line end and looks at nothing twice makes of the same bytes.
fn lax_reader(bytes: &[u8]) -> (Vec<u8>, Vec<(String, Vec<u8>)>) {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first = lines.next().unwrap_or_default().to_vec();
    let fields = lines
        .take_while(|line| !line.is_empty())
        .map(|line| {
            let at = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
            let name = String::from_utf8_lossy(&line[..at]).to_ascii_lowercase();
            (name, line.get(at + 1..).unwrap_or_default().trim_ascii().to_vec())
        })
        .collect();
    (first, fields)
}

/// Fragments of heads, put together at random: nearer to the truth than random bytes.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "GET ",
        "CONNECT ",
        "POST ",
        "OPTIONS ",
        "http://",
        "https://",
        "a.test",
        "A.TEST.",
        ":443",
        ":80",
        "/",
        "*",
        "?x",
        " ",
        " HTTP/1.1\r\n",
        " HTTP/1.0\r\n",
        "\r\n",
        "\r",
        "\n",
        "\t",
        "\0",
        "Host:",
        "Host: a.test\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: ",
        "5",
        "+",
        ",",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding:",
        "chunked",
        "X: y\r\n",
        "X",
        ":",
        "@",
        "[::1]",
        "\u{e9}",
        "%00",
        "\r\n\r\n",
    ]);
    let start = "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n";
    (any::<bool>(), prop::collection::vec(piece, 0..16)).prop_map(move |(started, pieces)| {
        let start = if started { start } else { "" };
        [start.as_bytes(), pieces.concat().as_bytes()].concat()
    })
}

fn check(bytes: &[u8]) {
    let whole = end_of_head(bytes, 0, 4096);
    for end in 0..bytes.len() {
        let so_far = end_of_head(&bytes[..end], 0, 4096);
        if so_far != Ok(None) {
            assert_eq!(
                so_far.is_ok(),
                whole.is_ok(),
                "{end} of {:?}",
                bytes.escape_ascii().to_string()
            );
        } else {
            let resumed = end_of_head(bytes, end, 4096);
            assert_eq!(resumed, whole, "{end} of {:?}", bytes.escape_ascii().to_string());
        }
    }
    let Ok(Some(end)) = whole else { return };
    let Ok(head) = RequestHead::parse(&bytes[..end]) else { return };
    let again = rewritten(&head);
    assert_eq!(RequestHead::parse(&again).as_ref(), Ok(&head));

    let (line, fields) = lax_reader(bytes);
    assert!(line.starts_with(head.method.as_bytes()));
    let seen = |name: &str| fields.iter().filter(|(own, _)| own == name).collect::<Vec<_>>();
    assert_eq!(seen("host").len(), usize::from(head.host.is_some()));
    assert_eq!(
        seen("content-length").len(),
        usize::from(matches!(head.framing, Framing::Length(_)))
    );
    assert_eq!(seen("transfer-encoding").len(), usize::from(head.framing == Framing::Chunked));
    let (_, rewritten_fields) = lax_reader(&again);
    assert_eq!(fields.len(), rewritten_fields.len());
    for (name, value) in &fields {
        if !["host", "content-length", "transfer-encoding"].contains(&name.as_str()) {
            assert!(rewritten_fields.contains(&(name.clone(), value.clone())), "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes);
        drop(ResponseHead::parse(&bytes));
    }

    #[test]
    fn any_pieces(bytes in pieces()) {
        check(&bytes);
    }
}
