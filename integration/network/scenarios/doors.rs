//! What is allowed works, by each door, with TLS and without; and the world is what it should be.

use super::*;
use crate::world::{self, ALLOWED, OTHER};

pub fn all() -> Vec<Scenario> {
    vec![
        Scenario { name: "world_is_reached_without_a_jail", check: free, ..Scenario::BASE },
        Scenario { name: "allowed_by_every_door", check: allowed, ..Scenario::BASE },
        Scenario { name: "host_cannot_use_the_doors", check: from_outside, ..Scenario::BASE },
        Scenario { name: "two_jails_two_lists", check: two, ..Scenario::BASE },
    ]
}

/// Only the direct way: there are no doors here.
fn free() -> Check {
    let mut client = Session::free()?;
    for name in ["allowed.test", "other.test", "loop.test", "metadata.test"] {
        let said = client.ask(&format!("by direct {name} 80"))?;
        must(said == "open", || format!("{name}: {said}"))?;
    }
    must(world::get().seen.packet_to(OTHER).is_some(), || "no packet was seen".into())?;
    client.end()
}

fn allowed() -> Check {
    let fixture = fixture();
    let mut client = Session::jailed(&fixture, &["--allow", "allowed.test:80"])?;
    let said = client.ask("doors allowed.test 80")?;
    must(said == ALL_DOORS, || said.clone())?;
    must(world::get().seen.packet(ALLOWED, 6, 80).is_some(), || "no packet was seen".into())?;
    client.end()
}

/// The listening sockets are in a namespace that the host has no way into.
fn from_outside() -> Check {
    let before = listening();
    let fixture = fixture();
    let mut client = Session::jailed(&fixture, &["--allow", "allowed.test:80"])?;
    let new: Vec<String> = listening().into_iter().filter(|line| !before.contains(line)).collect();
    must(new.is_empty(), || format!("the host listens: {new:?}"))?;
    for (to, port) in [(world::DOOR, 3128), (world::DOOR, 1080), (world::DOOR6, 3128)] {
        let reached = crate::client::dial(to, port);
        must(reached.is_err(), || format!("{to}:{port} answers on the host"))?;
    }
    let said = client.ask("doors allowed.test 80")?;
    must(said == ALL_DOORS, || said.clone())?;
    client.end()
}

/// The host's listening sockets, of both families.
fn listening() -> Vec<String> {
    let read = |path: &&str| std::fs::read_to_string(path).unwrap_or_default();
    let text: String =
        ["/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp"].iter().map(read).collect();
    let words =
        text.lines().map(|line| line.split_whitespace().skip(1).take(3).collect::<Vec<_>>());
    words.filter(|words| words.get(2) == Some(&"0A")).map(|words| words.join(" ")).collect()
}

fn two() -> Check {
    let (one, two) = (fixture(), fixture());
    let mut first = Session::jailed(&one, &["--allow", "allowed.test:80"])?;
    let mut second = Session::jailed(&two, &["--allow", "other.test:80"])?;
    for _ in 0..3 {
        for (client, may, may_not) in [
            (&mut first, "allowed.test", "other.test"),
            (&mut second, "other.test", "allowed.test"),
        ] {
            let said = client.ask(&format!("doors {may} 80"))?;
            must(said == ALL_DOORS, || format!("{may}: {said}"))?;
            let said = client.ask(&format!("doors {may_not} 80"))?;
            must(said.starts_with("open []"), || format!("{may_not}: {said}"))?;
        }
    }
    first.end()?;
    second.end()
}
