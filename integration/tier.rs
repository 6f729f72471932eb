//! The suite against the weaker tier: `JAIL_TEST_SANDBOX=landlock` adds `--sandbox=landlock` to every
//! jailed run.
//!
//! Every attack must be held there as well, but for those in this table. A claim that is no longer true,
//! in either direction, is a failure.

#![allow(dead_code, reason = "two programs, each of which uses a part")]

/// What becomes of an attack without namespaces, where it is not simply held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Here {
    /// The run is refused: a word of the message.
    Refused(&'static str),
    /// By design not held: why.
    Open(&'static str),
    /// Held here, though by design not in namespaces.
    Held,
    /// Cannot be asked here: why. A counted skip.
    Moot(&'static str),
}

use Here::{Held, Moot, Open, Refused};

const TABLE: &[(&str, Here)] = &[
    ("approve_itself", Refused("jail's own")),
    ("audit_lock", Refused("jail's own")),
    ("copy_workspace", Refused("throw-away copy")),
    ("disk_fill", Refused("size of TMPDIR and HOME")),
    (
        "fork_bomb",
        Moot("there is no pid namespace to count in; a pids cgroup does it, where there is one"),
    ),
    ("git_commondir", Refused("acts later")),
    ("git_config", Refused("acts later")),
    ("git_config_replaced", Refused("acts later")),
    ("git_hooks", Refused("acts later")),
    ("git_moved_away", Refused("acts later")),
    ("git_submodule", Refused("acts later")),
    ("git_worktree", Refused("acts later")),
    ("host_name", Open("there is no uts namespace: the host's name can be seen")),
    ("inode_fill", Refused("size of TMPDIR and HOME")),
    ("memory_fill", Moot("its limit is the cgroup's, as in namespaces")),
    ("mount_paths", Held),
    ("policy_rewrite", Refused("jail's own")),
    ("socket_in_grant", Held),
    ("trap_name_taken", Refused("jail's own")),
    ("unix_listen", Held),
    ("watch_fill", Open("there is no user namespace with a count of its own")),
];

/// Is the suite run against the tier?
pub fn chosen() -> bool {
    std::env::var("JAIL_TEST_SANDBOX").is_ok_and(|word| word == "landlock")
}

/// What the table says of an attack; `None`: held, as everywhere.
pub fn of(attack: &str) -> Option<Here> {
    let entry = TABLE.iter().find(|(name, _)| chosen() && *name == attack);
    entry.map(|(_, here)| *here)
}

/// Why an attack is not run, if it is not.
pub fn moot(attack: &str) -> Option<&'static str> {
    match of(attack) {
        Some(Moot(why)) => Some(why),
        _ => None,
    }
}

/// The attacks that the table is about.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, _)| *name)
}
