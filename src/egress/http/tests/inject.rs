//! Credentials that the proxy adds, over TLS of its own.

use super::rig::{Peer, Rig, Seen, answer, rule, run};
use crate::egress::Trust;
use crate::firewall::{Inject, Rule};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::spawn_local;
use tokio_rustls::TlsAcceptor;

/// An HTTPS server with a certificate for `name`, and the trust that believes it.
async fn server(name: &str) -> (u16, Seen, Trust) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let certificate = CertificateDer::from(made.cert.der().to_vec());
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, seen) = (listener.local_addr().unwrap().port(), Seen::default());
    let all = seen.clone();
    spawn_local(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            *all.connections.borrow_mut() += 1;
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            answer(stream, &all).await;
        }
    });
    (port, seen, Trust::new(roots).unwrap())
}

fn injecting(host: &str, port: u16) -> Rule {
    let inject = Inject {
        header: "Authorization".to_owned(),
        secret: "key".to_owned(),
        format: "Bearer %s".to_owned(),
    };
    Rule { inject: Some(inject), ..rule(host, port) }
}

const REQUEST: &str = "POST http://127.0.0.1/echo HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\
                       authorization: of the jail\r\nConnection: close, authorization\r\n\r\nhi";

#[test]
fn the_header_is_set_on_the_way_and_tls_is_spoken() {
    run(async {
        let (port, seen, trust) = server("127.0.0.1").await;
        let mut rig = Rig::new(vec![injecting("127.0.0.1", port)]);
        rig.gate.set_trust(trust);
        let expected = "POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer s3cret\r\n\
                        Content-Length: 2\r\n\r\n";
        let answer = rig.proxy().await.ask(REQUEST).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("\r\n\r\nhi"),
            "{answer}"
        );
        assert_eq!(*seen.heads.borrow(), [expected]);

        // The same for a name, and for a connection that came transparently.
        let (port, seen, trust) = server("a.test").await;
        let rig_of_name = Rig::new(vec![injecting("a.test", port)]);
        rig_of_name.gate.set_trust(trust);
        let target = rig_of_name.target("a.test", 80, "127.0.0.1");
        let text = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
        let answer = rig_of_name.origin(target).await.ask(text).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(seen.heads.borrow()[0].contains("Authorization: Bearer s3cret"));
        assert!(rig.denials().is_empty());
    });
}

async fn refused(mut peer: Peer, text: &str) -> String {
    peer.send(text).await;
    let answer = peer.rest().await;
    assert!(!answer.contains("s3cret"), "{answer}");
    answer
}

#[test]
fn a_host_that_cannot_prove_its_name_gets_nothing() {
    run(async {
        let (port, seen, trust) = server("other.test").await;
        let mut rig = Rig::new(vec![injecting("127.0.0.1", port)]);
        let answer = refused(rig.proxy().await, REQUEST).await;
        assert!(
            answer.starts_with("HTTP/1.1 502 ") && answer.contains("no certificates"),
            "{answer}"
        );
        rig.gate.set_trust(trust);
        let answer = refused(rig.proxy().await, REQUEST).await;
        assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("TLS: "), "{answer}");
        assert!(seen.heads.borrow().is_empty());
        let (port, seen, _) = server("127.0.0.1").await;
        let untrusted = Rig::new(vec![injecting("127.0.0.1", port)]);
        untrusted.gate.set_trust(Trust::new(RootCertStore::empty()).unwrap());
        let answer = refused(untrusted.proxy().await, REQUEST).await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
        assert!(seen.heads.borrow().is_empty());
        assert_eq!(rig.denials().len(), 2);
    });
}

#[test]
fn what_would_give_the_secret_away_is_refused() {
    run(async {
        let (port, seen, trust) = server("127.0.0.1").await;
        let with = |change: fn(&mut Inject)| {
            let mut rule = injecting("127.0.0.1", port);
            rule.inject.iter_mut().for_each(change);
            let rig = Rig::new(vec![rule]);
            rig.gate.set_trust(trust.clone());
            rig
        };
        let trace = REQUEST.replace("POST", "TRACE");
        for (rig, text) in [
            (with(|_| {}), trace.as_str()),
            (with(|inject| inject.header = "Host".to_owned()), REQUEST),
            (with(|inject| inject.header = "Transfer-Encoding".to_owned()), REQUEST),
            (with(|inject| inject.secret = "no such".to_owned()), REQUEST),
            (with(|inject| inject.format = "%s\r\nX: y".to_owned()), REQUEST),
        ] {
            let mut rig = rig;
            let answer = refused(rig.proxy().await, text).await;
            assert!(
                answer.starts_with("HTTP/1.1 50") || answer.starts_with("HTTP/1.1 400"),
                "{answer}"
            );
            let denials = rig.denials();
            assert_eq!(denials.len(), 1);
            assert!(!format!("{denials:?}").contains("s3cret"));
        }
        assert_eq!(*seen.connections.borrow(), 0);
    });
}

#[test]
fn the_secret_does_not_go_to_another_port_of_the_host() {
    run(async {
        let (address, seen) = super::rig::origin().await;
        // Plain HTTP to the very port of the rule is let out as it is, without the header.
        let rig = Rig::new(vec![injecting("127.0.0.1", address.port())]);
        let text = format!(
            "GET http://{address}/ HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        );
        assert!(rig.proxy().await.ask(text).await.starts_with("HTTP/1.1 200 OK"));
        assert!(!seen.heads.borrow()[0].contains("Authorization"));
    });
}
