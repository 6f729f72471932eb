//! Containers of runs whose supervisor was killed.
//!
//! A container ends when its door closes, and its engine removes it then (`--rm`). What is left is one whose
//! supervisor was killed before the entry had connected, or whose engine was stopped with it.

use super::engine::Engine;
use super::translate::{LABEL, SUPERVISOR};
use crate::failure::Failure;
use crate::host::process;

/// The supervisor that this process is, as a label.
pub fn own() -> String {
    let pid = std::process::id();
    label(pid, process::born(pid))
}

fn label(pid: u32, born: Option<crate::audit::Born>) -> String {
    match born {
        Some(born) => format!("{pid}.{}.{}", born.boot.as_str(), born.ticks),
        None => format!("{pid}.."),
    }
}

/// Does the process that a label names still live?
fn alive(label: &str) -> bool {
    let pid = label.split('.').next().and_then(|pid| pid.parse().ok());
    pid.is_some_and(|pid| self::label(pid, process::born(pid)) == label)
}

/// Removes them; how many there were. Those of other users of the same engine are theirs to remove: their
/// processes cannot be told from gone ones, if /proc hides them.
pub fn sweep(engine: &Engine) -> Result<usize, Failure> {
    let mine = format!("label={LABEL}");
    let list = engine.ask(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &mine])?;
    let mut removed = 0;
    for id in String::from_utf8_lossy(&list).split_whitespace() {
        // One that is gone by now needs nothing.
        let Ok(about) = engine.inspect("container", id) else { continue };
        let supervisor = about["Config"]["Labels"][SUPERVISOR].as_str().unwrap_or_default();
        if !alive(supervisor) {
            remove(engine, id)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Ends and removes one; that it is gone already is as good.
pub fn remove(engine: &Engine, id: &str) -> Result<(), Failure> {
    let output = engine.output(&["rm", "--force", "--volumes", id])?;
    let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
    let gone = ["no such container", "no container with", "already in progress", "does not exist"];
    if output.status.success() || gone.iter().any(|text| said.contains(text)) {
        return Ok(());
    }
    let what = format!("cannot remove the container {id}");
    Err(Failure::new(crate::failure::Kind::Io, what)
        .because(super::engine::last_words(&output))
        .hint(format!("{} rm --force {id}", engine.kind.name())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supervisor_is_told_from_its_successor() {
        assert!(alive(&own()));
        let (pid, rest) = own().split_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        assert!(!alive(&format!("{pid}.{rest}1")));
        assert!(!alive("4194305.x.1"));
        assert!(!alive(""));
    }
}
