//! Requests that two readers could read differently: refused, reported once, and never sent on.

use super::rig::{Rig, origin, rule, run};
use crate::egress::Limits;
use crate::firewall::{Door, Reason, Rules};
use std::time::Duration;

/// `@` is the origin's host and port. Each is sent to the proxy door.
const CORPUS: &[(&str, u16)] = &[
    // Two lengths, in every form.
    (
        "POST http://@/ HTTP/1.1\r\nHost: @\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST http://@/ HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST http://@/ HTTP/1.1\r\nHost: @\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
        400,
    ),
    (
        "POST http://@/ HTTP/1.1\r\nHost: @\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        400,
    ),
    ("POST http://@/ HTTP/1.1\r\nHost: @\r\nContent-Length: 4, 4\r\n\r\nabcd", 400),
    ("POST http://@/ HTTP/1.1\r\nHost: @\r\nContent-Length: +4\r\n\r\nabcd", 400),
    ("POST http://@/ HTTP/1.1\r\nHost: @\r\nContent-Length: -1\r\n\r\nabcd", 400),
    ("POST http://@/ HTTP/1.1\r\nHost: @\r\nContent-Length: 0x4\r\n\r\nabcd", 400),
    ("POST http://@/ HTTP/1.1\r\nHost: @\r\nContent-Length: 4 4\r\n\r\nabcd", 400),
    ("POST http://@/ HTTP/1.1\r\nHost: @\r\nContent-Length:\r\n\r\nabcd", 400),
    ("POST http://@/ HTTP/1.1\r\nHost: @\r\nContent-Length: 99999999999999999999\r\n\r\nabcd", 400),
    // Transfer codings that one reader knows and another does not.
    (
        "POST http://@/ HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST http://@/ HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("POST http://@/ HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    (
        "POST http://@/ HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST http://@/ HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("POST http://@/ HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: identity\r\n\r\n", 400),
    ("POST http://@/ HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400),
    ("POST http://@/ HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked;x\r\n\r\n0\r\n\r\n", 400),
    ("POST http://@/ HTTP/1.1\r\nHost: @\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", 400),
    ("POST http://@/ HTTP/1.1\r\nHost: @\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST http://@/ HTTP/1.1\r\nHost: @\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST http://@/ HTTP/1.1\r\nHost: @\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (
        "POST http://@/ HTTP/1.1\r\nHost: @\r\nX: y\r\n\tTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("POST http://@/ HTTP/1.1\r\nHost: @\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST http://@/ HTTP/1.0\r\nHost: @\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    // Line ends.
    ("GET http://@/ HTTP/1.1\nHost: @\n\n", 400),
    ("GET http://@/ HTTP/1.1\r\nHost: @\r\nX: y\nContent-Length: 5\r\n\r\n", 400),
    ("GET http://@/ HTTP/1.1\r\nHost: @\r\nX: y\rContent-Length: 5\r\n\r\n", 400),
    ("GET http://@/ HTTP/1.1\r\nHost: @\r\n\n", 400),
    ("GET http://@/ HTTP/1.1\r\nHost: @\r\n\r\r\n\n", 400),
    ("\r\nGET http://@/ HTTP/1.1\r\nHost: @\r\n\r\n", 400),
    (" GET http://@/ HTTP/1.1\r\nHost: @\r\n\r\n", 400),
    // Names and values.
    ("GET http://@/ HTTP/1.1\r\nHost : @\r\n\r\n", 400),
    ("GET http://@/ HTTP/1.1\r\nHost: @\r\nX\0: y\r\n\r\n", 400),
    ("GET http://@/ HTTP/1.1\r\nHost: @\r\nX: \0y\r\n\r\n", 400),
    ("GET http://@/ HTTP/1.1\r\nHost: @\r\nX: \x1by\r\n\r\n", 400),
    ("GET http://@/ HTTP/1.1\r\nHost: @\r\n: y\r\n\r\n", 400),
    ("GET http://@/ HTTP/1.1\r\nHost: @\r\nno colon\r\n\r\n", 400),
    // Request lines.
    ("GET http://@/ HTTP/1.2\r\nHost: @\r\n\r\n", 400),
    ("GET http://@/ HTTP/2.0\r\nHost: @\r\n\r\n", 400),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ("GET http://@/\r\n\r\n", 400),
    ("GET  http://@/ HTTP/1.1\r\nHost: @\r\n\r\n", 400),
    ("GET\thttp://@/ HTTP/1.1\r\nHost: @\r\n\r\n", 400),
    ("GET http://@/ x HTTP/1.1\r\nHost: @\r\n\r\n", 400),
    ("G(T http://@/ HTTP/1.1\r\nHost: @\r\n\r\n", 400),
    ("GET http://@/#a HTTP/1.1\r\nHost: @\r\n\r\n", 400),
    ("GET http://@/\u{e9} HTTP/1.1\r\nHost: @\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: @\r\n\r\n", 400),
    ("OPTIONS * HTTP/1.1\r\nHost: @\r\n\r\n", 400),
    // Two hosts.
    ("GET http://@/ HTTP/1.1\r\nHost: @\r\nHost: @\r\n\r\n", 400),
    ("GET http://@/ HTTP/1.1\r\nHost: @\r\nhost: evil.test\r\n\r\n", 400),
    ("GET http://@/ HTTP/1.1\r\nHost: evil.test\r\n\r\n", 403),
    ("GET http://@/ HTTP/1.1\r\nHost: @, evil.test\r\n\r\n", 400),
    ("GET http://@/ HTTP/1.1\r\nHost: evil.test@@\r\n\r\n", 400),
    ("GET http://@/ HTTP/1.1\r\nHost:\r\n\r\n", 400),
    ("GET http://@/ HTTP/1.1\r\n\r\n", 400),
    ("GET http://@@evil.test/ HTTP/1.1\r\nHost: evil.test\r\n\r\n", 400),
    ("GET http://evil.test%00.a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    ("GET http://2130706433/ HTTP/1.1\r\nHost: 2130706433\r\n\r\n", 400),
    ("GET http://0x7f.1/ HTTP/1.1\r\nHost: 0x7f.1\r\n\r\n", 400),
    ("GET http://[fe80::1%25lo]/ HTTP/1.1\r\nHost: [fe80::1%25lo]\r\n\r\n", 400),
    ("GET https://@/ HTTP/1.1\r\nHost: @\r\n\r\n", 501),
    ("GET ftp://@/ HTTP/1.1\r\nHost: @\r\n\r\n", 400),
    // CONNECT.
    ("CONNECT @ HTTP/1.1\r\nHost: evil.test:443\r\n\r\n", 403),
    ("CONNECT evil.test:443 HTTP/1.1\r\nHost: @\r\n\r\n", 403),
    ("CONNECT http://@/ HTTP/1.1\r\nHost: @\r\n\r\n", 400),
    ("CONNECT 127.0.0.1 HTTP/1.1\r\n\r\n", 400),
    ("CONNECT @ HTTP/1.1\r\nHost: @\r\nContent-Length: 9\r\n\r\nGET / HTT", 400),
    ("CONNECT 127.0.0.1:22 HTTP/1.1\r\n\r\n", 403),
    ("CONNECT [::ffff:169.254.169.254]:80 HTTP/1.1\r\n\r\n", 403),
    ("CONNECT evil.test:443 HTTP/1.1\r\n\r\nGET http://@/ HTTP/1.1\r\nHost: @\r\n\r\n", 403),
    // A body whose chunks are none.
    (
        "POST http://@/ HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        400,
    ),
    (
        "POST http://@/ HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n",
        400,
    ),
    (
        "POST http://@/ HTTP/1.1\r\nHost: @\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n",
        400,
    ),
];

#[test]
fn what_two_readers_read_differently_is_refused_and_reported_once() {
    run(async {
        let (address, seen) = origin().await;
        for (text, status) in CORPUS {
            // Another process each time: reports of one are bounded in number.
            let mut rig = Rig::new(vec![rule("127.0.0.1", address.port())]);
            let text = text
                .replace("@@", "\u{1}")
                .replace('@', &address.to_string())
                .replace('\u{1}', "@");
            let answer = rig.proxy().await.ask(&text).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} jail: ")),
                "{text:?}: {answer:?}"
            );
            assert_eq!(answer.matches("jail-denied: ").count(), 1, "{text:?}: {answer:?}");
            assert_eq!(rig.denials().len(), 1, "{text:?}");
        }
        let whole = seen.heads.borrow().iter().filter(|head| !head.contains("chunked")).count();
        assert_eq!(whole, 0, "nothing but the three with a chunked body had begun to be sent");
        let good = format!(
            "GET http://{address}/ HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        );
        let rig = Rig::new(vec![rule("127.0.0.1", address.port())]);
        assert!(rig.proxy().await.ask(good).await.starts_with("HTTP/1.1 200 OK"));
    });
}

#[test]
fn names_of_the_connection_field_do_not_take_framing_away() {
    run(async {
        let (address, seen) = origin().await;
        let rig = Rig::new(vec![rule("127.0.0.1", address.port())]);
        let answer = rig.proxy().await.ask(format!(
            "POST http://{address}/ HTTP/1.1\r\nHost: {address}\r\nContent-Length: 5\r\n\
             Connection: close, content-length, host\r\n\r\nhello"
        ));
        assert!(answer.await.ends_with("hello"));
        let sent = format!("POST / HTTP/1.1\r\nHost: {address}\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(*seen.heads.borrow(), [sent]);
    });
}

#[test]
fn every_request_of_a_connection_is_for_the_host_it_came_to() {
    run(async {
        let (address, seen) = origin().await;
        let port = address.port();
        let mut rig = Rig::new(vec![rule("a.test", port), rule("b.test", port)]);
        let one = rig.target("a.test", port, "127.0.0.1");
        let mut peer = rig.origin(one.clone()).await;
        for host in ["A.test.", &format!("a.test:{port}")] {
            peer.send(format!("GET /204 HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
            assert!(peer.until("\r\n\r\n").await.starts_with("HTTP/1.1 204"));
        }
        assert!(seen.heads.borrow()[0].contains("\r\nHost: a.test\r\n"));
        peer.send("GET /204 HTTP/1.1\r\nHost: b.test\r\n\r\n").await;
        assert!(peer.rest().await.starts_with("HTTP/1.1 403 jail: a.test:"));
        let denials = rig.denials();
        assert!(
            matches!(&denials[..], [one] if one.reason == Reason::HostMismatch { host: "b.test".into() })
        );

        for (text, status) in [
            ("GET /204 HTTP/1.1\r\nHost: b.test\r\n\r\n", 403),
            ("GET /204 HTTP/1.1\r\nHost: a.test:1\r\n\r\n", 403),
            ("GET /204 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 403),
            ("GET http://b.test/204 HTTP/1.1\r\nHost: b.test\r\n\r\n", 403),
            ("GET /204 HTTP/1.1\r\n\r\n", 400),
            ("GET /204 HTTP/1.0\r\n\r\n", 400),
            ("CONNECT a.test:443 HTTP/1.1\r\n\r\n", 400),
        ] {
            let answer = rig.origin(one.clone()).await.ask(text).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} jail: ")), "{text:?}: {answer}");
            assert_eq!(rig.denials().len(), 1, "{text:?}");
        }

        // Two names of one address: the first request says which, and the connection keeps to it.
        let mut both = one;
        both.candidates.extend(rig.target("b.test", port, "127.0.0.1").candidates);
        let mut peer = rig.origin(both).await;
        peer.send("GET /204 HTTP/1.1\r\nHost: b.test\r\n\r\n").await;
        assert!(peer.until("\r\n\r\n").await.starts_with("HTTP/1.1 204"));
        peer.send("GET /204 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        assert!(peer.rest().await.starts_with("HTTP/1.1 403 "));
        assert_eq!(seen.heads.borrow().len(), 3);
        assert!(rig.denials().iter().all(|denial| denial.door == Door::Transparent));
    });
}

#[test]
fn a_removed_rule_counts_for_the_next_request_of_a_connection() {
    run(async {
        let (address, seen) = origin().await;
        let rig = Rig::new(vec![rule("a.test", address.port())]);
        let mut peer = rig.origin(rig.target("a.test", address.port(), "127.0.0.1")).await;
        peer.send("GET /204 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        assert!(peer.until("\r\n\r\n").await.starts_with("HTTP/1.1 204"));
        rig.gate.replace(Rules::default());
        peer.send("GET /204 HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        assert!(peer.rest().await.contains("jail-denied: not-listed"));
        assert_eq!(seen.heads.borrow().len(), 1);
    });
}

#[test]
fn heads_have_an_end_in_bytes_and_in_time() {
    run(async {
        let limits =
            Limits { handshake: Duration::from_millis(100), head: 4096, ..Limits::default() };
        let mut rig = Rig::limited(Vec::new(), limits);
        let huge = format!("GET http://a.test/ HTTP/1.1\r\nX: {}", "x".repeat(1 << 20));
        let answer = rig.proxy().await.ask(&huge).await;
        assert!(answer.starts_with("HTTP/1.1 431 jail: ") && answer.contains("jail-denied: limit"));
        let mut slow = rig.proxy().await;
        slow.send("GET http://a.test/ HTTP/1.1\r\nHo").await;
        assert!(slow.rest().await.starts_with("HTTP/1.1 408 jail: "));
        assert_eq!(rig.denials().len(), 2);
        assert_eq!(rig.proxy().await.rest().await, "", "silence is no request");
        assert!(rig.denials().is_empty());
    });
}
