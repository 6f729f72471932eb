//! One thing that is wrong with a policy, told with its place.

use super::expect::Malformed;
use super::{Origin, expect};
use crate::failure::{Failure, Kind};
use std::fmt;

/// One thing that is wrong: where, in which field, what, and what to do.
///
/// Shown as `FILE:LINE:COLUMN: field limits.memory: expected …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub origin: Origin,
    /// The field's path (`limits.memory`, `secrets[0].to.env`); empty for the file as a whole.
    pub field: String,
    /// What is wrong: lower case, no final period.
    pub what: String,
    /// What the reader can do.
    pub hint: Option<String>,
}

impl Problem {
    pub(crate) fn new(origin: &Origin, field: &str, what: impl Into<String>) -> Self {
        Self { origin: origin.clone(), field: field.to_owned(), what: what.into(), hint: None }
    }

    pub(crate) fn malformed(origin: &Origin, field: &str, error: &Malformed) -> Self {
        let mut problem = Self::new(origin, field, error.to_string());
        problem.hint = error.meant.as_deref().map(did_you_mean);
        problem
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The hint for a word that was probably meant.
pub(crate) fn did_you_mean(word: &str) -> String {
    format!("did you mean {}?", expect::quoted(word))
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File { path, line, column } => {
                write!(f, "{}:{line}:{column}: ", path.display())?;
            }
            // The flag says which field it is.
            Origin::Flag(flag) => return write!(f, "{flag}: {}", self.what),
            Origin::BuiltIn(_) => {}
        }
        if !self.field.is_empty() {
            write!(f, "field {}: ", self.field)?;
        }
        f.write_str(&self.what)
    }
}

/// One failure for all problems: the first in full, the others counted.
pub(crate) fn failure(problems: &[Problem]) -> Failure {
    let Some((first, rest)) = problems.split_first() else {
        return Failure::new(Kind::Policy, "the policy is wrong");
    };
    let kind = match first.origin {
        Origin::Flag(_) => Kind::Usage,
        Origin::File { .. } | Origin::BuiltIn(_) => Kind::Policy,
    };
    let mut failure = Failure::new(kind, first.to_string());
    if let Some(hint) = &first.hint {
        failure = failure.hint(hint.clone());
    }
    match rest.len() {
        0 => failure,
        1 => failure.hint("there is one more problem; `jail check` lists all"),
        more => failure.hint(format!("there are {more} more problems; `jail check` lists all")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem() -> Problem {
        let origin = Origin::File { path: "a.yaml".into(), line: 3, column: 5 };
        Problem::new(&origin, "limits.memroy", "unknown field").hint(did_you_mean("memory"))
    }

    #[test]
    fn a_problem_names_file_line_column_and_field() {
        assert_eq!(problem().to_string(), "a.yaml:3:5: field limits.memroy: unknown field");
    }

    #[test]
    fn a_failure_shows_the_first_and_counts_the_rest() {
        let failure = failure(&[problem(), problem(), problem()]);
        assert_eq!(failure.kind, Kind::Policy);
        assert_eq!(failure.hints[0], "did you mean `memory`?");
        assert!(failure.hints[1].contains("2 more problems"));
    }
}
