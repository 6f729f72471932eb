//! Looks at the host, and at running jails: sockets, their holders, and what is known of those.

use super::engines;
use super::facts::Facts;
use super::observed::{Access, Holder, Observed, Open, OpenUnix};
use crate::audit::RunStart;
use crate::doctor::sockets::owners::{self, Owners};
use crate::doctor::sockets::read::{self, ReadError, Tables};
use crate::doctor::sockets::unix::Name;
use crate::doctor::sockets::{Bad, Inet, Transport, diag};
use nix::errno::Errno;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// How often the tables are read again for sockets that they left out.
const TRIES: usize = 3;

/// What to look at, and what is known before.
#[derive(Debug, Default)]
pub struct Wanted<'a> {
    /// The jails that run.
    pub running: &'a [RunStart],
    /// Also the namespaces of those.
    pub jails: bool,
    /// Also unix sockets.
    pub unix: bool,
    /// Whether programs are the files at their paths matters.
    pub programs: bool,
    /// Everything that the kernel tells, also of sockets about which nothing depends on it.
    pub all: bool,
    pub home: Option<&'a Path>,
}

/// All that was seen.
#[derive(Debug, Default)]
pub struct Seen {
    pub host: Observed,
    pub jails: Vec<JailSeen>,
    pub facts: Facts,
    /// What could not be seen, or not understood, in words.
    pub notes: Vec<String>,
}

/// One running jail.
#[derive(Debug)]
pub struct JailSeen {
    pub connector: String,
    pub run: String,
    pub observed: Observed,
}

/// Nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("cannot look at the processes in /proc: {}", .0.desc())]
    Processes(Errno),
}

/// One namespace while it is looked at.
struct Namespace {
    folder: PathBuf,
    /// The jail's; `None` for the host.
    of: Option<(String, String)>,
    tables: Tables,
}

pub fn look(wanted: &Wanted<'_>) -> Result<Seen, LookError> {
    let mut seen = Seen { facts: Facts::here(), ..Seen::default() };
    let mut spaces = vec![host(wanted, &mut seen.notes)?];
    let children: Vec<(&RunStart, Vec<u32>)> =
        wanted.running.iter().map(|start| (start, children(start.pid))).collect();
    if wanted.jails {
        spaces.extend(jails(&children, &mut seen.notes));
    }
    let owners = owners(&mut spaces, wanted.programs)?;
    let known = known(&owners, wanted.home);
    let mut holders: BTreeMap<u32, Holder> =
        owners.processes.iter().map(|(pid, it)| (*pid, engines::holder(it, &known))).collect();
    for (start, children) in &children {
        for holder in holders.values_mut() {
            let parent = owners.processes.get(&holder.pid).map_or(0, |process| process.parent);
            if [holder.pid, parent].iter().any(|pid| *pid == start.pid || children.contains(pid)) {
                holder.connector = Some(start.connector.as_str().to_owned());
                holder.run = Some(start.run.to_string());
            }
        }
    }
    for space in spaces {
        seen.notes.extend(space.tables.bad.iter().map(|(file, bad)| not_understood(file, *bad)));
        let mut observed = observe(&space.tables, &owners, &holders, &seen.facts);
        match space.of {
            None => seen.host = observed,
            Some((connector, run)) => {
                for holder in observed.holders.values_mut() {
                    (holder.connector, holder.run) = (Some(connector.clone()), Some(run.clone()));
                }
                seen.jails.push(JailSeen { connector, run, observed });
            }
        }
    }
    Ok(seen)
}

fn not_understood(file: &str, bad: Bad) -> String {
    let lines = if bad.count == 1 { "1 line".to_owned() } else { format!("{} lines", bad.count) };
    format!("{lines} of /proc/net/{file} could not be understood, the first is line {}", bad.first)
}

fn host(wanted: &Wanted<'_>, notes: &mut Vec<String>) -> Result<Namespace, ReadError> {
    let folder = PathBuf::from(read::OWN);
    let mut tables = read::read(&folder)?;
    // Which interface a loopback address is bound to changes nothing.
    let matters = |socket: &Inet| wanted.all || !socket.local.ip().to_canonical().is_loopback();
    for _ in 0..TRIES {
        match diag::fill(&mut tables.inet, matters) {
            Ok(false) => break,
            // Left out, or made since.
            Ok(true) => tables.merge(read::read(&folder)?),
            Err(errno) => {
                notes.push(format!(
                    "the kernel does not tell which interface sockets are bound to and which take IPv6 \
                     only (sock_diag: {}); wildcards of IPv6 are taken for both",
                    errno.desc()
                ));
                break;
            }
        }
    }
    if !wanted.unix {
        tables.unix.clear();
    }
    Ok(Namespace { folder, of: None, tables })
}

/// The direct children of a process: of a supervisor, the egress process and init.
fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn jails(children: &[(&RunStart, Vec<u32>)], notes: &mut Vec<String>) -> Vec<Namespace> {
    let net = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net"));
    let Ok(own) = net("thread-self") else { return Vec::new() };
    let mut spaces = Vec::new();
    for (start, children) in children {
        let (connector, run) = (start.connector.as_str().to_owned(), start.run.to_string());
        let other = |pid: &&u32| net(&pid.to_string()).is_ok_and(|link| link != own);
        let Some(init) = children.iter().find(other) else {
            // One without a network namespace of its own shares the host's; one that has just ended, none.
            if start.network != Some(crate::audit::Network::Host) {
                notes.push(format!("the namespace of {connector} (run {run}) cannot be seen"));
            }
            continue;
        };
        let folder = PathBuf::from(format!("/proc/{init}/net"));
        match read::read(&folder) {
            Ok(tables) => spaces.push(Namespace { folder, of: Some((connector, run)), tables }),
            Err(error) => notes.push(format!("{connector} (run {run}): {error}")),
        }
    }
    spaces
}

/// Holders of all open sockets. A socket that has none may have been closed while we looked, so that the
/// tables are read once more: what is gone from them is left out, and holders of the rest looked for again.
fn owners(spaces: &mut [Namespace], compare: bool) -> Result<Owners, LookError> {
    let proc = Path::new("/proc");
    let mut owners = owners::find(proc, &inodes(spaces), compare).map_err(LookError::Processes)?;
    let own = nix::unistd::geteuid().as_raw();
    let missing = |socket: &Inet, owners: &Owners| {
        let ours = owners.hidden.is_empty() || own == 0 || socket.uid == own;
        ours && socket.is_open() && !owners.of.contains_key(&socket.inode)
    };
    if !spaces.iter().any(|it| it.tables.inet.iter().any(|socket| missing(socket, &owners))) {
        return Ok(owners);
    }
    for space in spaces.iter_mut() {
        let still = match read::read(&space.folder) {
            Ok(again) => again,
            // The jail has ended meanwhile.
            Err(_) if space.of.is_some() => Tables::default(),
            Err(error) => return Err(error.into()),
        };
        let still: HashSet<u64> = still.inet.iter().map(|socket| socket.inode).collect();
        space.tables.inet.retain(|it| !missing(it, &owners) || still.contains(&it.inode));
    }
    let left: HashSet<u64> = spaces
        .iter()
        .flat_map(|it| it.tables.inet.iter().filter(|socket| missing(socket, &owners)))
        .map(|socket| socket.inode)
        .collect();
    if !left.is_empty() {
        let again = owners::find(proc, &left, compare).map_err(LookError::Processes)?;
        owners.of.extend(again.of);
        owners.processes.extend(again.processes);
    }
    Ok(owners)
}

fn inodes(spaces: &[Namespace]) -> HashSet<u64> {
    let inet = spaces.iter().flat_map(|it| &it.tables.inet);
    let inet = inet.filter(|socket| socket.is_open()).map(|socket| socket.inode);
    let unix = spaces.iter().flat_map(|it| &it.tables.unix);
    let unix = unix.filter(|socket| socket.open && socket.name != Name::None);
    inet.chain(unix.map(|socket| socket.inode)).filter(|inode| *inode != 0).collect()
}

/// What engines say of their containers; not asked where there are none.
fn known(owners: &Owners, home: Option<&Path>) -> Vec<engines::Known> {
    let some = owners.processes.values().any(|process| engines::container(process, &[]).is_some());
    if some { engines::known(home) } else { Vec::new() }
}

fn observe(
    tables: &Tables,
    owners: &Owners,
    holders: &BTreeMap<u32, Holder>,
    facts: &Facts,
) -> Observed {
    let pids = |inode: u64| {
        let mut pids: Vec<u32> =
            owners.of.get(&inode).into_iter().flatten().map(|(pid, _)| *pid).collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    };
    let mut twins: HashSet<(Transport, u16)> = HashSet::new();
    let open = || tables.inet.iter().filter(|socket| socket.is_open());
    twins.extend(open().filter(|s| !s.v6).map(|s| (s.transport, s.local.port())));
    let sockets: Vec<Open> = open()
        .map(|socket| {
            let twin = twins.contains(&(socket.transport, socket.local.port()));
            let mut open = Open::new(*socket, pids(socket.inode), twin, facts);
            open.descriptors = owners.of.get(&socket.inode).cloned().unwrap_or_default();
            open
        })
        .collect();
    let mut unix = Vec::new();
    for socket in tables.unix.iter().filter(|socket| socket.open) {
        let pids = pids(socket.inode);
        let Some(first) = pids.first() else { continue };
        let (name, access) = match &socket.name {
            Name::None => continue,
            Name::Abstract(name) => {
                (format!("@{}", String::from_utf8_lossy(name)), Access::Abstract)
            }
            Name::Path(path) => (path.display().to_string(), access(*first, path)),
        };
        unix.push(OpenUnix { name, pids, access });
    }
    let held: HashSet<u32> = sockets.iter().flat_map(|open| open.pids.iter().copied()).collect();
    let holders = holders.iter().filter(|(pid, _)| held.contains(pid));
    let holders = holders.map(|(pid, holder)| (*pid, holder.clone())).collect();
    Observed { sockets, holders, unix, hidden: owners.hidden.len() }
}

/// Who may connect to a path, as its holder sees it.
fn access(pid: u32, path: &Path) -> Access {
    // Where a relative one was bound, nobody says.
    if !path.is_absolute() {
        return Access::Limited;
    }
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let below = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
    let mode = |path: &Path| fs::symlink_metadata(below(path)).ok();
    let Some(file) = mode(path).filter(|file| file.file_type().is_socket()) else {
        return Access::Limited;
    };
    let bits = file.permissions().mode() & 0o7777;
    let enters = |folder: &Path| {
        fs::metadata(below(folder)).is_ok_and(|it| it.permissions().mode() & 0o001 != 0)
    };
    match bits & 0o002 != 0 && path.ancestors().skip(1).all(enters) {
        true => Access::Everybody(bits),
        false => Access::Limited,
    }
}
