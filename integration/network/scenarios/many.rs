//! Many jails at the same time, each with a list of its own.

use super::*;
use crate::world::seen::Seen;
use crate::world::{self, zone};

const JAILS: u8 = 200;
/// So many ask at once. More would measure how fast the world's one name server is.
const AT_ONCE: usize = 20;

pub fn all() -> Vec<Scenario> {
    vec![Scenario { name: "two_hundred_lists", check: two_hundred, ..Scenario::BASE }]
}

/// 200, or as many as this user's quota of keys has room for: each has a session keyring.
fn jails() -> u8 {
    let me = format!("{}:", nix::unistd::geteuid());
    let text = std::fs::read_to_string("/proc/key-users").unwrap_or_default();
    let line = text.lines().map(str::trim_start).find(|line| line.starts_with(&me));
    // UID: usage keys/live used/most bytes/most; keyrings(7).
    let quota = line.and_then(|line| line.split_whitespace().nth(3)?.split_once('/'));
    let number = |text: &str| text.parse::<usize>().ok();
    let room =
        quota.and_then(|(used, most)| Some(number(most)?.saturating_sub(number(used)? + 10)));
    room.and_then(|room| u8::try_from(room).ok()).map_or(JAILS, |room| room.min(JAILS))
}

/// Jail N may reach host N, and tries its neighbours' too. Paths say who asked.
fn two_hundred() -> Check {
    let (fixture, count) = (fixture(), jails());
    must(count >= JAILS / 2, || format!("there are keys for {count} jails alone"))?;
    if count < JAILS {
        println!(
            "two_hundred_lists: {count} jails, as many as this user's quota of keys has room for"
        );
    }
    let mut jails = Vec::new();
    for n in 0..count {
        let allow = format!("{}:80", host(n));
        let jail = Session::jailed(&fixture, &["--allow", &allow]);
        jails.push(jail.map_err(|why| format!("jail {n}: {why}"))?);
    }
    // All of them live now. Each of a wave is asked before any answer is read.
    let mut numbered: Vec<(u8, &mut Session)> = (0..count).zip(&mut jails).collect();
    for wave in numbered.chunks_mut(AT_ONCE) {
        for (n, jail) in &mut *wave {
            for goal in [*n, other(*n, 1), other(*n, 77), *n] {
                jail.tell(&format!("get {} 80 /by-{n}-", host(goal)));
            }
        }
        for (n, jail) in wave {
            for (own, goal) in
                [(true, "its own"), (false, "the next"), (false, "a far"), (true, "its own")]
            {
                let said = jail.line()?;
                must((said == "open") == own, || format!("jail {n}, {goal} host: {said}"))?;
            }
        }
    }
    for n in 0..count {
        let address = zone::many(n);
        let (mine, name) = (format!("GET /by-{n}- "), format!("Host: {}", host(n)));
        let foreign = world::get().seen.find(|seen| {
            matches!(seen, Seen::Request { to, head, .. } if to.ip() == address
                && !(head.starts_with(&mine) && head.contains(&name)))
        });
        must(foreign.is_none(), || format!("host {n} was asked by another: {foreign:?}"))?;
        let own = world::get()
            .seen
            .count(|seen| matches!(seen, Seen::Request { to, .. } if to.ip() == address));
        must(own == 2, || format!("host {n} got {own} requests, not 2"))?;
    }
    jails.into_iter().try_for_each(Session::end)
}

fn other(n: u8, further: u16) -> u8 {
    u8::try_from((u16::from(n) + further) % u16::from(JAILS)).expect("a jail")
}

fn host(n: u8) -> String {
    format!("host-{n}.many.test")
}
