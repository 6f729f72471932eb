use super::super::Event;
use super::super::world::{World, allow, config, host, pair, private, rule, run};
use super::*;
use crate::firewall::{Effect, Rule, Rules};
use std::rc::Rc;
use std::time::SystemTime;
use tokio::io::AsyncWriteExt;
use tokio::task::spawn_local;

const NOBODY: Client<'static> = Client::Datagram(None);

async fn asking(hold: u64, rules: Vec<Rule>) -> World {
    let mut config = config(rules);
    config.hold = Some(Duration::from_millis(hold));
    config.who.run = Some("0123456789ab".to_owned());
    World::with(config).await
}

fn once(effect: Effect, request: &RequestId) -> Rule {
    let run = Some("0123456789ab".to_owned());
    let request = Some(request.to_string());
    Rule { once: true, run, request, ..rule(effect, "a.example", 443) }
}

fn id(gate: &Gate, text: &str) -> RequestId {
    let who = &gate.config.who;
    let asker = Asker::connector(who.connector.clone(), None);
    RequestId::of(&asker, &subject(&host(text), 443, Door::Connect).unwrap())
}

fn wait(gate: &Rc<Gate>, text: &str) -> tokio::task::JoinHandle<Result<Grant, Denial>> {
    let (gate, host) = (Rc::clone(gate), host(text));
    spawn_local(async move { gate.ask_owner(&host, 443, Door::Connect, NOBODY).await })
}

/// The next question; there has to be one.
async fn asked(world: &mut World) -> (Ask, u64) {
    loop {
        if let Event::Asked { ask, times } = world.events.recv().await.unwrap() {
            return (ask, times);
        }
    }
}

#[test]
fn what_is_allowed_meanwhile_goes_on_and_is_asked_for_once() {
    run(async {
        let mut world = asking(60_000, Vec::new()).await;
        let waiting: Vec<_> = (0..9).map(|_| wait(&world.gate, "a.example")).collect();
        let (ask, times) = asked(&mut world).await;
        assert_eq!((ask.request.clone(), times), (id(&world.gate, "a.example"), 1));
        assert_eq!(ask.reason, "not-listed");
        world.gate.replace(Rules(vec![allow("b.example", 443)]));
        tokio::task::yield_now().await;
        assert!(waiting.iter().all(|one| !one.is_finished()), "another rule is no answer");
        world.gate.replace(Rules(vec![allow("a.example", 443)]));
        for one in waiting {
            assert_eq!(one.await.unwrap().unwrap().host, host("a.example"));
        }
        assert!(world.events.try_recv().is_err(), "asked more than once");
        assert_eq!(world.zone.asked_in_all(), 0, "looked up while it was held");
    });
}

#[test]
fn what_is_denied_meanwhile_is_refused_at_once() {
    run(async {
        let world = asking(60_000, Vec::new()).await;
        let waiting = wait(&world.gate, "a.example");
        tokio::task::yield_now().await;
        world.gate.replace(Rules(vec![rule(Effect::Deny, "a.example", 443)]));
        assert_eq!(waiting.await.unwrap().unwrap_err().reason.code(), "denied-by-rule");
    });
}

#[test]
fn without_an_answer_it_is_refused_with_what_would_approve_it() {
    run(async {
        let world = asking(30, Vec::new()).await;
        let denial = wait(&world.gate, "a.example").await.unwrap().unwrap_err();
        let id = id(&world.gate, "a.example");
        assert_eq!(denial.reason.to_string(), "nobody answered within 30ms");
        assert_eq!(denial.fix().unwrap(), format!("jail approvals approve {id}"));
    });
}

#[test]
fn nobody_is_asked_about_what_is_denied_or_cannot_be_allowed() {
    run(async {
        let deny = rule(Effect::Deny, "a.example", 443);
        let mut world = asking(60_000, vec![deny]).await;
        for text in ["a.example", "169.254.77.1", "fd6a:6169:6c::1"] {
            assert!(wait(&world.gate, text).await.unwrap().is_err(), "{text}");
        }
        let port = world.gate.ask_owner(&host("b.example"), 0, Door::Socks, NOBODY).await;
        assert!(port.is_err());
        assert!(world.events.try_recv().is_err());
        let mut silent = World::of(Vec::new()).await;
        assert_eq!(
            wait(&silent.gate, "b.example").await.unwrap().unwrap_err().reason.code(),
            "not-listed"
        );
        assert!(silent.events.try_recv().is_err());
    });
}

#[test]
fn a_client_that_hangs_up_frees_its_place() {
    run(async {
        let world = asking(60_000, Vec::new()).await;
        for sends in [&b""[..], b"more than was read"] {
            let (mut near, far) = pair().await;
            near.write_all(sends).await.unwrap();
            let gate = Rc::clone(&world.gate);
            let held = spawn_local(async move {
                let client = Client::Stream(&far);
                gate.ask_owner(&host("a.example"), 443, Door::Connect, client).await
            });
            tokio::task::yield_now().await;
            assert!(!held.is_finished());
            drop(near);
            assert_eq!(held.await.unwrap().unwrap_err().reason.code(), "unanswered");
        }
    });
}

#[test]
fn beyond_the_bound_it_is_refused_at_once() {
    run(async {
        let mut config = config(Vec::new());
        config.hold = Some(Duration::from_secs(60));
        config.limits.connections = 4;
        let world = World::with(config).await;
        let held: Vec<_> = (0..2).map(|_| wait(&world.gate, "a.example")).collect();
        tokio::task::yield_now().await;
        for text in ["a.example", "b.example"] {
            let denial = wait(&world.gate, text).await.unwrap().unwrap_err();
            assert_eq!(denial.reason.code(), "not-listed", "{text}");
        }
        world.gate.replace(Rules(vec![allow("a.example", 443)]));
        for one in held {
            assert!(one.await.unwrap().is_ok());
        }
    });
}

#[test]
fn of_many_at_once_one_goes_out_by_a_rule_for_one() {
    run(async {
        let world = asking(300, Vec::new()).await;
        let request = id(&world.gate, "a.example");
        for given in 1..4 {
            let waiting: Vec<_> = (0..20)
                .map(|_| {
                    let gate = Rc::clone(&world.gate);
                    spawn_local(async move {
                        let target = host("a.example");
                        let grant = gate.ask_owner(&target, 443, Door::Connect, NOBODY).await?;
                        // What lies between the two in every door: a lookup, a ClientHello.
                        tokio::task::yield_now().await;
                        gate.let_out(&grant, NOBODY).await
                    })
                })
                .collect();
            tokio::task::yield_now().await;
            // Each answer has a second of its own.
            let answer = |second| {
                let at = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(second));
                Rule { at, ..once(Effect::Allow, &request) }
            };
            world.gate.replace(Rules((1..=given).map(answer).collect()));
            let mut out = Vec::new();
            for one in waiting {
                match one.await.unwrap() {
                    Ok(grant) => out.push(grant),
                    Err(denial) => assert_eq!(denial.reason.code(), "unanswered"),
                }
            }
            let [grant] = out.as_slice() else { panic!("{} went out", out.len()) };
            assert!(world.gate.again(grant).is_ok(), "a live one goes on");
            assert!(world.gate.ask(&host("a.example"), 443, Door::Connect).is_err());
        }
    });
}

#[test]
fn what_went_out_by_a_rule_for_one_is_cut_when_that_is_taken_back() {
    run(async {
        let world = asking(60_000, Vec::new()).await;
        let request = id(&world.gate, "a.example");
        world.gate.replace(Rules(vec![once(Effect::Allow, &request)]));
        let grant = world.gate.ask(&host("a.example"), 443, Door::Connect).unwrap();
        let grant = world.gate.let_out(&grant, NOBODY).await.unwrap();
        let _live = world.gate.live(&grant);
        assert_eq!(world.gate.replace(Rules(vec![once(Effect::Allow, &request)])), 0);
        let revoked = world.gate.revoked(&grant);
        tokio::pin!(revoked);
        tokio::select! {
            biased;
            () = &mut revoked => panic!("the rule is there"),
            () = tokio::task::yield_now() => {}
        }
        assert_eq!(world.gate.replace(Rules::default()), 1);
        revoked.await;
    });
}

#[test]
fn a_denial_for_what_is_held_is_for_nothing_that_comes_later() {
    run(async {
        let mut world = asking(60_000, Vec::new()).await;
        let request = id(&world.gate, "a.example");
        let deny = || Rules(vec![once(Effect::Deny, &request)]);
        let held = wait(&world.gate, "a.example");
        asked(&mut world).await;
        world.gate.replace(deny());
        let denial = held.await.unwrap().unwrap_err();
        assert_eq!(denial.reason.to_string(), format!("denied by the answer to {request}"));
        let later = wait(&world.gate, "a.example");
        assert_eq!(asked(&mut world).await.0.request, request);
        world.gate.replace(deny());
        tokio::task::yield_now().await;
        assert!(!later.is_finished());
        world.gate.replace(Rules(vec![allow("a.example", 443)]));
        assert!(later.await.unwrap().is_ok());
    });
}

#[test]
fn an_allowed_name_with_a_private_address_is_asked_for_and_not_held() {
    run(async {
        let mut world = asking(60_000, vec![allow("a.example", 5432)]).await;
        world.zone.put("a.example", &[&["10.0.0.1"]]);
        let grant = world.gate.ask(&host("a.example"), 5432, Door::Socks).unwrap();
        let denial = world.gate.vetted(&grant).await.unwrap_err();
        world.gate.denied(&denial);
        let (ask, _) = asked(&mut world).await;
        assert_eq!(ask.subject.to_string(), "a.example:5432 (private)");
        assert_eq!(ask.class.as_deref(), Some("private"));
        let looked_up = Denial { port: 0, ..denial };
        world.gate.denied(&looked_up);
        assert_eq!(asked(&mut world).await.0.request, ask.request);
        world.gate.replace(Rules(vec![private("a.example", 5432)]));
    });
}

#[test]
fn a_question_survives_the_way_to_the_supervisor() {
    run(async {
        let mut world = asking(1, Vec::new()).await;
        assert!(wait(&world.gate, "10.0.0.1").await.unwrap().is_err());
        let (ask, times) = asked(&mut world).await;
        assert_eq!(ask.class.as_deref(), Some("private"));
        let event = Event::Asked { ask, times };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event, "{json}");
    });
}
