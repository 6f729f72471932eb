//! `docs/completions/`: what `jail completions SHELL` prints.

use super::Document;
use clap_complete::{Shell, generate};

/// The shells whose scripts are committed, for packages.
const COMMITTED: [(Shell, &str); 3] =
    [(Shell::Bash, "jail.bash"), (Shell::Zsh, "_jail"), (Shell::Fish, "jail.fish")];

/// The completion script for one shell.
pub fn script(shell: Shell) -> Vec<u8> {
    let mut out = Vec::new();
    generate(shell, &mut super::cli::command(), "jail", &mut out);
    out
}

pub(super) fn files() -> impl Iterator<Item = Document> {
    COMMITTED
        .into_iter()
        .map(|(shell, name)| Document::new(format!("completions/{name}"), script(shell)))
}
