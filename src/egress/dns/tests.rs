use super::super::world::{World, allow, ip, listener, name, private, run};
use super::question::{Asked, fitted, read};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RecordType};
use nix::sys::socket::{setsockopt, sockopt};
use std::net::IpAddr;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(77, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

fn bytes(message: &Message) -> Vec<u8> {
    message.to_vec().unwrap()
}

async fn ask(world: &World, message: &Message) -> Option<Message> {
    let (reply, room) = {
        let client = super::super::hold::Client::Datagram(None);
        super::answer::answer(&world.gate, &bytes(message), client).await?
    };
    Some(Message::from_vec(&fitted(reply, room).unwrap()).unwrap())
}

fn addresses(reply: &Message) -> Vec<IpAddr> {
    reply.answers.iter().filter_map(|record| record.data.ip_addr()).collect()
}

fn code(reply: &Message) -> ResponseCode {
    reply.metadata.response_code
}

#[test]
fn an_allowed_name_has_its_vetted_addresses_for_a_short_time() {
    run(async {
        let mut world = World::of(vec![allow("api.example", 8443)]).await;
        world.zone.put("api.example", &[&["93.184.215.14", "10.0.0.1", "93.184.215.15"]]);
        let reply = ask(&world, &query("api.example.", RecordType::A)).await.unwrap();
        assert_eq!(code(&reply), ResponseCode::NoError);
        assert_eq!(addresses(&reply), [ip("93.184.215.14"), ip("93.184.215.15")]);
        assert!(reply.answers.iter().all(|record| record.ttl <= 30));
        assert_eq!(reply.metadata.id, 77);
        assert!(reply.metadata.recursion_available && reply.metadata.recursion_desired);
        assert_eq!(world.gate.names.borrow().of(ip("93.184.215.15")), [name("api.example")]);
        assert!(world.gate.names.borrow().of(ip("10.0.0.1")).is_empty());
        assert!(world.denials().is_empty());
    });
}

#[test]
fn a_name_that_is_not_allowed_does_not_exist_and_nothing_leaves() {
    run(async {
        let mut world = World::of(vec![allow("api.example", 443)]).await;
        for name in ["evil.example.", "api.example.evil.example.", "secret.api.example.", "com."] {
            for kind in [RecordType::A, RecordType::AAAA, RecordType::TXT, RecordType::ANY] {
                let reply = ask(&world, &query(name, kind)).await.unwrap();
                assert_eq!(code(&reply), ResponseCode::NXDomain, "{name} {kind}");
                assert!(reply.answers.is_empty());
            }
        }
        assert_eq!(world.zone.asked_in_all(), 0);
        assert_eq!(world.denials().first().unwrap(), "evil.example not-listed");
    });
}

#[test]
fn what_a_client_asks_together_is_one_refusal() {
    run(async {
        let mut world = World::of(vec![allow("api.example", 443)]).await;
        for times in 1..=2 {
            for kind in [RecordType::A, RecordType::AAAA] {
                let reply = ask(&world, &query("evil.example.", kind)).await.unwrap();
                assert_eq!(code(&reply), ResponseCode::NXDomain);
            }
            assert_eq!(world.gate.counters().denied, times);
        }
        assert_eq!(world.denials().len(), 2);
    });
}

#[test]
fn other_types_of_an_allowed_name_are_empty_and_not_looked_up() {
    run(async {
        let mut world = World::of(vec![allow("api.example", 443)]).await;
        use RecordType as T;
        for kind in [T::HTTPS, T::SVCB, T::TXT, T::MX, T::NS, T::CNAME, T::ANY, T::Unknown(4711)] {
            let reply = ask(&world, &query("api.example.", kind)).await.unwrap();
            assert_eq!(code(&reply), ResponseCode::NoError, "{kind}");
            assert!(reply.answers.is_empty());
        }
        assert_eq!(world.zone.asked_in_all(), 0);
        assert!(world.denials().is_empty());
    });
}

#[test]
fn an_address_without_a_route_is_not_answered() {
    run(async {
        let world = World::of(vec![private("six.example", 443)]).await;
        // `ff00::` cannot be a destination of a connection, so that there is no route for one.
        world.zone.put("six.example", &[&["::1", "2001:db8::1", "ff00::"]]);
        let reply = ask(&world, &query("six.example.", RecordType::AAAA)).await.unwrap();
        assert_eq!(code(&reply), ResponseCode::NoError);
        let routed =
            |address: &IpAddr| world.gate.path(*address) != super::super::route::Path::None;
        assert!(addresses(&reply).iter().all(routed));
    });
}

#[test]
fn a_family_that_nobody_answers_is_empty_where_the_other_one_has_addresses() {
    run(async {
        let rules = vec![allow("four.example", 443), private("six.example", 443)];
        let mut world = World::of(rules).await;
        world.zone.put("four.example", &[&["93.184.215.14"]]);
        world.zone.put("six.example", &[&["::1"]]);
        world.zone.silence("four.example", RecordType::AAAA);
        world.zone.silence("six.example", RecordType::A);
        for (name, kind) in [("four.example.", RecordType::AAAA), ("six.example.", RecordType::A)] {
            let reply = ask(&world, &query(name, kind)).await.unwrap();
            assert_eq!(
                (code(&reply), addresses(&reply)),
                (ResponseCode::NoError, vec![]),
                "{name}"
            );
        }
        let reply = ask(&world, &query("four.example.", RecordType::A)).await.unwrap();
        assert_eq!(addresses(&reply), [ip("93.184.215.14")]);
        assert!(world.denials().is_empty());
    });
}

#[test]
fn a_name_whose_servers_are_silent_for_both_families_is_refused() {
    run(async {
        let mut world = World::of(vec![allow("dead.example", 443)]).await;
        world.zone.silence("dead.example", RecordType::A);
        world.zone.silence("dead.example", RecordType::AAAA);
        let reply = ask(&world, &query("dead.example.", RecordType::AAAA)).await.unwrap();
        assert_eq!(code(&reply), ResponseCode::ServFail);
        assert_eq!(world.denials(), ["dead.example no-address"]);
    });
}

#[test]
fn a_private_address_is_refused_with_its_reason() {
    run(async {
        let mut world = World::of(vec![allow("inside.example", 443)]).await;
        world.zone.put("inside.example", &[&["169.254.169.254"]]);
        let reply = ask(&world, &query("inside.example.", RecordType::A)).await.unwrap();
        assert_eq!(code(&reply), ResponseCode::NXDomain);
        assert_eq!(world.denials(), ["inside.example not-public"]);
        assert!(world.gate.names.borrow().of(ip("169.254.169.254")).is_empty());
    });
}

#[test]
fn the_question_comes_back_in_its_own_case() {
    run(async {
        let world = World::of(vec![allow("api.example", 443)]).await;
        world.zone.put("api.example", &[&["93.184.215.14"]]);
        let reply = ask(&world, &query("aPi.ExAmPLe.", RecordType::A)).await.unwrap();
        assert_eq!(reply.queries[0].name().to_ascii(), "aPi.ExAmPLe.");
        assert_eq!(reply.answers[0].name.to_ascii(), "aPi.ExAmPLe.");
        assert_eq!(world.gate.names.borrow().of(ip("93.184.215.14")), [name("api.example")]);
    });
}

#[test]
fn many_addresses_are_cut_to_what_a_datagram_takes() {
    run(async {
        let world = World::of(vec![allow("many.example", 443)]).await;
        let many: Vec<String> = (1..=40).map(|n| format!("93.184.215.{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        world.zone.put("many.example", &[&many]);
        let reply = ask(&world, &query("many.example.", RecordType::A)).await.unwrap();
        assert_eq!(addresses(&reply).len(), 16);
        let full = fitted(reply.clone(), 100).unwrap();
        let cut = Message::from_vec(&full).unwrap();
        assert!(full.len() <= 100 && !addresses(&cut).is_empty() && !cut.metadata.truncation);
    });
}

#[test]
fn what_is_no_question_about_a_host_is_refused() {
    run(async {
        let mut world = World::of(vec![allow("api.example", 443)]).await;
        let mut two = query("api.example.", RecordType::A);
        two.add_query(Query::query(Name::from_ascii("evil.example.").unwrap(), RecordType::A));
        let mut chaos = query("version.bind.", RecordType::TXT);
        chaos.queries[0].set_query_class(DNSClass::CH);
        let mut notify = query("api.example.", RecordType::SOA);
        notify.metadata.op_code = OpCode::Notify;
        let mut future = query("api.example.", RecordType::A);
        let mut edns = Edns::new();
        edns.set_version(9);
        future.set_edns(edns);
        let reverse = query("4.3.2.1.in-addr.arpa.", RecordType::PTR);
        let cases = [
            (two, ResponseCode::FormErr),
            (chaos, ResponseCode::Refused),
            (notify, ResponseCode::NotImp),
            (future, ResponseCode::BADVERS),
            (reverse, ResponseCode::Refused),
        ];
        for (message, expected) in cases {
            let reply = ask(&world, &message).await.unwrap();
            assert_eq!(u16::from(code(&reply)), u16::from(expected));
            assert!(reply.answers.is_empty());
        }
        assert_eq!(world.zone.asked_in_all(), 0);
        assert_eq!(world.denials().len(), 5);
        let mut answer = query("api.example.", RecordType::A);
        answer.metadata.message_type = MessageType::Response;
        assert!(ask(&world, &answer).await.is_none(), "two resolvers must not talk for ever");
    });
}

#[test]
fn a_label_with_a_dot_in_it_is_not_two_labels() {
    run(async {
        let mut world = World::of(vec![allow("api.example", 443)]).await;
        for labels in [&[&b"api.example"[..]][..], &[b"api\0", b"example"], &[b"1.2.3.4"]] {
            let mut message = query("x.", RecordType::A);
            let name = Name::from_labels(labels.iter().copied()).unwrap();
            message.queries[0].set_name(name);
            let reply = ask(&world, &message).await.unwrap();
            assert_eq!(code(&reply), ResponseCode::NXDomain);
        }
        assert_eq!(world.zone.asked_in_all(), 0);
        assert!(world.denials().iter().all(|denial| denial.ends_with("bad-host")));
    });
}

#[test]
fn localhost_is_the_jails_own() {
    run(async {
        let mut world = World::of(vec![]).await;
        let reply = ask(&world, &query("localhost.", RecordType::A)).await.unwrap();
        assert_eq!(addresses(&reply), [ip("127.0.0.1")]);
        assert!(world.denials().is_empty());
    });
}

#[test]
fn every_prefix_and_every_changed_byte_is_read_without_harm() {
    let mut message = query("api.example.", RecordType::A);
    message.set_edns(Edns::new());
    let whole = bytes(&message);
    for length in 0..whole.len() {
        match read(&whole[..length]) {
            // Without a header there is nobody to answer.
            Asked::Nothing => assert!(length < 12, "{length} bytes"),
            Asked::Refused(reply, _) => {
                assert!(length >= 12, "{length} bytes");
                assert_eq!(code(&reply), ResponseCode::FormErr);
                assert_eq!(fitted(*reply, 512).unwrap()[..2], whole[..2]);
            }
            Asked::Name(question) => panic!("{length} bytes were a question: {question:?}"),
        }
    }
    for place in 0..whole.len() {
        for value in 0..=u8::MAX {
            let mut changed = whole.clone();
            changed[place] = value;
            if let Asked::Name(question) = read(&changed) {
                assert!(fitted(question.answer(&[]), question.room()).is_some());
            }
        }
    }
}

#[test]
fn a_datagram_is_answered_from_the_address_that_was_asked() {
    run(async {
        let world = World::of(vec![allow("api.example", 443)]).await;
        world.zone.put("api.example", &[&["93.184.215.14"]]);
        let server = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        setsockopt(&server, sockopt::Ipv4PacketInfo, &true).unwrap();
        let port = server.local_addr().unwrap().port();
        super::udp::start(&world.gate, server.into()).unwrap();
        for asked in ["127.0.0.1", "127.8.8.8"] {
            let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            // Connected: an answer from elsewhere would not be received.
            client.connect((asked, port)).await.unwrap();
            client.send(&bytes(&query("api.example.", RecordType::A))).await.unwrap();
            let mut reply = [0; 1232];
            let length = client.recv(&mut reply).await.unwrap();
            let reply = Message::from_vec(&reply[..length]).unwrap();
            assert_eq!(addresses(&reply), [ip("93.184.215.14")]);
        }
    });
}

#[test]
fn a_stream_carries_one_question_after_the_other() {
    run(async {
        let world = World::of(vec![allow("api.example", 443)]).await;
        world.zone.put("api.example", &[&["93.184.215.14"]]);
        let (listener, at) = listener("127.0.0.1").await;
        let gate = Rc::clone(&world.gate);
        tokio::task::spawn_local(async move {
            let (client, _) = listener.accept().await.unwrap();
            super::tcp::serve(gate, client).await;
        });
        let mut client = TcpStream::connect(at).await.unwrap();
        let one = bytes(&query("api.example.", RecordType::A));
        let two = bytes(&query("evil.example.", RecordType::A));
        for message in [&one, &two] {
            client.write_u16(message.len() as u16).await.unwrap();
            client.write_all(message).await.unwrap();
        }
        let mut codes = Vec::new();
        for _ in 0..2 {
            let mut reply = vec![0; client.read_u16().await.unwrap().into()];
            client.read_exact(&mut reply).await.unwrap();
            codes.push(code(&Message::from_vec(&reply).unwrap()));
        }
        assert_eq!(codes, [ResponseCode::NoError, ResponseCode::NXDomain]);
        client.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    });
}
