//! Tells when the firewall's files change: for the egress process, which lives as long as a run.
//!
//! inotify on the folder, on `.cloned` and on the workspace, so that the folder may come, go and be
//! replaced. The watches are set before the files are read: no change falls between. A change is given
//! at the latest [`LONGEST`] after it happened, plus the reading.

use super::Rules;
use super::store::{self, Folder};
use crate::failure::Failure;
use crate::sys;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, timeout_at};

/// One act of an editor is several events; after this long without one it is over.
const QUIET: Duration = Duration::from_millis(20);
/// A folder that never is quiet is read anyway.
pub const LONGEST: Duration = Duration::from_millis(60);
/// A folder that is replaced all the time while watches are being set.
const ATTEMPTS: usize = 100;

/// What the files say now; or why they cannot be read, and then no rule of theirs counts.
pub type State = Result<Rules, String>;

pub struct Watch {
    folder: Folder,
    inotify: Inotify,
    /// The same, to wait for.
    ready: AsyncFd<OwnedFd>,
    /// What each watch is for: all of a folder, or one name in it.
    watches: HashMap<WatchDescriptor, Option<OsString>>,
    last: Option<State>,
}

impl Watch {
    /// Has to be called within a tokio runtime.
    pub fn new(folder: Folder) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let ready = sys::ready::register(inotify.as_fd().try_clone_to_owned()?)?;
        Ok(Self { folder, inotify, ready, watches: HashMap::new(), last: None })
    }

    /// At first at once, then after every change that makes a difference. An error of the watching
    /// itself comes as an error value, too; it is tried again after a while.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> State {
        loop {
            let state = self.look();
            if self.last.as_ref() != Some(&state) {
                self.last = Some(state.clone());
                return state;
            }
            if let Err(error) = self.changed().await {
                let state = Err(format!("cannot watch the firewall's files: {error}"));
                if self.last.as_ref() != Some(&state) {
                    self.last = Some(state.clone());
                    return state;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }

    fn look(&mut self) -> State {
        self.watch_all().map_err(|error| format!("cannot watch the firewall's files: {error}"))?;
        let overlay = store::read(&self.folder).map_err(|rejection| {
            let failure = Failure::from(rejection);
            let mut text = failure.what;
            failure.causes.iter().for_each(|cause| text += &format!(": {cause}"));
            text
        })?;
        Ok(overlay.rules())
    }

    /// Comes back when something happened and then was quiet.
    async fn changed(&mut self) -> io::Result<()> {
        let mut limit = None;
        loop {
            let quiet = limit.map(|limit: Instant| limit.min(Instant::now() + QUIET));
            let events = match quiet {
                None => self.events().await?,
                Some(end) => match timeout_at(end, self.events()).await {
                    Err(_) => return Ok(()),
                    Ok(events) => events?,
                },
            };
            if events.iter().any(|event| self.concerns(event)) {
                limit = limit.or_else(|| Some(Instant::now() + LONGEST));
            }
            if limit.is_some_and(|limit| limit <= Instant::now()) {
                return Ok(());
            }
        }
    }

    async fn events(&self) -> io::Result<Vec<InotifyEvent>> {
        loop {
            let mut ready = self.ready.readable().await?;
            match ready.try_io(|_| self.inotify.read_events().map_err(io::Error::from)) {
                Ok(events) => return events,
                Err(_would_block) => {}
            }
        }
    }

    fn concerns(&self, event: &InotifyEvent) -> bool {
        // The kernel dropped events, or what was watched has gone.
        let lost = AddWatchFlags::IN_Q_OVERFLOW
            | AddWatchFlags::IN_IGNORED
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_UNMOUNT;
        if event.mask.intersects(lost) {
            return true;
        }
        match (self.watches.get(&event.wd), &event.name) {
            (Some(Some(wanted)), Some(name)) => wanted == name,
            (Some(None), Some(name)) => !name.to_string_lossy().starts_with('.'),
            (Some(None), None) => true,
            (Some(Some(_)), None) | (None, _) => false,
        }
    }

    /// Watches the folder and the two above it, as far as they are there. Again and again, since
    /// they may be others than before.
    fn watch_all(&mut self) -> io::Result<()> {
        let path = self.folder.path();
        for _ in 0..ATTEMPTS {
            let mut now = HashMap::new();
            let mut identities = Vec::new();
            // From the top: what appears below meanwhile is seen.
            let chain: Vec<&Path> = path.ancestors().take(3).collect();
            for (depth, folder) in chain.iter().enumerate().rev() {
                let name = depth.checked_sub(1).and_then(|below| chain[below].file_name());
                let Some(watch) = self.watch(folder, name.is_none())? else { break };
                now.insert(watch, name.map(OsString::from));
                identities.push(identity(folder));
            }
            let again: Vec<_> =
                chain.iter().rev().take(identities.len()).map(|folder| identity(folder)).collect();
            if identities == again {
                self.forget_all_but(&now)?;
                self.watches = now;
                return Ok(());
            }
        }
        Err(io::Error::other("the folder is replaced all the time"))
    }

    /// `None` where the folder is not there.
    fn watch(&self, folder: &Path, whole: bool) -> io::Result<Option<WatchDescriptor>> {
        let mut mask = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_ONLYDIR;
        if whole {
            mask |= AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_MODIFY;
        }
        match self.inotify.add_watch(folder, mask) {
            Ok(watch) => Ok(Some(watch)),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            Err(errno) => {
                let error = io::Error::from(errno);
                Err(io::Error::new(error.kind(), format!("{}: {error}", folder.display())))
            }
        }
    }

    fn forget_all_but(&self, now: &HashMap<WatchDescriptor, Option<OsString>>) -> io::Result<()> {
        for old in self.watches.keys().filter(|old| !now.contains_key(old)) {
            match self.inotify.rm_watch(*old) {
                // The kernel took it away with its folder.
                Ok(()) | Err(Errno::EINVAL) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}

fn identity(folder: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    // Not there is an answer, too: it differs from the one before.
    std::fs::metadata(folder).ok().map(|facts| (facts.dev(), facts.ino()))
}

#[cfg(test)]
mod tests;
