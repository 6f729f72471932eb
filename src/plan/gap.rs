//! What cannot be enforced here, and whether the policy lets that pass.

use crate::policy::Control;
use std::fmt;

/// A control that this run does without. It exists only where the default allows it or the owner said so.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Gap {
    /// `memory`, `cpus`, … or a finer name such as `landlock-net`.
    pub control: String,
    /// Why it cannot be enforced.
    pub why: String,
    /// What makes it enforceable.
    pub fix: String,
    /// Who let it pass: "default" or the owner's own words.
    pub allowed_by: String,
}

impl Gap {
    pub fn new(control: Control, why: &str, fix: &str, allowed_by: impl fmt::Display) -> Self {
        Self {
            control: control.name().to_owned(),
            why: why.to_owned(),
            fix: fix.to_owned(),
            allowed_by: allowed_by.to_string(),
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not enforced: {} (allowed by {})", self.control, self.why, self.allowed_by)
    }
}
