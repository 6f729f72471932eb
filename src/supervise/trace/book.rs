//! Each refusal once, and how often it happened: a loop in a connector must not fill the log.

use super::Refusal;
use std::collections::HashMap;

/// Different ones that are told; more are counted.
pub(super) const MOST: usize = 200;

#[derive(Debug, Default)]
pub(super) struct Book {
    /// How often each was seen since it was told.
    seen: HashMap<Refusal, u64>,
    /// Those for which there was no room.
    unsaid: u64,
    told: u64,
}

impl Book {
    /// True for one that is to be told now.
    pub(super) fn enter(&mut self, refusal: &Refusal) -> bool {
        if let Some(again) = self.seen.get_mut(refusal) {
            *again += 1;
            return false;
        }
        if self.seen.len() >= MOST {
            self.unsaid += 1;
            return false;
        }
        self.seen.insert(refusal.clone(), 0);
        self.told += 1;
        true
    }

    /// What happened again, with how often; and how many of those that had no room.
    pub(super) fn close(&mut self) -> (Vec<(Refusal, u64)>, u64) {
        let mut again: Vec<_> = self.seen.drain().filter(|(_, times)| *times > 0).collect();
        again.sort_by(|(a, _), (b, _)| (&a.object, &a.call).cmp(&(&b.object, &b.call)));
        (again, std::mem::take(&mut self.unsaid))
    }

    /// How many different ones there were.
    pub(super) fn told(&self) -> u64 {
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Mechanism;

    fn of(object: usize) -> Refusal {
        Refusal {
            mechanism: Mechanism::Mounts,
            call: "openat".into(),
            object: format!("/{object}").into(),
            errno: libc::ENOENT,
            code: "not-there",
            reason: String::new(),
            fix: None,
            grant: None,
            limit: None,
        }
    }

    #[test]
    fn each_is_told_once_and_none_is_lost() {
        let mut book = Book::default();
        for round in 0..3 {
            for object in 0..MOST + 7 {
                assert_eq!(book.enter(&of(object)), round == 0 && object < MOST);
            }
        }
        let other_call = Refusal { call: "stat".into(), ..of(0) };
        assert!(!book.enter(&other_call), "there is no room");
        assert_eq!(book.told(), MOST as u64);
        let (again, unsaid) = book.close();
        assert_eq!((again.len(), unsaid), (MOST, 3 * 7 + 1));
        assert!(again.iter().all(|(_, times)| *times == 2));
    }
}
