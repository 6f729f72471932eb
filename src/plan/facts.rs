//! What the plan needs to know of this machine: gathered once, before, by `host`.

use super::{Kind, PortFacts};
use crate::firewall::store::{Folder, UpstreamRef};
use crate::firewall::{Rules, Unlisted};
use crate::policy::Setting;
use crate::sys::fd::Identity;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A path of the host as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathFact {
    /// With every symbolic link resolved.
    pub canonical: PathBuf,
    pub identity: Identity,
    pub kind: Kind,
}

/// Which limits a cgroup can carry here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CgroupFacts {
    pub memory: bool,
    pub cpu: bool,
    pub pids: bool,
    pub io: bool,
    /// A container of this engine has a user namespace of its own, in which RLIMIT_NPROC counts.
    pub own_users: bool,
    /// Why not all of them.
    pub why: String,
    /// What would make them available.
    pub fix: String,
}

/// The workspace's firewall as it was when the run was planned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FirewallFacts {
    /// `.cloned/policy`, whether it exists or not.
    pub folder: Option<Folder>,
    pub rules: Rules,
    pub unlisted: Option<Setting<Unlisted>>,
    pub upstream: Option<Setting<UpstreamRef>>,
}

/// Host facts. Plain values: a test writes them by hand.
#[derive(Debug, Clone)]
pub struct Facts {
    pub uid: u32,
    pub gid: u32,
    pub user_home: Option<PathBuf>,
    pub landlock_abi: u32,
    /// Why there is no Landlock; 0 where there is.
    pub landlock_errno: i32,
    /// Where runs without namespaces have their folders: canonical, though it need not be there.
    pub runs: Option<PathBuf>,
    /// Where entries of runs are or could be, whatever the tier: no grant may hold one of these.
    pub entries: Vec<PathBuf>,
    pub time_namespace: bool,
    pub overlay: bool,
    /// Has this kernel IPv6?
    pub ipv6: bool,
    pub cgroup: CgroupFacts,
    pub firewall: FirewallFacts,
    pub ports: PortFacts,
    /// When it was planned: rules expire.
    pub now: SystemTime,
    /// Entries of `/` that are links into `/usr` (`/bin` → `usr/bin`).
    pub root_links: Vec<(String, PathBuf)>,
    /// System paths that exist here, by name.
    pub paths: BTreeMap<PathBuf, PathFact>,
    /// Entries of /proc that exist here and must not be seen.
    pub proc_masks: Vec<(PathBuf, Kind)>,
    /// Environment of the caller, for variables that the policy passes on.
    pub environment: BTreeMap<String, String>,
    /// PATH inside, before the directories that the command needs.
    pub search_path: String,
}

impl Facts {
    pub fn path(&self, path: &Path) -> Option<&PathFact> {
        self.paths.get(path)
    }
}
