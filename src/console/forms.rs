//! What forms send. Pure.

use crate::approvals::{Answer, Lifetime, Scope, Verdict, Via};
use crate::audit::{Digest, Text};
use crate::failure::{Failure, Kind};
use serde::Deserialize;

/// The longest reason that a person can give here.
const MOST: usize = 200;
const HOURS_2: u64 = 2 * 3600;

/// An answer to a request.
#[derive(Debug, Deserialize)]
pub(super) struct AnswerForm {
    pub(super) token: String,
    pub(super) act: String,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    why: Option<String>,
}

/// One button.
#[derive(Debug, Deserialize)]
pub(super) struct ActForm {
    pub(super) token: String,
    #[serde(default)]
    pub(super) key: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct PairForm {
    pub(super) code: String,
    pub(super) device: String,
}

/// Which records; an empty field asks for nothing.
#[derive(Debug, Default, Deserialize)]
pub(super) struct AuditForm {
    #[serde(default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) connector: String,
    #[serde(default)]
    pub(super) run: String,
}

/// What a button of a request means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Act {
    Answer(Box<Answer>),
    Dismiss,
}

impl AnswerForm {
    /// `lives`: the run that asked goes on, so that a denial can be for it alone. `now` is in seconds.
    pub(super) fn read(&self, by: Text, lives: bool, now: u64) -> Result<Act, Failure> {
        let (verdict, lifetime) = match self.act.as_str() {
            "deny" if lives => (Verdict::Deny, Lifetime::Session),
            "deny" => (Verdict::Deny, Lifetime::Always),
            "once" => (Verdict::Approve, Lifetime::Once),
            "session" => (Verdict::Approve, Lifetime::Session),
            "2h" => (Verdict::Approve, Lifetime::Until { end: now.saturating_add(HOURS_2) }),
            "always" => (Verdict::Approve, Lifetime::Always),
            "revoke" => (Verdict::Revoke, Lifetime::Always),
            "dismiss" => return Ok(Act::Dismiss),
            _ => return Err(unknown("button")),
        };
        let scope = match self.scope.as_deref() {
            Some("tool") => Scope::Tool,
            Some("global") => Scope::Global,
            Some("connector") | None => Scope::Connector,
            Some(_) => return Err(unknown("scope")),
        };
        let why = self.why.as_deref().map(str::trim).filter(|why| !why.is_empty());
        let why = why.map(|why| Text::new(&why.chars().take(MOST).collect::<String>()));
        let answer = Answer { verdict, lifetime, scope, by, via: Via::Console, why, run: None };
        Ok(Act::Answer(Box::new(answer)))
    }
}

fn unknown(what: &str) -> Failure {
    Failure::new(Kind::Usage, format!("a {what} that this page does not have"))
        .hint("load the page again: it may be of an earlier version")
}

/// What every form of this device has to bring along: no page of anybody else can know it. `secret` is new
/// with every start.
pub(super) fn token(secret: &[u8; 32], device: &str) -> String {
    let mut text = Digest::of(&[secret.as_slice(), device.as_bytes()].concat()).to_string();
    text.truncate(32);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, lives: bool) -> Result<Act, Failure> {
        let form: AnswerForm = serde_urlencoded(text);
        form.read("device 1".into(), lives, 1000)
    }

    fn serde_urlencoded(text: &str) -> AnswerForm {
        let uri: axum::http::Uri = format!("/?{text}").parse().unwrap();
        axum::extract::Query::try_from_uri(&uri).unwrap().0
    }

    fn answer(text: &str, lives: bool) -> Answer {
        match read(text, lives).unwrap() {
            Act::Answer(answer) => *answer,
            Act::Dismiss => panic!("dismissed"),
        }
    }

    #[test]
    fn every_button_says_how_long_it_counts() {
        let lifetime = |act: &str, lives| {
            let answer = answer(&format!("token=x&act={act}"), lives);
            (answer.verdict, answer.lifetime)
        };
        assert_eq!(lifetime("deny", true), (Verdict::Deny, Lifetime::Session));
        assert_eq!(lifetime("deny", false), (Verdict::Deny, Lifetime::Always));
        assert_eq!(lifetime("once", true), (Verdict::Approve, Lifetime::Once));
        assert_eq!(lifetime("session", true), (Verdict::Approve, Lifetime::Session));
        assert_eq!(lifetime("2h", true), (Verdict::Approve, Lifetime::Until { end: 8200 }));
        assert_eq!(lifetime("always", true), (Verdict::Approve, Lifetime::Always));
        assert_eq!(lifetime("revoke", true).0, Verdict::Revoke);
        assert_eq!(read("token=x&act=dismiss", true).unwrap(), Act::Dismiss);
    }

    #[test]
    fn without_a_choice_it_is_for_the_connector_and_never_for_more() {
        assert_eq!(answer("token=x&act=always", true).scope, Scope::Connector);
        assert_eq!(answer("token=x&act=always&scope=global", true).scope, Scope::Global);
        assert!(read("token=x&act=always&scope=all", true).is_err());
        assert!(read("token=x&act=forever", true).is_err());
    }

    #[test]
    fn a_reason_is_short_and_shows_all_of_itself() {
        let why = |text: &str| answer(&format!("token=x&act=deny&why={text}"), true).why;
        assert_eq!(why("%20"), None);
        assert_eq!(why("a%0Ab").unwrap().as_str(), "a\\u{a}b");
        assert_eq!(why(&"x".repeat(999)).unwrap().as_str().len(), MOST);
    }

    #[test]
    fn tokens_are_of_one_device_and_one_start() {
        let one = token(&[1; 32], "a");
        assert_eq!((one.len(), &one), (32, &token(&[1; 32], "a")));
        assert!(one != token(&[1; 32], "b") && one != token(&[2; 32], "a"));
    }
}
