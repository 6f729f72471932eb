//! The parts of the benchmark, each with a table of its own.

use super::rivals::{self, Rival};
use super::support::{Bwrap, jail_true, median, number, ratios, time};
use super::{Client, http_door, server, socks_door};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A part stops after this, with the rounds that it has.
const PATIENCE: Duration = Duration::from_secs(25);
const BULK: u64 = 256 << 20;
/// Connections at one time where requests a second are counted.
const ABREAST: usize = 16;
const MILLISECONDS: usize = 250;
const CHURN: usize = 5000;
/// More than a connector may have at one time.
const HELD: usize = 260;
const STARTS: usize = 30;

/// Runs of all, in turn; the first one only warms up.
fn rounds(most: usize, mut round: impl FnMut(bool)) -> usize {
    let begin = Instant::now();
    round(false);
    for done in 0..most {
        if begin.elapsed() > PATIENCE {
            return done;
        }
        round(true);
    }
    most
}

/// Many bytes on one connection; each way's speed beside that of the bare pair in the same round.
pub(crate) fn bulk(bare: &mut Client, jailed: &mut Client) {
    let ways = [
        ("no proxy, one veth pair", false, "direct".to_owned()),
        ("transparent", true, "direct".to_owned()),
        ("CONNECT", true, http_door("connect")),
        ("SOCKS5", true, socks_door()),
    ];
    let mut speeds = vec![(Vec::new(), Vec::new()); ways.len()];
    let done = rounds(number("BENCH_ROUNDS", 5), |counts| {
        for ((_, inside, way), speed) in ways.iter().zip(&mut speeds) {
            let client = if *inside { &mut *jailed } else { &mut *bare };
            let gigabits = |seconds: Vec<f64>| BULK as f64 * 8.0 / 1e9 / seconds[0];
            let down = gigabits(client.tell(&format!("bulk {way} down {BULK}")));
            let up = gigabits(client.tell(&format!("bulk {way} up {BULK}")));
            if counts {
                speed.0.push(down);
                speed.1.push(up);
            }
        }
    });
    println!("\n{} MiB on one connection, {done} rounds     Gbit/s   of no proxy's", BULK >> 20);
    println!("                                     down     up    down     up");
    for ((name, ..), (down, up)) in ways.iter().zip(&speeds) {
        println!(
            "  {name:<32} {:6.2} {:6.2}  {:6.2} {:6.2}",
            median(down),
            median(up),
            median(&ratios(down, &speeds[0].0)),
            median(&ratios(up, &speeds[0].1))
        );
    }
    println!(
        "  (1.00: as fast as without a proxy. A proxy copies each byte twice more, on the same processors.)"
    );
}

/// One way to make requests, and what it gave.
struct Way {
    name: String,
    inside: bool,
    word: String,
    rates: Vec<f64>,
    halves: Vec<f64>,
    slowest: Vec<f64>,
}

impl Way {
    fn new(name: &str, inside: bool, word: String) -> Self {
        let (rates, halves, slowest) = Default::default();
        Self { name: name.to_owned(), inside, word, rates, halves, slowest }
    }
}

/// Small requests, on connections that stay and on a new one each.
pub(crate) fn requests(bare: &mut Client, jailed: &mut Client, folder: &Path) {
    let mut proxies: Vec<Rival> = Vec::new();
    for started in [rivals::tinyproxy(folder), rivals::squid(folder)] {
        match started {
            Ok(rival) => proxies.push(rival),
            Err(why) => println!("\nskipped: {why}"),
        }
    }
    for (kind, title) in [("keep", "connections that stay"), ("new", "a new connection each")] {
        let mut ways = vec![
            Way::new("no proxy", false, "direct".to_owned()),
            Way::new("jail, HTTP proxy", true, http_door("plain")),
            Way::new("jail, transparent", true, "direct".to_owned()),
        ];
        for rival in &proxies {
            ways.push(Way::new(rival.name, false, format!("plain@{}", rival.at)));
        }
        let done = rounds(number("BENCH_ROUNDS", 5), |counts| {
            for way in &mut ways {
                let client = if way.inside { &mut *jailed } else { &mut *bare };
                let word = &way.word;
                let alone = client.tell(&format!("http {word} {kind} 1 {MILLISECONDS}"));
                let many = client.tell(&format!("http {word} {kind} {ABREAST} {MILLISECONDS}"));
                if counts {
                    way.rates.push(many[0]);
                    way.halves.push(alone[1]);
                    way.slowest.push(alone[2]);
                }
            }
        });
        request_table(title, done, &ways);
    }
    println!(
        "  (Requests a second: {ABREAST} at one time. p50, p99: one after the other. A ratio below 1 is \
         fewer requests, or less time.\n   tinyproxy ends each connection; squid keeps those to the \
         server for all its clients, jail for one.)"
    );
}

fn request_table(title: &str, done: usize, ways: &[Way]) {
    println!("\nGET of 256 bytes, {title}, {done} rounds");
    println!(
        "                           requests/s  p50 µs  p99 µs   requests/s, p50: of no proxy's"
    );
    for way in ways {
        println!(
            "  {:<24} {:10.0} {:7.0} {:7.0}   {:10.2} {:5.2}",
            way.name,
            median(&way.rates),
            median(&way.halves),
            median(&way.slowest),
            median(&ratios(&way.rates, &ways[0].rates)),
            median(&ratios(&way.halves, &ways[0].halves))
        );
    }
    for ours in &ways[1..3] {
        for theirs in &ways[3..] {
            println!(
                "  {} / {}: requests/s {:.2}, p50 {:.2}, p99 {:.2}",
                ours.name,
                theirs.name,
                median(&ratios(&ours.rates, &theirs.rates)),
                median(&ratios(&ours.halves, &theirs.halves)),
                median(&ratios(&ours.slowest, &theirs.slowest))
            );
        }
    }
}

/// What many connections leave behind in the egress process, and whether its limit holds.
pub(crate) fn load(jailed: &mut Client) {
    println!("\nunder load                     descriptors   memory (RSS)");
    let Some(egress) = egress(jailed.pid()) else {
        println!("  skipped: the egress process of {} cannot be seen", jailed.pid());
        return;
    };
    let before = show("before", &egress);
    let mut served = 0.0;
    for way in ["direct".to_owned(), http_door("connect")] {
        served += jailed.tell(&format!("churn {way} {}", CHURN / 2))[0];
        settle(&egress, before.0);
    }
    let after = show(&format!("after {served} of {CHURN}"), &egress);
    let held = jailed.tell(&format!("hold direct {HELD}"))[0];
    show(&format!("with {held} of {HELD} held"), &egress);
    jailed.tell("release");
    settle(&egress, after.0);
    let end = show("after all", &egress);
    println!(
        "  (A connector may have 256 connections at one time. Descriptors must be as before.)"
    );
    assert_eq!(served, CHURN as f64, "connections failed");
    assert_eq!(held, 256.0, "the limit of connections does not hold");
    assert_eq!((after.0, end.0), (before.0, before.0), "descriptors stay open");
}

/// The child of jail's supervisor that is in the supervisor's own network.
fn egress(supervisor: u32) -> Option<PathBuf> {
    let children = format!("/proc/{supervisor}/task/{supervisor}/children");
    let own = fs::read_link("/proc/self/ns/net").ok()?;
    let children = fs::read_to_string(children).ok()?;
    let mut children = children.split_whitespace().map(|pid| Path::new("/proc").join(pid));
    children.find(|child| fs::read_link(child.join("ns/net")).is_ok_and(|net| net == own))
}

fn descriptors(process: &Path) -> usize {
    fs::read_dir(process.join("fd")).map_or(0, Iterator::count)
}

fn show(when: &str, process: &Path) -> (usize, u64) {
    let status = fs::read_to_string(process.join("status")).unwrap_or_default();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let memory = memory.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    let open = descriptors(process);
    println!("  {when:<30} {open:9}   {memory:9} KiB");
    (open, memory)
}

/// The other side of a connection hears of its end a little later.
fn settle(process: &Path, expected: usize) {
    for _ in 0..100 {
        if descriptors(process) <= expected {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// `true` in a jail with a way out, beside one without and beside bubblewrap.
pub(crate) fn start(jail: &Path, folder: &Path) {
    let bwrap = Bwrap::find(folder);
    let allow = ["--allow", server::NAME];
    let (mut with, mut without, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let done = rounds(number("BENCH_PAIRS", STARTS), |counts| {
        let a = time(&mut jail_true(jail, &allow));
        let b = time(&mut jail_true(jail, &[]));
        let c = bwrap.as_ref().map(Bwrap::time);
        if counts {
            with.push(a);
            without.push(b);
            theirs.extend(c);
        }
    });
    println!("\nstart of `true`, {done} rounds");
    println!("  a way out / none               {:6.2}", median(&ratios(&with, &without)));
    if let Some(bwrap) = bwrap {
        println!("  a way out / bwrap              {:6.2}", median(&ratios(&with, &theirs)));
        println!("  none / bwrap                   {:6.2}", median(&ratios(&without, &theirs)));
        println!("  ({}: every namespace and the same seccomp filter, no way out.)", bwrap.version);
    } else {
        println!("  skipped: bwrap is not installed (apt install bubblewrap)");
    }
}
