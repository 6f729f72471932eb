//! What the resolver told the connector: which names an address was given out for.

use crate::firewall::HostName;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// More addresses are forgotten, the ones first that were answered longest ago.
const ADDRESSES: usize = 4096;
/// Allowed names that share one address.
const NAMES: usize = 64;

/// An address stays as long as there is room: clients keep answers for longer than they should, and a
/// rule and the address are checked again whenever it is used.
#[derive(Debug, Default)]
pub struct Names {
    /// Newest first.
    known: HashMap<IpAddr, (u64, VecDeque<HostName>)>,
    clock: u64,
}

impl Names {
    /// This answer was given.
    pub fn answered(&mut self, name: &HostName, addresses: &[IpAddr]) {
        for address in addresses {
            self.clock += 1;
            if !self.known.contains_key(address) && self.known.len() >= ADDRESSES {
                self.forget_oldest();
            }
            let (used, names) = self.known.entry(*address).or_default();
            *used = self.clock;
            names.retain(|known| known != name);
            names.push_front(name.clone());
            names.truncate(NAMES);
        }
    }

    /// The names that this address was answered for, the latest answer first.
    pub fn of(&self, address: IpAddr) -> Vec<HostName> {
        let names = self.known.get(&address.to_canonical());
        names.map(|(_, names)| names.iter().cloned().collect()).unwrap_or_default()
    }

    fn forget_oldest(&mut self) {
        let oldest = self.known.iter().min_by_key(|(_, (used, _))| *used);
        if let Some(address) = oldest.map(|(address, _)| *address) {
            self.known.remove(&address);
        }
    }
}

/// Bounds how many names that were never looked up before may be.
#[derive(Debug, Default)]
pub struct NewNames {
    /// Names that were let through, newest last.
    known: VecDeque<HostName>,
    /// When, within the last minute.
    times: VecDeque<Instant>,
}

const REMEMBERED: usize = 1024;
const A_SECOND: usize = 10;
const A_MINUTE: usize = 200;

impl NewNames {
    pub fn admit(&mut self, name: &HostName, now: Instant) -> bool {
        if let Some(place) = self.known.iter().position(|known| known == name) {
            if let Some(known) = self.known.remove(place) {
                self.known.push_back(known);
            }
            return true;
        }
        let within = |time: &Instant, span| now.duration_since(*time) < span;
        while self.times.front().is_some_and(|time| !within(time, Duration::from_secs(60))) {
            self.times.pop_front();
        }
        let second = self.times.iter().rev();
        let second = second.take_while(|time| within(time, Duration::from_secs(1))).count();
        if self.times.len() >= A_MINUTE || second >= A_SECOND {
            return false;
        }
        self.times.push_back(now);
        self.known.push_back(name.clone());
        if self.known.len() > REMEMBERED {
            self.known.pop_front();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }

    #[test]
    fn an_address_keeps_its_names_the_latest_first() {
        let mut names = Names::default();
        let address: IpAddr = "192.0.2.7".parse().unwrap();
        names.answered(&name("a.example"), &[address]);
        names.answered(&name("b.example"), &[address]);
        names.answered(&name("a.example"), &[address]);
        assert_eq!(names.of(address), [name("a.example"), name("b.example")]);
        assert_eq!(names.of("::ffff:192.0.2.7".parse().unwrap()).len(), 2);
        assert_eq!(names.of("192.0.2.8".parse().unwrap()), []);
    }

    #[test]
    fn both_maps_are_bounded() {
        let mut names = Names::default();
        let address = |n: u32| IpAddr::V4(n.into());
        for n in 0..ADDRESSES as u32 {
            names.answered(&name("a.example"), &[address(n)]);
        }
        names.answered(&name("a.example"), &[address(0)]);
        names.answered(&name("a.example"), &[address(u32::MAX)]);
        assert_eq!(names.known.len(), ADDRESSES);
        assert!(names.of(address(1)).is_empty(), "the one answered longest ago went");
        assert_eq!(names.of(address(0)).len(), 1, "a refreshed one stays");
        for n in 0..NAMES + 9 {
            names.answered(&name(&format!("n{n}.example")), &[address(0)]);
        }
        assert_eq!(names.of(address(0)).len(), NAMES);
    }

    #[test]
    fn new_names_are_few_and_known_ones_free() {
        let mut new = NewNames::default();
        let start = Instant::now();
        let at = |n: u64| start + Duration::from_millis(n);
        for n in 0..A_SECOND {
            assert!(new.admit(&name(&format!("n{n}.example")), at(0)));
        }
        assert!(!new.admit(&name("one-more.example"), at(999)));
        assert!(new.admit(&name("n3.example"), at(999)), "known");
        let mut admitted = A_SECOND;
        for second in 1..60 {
            for n in 0..A_SECOND {
                admitted += usize::from(
                    new.admit(&name(&format!("s{second}-{n}.example")), at(second * 1000)),
                );
            }
        }
        assert_eq!(admitted, A_MINUTE);
        assert!(new.admit(&name("next-minute.example"), at(60_000)));
    }
}
