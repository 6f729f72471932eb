//! The rules as they are now, and what of those for one connection is used up.
//!
//! A rule that says `once` stays in its file until its run ends, used or not: so its owner can still take
//! it back. What counts is how many a request has, against how many connections went out by them.

use crate::firewall::{Effect, Rule, Rules};
use std::collections::BTreeMap;
use std::rc::Rc;

pub(super) struct Rulebook {
    fixed: Rules,
    /// Of the firewall's files.
    overlay: Rules,
    /// Request → connections that its rules for one connection let out.
    used: BTreeMap<String, usize>,
    /// Request → how many of its denials for what is held have had their effect.
    denied: BTreeMap<String, usize>,
    now: Rc<Rules>,
    standing: Rc<Rules>,
}

impl Rulebook {
    pub(super) fn new(fixed: Rules, overlay: Rules) -> Self {
        let (now, standing) = (Rc::default(), Rc::default());
        let (used, denied) = (BTreeMap::new(), BTreeMap::new());
        let mut book = Self { fixed, overlay, used, denied, now, standing };
        // What was denied before this process began concerned nothing of it.
        book.denied = book.count(Effect::Deny);
        book.update();
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
        let allowed = self.count(Effect::Allow);
        // One that was taken back can be asked for, and given, again.
        self.used.retain(|request, _| allowed.contains_key(request));
        let denied = self.count(Effect::Deny);
        let more = |(request, times): (&String, &usize)| {
            let known = self.denied.get(request).copied().unwrap_or_default();
            (*times > known).then(|| request.clone())
        };
        let fresh = denied.iter().filter_map(more).collect();
        self.denied = denied;
        self.update();
        fresh
    }

    /// A connection goes out by this rule.
    pub(super) fn use_up(&mut self, rule: &Rule) {
        if let Some(request) = rule.request.as_ref().filter(|_| rule.once) {
            *self.used.entry(request.clone()).or_default() += 1;
            self.update();
        }
    }

    /// How many rules for one connection each request has.
    fn count(&self, effect: Effect) -> BTreeMap<String, usize> {
        let mut count = BTreeMap::new();
        for rule in self.overlay.0.iter().filter(|rule| rule.once && rule.effect == effect) {
            if let Some(request) = &rule.request {
                *count.entry(request.clone()).or_default() += 1;
            }
        }
        count
    }

    fn update(&mut self) {
        let given = self.count(Effect::Allow);
        let is_left = |rule: &&Rule| match &rule.request {
            _ if !rule.once => true,
            Some(request) => self.used.get(request) < given.get(request),
            // The files say of what is for one connection which request it answers.
            None => false,
        };
        let denies_the_held = |rule: &&Rule| rule.once && rule.effect == Effect::Deny;
        let mut standing = self.fixed.clone();
        standing.0.extend(self.overlay.0.iter().filter(|it| !denies_the_held(it)).cloned());
        let now = standing.0.iter().filter(is_left).cloned().collect();
        (self.now, self.standing) = (Rc::new(Rules(now)), Rc::new(standing));
    }
}

#[cfg(test)]
mod tests {
    use super::super::world::{allow, rule};
    use super::*;

    fn once(effect: Effect, request: &str) -> Rule {
        let request = Some(request.to_owned());
        let run = Some("0123456789ab".to_owned());
        Rule { once: true, request, run, ..rule(effect, "a.example", 443) }
    }

    #[test]
    fn each_of_them_is_for_one_connection() {
        let mut book = Rulebook::new(Rules::default(), Rules::default());
        let of = |times| Rules(vec![once(Effect::Allow, "aaaaaaaaaa"); times]);
        for given in 1..4 {
            assert!(book.replace(of(given)).is_empty());
            assert_eq!(book.now().0.len(), given);
            book.use_up(&once(Effect::Allow, "aaaaaaaaaa"));
            assert!(book.now().is_empty());
            assert_eq!(book.standing().0.len(), given);
            book.replace(of(given));
            assert!(book.now().is_empty(), "read again, and still used up");
        }
        book.replace(Rules::default());
        book.replace(of(1));
        assert_eq!(book.now().0.len(), 1, "taken back and given again");
    }

    #[test]
    fn another_request_and_another_rule_are_not_used_up() {
        let both = Rules(vec![
            once(Effect::Allow, "aaaaaaaaaa"),
            once(Effect::Allow, "bbbbbbbbbb"),
            allow("a.example", 443),
        ]);
        let mut book = Rulebook::new(Rules::default(), both);
        book.use_up(&allow("a.example", 443));
        assert_eq!(book.now().0.len(), 3);
        book.use_up(&once(Effect::Allow, "aaaaaaaaaa"));
        let left: Vec<_> = book.now().0.iter().map(|rule| rule.request.clone()).collect();
        assert_eq!(left, [Some("bbbbbbbbbb".to_owned()), None]);
    }

    #[test]
    fn a_denial_for_what_is_held_is_told_once_and_then_counts_for_nothing() {
        let deny = || once(Effect::Deny, "aaaaaaaaaa");
        let mut book = Rulebook::new(Rules::default(), Rules(vec![deny()]));
        assert!(book.now().is_empty() && book.standing().is_empty());
        assert!(book.replace(Rules(vec![deny()])).is_empty(), "from before");
        assert_eq!(book.replace(Rules(vec![deny(), deny()])), ["aaaaaaaaaa"]);
        assert!(book.replace(Rules(vec![deny(), deny()])).is_empty());
        assert!(book.now().is_empty());
    }
}
