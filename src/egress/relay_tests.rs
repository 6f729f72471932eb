use super::super::world::{World, config, host, pair, private, run};
use super::*;
use crate::firewall::{Door, Rules};
use std::rc::Rc;

fn grant(gate: &Gate) -> Grant {
    gate.ask(&host("a.example"), 443, Door::Connect).unwrap()
}

/// Starts a relay: the connector's end and the server's end of it.
async fn relayed(gate: &Rc<Gate>, head: &'static [u8]) -> (TcpStream, TcpStream) {
    let (connector, client) = pair().await;
    let (server, world) = pair().await;
    let gate = Rc::clone(gate);
    tokio::task::spawn_local(async move {
        relay(&gate, &grant(&gate), client, server, head).await;
    });
    (connector, world)
}

#[test]
fn the_head_goes_first_and_one_closed_direction_leaves_the_other() {
    run(async {
        let mut world = World::of(vec![private("a.example", 443)]).await;
        let (mut connector, mut server) = relayed(&world.gate, b"head ").await;
        connector.write_all(b"question").await.unwrap();
        connector.shutdown().await.unwrap();
        let mut said = String::new();
        server.read_to_string(&mut said).await.unwrap();
        assert_eq!(said, "head question");
        server.write_all(b"answer").await.unwrap();
        let mut part = [0; 6];
        connector.read_exact(&mut part).await.unwrap();
        assert_eq!(&part, b"answer");
        drop(server);
        assert_eq!(connector.read(&mut part).await.unwrap(), 0, "a clean end");
        let counters = world.gate.counters();
        assert_eq!((counters.bytes_out, counters.bytes_in), (13, 6));
        assert!(world.denials().is_empty());
    });
}

#[test]
fn many_bytes_pass_both_ways_at_once() {
    run(async {
        let world = World::of(vec![private("a.example", 443)]).await;
        let (mut connector, mut server) = relayed(&world.gate, b"").await;
        let bytes: Vec<u8> = (0..4_000_000_u32).map(|n| (n % 251) as u8).collect();
        let (mut from_server, mut to_server) = connector.split();
        let (mut from_connector, mut to_connector) = server.split();
        let send_out = async {
            to_server.write_all(&bytes).await.unwrap();
            to_server.shutdown().await.unwrap();
        };
        let send_in = async {
            to_connector.write_all(&bytes).await.unwrap();
            to_connector.shutdown().await.unwrap();
        };
        let (mut out, mut into) = (Vec::new(), Vec::new());
        let (_, _, one, other) = tokio::join!(
            send_out,
            send_in,
            from_connector.read_to_end(&mut out),
            from_server.read_to_end(&mut into)
        );
        assert_eq!((one.unwrap(), other.unwrap()), (bytes.len(), bytes.len()));
        assert!(out == bytes && into == bytes);
    });
}

#[test]
fn counters_are_live() {
    run(async {
        let world = World::of(vec![private("a.example", 443)]).await;
        let (mut connector, mut server) = relayed(&world.gate, b"").await;
        connector.write_all(b"12345").await.unwrap();
        let mut part = [0; 5];
        server.read_exact(&mut part).await.unwrap();
        server.write_all(&part[..3]).await.unwrap();
        connector.read_exact(&mut part[..3]).await.unwrap();
        let counters = world.gate.counters();
        assert_eq!((counters.bytes_out, counters.bytes_in), (5, 3), "while it is open");
    });
}

#[test]
fn a_rule_that_goes_cuts_both_sides() {
    run(async {
        let mut world = World::of(vec![]).await;
        world.gate.replace(Rules(vec![private("a.example", 443)]));
        let (mut connector, mut server) = relayed(&world.gate, b"x").await;
        let mut part = [0; 1];
        server.read_exact(&mut part).await.unwrap();
        let again = world.gate.replace(Rules(vec![private("a.example", 443)]));
        assert_eq!(again, 0, "the same rule again cuts nothing");
        connector.write_all(b"y").await.unwrap();
        server.read_exact(&mut part).await.unwrap();
        assert_eq!(world.gate.replace(Rules::default()), 1);
        for end in [&mut connector, &mut server] {
            let error = end.read(&mut part).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
        assert_eq!(world.denials(), ["a.example revoked"]);
    });
}

#[test]
fn a_rule_that_expires_cuts() {
    run(async {
        let soon = std::time::SystemTime::now() + Duration::from_millis(300);
        let rule = crate::firewall::Rule { expires: Some(soon), ..private("a.example", 443) };
        let mut world = World::of(vec![rule]).await;
        let (mut connector, _server) = relayed(&world.gate, b"x").await;
        assert!(connector.read(&mut [0]).await.is_err());
        assert_eq!(world.denials(), ["a.example revoked"]);
    });
}

#[test]
fn a_silent_tunnel_is_closed_and_said() {
    run(async {
        let mut config = config(vec![private("a.example", 443)]);
        config.limits.idle = Duration::from_millis(50);
        let mut world = World::with(config).await;
        let (mut connector, mut server) = relayed(&world.gate, b"").await;
        assert!(connector.read(&mut [0]).await.is_err());
        assert!(server.read(&mut [0]).await.is_err());
        assert_eq!(world.denials(), ["a.example limit"]);
    });
}

#[test]
fn a_reset_on_one_side_is_one_on_the_other() {
    run(async {
        let mut world = World::of(vec![private("a.example", 443)]).await;
        let (mut connector, mut server) = relayed(&world.gate, b"x").await;
        server.read_exact(&mut [0]).await.unwrap();
        super::super::refuse(server);
        let error = connector.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert!(world.denials().is_empty());
    });
}
