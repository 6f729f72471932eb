//! What a refusal looks like.

use super::rig::{Rig, rule, run};
use crate::egress::http::refuse::{Place, Refusal};
use crate::firewall::{Denial, Door, Host, Reason};

#[test]
fn a_refusal_says_why_and_what_to_do_in_its_first_line() {
    run(async {
        let mut rig = Rig::new(vec![rule("127.0.0.1", 1)]);
        let ask = async |text: &str| rig.proxy().await.ask(text).await;
        let answer =
            ask("CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\r\n").await;
        let line = "HTTP/1.1 403 jail: api.example.com:443 no rule allows it; \
                    jail firewall allow api.example.com\r\njail-denied: not-listed\r\n";
        assert!(answer.starts_with(line), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\nConnection: close"));
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        assert!(body.contains("jail firewall allow api.example.com\n"));

        let answer = ask("HEAD http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.ends_with("\r\n\r\n"), "{answer}");
        let answer = ask("GET https://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 501 jail: a.test:443 https must come as CONNECT"));
        let answer = ask("GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n").await;
        assert!(
            answer.starts_with("HTTP/1.1 502 jail: 127.0.0.1:1 cannot be reached: "),
            "{answer}"
        );
        assert_eq!(rig.denials().len(), 4);
    });
}

#[test]
fn plain_http_to_the_tls_port_is_refused() {
    run(async {
        let mut rig = Rig::new(vec![rule("127.0.0.1", 443)]);
        let text = "GET http://127.0.0.1:443/ HTTP/1.1\r\nHost: 127.0.0.1:443\r\n\r\n";
        assert!(rig.proxy().await.ask(text).await.contains("jail-denied: not-tls"));
        assert_eq!(rig.denials().len(), 1);
    });
}

#[test]
fn a_phrase_is_one_short_line_of_ascii() {
    let rig = Rig::new(Vec::new());
    let place = Place { host: Host::parse("a.test").ok(), port: 443, door: Door::Http };
    for why in ["x".repeat(5000), "a\r\nInjected: b\r\n\r\n\u{e9}\0\x1b[0m".to_owned()] {
        for refusal in [
            place.malformed(&rig.gate, why.clone()),
            place.unreachable(&rig.gate, why.clone()),
            Refusal::from(Denial::of_text(
                &rig.gate.config.who,
                &why,
                1,
                Door::Connect,
                Reason::BadHost { why: why.clone() },
            )),
        ] {
            let answer = refusal.response(true);
            let head = String::from_utf8(answer).unwrap();
            let (line, fields) = head.split_once("\r\n").unwrap();
            assert!(line.len() <= "HTTP/1.1 400 ".len() + 200, "{line}");
            assert!(line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{line}");
            assert!(!fields.contains("Injected"), "{fields}");
        }
    }
}
