//! The suite against another backend: `JAIL_TEST_SANDBOX=landlock` and `JAIL_TEST_SANDBOX=container` add that
//! `--sandbox` to every jailed run.
//!
//! Every attack must be held there as well, but for those in a table: this one for the weaker tier,
//! `jail::container::attacks` for containers. A claim that is no longer true, in either direction, is a failure.

#![allow(dead_code, reason = "two programs, each of which uses a part")]

use jail::container::attacks::{self, Engine};
use std::path::PathBuf;
use std::sync::OnceLock;

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

/// Is it run against containers?
pub fn contained() -> bool {
    std::env::var("JAIL_TEST_SANDBOX").is_ok_and(|word| word == "container")
}

/// The engine of the run, and an image in which every attack finds what it needs.
pub struct Container {
    pub engine: Engine,
    pub image: String,
    /// Has a program of the engine's name, which knows where its world is, whatever the caller's variables say.
    pub bin: PathBuf,
}

pub static CONTAINER: OnceLock<Container> = OnceLock::new();

/// Who the connector is inside, where that is not the one who runs jail: what a fixture has is given to it, so that
/// no attack is held by the owner of a file alone.
pub fn other_user() -> Option<u32> {
    CONTAINER.get().filter(|it| it.engine == Engine::Docker).map(|_| attacks::NOBODY)
}

/// Options of `jail run`.
pub fn options() -> Vec<String> {
    if chosen() {
        return vec!["--sandbox=landlock".to_owned()];
    }
    let container = CONTAINER.get().into_iter();
    let words = container
        .map(|it| ["--sandbox=container", "--engine", it.engine.name(), "--image", &it.image]);
    words.flatten().map(ToOwned::to_owned).collect()
}

/// What the table says of an attack; `None`: held, as everywhere.
pub fn of(attack: &str) -> Option<Here> {
    if let Some(container) = CONTAINER.get() {
        return attacks::of(attack, container.engine).map(|it| match it.here {
            attacks::Here::Refused(word) => Refused(word),
            attacks::Here::Open => Open(it.why),
            attacks::Here::Held => Held,
            attacks::Here::Moot => Moot(it.why),
        });
    }
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

/// The attacks that the tables are about.
pub fn names() -> impl Iterator<Item = &'static str> {
    let contained = attacks::ALL.iter().map(|it| it.attack);
    TABLE.iter().map(|(name, _)| *name).chain(contained)
}
