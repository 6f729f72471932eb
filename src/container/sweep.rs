//! Containers of runs whose supervisor was killed.
//!
//! A container ends when its door closes, and its engine removes it then (`--rm`). What is left is one whose
//! supervisor was killed before the entry had connected, or whose engine was stopped with it.

use super::engine::Engine;
use super::translate::{self, LABEL, OWNER, SUPERVISOR};
use crate::failure::Failure;
use crate::host::process;
use serde_json::Value;
use std::io::ErrorKind;

/// Who a supervisor is, as labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// User, and where that number and the pid mean it.
    pub owner: String,
    /// Pid, boot and birth.
    pub supervisor: String,
}

/// This process.
pub fn own() -> Labels {
    let pid = std::process::id();
    Labels { owner: owner(), supervisor: label(pid, process::born(pid)) }
}

/// A pid counts in its namespace alone, and what /proc hides of other users looks like gone.
fn owner() -> String {
    let space = |name: &str| {
        let link = std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap_or_default();
        link.to_string_lossy().chars().filter(char::is_ascii_digit).collect::<String>()
    };
    format!("{}.{}.{}", nix::unistd::getuid(), space("user"), space("pid"))
}

fn label(pid: u32, born: Option<crate::audit::Born>) -> String {
    match born {
        Some(born) => format!("{pid}.{}.{}", born.boot.as_str(), born.ticks),
        None => format!("{pid}.."),
    }
}

/// Is the process that a label names gone? That it cannot be told is no yes.
fn gone(label: &str) -> bool {
    let Some(pid) = label.split('.').next().and_then(|pid| pid.parse().ok()) else { return false };
    let Some(own) = process::born(std::process::id()) else { return false };
    // After a boot no pid means what it meant.
    if !label.starts_with(&format!("{pid}.{}.", own.boot.as_str())) {
        return label.split('.').filter(|part| !part.is_empty()).count() == 3;
    }
    match process::born(pid) {
        Some(born) => self::label(pid, Some(born)) != label,
        None => std::fs::metadata(format!("/proc/{pid}"))
            .is_err_and(|error| error.kind() == ErrorKind::NotFound),
    }
}

/// Is it a run's of this user, and its supervisor gone? An image that somebody made of such a container hands
/// its labels on to others, which have names of their own.
fn left(about: &Value, owner: &str) -> bool {
    let label = |name: &str| about["Config"]["Labels"][name].as_str().unwrap_or_default();
    let named = about["Name"].as_str().unwrap_or_default().trim_start_matches('/');
    let run = label(LABEL);
    let its_own = !run.is_empty() && translate::is_name(named, run);
    its_own && label(OWNER) == owner && gone(label(SUPERVISOR))
}

/// Removes them; how many there were. Those of other users, and of other pid namespaces, are theirs to remove.
pub fn sweep(engine: &Engine) -> Result<usize, Failure> {
    let owner = owner();
    let mine = format!("label={OWNER}={owner}");
    let list = engine.ask(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &mine])?;
    let mut removed = 0;
    for id in String::from_utf8_lossy(&list).split_whitespace() {
        // One that is gone by now needs nothing.
        let Ok(about) = engine.inspect("container", id) else { continue };
        if left(&about, &owner) {
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
    use serde_json::json;

    #[test]
    fn a_supervisor_is_told_from_its_successor() {
        let own = own().supervisor;
        assert!(!gone(&own));
        let (pid, rest) = own.split_once('.').unwrap();
        assert!(gone(&format!("{pid}.{rest}1")));
        assert!(gone(&format!("{pid}.another-boot.1")));
        assert!(gone(&own.replacen(pid, "4194305", 1)));
        // What says nothing is not a yes.
        for label in ["", "x.y.1", "4194305..", "4194305", "1.."] {
            assert!(!gone(label), "{label}");
        }
    }

    /// Removed with force is only what this user's own runs have left.
    #[test]
    fn what_is_not_ours_stays() {
        let owner = own().owner;
        let dead = "4194305.another-boot.1";
        let container = |name: &str, owner: &str, supervisor: &str| {
            let labels =
                json!({"jail.run": "R1", "jail.owner": owner, "jail.supervisor": supervisor});
            json!({"Name": name, "Config": {"Labels": labels}})
        };
        assert!(left(&container("/jail-x-R1", &owner, dead), &owner));
        // Podman writes no slash.
        assert!(left(&container("jail-x-R1", &owner, dead), &owner));
        assert!(!left(&container("/jail-x-R1", &owner, &own().supervisor), &owner));
        assert!(!left(&container("/jail-x-R1", "4242.1.2", dead), &owner));
        assert!(!left(&container("/jail-x-R1", "", dead), &owner));
        // Of an image that was made of a jail's container.
        assert!(!left(&container("/hopeful_turing", &owner, dead), &owner));
        assert!(!left(&json!({"Name": "/jail-x-", "Config": {"Labels": {}}}), &owner));
        let other = owner.replace(|digit: char| digit.is_ascii_digit(), "7");
        assert_ne!(owner, other);
        assert!(owner.split('.').all(|part| !part.is_empty()), "{owner}");
    }
}
