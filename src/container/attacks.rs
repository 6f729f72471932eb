//! What becomes of the attacks of the escape suite in a container, where that is another thing than in a jail.
//!
//! The suite (`integration/escapes/`) is run against both. What is not named here is held there as well; each entry
//! is tried, and one that is no longer true fails the suite. `docs/backends.md` shows this table.

pub use super::translate::NOBODY;

/// Which engine an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A rootful docker that root calls: the connector is another user than jail.
    Docker,
    /// Rootless: the connector is the user who calls jail.
    Podman,
}

impl Engine {
    /// The name of its program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Here {
    /// The run is refused: a word of the message.
    Refused(&'static str),
    /// Not held.
    Open,
    /// Held: in another way than in a jail, or though by design not held there.
    Held,
    /// Cannot be asked here: not tried.
    Moot,
}

/// One attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The name of its file.
    pub attack: &'static str,
    /// `None`: both.
    pub engine: Option<Engine>,
    pub here: Here,
    pub why: &'static str,
}

const fn entry(
    attack: &'static str,
    engine: Option<Engine>,
    here: Here,
    why: &'static str,
) -> Entry {
    Entry { attack, engine, here, why }
}

/// By the attack's name.
pub const ALL: &[Entry] = &[
    entry(
        "copy_workspace",
        None,
        Here::Refused("throw-away copy"),
        "a throw-away copy needs an overlay of jail's own",
    ),
    entry(
        "inode_fill",
        Some(Engine::Podman),
        Here::Open,
        "podman takes no number of inodes for a tmpfs; where cgroup v2 limits memory, they count as memory",
    ),
    entry(
        "linger",
        Some(Engine::Docker),
        Here::Held,
        "the pipe is root's, and the connector is somebody else",
    ),
    entry(
        "memory_fill",
        Some(Engine::Docker),
        Here::Held,
        "the engine's cgroup ends the process that took the memory; in a jail all of them end",
    ),
    entry(
        "metadata",
        Some(Engine::Podman),
        Here::Moot,
        "rootless podman does not start in the user namespace in which a user can own that address",
    ),
    entry("tty_push_own", None, Here::Refused("--tty"), "`--tty` is refused"),
    entry("tty_stall", None, Here::Refused("--tty"), "`--tty` is refused"),
    entry(
        "watch_fill",
        Some(Engine::Docker),
        Here::Open,
        "they are counted for the container's user, who is not you",
    ),
    entry(
        "watch_fill",
        Some(Engine::Podman),
        Here::Open,
        "they are counted for you: an engine sets no limit in its user namespace",
    ),
];

/// What becomes of an attack; `None`: held, as in a jail.
pub fn of(attack: &str, engine: Engine) -> Option<&'static Entry> {
    ALL.iter().find(|it| it.attack == attack && it.engine.is_none_or(|only| only == engine))
}
