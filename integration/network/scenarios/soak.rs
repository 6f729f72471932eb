//! Traffic for a long time through one jail, and jails beside it, one after the other: what the
//! processes hold must not grow.
//!
//! `JAIL_SOAK_SECONDS` (10 by itself), `JAIL_SOAK_PAUSE_MS` between two rounds (none by itself). Prints
//! the figures: `JAIL_SOAK_SECONDS=7200 cargo test --test network soak -- --nocapture`.

use super::ends::{egress_of, firewall};
use super::*;
use crate::world;

pub fn all() -> Vec<Scenario> {
    vec![Scenario { name: "soak", check: soak, ..Scenario::BASE }]
}

/// Rounds between two looks.
const ROUNDS: u64 = 20;
/// Memory that an allocator may come to hold later than in the first half; a leak of 100 bytes a
/// connection is more within minutes.
const SLACK: u64 = 1 << 20;
/// What the world noted is let go from time to time; it would be the only thing that grows.
const FORGET: u64 = 500;

/// What is held at one moment.
#[derive(Debug, Clone, Copy)]
struct Held {
    supervisor: Process,
    egress: Process,
    network_namespaces: u64,
    /// Of the host's namespace.
    sockets: u64,
}

#[derive(Debug, Clone, Copy)]
struct Process {
    memory: u64,
    descriptors: u64,
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn soak() -> Check {
    let seconds = number("JAIL_SOAK_SECONDS", 10);
    let pause = Duration::from_millis(number("JAIL_SOAK_PAUSE_MS", 0));
    let fixture = fixture();
    std::fs::create_dir(fixture.at("cwd/.cloned")).expect("a folder");
    firewall(&fixture, &["allow", "allowed.test:80"])?;
    let mut client = Session::jailed(&fixture, &[])?;
    let supervisor = i32::try_from(client.child.id()).expect("a pid");
    let egress = egress_of(client.child.id()).ok_or("the way out was not found")?;
    let until = Instant::now() + Duration::from_secs(seconds);
    let (mut rounds, mut looks) = (0, Vec::new());
    while Instant::now() < until || looks.len() < 8 {
        round(&fixture, &mut client, rounds)?;
        rounds += 1;
        if rounds % ROUNDS == 0 {
            looks.push(look(supervisor, egress)?);
        }
        if rounds % FORGET == 0 {
            world::get().seen.forget();
        }
        std::thread::sleep(pause);
    }
    client.end()?;
    println!("soak: {seconds} s, {rounds} rounds of 10 connections, {} looks", looks.len());
    for at in [0, looks.len() / 4, looks.len() / 2, looks.len() * 3 / 4, looks.len() - 1] {
        println!("soak: look {at}: {:?}", looks[at]);
    }
    flat(&looks)
}

/// What is allowed by each door, what is not, a change of the rules, and another jail.
fn round(fixture: &Fixture, client: &mut Session, number: u64) -> Check {
    let said = client.ask("doors allowed.test 80")?;
    must(said == ALL_DOORS, || format!("round {number}: {said}"))?;
    let said = client.ask("doors other.test 80")?;
    must(said.starts_with("open []"), || format!("round {number}: {said}"))?;
    let said = client.ask("get allowed.test 80 /soak")?;
    must(said == "open", || format!("round {number}: {said}"))?;
    if number % 10 == 3 {
        firewall(fixture, &["allow", "other.test:8080"])?;
        firewall(fixture, &["remove", "other.test:8080"])?;
        let mut neighbour = Session::jailed(fixture, &[])?;
        let said = neighbour.ask("doors allowed.test 80")?;
        must(said == ALL_DOORS, || format!("round {number}, a neighbour: {said}"))?;
        neighbour.end()?;
    }
    Ok(())
}

fn look(supervisor: i32, egress: i32) -> Result<Held, String> {
    let mut spaces = std::collections::BTreeSet::new();
    for process in std::fs::read_dir("/proc").expect("/proc").flatten() {
        spaces.extend(std::fs::read_link(process.path().join("ns/net")));
    }
    let sockstat = std::fs::read_to_string("/proc/net/sockstat").expect("sockstat");
    let sockets = sockstat.split_whitespace().nth(2).and_then(|text| text.parse().ok());
    Ok(Held {
        supervisor: process(supervisor)?,
        egress: process(egress)?,
        network_namespaces: spaces.len() as u64,
        sockets: sockets.ok_or("no count of sockets")?,
    })
}

fn process(pid: i32) -> Result<Process, String> {
    let path = format!("/proc/{pid}");
    let gone = |error: std::io::Error| format!("{path}: {error}");
    let status = std::fs::read_to_string(format!("{path}/status")).map_err(gone)?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let descriptors = match std::fs::read_dir(format!("{path}/fd")) {
        Ok(all) => Some(all.count() as u64),
        // The egress process is not for its user to look into; its table grows by doubling.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => field("FDSize:"),
        Err(error) => return Err(gone(error)),
    };
    let memory = field("VmRSS:").ok_or("no VmRSS")? << 10;
    Ok(Process { memory, descriptors: descriptors.ok_or("no FDSize")? })
}

/// A name, how much more there may be later, and where to look.
type Measure = (&'static str, u64, fn(&Held) -> u64);

/// The highest of the second half is that of the first.
fn flat(looks: &[Held]) -> Check {
    let (first, second) = looks.split_at(looks.len() / 2);
    let most = |of: &[Held], what: fn(&Held) -> u64| of.iter().map(what).max().unwrap_or_default();
    let measures: [Measure; 5] = [
        ("memory of the supervisor", SLACK, |held| held.supervisor.memory),
        ("memory of the egress process", SLACK, |held| held.egress.memory),
        ("descriptors of the supervisor", 0, |held| held.supervisor.descriptors),
        // A connection may be ending at either moment.
        ("descriptors of the egress process", 8, |held| held.egress.descriptors),
        ("sockets of the host", 64, |held| held.sockets),
    ];
    for (name, slack, what) in measures {
        let (before, after) = (most(first, what), most(second, what));
        must(after <= before + slack, || format!("{name}: {before}, later {after}"))?;
    }
    Ok(())
}
