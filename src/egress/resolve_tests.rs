use super::super::world::{World, allow, host, ip, private, rule, run};
use super::*;
use crate::firewall::{Effect, Ports, Rule, Rules};

fn grant(world: &World, name: &str) -> Grant {
    grant_at(world, name, 443)
}

fn grant_at(world: &World, name: &str, port: u16) -> Grant {
    world.gate.ask(&host(name), port, Door::Connect).unwrap()
}

#[test]
fn only_public_addresses_are_kept() {
    run(async {
        let world = World::of(vec![allow("mixed.example", 443)]).await;
        let own = ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"];
        let v6 = ["::1", "::ffff:93.184.215.14", "64:ff9b::a00:1", "2002:7f00:1::", "fd00::1"];
        let public = ["93.184.215.14", "2606:2800:21f::1"];
        let all = [&own[..], &v6, &public].concat();
        world.zone.put("mixed.example", &[&all]);
        let kept = world.gate.vetted(&grant(&world, "mixed.example")).await.unwrap();
        assert_eq!(kept.len(), 2, "{kept:?}");
        assert!(public.iter().all(|public| kept.contains(&ip(public))));
    });
}

#[test]
fn a_name_without_a_public_address_is_refused_with_the_address() {
    run(async {
        let world = World::of(vec![allow("inside.example", 443)]).await;
        world.zone.put("inside.example", &[&["169.254.169.254"]]);
        let denial = world.gate.vetted(&grant(&world, "inside.example")).await.unwrap_err();
        let address = ip("169.254.169.254");
        let class = "cloud metadata".to_owned();
        assert_eq!(denial.reason, Reason::NotPublic { address, class });
    });
}

#[test]
fn private_does_not_mean_the_jails_own_network() {
    run(async {
        let world = World::of(vec![private("inside.example", 443)]).await;
        let own = ["169.254.77.1", "169.254.77.2", "fd6a:6169:6c::1", "::ffff:169.254.77.1"];
        world.zone.put("inside.example", &[&[&own[..], &["10.1.2.3", "::ffff:10.1.2.4"]].concat()]);
        let mut kept = world.gate.vetted(&grant(&world, "inside.example")).await.unwrap();
        kept.sort_unstable();
        assert_eq!(kept, [ip("10.1.2.3"), ip("10.1.2.4")]);
        world.zone.put("own.example", &[&own]);
        world.gate.replace(Rules(vec![private("own.example", 443)]));
        let denial = world.gate.vetted(&grant(&world, "own.example")).await.unwrap_err();
        assert_eq!(denial.reason.code(), "no-address");
    });
}

#[test]
fn private_does_not_mean_the_machines_credentials() {
    run(async {
        let world = World::of(vec![private("meta.example", 80)]).await;
        world.zone.put("meta.example", &[&["169.254.169.254", "10.1.2.3"]]);
        let kept = world.gate.vetted(&grant_at(&world, "meta.example", 80)).await.unwrap();
        assert_eq!(kept, [ip("10.1.2.3")]);
        world.zone.put("only.example", &[&["169.254.169.254"]]);
        world.gate.replace(Rules(vec![private("only.example", 80)]));
        let denial = world.gate.vetted(&grant_at(&world, "only.example", 80)).await.unwrap_err();
        assert_eq!(denial.reason.code(), "not-public");
        assert_eq!(denial.fix().as_deref(), Some("jail firewall allow 169.254.169.254:80"));
    });
}

#[test]
fn a_denied_address_is_denied_by_every_name() {
    run(async {
        let deny = Rule { ports: Ports::All, ..rule(Effect::Deny, "93.184.215.14", 1) };
        let world = World::of(vec![allow("a.example", 443), deny]).await;
        world.zone.put("a.example", &[&["93.184.215.14"]]);
        let denial = world.gate.vetted(&grant(&world, "a.example")).await.unwrap_err();
        assert_eq!(denial.reason.code(), "denied-by-rule");
    });
}

#[test]
fn a_listed_address_is_that_address_only() {
    run(async {
        let world = World::of(vec![allow("10.0.0.7", 443)]).await;
        let grant = grant(&world, "::ffff:10.0.0.7");
        assert_eq!(world.gate.vetted(&grant).await.unwrap(), [ip("10.0.0.7")]);
        assert_eq!(world.gate.usable(&grant, ip("10.0.0.8")), Err(Reason::AddressNotListed));
        assert_eq!(world.zone.asked_in_all(), 0);
    });
}

#[test]
fn why_a_name_has_no_address_is_said() {
    run(async {
        let world = World::of(vec![allow("none.example", 443), allow("empty.example", 443)]).await;
        world.zone.put("empty.example", &[&[]]);
        let why = |denial: Denial| denial.reason.to_string();
        let none = world.gate.vetted(&grant(&world, "none.example")).await.map_err(why);
        assert_eq!(none, Err("it has no address: no such name".to_owned()));
        let empty = world.gate.vetted(&grant(&world, "empty.example")).await.map_err(why);
        assert_eq!(empty, Err("it has no address: the name has none".to_owned()));
    });
}

#[test]
fn names_below_a_wildcard_are_bounded_for_every_door() {
    run(async {
        let world = World::of(vec![allow("*.example.com", 443)]).await;
        let mut limited = 0;
        for n in 0..250 {
            let grant = grant(&world, &format!("secret{n}.example.com"));
            let denial = world.gate.vetted(&grant).await.unwrap_err();
            limited += usize::from(denial.reason.code() == "limit");
        }
        assert!(limited >= 50, "at most 200 a minute");
        assert_eq!(world.zone.asked_in_all(), (250 - limited) * 2);
    });
}
