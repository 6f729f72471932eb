//! What a person is told when something does not work.
//!
//! `error:` says what happened, `caused by:` why, `hint:` what to do. A failure is returned, never
//! also logged; only `cli::ui` prints it.

use crate::exit;
use crate::plan::Stage;
use std::fmt;

/// What sort of failure it is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line is wrong.
    Usage,
    /// A policy file is wrong or contradicts itself.
    Policy,
    /// A control cannot be applied here, or the proof from inside failed.
    Refused,
    /// The connector's command does not exist.
    NotFound,
    /// The connector's command exists but cannot be started.
    CannotStart,
    /// Reading or writing something of ours failed.
    Io,
}

/// One failure, ready to be shown.
#[derive(Debug, Clone)]
pub struct Failure {
    pub kind: Kind,
    /// The set-up stage that failed, where there was one.
    pub stage: Option<Stage>,
    /// What happened: lower case, no final period.
    pub what: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// What the reader can do, most likely first.
    pub hints: Vec<String>,
}

impl Failure {
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, stage: None, what: what.into(), causes: Vec::new(), hints: Vec::new() }
    }

    #[must_use]
    pub fn at(mut self, stage: Stage) -> Self {
        self.stage = Some(stage);
        self
    }

    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The exit code of `jail run` for this failure.
    pub fn run_code(&self) -> u8 {
        match self.kind {
            Kind::NotFound => exit::NOT_FOUND,
            Kind::CannotStart => exit::CANNOT_START,
            Kind::Usage | Kind::Policy | Kind::Refused | Kind::Io => exit::REFUSED,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        if let Some(stage) = self.stage {
            write!(f, " (stage {stage})")?;
        }
        for cause in &self.causes {
            write!(f, "\ncaused by: {cause}")?;
        }
        for hint in &self.hints {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
