//! The cgroup of one run: made, limited, read back, watched, emptied, removed.

use super::limits::Setting;
use super::parse::Controllers;
use super::support::{How, PREFIX, Support, View};
use super::{CgroupError, Limits, Usage, files, scope};
use nix::errno::Errno;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The group that we move to where we sat in the parent ourselves.
const SUPERVISORS: &str = "jail-supervisors";
/// How long a killed cgroup may take to become empty.
const DYING: Duration = Duration::from_secs(2);

/// A cgroup of one run. Dropping it kills what is left in it and removes it.
#[derive(Debug)]
pub struct Leaf {
    path: PathBuf,
    /// Open for as long as the leaf lives, with an flock that says so to [`sweep_stale`].
    dir: File,
    /// Our own group at the root of the hierarchy, to be removed with its last leaf.
    own_parent: Option<PathBuf>,
    gone: bool,
}

impl Leaf {
    /// Makes the leaf of a run and limits it. `run` is a name of letters, digits, `-` and `_`.
    pub fn create(support: &Support, run: &str, limits: &Limits) -> Result<Self, CgroupError> {
        let ok = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if run.is_empty() || run.len() > 64 || run == "supervisors" || !run.bytes().all(ok) {
            let error = CgroupError::new("make a cgroup", "mkdir", Path::new(run));
            return Err(error.detail("not a name for a run"));
        }
        let needs = limits.controllers();
        match &support.how {
            How::NoneBecause { reason, fix } => Err(CgroupError::new(
                "make a cgroup for this run",
                "mkdir",
                support.own_cgroup.as_deref().unwrap_or(Path::new("")),
            )
            .detail(reason.clone())
            .hint(fix.clone())),
            How::UserManagerScope => {
                let inside = scope::enter(&View::here(), run, &needs)?;
                Self::under(&inside, run, limits, &needs)
            }
            How::Root | How::OwnDelegated => Self::under(support, run, limits, &needs),
        }
    }

    /// The leaf under a parent that exists or, for root, can be made.
    fn under(
        support: &Support,
        run: &str,
        limits: &Limits,
        needs: &Controllers,
    ) -> Result<Self, CgroupError> {
        let what = "make a cgroup for this run";
        let Some(parent) = support.parent.as_deref() else {
            return Err(CgroupError::new(what, "mkdir", Path::new("")).detail("no parent is known"));
        };
        let own_parent = (support.how == How::Root).then(|| parent.to_path_buf());
        let path = parent.join(format!("{PREFIX}-{run}"));
        // Another run that ends may remove the common parent, or a sweep may look at our leaf before
        // it is locked; then it is tried again.
        let mut made = false;
        for _ in 0..20 {
            match &own_parent {
                Some(ours) => make_own_parent(ours, needs)?,
                None => leave_for_children(parent)?,
            }
            match files::enable(parent, needs) {
                Err(e) if own_parent.is_some() && is_gone(&e) => {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                }
                other => other?,
            }
            match files::make(&path) {
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                Err(e) if e.kind() == ErrorKind::AlreadyExists && made => {}
                other => other.map_err(|e| CgroupError::io(what, "mkdir", &path, &e))?,
            }
            made = true;
            if let Some(dir) = open_locked(&path)? {
                let leaf = Self { path, dir, own_parent, gone: false };
                leaf.limit(limits)?;
                return Ok(leaf);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(CgroupError::new(what, "mkdir", &path).detail("another process keeps taking it away"))
    }

    /// Writes every limit, then reads every one back: the first write may be undone by a later one.
    fn limit(&self, limits: &Limits) -> Result<(), CgroupError> {
        let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
        let page = page.ok().flatten().and_then(|p| u64::try_from(p).ok()).unwrap_or(4096);
        let settings: Vec<Setting> =
            limits.settings().into_iter().filter(|s| !self.needless(s)).collect();
        for setting in &settings {
            files::write(setting.what, &self.path.join(setting.file), &setting.value)?;
        }
        for setting in &settings {
            let file = self.path.join(setting.file);
            let read = files::read(setting.what, &file)?;
            if !setting.holds(&read, page) {
                let detail = format!("wrote {:?}, the kernel has {:?}", setting.value, read.trim());
                return Err(CgroupError::new(setting.what, "read back", &file).detail(detail));
            }
        }
        Ok(())
    }

    /// Without swap accounting there is no `memory.swap.max`; that is harmless only without swap.
    fn needless(&self, setting: &Setting) -> bool {
        setting.file == "memory.swap.max"
            && !self.path.join(setting.file).exists()
            && fs::read_to_string("/proc/swaps").is_ok_and(|text| text.lines().count() <= 1)
    }

    /// For `clone3(CLONE_INTO_CGROUP)`. The child must close its copy before it runs foreign code:
    /// the descriptor holds the lock that says "this leaf has an owner".
    pub fn dir_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// The leaf's directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the run used so far. Ask before [`Leaf::remove`].
    pub fn usage(&self) -> Usage {
        Usage::read(&self.path)
    }

    /// Sends SIGKILL to everything in the leaf, at once and without a race against fork.
    ///
    /// Below Linux 5.14 there is no `cgroup.kill`: an error says so. Nothing is lost then, since the
    /// jail's pid namespace dies with its first process.
    pub fn kill(&self) -> Result<(), CgroupError> {
        let file = self.path.join("cgroup.kill");
        files::write("kill everything in the jail", &file, "1").map_err(|e| {
            if e.errno == Some(Errno::ENOENT) { e.hint("cgroup.kill needs Linux 5.14") } else { e }
        })
    }

    /// Removes the leaf, waiting for processes that are dying.
    pub fn remove(mut self) -> Result<(), CgroupError> {
        self.remove_now()
    }

    fn remove_now(&mut self) -> Result<(), CgroupError> {
        let until = Instant::now() + DYING;
        let mut pause = Duration::from_micros(200);
        loop {
            match fs::remove_dir(&self.path) {
                Ok(()) => break,
                Err(e) if e.kind() == ErrorKind::NotFound => break,
                Err(e) if e.kind() == ErrorKind::ResourceBusy && Instant::now() < until => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(50));
                }
                Err(e) => {
                    let hint = "processes of this run are still alive";
                    let error = CgroupError::io("remove the run's cgroup", "rmdir", &self.path, &e);
                    return Err(error.hint(hint));
                }
            }
        }
        self.gone = true;
        if let Some(parent) = &self.own_parent {
            // Fails while other runs have their leaves in it: the last one removes it.
            drop(fs::remove_dir(parent));
        }
        Ok(())
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        if !self.gone {
            // A destructor cannot report; what stays behind is found by the next `sweep_stale`.
            drop(self.kill());
            drop(self.remove_now());
        }
    }
}

/// Root: our own group under the root of the hierarchy. No process is ever in it itself.
fn make_own_parent(parent: &Path, needs: &Controllers) -> Result<(), CgroupError> {
    if let Some(root) = parent.parent() {
        files::enable(root, needs)?;
    }
    match files::make(parent) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => {
            Err(CgroupError::io("make a cgroup for all runs", "mkdir", parent, &e))
        }
        _ => Ok(()),
    }
}

/// Where we are in `parent` ourselves, moves us to a child of it ("no internal processes").
fn leave_for_children(parent: &Path) -> Result<(), CgroupError> {
    let what = "step aside in the delegated cgroup";
    let me = std::process::id().to_string();
    let procs = files::read(what, &parent.join("cgroup.procs"))?;
    if !procs.lines().any(|line| line.trim() == me) {
        return Ok(());
    }
    let aside = parent.join(SUPERVISORS);
    loop {
        match files::make(&aside) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => {
                return Err(CgroupError::io(what, "mkdir", &aside, &e));
            }
            _ => {}
        }
        // "0" is the writer itself, whatever pid namespace it is in.
        match files::write(what, &aside.join("cgroup.procs"), "0") {
            // Swept by another run before we were in it.
            Err(e) if e.errno == Some(Errno::ENODEV) || !aside.exists() => {}
            other => return other,
        }
    }
}

/// Was the group removed, before its file was opened or while it was?
fn is_gone(error: &CgroupError) -> bool {
    matches!(error.errno, Some(Errno::ENOENT | Errno::ENODEV))
}

/// Opens and locks a directory; `None` where it is no longer the one at this path.
fn open_locked(path: &Path) -> Result<Option<File>, CgroupError> {
    let what = "hold the run's cgroup";
    let dir = match File::open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|e| CgroupError::io(what, "open", path, &e))?,
    };
    match dir.try_lock() {
        Err(fs::TryLockError::WouldBlock) => return Ok(None), // a sweep looks at it right now
        other => other.map_err(|e| CgroupError::io(what, "flock", path, &e.into()))?,
    }
    let inode = |meta: std::io::Result<fs::Metadata>| meta.map(|m| (m.dev(), m.ino())).ok();
    Ok((inode(dir.metadata()) == inode(fs::metadata(path))).then_some(dir))
}

/// Removes the leaves under `parent` whose supervisor is gone (killed) and that hold no process.
/// Gives the number removed. What belongs to other users is left alone.
pub fn sweep_stale(parent: &Path) -> Result<usize, CgroupError> {
    let orphans = orphans(parent)?;
    Ok(orphans.iter().filter(|(path, _lock)| fs::remove_dir(path).is_ok()).count())
}

/// The leaves that [`sweep_stale`] would remove now.
pub fn stale(parent: &Path) -> Result<Vec<PathBuf>, CgroupError> {
    Ok(orphans(parent)?.into_iter().map(|(path, _lock)| path).collect())
}

/// Empty leaves without an owner, locked so that nobody takes them over before they are removed.
fn orphans(parent: &Path) -> Result<Vec<(PathBuf, File)>, CgroupError> {
    let what = "look for cgroups of runs that were killed";
    let fail = |e: std::io::Error| CgroupError::io(what, "readdir", parent, &e);
    let entries = match fs::read_dir(parent) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(fail)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = match entry {
            // The last run in it ends at this moment, and takes it along.
            Err(e) if e.kind() == ErrorKind::NotFound => break,
            other => other.map_err(fail)?.path(),
        };
        let ours = path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"jail-"));
        if ours
            && populated(&path) == Some(false)
            && let Some(lock) = open_locked(&path)?
        {
            found.push((path, lock));
        }
    }
    Ok(found)
}

fn populated(dir: &Path) -> Option<bool> {
    let text = fs::read_to_string(dir.join("cgroup.events")).ok()?;
    super::parse::keyed(&text, "populated").map(|n| n != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Bytes, Cpus};
    use std::os::unix::fs::symlink;

    /// A folder that looks like a delegated cgroup with all controllers handed down.
    fn parent(own_pid_inside: bool) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("tempdir");
        let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("write");
        put("cgroup.controllers", "cpu io memory pids\n");
        put("cgroup.subtree_control", "cpu memory pids\n");
        let me = format!("{}\n", std::process::id());
        put("cgroup.procs", if own_pid_inside { &me } else { "" });
        dir
    }

    fn support(parent: &Path) -> Support {
        Support {
            mount: Some(parent.into()),
            own_cgroup: Some(parent.into()),
            parent: Some(parent.into()),
            controllers: super::super::Controller::ALL.iter().copied().collect(),
            how: How::OwnDelegated,
        }
    }

    fn leaf_with(files: &[(&str, &str)]) -> (tempfile::TempDir, Leaf) {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("jail-x");
        fs::create_dir(&path).expect("mkdir");
        for (name, text) in files {
            fs::write(path.join(name), text).expect("write");
        }
        let open = open_locked(&path).expect("open").expect("lock");
        (dir, Leaf { path, dir: open, own_parent: None, gone: false })
    }

    #[test]
    fn limits_are_written_and_compared() {
        let files = ["memory.max", "memory.swap.max", "memory.oom.group", "cpu.max", "pids.max"];
        let (_dir, leaf) = leaf_with(&files.map(|name| (name, "max\n")));
        let memory = Some(Bytes(8 << 20));
        let limits = Limits { memory, cpus: Some(Cpus(500)), pids: Some(7), io: Vec::new() };
        leaf.limit(&limits).expect("all hold");
        let text = |name: &str| fs::read_to_string(leaf.path.join(name)).expect("read");
        assert_eq!(text("memory.max"), "8388608");
        assert_eq!(text("cpu.max"), "50000 100000");
        assert_eq!(text("pids.max"), "7");
    }

    #[test]
    fn a_value_that_does_not_stick_is_an_error() {
        let (_dir, leaf) = leaf_with(&[]);
        // Takes every write and keeps none: a kernel that ignores the limit.
        symlink("/dev/null", leaf.path.join("pids.max")).expect("symlink");
        let limits = Limits { pids: Some(7), ..Limits::default() };
        let error = leaf.limit(&limits).expect_err("must not be believed");
        assert_eq!(error.op, "read back");
        assert!(error.to_string().contains("wrote \"7\", the kernel has \"\""), "{error}");
    }

    #[test]
    fn a_missing_file_is_an_error_with_its_path() {
        let (_dir, leaf) = leaf_with(&[]);
        let limits = Limits { pids: Some(7), ..Limits::default() };
        let error = leaf.limit(&limits).expect_err("no such file");
        assert_eq!((error.op, error.errno), ("open", Some(Errno::ENOENT)));
        assert!(error.path.ends_with("jail-x/pids.max"));
    }

    #[test]
    fn controllers_that_are_not_given_stop_the_run() {
        let dir = parent(false);
        fs::remove_file(dir.path().join("cgroup.subtree_control")).expect("remove");
        symlink("/dev/null", dir.path().join("cgroup.subtree_control")).expect("symlink");
        let limits = Limits { pids: Some(7), ..Limits::default() };
        let error = Leaf::create(&support(dir.path()), "r1", &limits).expect_err("not given");
        assert_eq!(error.op, "read back");
        assert!(!dir.path().join("jail-r1").exists());
    }

    #[test]
    fn we_step_aside_only_when_we_are_in_the_way() {
        let dir = parent(true);
        // A real kernel makes cgroup.procs with the directory; here the write has nowhere to go.
        let error = Leaf::create(&support(dir.path()), "r1", &Limits::default());
        assert_eq!(error.expect_err("no such file").what, "step aside in the delegated cgroup");
        assert!(dir.path().join(SUPERVISORS).is_dir());
        let dir = parent(false);
        let leaf = Leaf::create(&support(dir.path()), "r1", &Limits::default()).expect("made");
        assert!(!dir.path().join(SUPERVISORS).exists());
        assert!(leaf.path().is_dir());
        drop(leaf);
        assert!(!dir.path().join("jail-r1").exists());
    }

    #[test]
    fn a_run_id_in_use_and_a_bad_one_are_refused() {
        let dir = parent(false);
        let first = Leaf::create(&support(dir.path()), "r1", &Limits::default()).expect("made");
        let second = Leaf::create(&support(dir.path()), "r1", &Limits::default());
        assert_eq!(second.expect_err("in use").errno, Some(Errno::EEXIST));
        first.remove().expect("removed");
        for bad in ["", "a/b", "..", "supervisors"] {
            assert!(Leaf::create(&support(dir.path()), bad, &Limits::default()).is_err(), "{bad}");
        }
    }

    #[test]
    fn sweeping_takes_only_empty_leaves_without_an_owner() {
        let dir = parent(false);
        let make = |name: &str, populated: &str| {
            let path = dir.path().join(name);
            fs::create_dir(&path).expect("mkdir");
            let events = format!("populated {populated}\nfrozen 0\n");
            fs::write(path.join("cgroup.events"), events).expect("write");
            path
        };
        let (alive, busy, foreign) = (make("jail-a", "0"), make("jail-b", "1"), make("other", "0"));
        let owner = open_locked(&alive).expect("open").expect("lock");
        let orphan = make("jail-c", "0");
        let found = || -> Vec<PathBuf> {
            orphans(dir.path()).expect("listed").into_iter().map(|(path, _)| path).collect()
        };
        assert_eq!(found(), [orphan]);
        drop(owner);
        assert!(found().contains(&alive));
        assert!(!found().contains(&busy) && !found().contains(&foreign));
        assert_eq!(sweep_stale(&dir.path().join("absent")), Ok(0));
    }
}
