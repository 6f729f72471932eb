//! Requests that are forwarded, with real connections at both ends.

use super::rig::{Peer, Rig, Seen, origin, rule, run};
use crate::egress::Limits;
use crate::firewall::Rules;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::task::yield_now;

async fn allowed() -> (Rig, SocketAddr, Seen) {
    let (address, seen) = origin().await;
    (Rig::new(vec![rule("127.0.0.1", address.port())]), address, seen)
}

fn get(address: SocketAddr, path: &str) -> String {
    format!("GET http://{address}{path} HTTP/1.1\r\nHost: {address}\r\n\r\n")
}

/// An answer with Content-Length, on a connection that stays open.
async fn answer(peer: &mut Peer) -> (String, String) {
    let head = peer.until("\r\n\r\n").await;
    let length = head.split("Content-Length: ").nth(1).unwrap_or("0");
    let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
    let mut body = String::new();
    while body.len() < length {
        let mut byte = [0];
        tokio::io::AsyncReadExt::read_exact(&mut peer.stream, &mut byte).await.unwrap();
        body.push(char::from(byte[0]));
    }
    (head, body)
}

#[test]
fn requests_of_one_connection_share_one_upstream_connection() {
    run(async {
        let (mut rig, address, seen) = allowed().await;
        let mut peer = rig.proxy().await;
        for _ in 0..3 {
            peer.send(format!(
                "POST http://{address}/echo HTTP/1.1\r\nHost: {address}\r\nContent-Length: 5\r\n\
                 Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: x\r\nTE: trailers\r\n\
                 Proxy-Authorization: Basic x\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c\r\n\
                 Accept: a\r\n\r\nhello"
            ))
            .await;
            let (head, body) = answer(&mut peer).await;
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            assert_eq!(body, "hello");
        }
        assert_eq!(*seen.connections.borrow(), 1);
        let expected = format!(
            "POST /echo HTTP/1.1\r\nHost: {address}\r\nAccept: a\r\nContent-Length: 5\r\n\r\n"
        );
        assert_eq!(*seen.heads.borrow(), vec![expected; 3]);
        assert_eq!(rig.gate.counters().allowed, 3);
        assert!(rig.gate.counters().bytes_out > 15 && rig.gate.counters().bytes_in > 15);
        assert!(rig.denials().is_empty());
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    run(async {
        let (rig, address, seen) = allowed().await;
        let mut peer = rig.proxy().await;
        peer.send(get(address, "/a").repeat(2)).await;
        assert!(answer(&mut peer).await.0.starts_with("HTTP/1.1 200"));
        assert!(answer(&mut peer).await.0.starts_with("HTTP/1.1 200"));
        assert_eq!((seen.heads.borrow().len(), *seen.connections.borrow()), (2, 1));
    });
}

#[test]
fn another_port_is_another_connection_and_another_decision() {
    run(async {
        let (one, seen_one) = origin().await;
        let (two, seen_two) = origin().await;
        let (three, seen_three) = origin().await;
        let rules = vec![rule("127.0.0.1", one.port()), rule("127.0.0.1", two.port())];
        let mut rig = Rig::new(rules);
        let mut peer = rig.proxy().await;
        for address in [one, two, one] {
            peer.send(get(address, "/")).await;
            assert!(answer(&mut peer).await.0.starts_with("HTTP/1.1 200"));
        }
        peer.send(get(three, "/")).await;
        assert!(peer.rest().await.starts_with("HTTP/1.1 403 jail: 127.0.0.1:"));
        assert_eq!((*seen_one.connections.borrow(), *seen_two.connections.borrow()), (2, 1));
        assert_eq!(*seen_three.connections.borrow(), 0);
        assert_eq!(rig.denials().len(), 1);
    });
}

#[test]
fn chunked_bodies_are_framed_anew_both_ways() {
    run(async {
        let (rig, address, seen) = allowed().await;
        let mut peer = rig.proxy().await;
        peer.send(format!(
            "POST http://{address}/echo HTTP/1.1\r\nHost: {address}\r\nTransfer-Encoding: chunked\r\n\r\n\
             3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n"
        ))
        .await;
        assert_eq!(answer(&mut peer).await.1, "abcde");
        peer.send(get(address, "/chunked")).await;
        let head = peer.until("\r\n\r\n").await;
        assert!(head.contains("Transfer-Encoding: chunked") && !head.contains("Trailer"), "{head}");
        assert_eq!(peer.until("0\r\n\r\n").await, "b\r\nhello world\r\n0\r\n\r\n");
        peer.send(get(address, "/echo")).await;
        assert!(answer(&mut peer).await.0.starts_with("HTTP/1.1 200"));
        assert_eq!(*seen.connections.borrow(), 1);
    });
}

#[test]
fn a_large_body_arrives_whole() {
    run(async {
        let (rig, address, _) = allowed().await;
        let body: String = (0..400_000).map(|number| format!("{number} ")).collect();
        let head = format!(
            "POST http://{address}/echo HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let answer = rig.proxy().await.ask(head + &body).await;
        assert_eq!(answer.split_once("\r\n\r\n").unwrap().1, body);
    });
}

#[test]
fn a_client_waits_for_100_and_gets_it() {
    run(async {
        let (rig, address, _) = allowed().await;
        let mut peer = rig.proxy().await;
        peer.send(format!(
            "POST http://{address}/continue HTTP/1.1\r\nHost: {address}\r\nContent-Length: 4\r\n\
             Expect: 100-continue\r\n\r\n"
        ))
        .await;
        assert_eq!(peer.until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
        peer.send("body").await;
        assert_eq!(answer(&mut peer).await.1, "body");
    });
}

#[test]
fn an_answer_before_the_body_ends_the_connection() {
    run(async {
        let (rig, address, _) = allowed().await;
        let answer = rig.proxy().await.ask(format!(
            "POST http://{address}/early HTTP/1.1\r\nHost: {address}\r\nContent-Length: 400\r\n\r\npart"
        ));
        let answer = answer.await;
        assert!(answer.starts_with("HTTP/1.1 413 Too much\r\n"), "{answer}");
        assert!(answer.contains("Connection: close\r\n") && answer.ends_with("no"), "{answer}");
    });
}

#[test]
fn answers_without_a_body_leave_the_connection_open() {
    run(async {
        let (rig, address, seen) = allowed().await;
        let mut peer = rig.proxy().await;
        peer.send(get(address, "/").replace("GET", "HEAD")).await;
        let head = peer.until("\r\n\r\n").await;
        assert!(head.contains("Content-Length: 1000"), "{head}");
        peer.send(get(address, "/204")).await;
        let head = peer.until("\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 204 ") && !head.contains("Content-Length"), "{head}");
        peer.send(get(address, "/304")).await;
        assert!(peer.until("\r\n\r\n").await.contains("Content-Length: 7"));
        peer.send(get(address, "/redirect")).await;
        let (head, _) = answer(&mut peer).await;
        assert!(head.contains("Location: http://127.0.0.2:9/\r\n"), "{head}");
        peer.send("GET http://127.0.0.2:9/ HTTP/1.1\r\nHost: 127.0.0.2:9\r\n\r\n").await;
        assert!(peer.rest().await.starts_with("HTTP/1.1 403 "), "a redirect is a new request");
        assert_eq!(*seen.connections.borrow(), 1);
    });
}

#[test]
fn an_answer_until_the_close_closes() {
    run(async {
        let (rig, address, _) = allowed().await;
        let answer = rig.proxy().await.ask(get(address, "/until-close")).await;
        assert!(answer.contains("Connection: close\r\n") && answer.ends_with("\r\n\r\nto the end"));
    });
}

#[test]
fn a_client_of_http_1_0_gets_what_it_understands() {
    run(async {
        let (rig, address, seen) = allowed().await;
        let text = format!("GET http://{address}/chunked HTTP/1.0\r\n\r\n");
        let answer = rig.proxy().await.ask(text).await;
        assert!(!answer.contains("chunked") && answer.ends_with("\r\n\r\nhello world"), "{answer}");
        let sent = format!("GET /chunked HTTP/1.1\r\nHost: {address}\r\n\r\n");
        assert_eq!(*seen.heads.borrow(), [sent]);
    });
}

#[test]
fn an_answer_says_nothing_that_leads_around_the_proxy() {
    run(async {
        let (rig, address, _) = allowed().await;
        let mut peer = rig.proxy().await;
        peer.send(get(address, "/headers")).await;
        let (head, _) = answer(&mut peer).await;
        assert_eq!(head, "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\n");
    });
}

#[test]
fn answers_that_break_http_are_a_502() {
    run(async {
        let (mut rig, address, _) = allowed().await;
        for path in ["/two-lengths", "/bare-lf", "/switch", "/interim"] {
            let text = rig.proxy().await.ask(get(address, path)).await;
            let last = text.rsplit("HTTP/1.1 ").next().unwrap().to_owned();
            assert!(last.starts_with("502 jail: "), "{path}: {text}");
            assert_eq!(rig.denials().len(), 1, "{path}");
        }
    });
}

#[test]
fn a_kept_connection_that_the_host_closed_is_made_anew() {
    run(async {
        let (rig, address, seen) = allowed().await;
        let mut peer = rig.proxy().await;
        for _ in 0..2 {
            peer.send(get(address, "/close-after")).await;
            assert_eq!(answer(&mut peer).await.1, "ok");
        }
        assert_eq!((seen.heads.borrow().len(), *seen.connections.borrow()), (2, 2));
    });
}

#[test]
fn a_web_socket_becomes_a_relay() {
    run(async {
        let (rig, address, seen) = allowed().await;
        let mut peer = rig.proxy().await;
        peer.send(format!(
            "GET http://{address}/web-socket HTTP/1.1\r\nHost: {address}\r\nUpgrade: WebSocket\r\n\
             Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: x\r\n\r\nfirst"
        ))
        .await;
        let head = peer.until("\r\n\r\n").await;
        assert!(
            head.starts_with("HTTP/1.1 101 ") && head.contains("Upgrade: websocket\r\n"),
            "{head}"
        );
        assert_eq!(peer.until("first").await, "hifirst");
        peer.send("GET http://127.0.0.2/ HTTP/1.1\r\n\r\n").await;
        assert_eq!(peer.until("\r\n\r\n").await, "GET http://127.0.0.2/ HTTP/1.1\r\n\r\n");
        let sent = seen.heads.borrow()[0].clone();
        assert!(sent.ends_with("Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), "{sent}");
        rig.gate.replace(Rules::default());
        assert!(peer.stream.readable().await.is_ok());
        let mut room = [0; 9];
        let end = tokio::io::AsyncReadExt::read(&mut peer.stream, &mut room).await;
        assert!(end.is_err(), "a removed rule resets the web socket: {end:?}");
    });
}

#[test]
fn a_removed_rule_cuts_an_answer_and_the_next_request() {
    run(async {
        let (mut rig, address, seen) = allowed().await;
        let mut cut = rig.proxy().await;
        cut.send(get(address, "/hang")).await;
        cut.until("hello\r\n").await;
        let mut waiting = rig.proxy().await;
        waiting.send(get(address, "/mute")).await;
        while seen.heads.borrow().len() < 2 {
            yield_now().await;
        }
        let mut idle = rig.proxy().await;
        idle.send(get(address, "/")).await;
        answer(&mut idle).await;

        rig.gate.replace(Rules::default());
        let mut room = [0; 9];
        let end = tokio::io::AsyncReadExt::read(&mut cut.stream, &mut room).await;
        assert!(end.is_err(), "a cut answer is no complete one: {end:?}");
        let refused = waiting.rest().await;
        assert!(refused.starts_with("HTTP/1.1 403 ") && refused.contains("jail-denied: revoked"));
        assert_eq!(rig.denials().len(), 2);
        while *seen.ended.borrow() < 3 {
            yield_now().await;
        }
        idle.send(get(address, "/")).await;
        assert!(idle.rest().await.contains("jail-denied: address-not-listed"));
        assert_eq!(rig.denials().len(), 1);
    });
}

#[test]
fn a_client_that_leaves_takes_its_upstream_connection_along() {
    run(async {
        let (address, seen) = origin().await;
        let limits = Limits { handshake: Duration::from_millis(50), ..Limits::default() };
        let rig = Rig::limited(vec![rule("127.0.0.1", address.port())], limits);
        let mut peer = rig.proxy().await;
        peer.send(get(address, "/mute")).await;
        while seen.heads.borrow().is_empty() {
            yield_now().await;
        }
        drop(peer);
        while *seen.ended.borrow() == 0 {
            yield_now().await;
        }
    });
}

#[test]
fn connect_hands_over_what_follows_as_bytes() {
    run(async {
        let (mut rig, address, seen) = allowed().await;
        let mut peer = rig.proxy().await;
        // In a tunnel of plain bytes this is content, whatever it looks like.
        peer.send(format!(
            "CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\nGET /a HTTP/1.1\r\nHost: {address}\r\n\r\n"
        ))
        .await;
        let established = peer.until("\r\n\r\n").await;
        assert_eq!(established, "HTTP/1.1 200 Connection established\r\n\r\n");
        assert!(peer.until("\r\n\r\n").await.starts_with("HTTP/1.1 200 OK"));
        assert_eq!(seen.heads.borrow().len(), 1);
        assert!(rig.denials().is_empty());
    });
}
