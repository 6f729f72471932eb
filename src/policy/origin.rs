//! Where a value came from.

use std::fmt;
use std::path::PathBuf;

/// The layer that set a value; `jail explain` shows it as "set by …".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A default or profile inside the binary, by name.
    BuiltIn(&'static str),
    /// A file of the user's; line and column count from 1.
    File { path: PathBuf, line: u32, column: u32 },
    /// A command-line option, as typed (`--memory`).
    Flag(&'static str),
}

impl Origin {
    /// True where a person asked for this value, so that it must be enforced or refused.
    pub fn is_explicit(&self) -> bool {
        !matches!(self, Self::BuiltIn(_))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(name) => write!(f, "built-in {name}"),
            Self::File { path, line, .. } => write!(f, "{}:{line}", path.display()),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// A value with its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    pub value: T,
    pub origin: Origin,
}

impl<T> Setting<T> {
    pub fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    pub fn built_in(value: T) -> Self {
        Self::new(value, Origin::BuiltIn("default"))
    }
}
