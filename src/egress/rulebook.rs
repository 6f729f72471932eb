//! The rules as they are now, and what of those for one connection is used up.
//!
//! A rule that says `once` stays in its file until its run ends, used or not: so its owner can still take
//! it back. Which of them were used is remembered here for as long as the process lives, whatever the files
//! say in between: one that cannot be read for a moment gives nothing back.

use crate::firewall::{Effect, Rule, Rules};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::SystemTime;

/// One answer: no two to the same request are of the same second.
type Answered = (Option<String>, Option<SystemTime>);

pub(super) struct Rulebook {
    /// The run that this process serves.
    run: Option<String>,
    fixed: Rules,
    /// Of the firewall's files.
    overlay: Rules,
    /// Answers for one connection by which one went out.
    used: BTreeSet<Answered>,
    /// Denials for what is held that have had their effect.
    denied: BTreeSet<Answered>,
    now: Rc<Rules>,
    standing: Rc<Rules>,
}

impl Rulebook {
    pub(super) fn new(run: Option<String>, fixed: Rules, overlay: Rules) -> Self {
        let (now, standing) = (Rc::default(), Rc::default());
        let (used, denied) = (BTreeSet::new(), BTreeSet::new());
        let mut book = Self { run, fixed, overlay: Rules::default(), used, denied, now, standing };
        // What was denied before this process began concerned nothing of it.
        drop(book.replace(overlay));
        book
    }

    /// What may go out from now on.
    pub(super) fn now(&self) -> Rc<Rules> {
        Rc::clone(&self.now)
    }

    /// The same, with the rules that are used up: what went out by one of them may go on.
    pub(super) fn standing(&self) -> Rc<Rules> {
        Rc::clone(&self.standing)
    }

    /// Puts other rules in the place of those of the firewall's files. Gives the requests whose held
    /// connections were denied since.
    pub(super) fn replace(&mut self, overlay: Rules) -> Vec<String> {
        self.overlay = overlay;
        // Another run's are for what that one holds.
        self.overlay.0.retain(|rule| rule.run.is_none() || rule.run == self.run);
        let denials = self.overlay.0.iter().filter(|rule| denies_the_held(rule));
        let fresh = denials.filter(|rule| self.denied.insert(answered(rule)));
        let fresh = fresh.filter_map(|rule| rule.request.clone()).collect();
        self.update();
        fresh
    }

    /// A connection goes out by this rule.
    pub(super) fn use_up(&mut self, rule: &Rule) {
        if rule.once {
            self.used.insert(answered(rule));
            self.update();
        }
    }

    fn update(&mut self) {
        // The files say of what is for one connection which request it answers.
        let is_left = |rule: &&Rule| {
            !rule.once || (rule.request.is_some() && !self.used.contains(&answered(rule)))
        };
        let mut standing = self.fixed.clone();
        standing.0.extend(self.overlay.0.iter().filter(|it| !denies_the_held(it)).cloned());
        let now = standing.0.iter().filter(is_left).cloned().collect();
        (self.now, self.standing) = (Rc::new(Rules(now)), Rc::new(standing));
    }
}

fn answered(rule: &Rule) -> Answered {
    (rule.request.clone(), rule.at)
}

fn denies_the_held(rule: &Rule) -> bool {
    rule.once && rule.effect == Effect::Deny
}

#[cfg(test)]
mod tests {
    use super::super::world::{allow, rule};
    use super::*;
    use std::time::Duration;

    const RUN: &str = "0123456789ab";

    fn book(overlay: Rules) -> Rulebook {
        Rulebook::new(Some(RUN.to_owned()), Rules::default(), overlay)
    }

    /// The answer of second `at`.
    fn once(effect: Effect, request: &str, at: u64) -> Rule {
        let request = Some(request.to_owned());
        let at = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(at));
        Rule { once: true, request, run: Some(RUN.into()), at, ..rule(effect, "a.example", 443) }
    }

    #[test]
    fn each_of_them_is_for_one_connection() {
        let mut book = book(Rules::default());
        let of =
            |times| Rules((0..times).map(|at| once(Effect::Allow, "aaaaaaaaaa", at)).collect());
        for given in 1..4 {
            assert!(book.replace(of(given)).is_empty());
            assert_eq!(book.now().0.len(), 1, "those before are used up");
            book.use_up(&once(Effect::Allow, "aaaaaaaaaa", given - 1));
            assert!(book.now().is_empty());
            assert_eq!(book.standing().0.len() as u64, given);
            book.replace(of(given));
            assert!(book.now().is_empty(), "read again, and still used up");
        }
        book.replace(Rules::default());
        book.replace(of(3));
        assert!(book.now().is_empty(), "files that were unreadable for a moment give nothing back");
        book.replace(of(4));
        assert_eq!(book.now().0.len(), 1, "taken back and given again");
    }

    #[test]
    fn another_request_and_another_rule_are_not_used_up() {
        let both = Rules(vec![
            once(Effect::Allow, "aaaaaaaaaa", 1),
            once(Effect::Allow, "bbbbbbbbbb", 1),
            allow("a.example", 443),
        ]);
        let mut book = book(both);
        book.use_up(&allow("a.example", 443));
        assert_eq!(book.now().0.len(), 3);
        book.use_up(&once(Effect::Allow, "aaaaaaaaaa", 1));
        let left: Vec<_> = book.now().0.iter().map(|rule| rule.request.clone()).collect();
        assert_eq!(left, [Some("bbbbbbbbbb".to_owned()), None]);
    }

    #[test]
    fn what_another_run_was_given_is_not_ours() {
        let other = |rule: Rule| Rule { run: Some("ba9876543210".into()), ..rule };
        let own = once(Effect::Allow, "aaaaaaaaaa", 1);
        let mut book = book(Rules(vec![own.clone(), other(once(Effect::Allow, "aaaaaaaaaa", 2))]));
        assert_eq!(book.now().0, std::slice::from_ref(&own));
        book.use_up(&own);
        assert!(book.now().is_empty(), "one connection, though two runs have an answer each");
        let denied = other(once(Effect::Deny, "aaaaaaaaaa", 3));
        assert!(book.replace(Rules(vec![own, denied])).is_empty(), "what we hold was not denied");
    }

    #[test]
    fn a_denial_for_what_is_held_is_told_once_and_then_counts_for_nothing() {
        let deny = |at| once(Effect::Deny, "aaaaaaaaaa", at);
        let mut book = book(Rules(vec![deny(1)]));
        assert!(book.now().is_empty() && book.standing().is_empty());
        assert!(book.replace(Rules(vec![deny(1)])).is_empty(), "from before");
        assert_eq!(book.replace(Rules(vec![deny(1), deny(2)])), ["aaaaaaaaaa"]);
        assert!(book.replace(Rules(vec![deny(1), deny(2)])).is_empty());
        assert!(book.now().is_empty());
        book.replace(Rules::default());
        assert!(book.replace(Rules(vec![deny(1), deny(2)])).is_empty(), "once for all");
    }
}
