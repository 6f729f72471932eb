//! What was made to fail, and how it ended: one line for each stage and call.

use super::judge::Verdict;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

#[derive(Default)]
struct Row {
    refused: u32,
    aborted: u32,
    ended: u32,
    harmless: u32,
    missed: u32,
    wrong: u32,
}

static ROWS: Mutex<BTreeMap<String, Row>> = Mutex::new(BTreeMap::new());
static REASONS: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());

pub fn add(name: &str, verdict: &Verdict) {
    let mut rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    let row = rows.entry(name.to_owned()).or_default();
    match verdict {
        Verdict::Refused => row.refused += 1,
        Verdict::Aborted => row.aborted += 1,
        Verdict::Ended => row.ended += 1,
        Verdict::Harmless(why) => {
            row.harmless += 1;
            let mut reasons = REASONS.lock().unwrap_or_else(PoisonError::into_inner);
            *reasons.entry(format!("{name}: {why}")).or_default() += 1;
        }
        Verdict::Missed => row.missed += 1,
        Verdict::Wrong(_) => row.wrong += 1,
    }
}

pub fn print() {
    let rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    if rows.is_empty() {
        return;
    }
    let line = |name: &str, r: [String; 6]| {
        let [a, b, c, d, e, f] = r;
        println!("{name:<58} {a:>7} {b:>7} {c:>7} {d:>8} {e:>6} {f:>5}");
    };
    let head = ["refused", "aborted", "ended", "harmless", "missed", "wrong"];
    line("what failed", head.map(str::to_owned));
    let mut sum = [0; 6];
    for (name, row) in rows.iter() {
        let counts = [row.refused, row.aborted, row.ended, row.harmless, row.missed, row.wrong];
        for (sum, count) in sum.iter_mut().zip(counts) {
            *sum += count;
        }
        line(name, counts.map(|count| if count == 0 { ".".to_owned() } else { count.to_string() }));
    }
    line("sum", sum.map(|count| count.to_string()));
    println!();
    for (reason, count) in REASONS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        println!("harmless, {count} times: {reason}");
    }
    println!();
}
