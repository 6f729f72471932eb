//! What pages show, as plain values: made from what was read, and from nothing else. Pure.
//!
//! Every text is made safe here ([`super::show::text`]); templates escape it for HTML.

mod audit;
mod egress;
mod port;
mod request;
mod rule;
mod run;

pub(super) use audit::{AuditRow, Verified, audit_row};
pub(super) use egress::{EgressRow, egress};
pub(super) use port::{PortView, RangeView, port, range};
pub(super) use request::{RequestView, request};
pub(super) use rule::{RuleView, key, rule};
pub(super) use run::{RunFacts, RunView, run};

/// How a thing is to be taken; a class of the style sheet, and a word where it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Tone {
    #[default]
    Plain,
    Good,
    Care,
    Bad,
}

impl Tone {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Good => "good",
            Self::Care => "care",
            Self::Bad => "bad",
        }
    }
}

/// A word with its tone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) word: String,
    pub(super) tone: Tone,
}

impl Tag {
    fn new(word: impl Into<String>, tone: Tone) -> Self {
        Self { word: word.into(), tone }
    }
}
