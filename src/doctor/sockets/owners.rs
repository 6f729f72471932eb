//! Which processes hold which sockets: one pass over `/proc/*/fd`.
//!
//! It looks at every process, also at those of other network namespaces: a socket stays in the namespace
//! in which it was made, wherever its holders are.

use super::process::{Process, Reader};
use crate::sys::fd::read_link;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

/// Who holds the wanted sockets.
#[derive(Debug, Default)]
pub struct Owners {
    /// Inode → holders: process and descriptor.
    pub of: HashMap<u64, Vec<(u32, u32)>>,
    pub processes: HashMap<u32, Process>,
    /// Processes whose descriptors are not for us to see: they may hold any socket.
    pub hidden: Vec<u32>,
}

/// How the look at one process ended.
enum Look {
    Seen,
    Hidden,
    Gone,
}

/// Looks for holders of these inodes; `compare` as in [`Process::elsewhere`]. Fails where there is no `/proc`.
pub fn find(proc: &Path, wanted: &HashSet<u64>, compare: bool) -> Result<Owners, Errno> {
    let folder = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut all = Dir::open(proc, folder, Mode::empty())?;
    let root: OwnedFd = nix::fcntl::open(proc, folder, Mode::empty())?;
    let mut owners = Owners::default();
    let mut reader = Reader::new(compare);
    if wanted.is_empty() {
        return Ok(owners);
    }
    for entry in all.iter() {
        let entry = entry?;
        let Some(pid) = super::number::<u32>(entry.file_name().to_bytes()) else { continue };
        let looked = match nix::fcntl::openat(&root, entry.file_name(), folder, Mode::empty()) {
            Ok(process) => look(&mut owners, &mut reader, pid, &process, wanted),
            Err(errno) => Err(errno),
        };
        match looked.or_else(excused)? {
            Look::Hidden => owners.hidden.push(pid),
            Look::Seen | Look::Gone => {}
        }
    }
    Ok(owners)
}

/// A process may end at any moment, and may be another's.
fn excused(errno: Errno) -> Result<Look, Errno> {
    match errno {
        Errno::EACCES | Errno::EPERM => Ok(Look::Hidden),
        Errno::ENOENT | Errno::ESRCH => Ok(Look::Gone),
        other => Err(other),
    }
}

fn look(
    owners: &mut Owners,
    reader: &mut Reader,
    pid: u32,
    process: &OwnedFd,
    wanted: &HashSet<u64>,
) -> Result<Look, Errno> {
    let folder = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut fds = Dir::openat(process, "fd", folder, Mode::empty())?;
    let fd_folder = fds.as_fd().try_clone_to_owned().map_err(|_| Errno::EMFILE)?;
    let mut link = [0u8; 64];
    let mut held: Vec<(u64, u32)> = Vec::new();
    for entry in fds.iter() {
        let entry = entry?;
        let Some(fd) = super::number::<u32>(entry.file_name().to_bytes()) else { continue };
        let length = match read_link(fd_folder.as_fd(), entry.file_name(), &mut link) {
            Ok(length) => length,
            // Closed meanwhile.
            Err(error) if error.errno() == Errno::ENOENT => continue,
            Err(error) => return Err(error.errno()),
        };
        if let Some(inode) = link.get(..length).and_then(inode)
            && wanted.contains(&inode)
        {
            held.push((inode, fd));
        }
    }
    if held.is_empty() {
        return Ok(Look::Seen);
    }
    // One that ended since holds nothing any more.
    let Some(read) = reader.read(pid, process) else { return Ok(Look::Gone) };
    owners.processes.insert(pid, read);
    for (inode, fd) in held {
        owners.of.entry(inode).or_default().push((pid, fd));
    }
    Ok(Look::Seen)
}

/// `socket:[4242]`
fn inode(link: &[u8]) -> Option<u64> {
    super::number(link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn links_of_sockets() {
        assert_eq!(inode(b"socket:[4242]"), Some(4242));
        for other in [&b"pipe:[4242]"[..], b"socket:[", b"socket:[]", b"socket:[x]", b"/socket:[1]"]
        {
            assert_eq!(inode(other), None);
        }
    }

    #[test]
    fn our_own_sockets_are_found() {
        let one = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let fd = one.as_raw_fd() as u32;
        let inode = std::fs::metadata(format!("/proc/self/fd/{fd}")).unwrap().ino();
        let owners = find("/proc".as_ref(), &[inode].into(), false).unwrap();
        let own = std::process::id();
        assert!(owners.of[&inode].contains(&(own, fd)), "{:?}", owners.of);
        assert_eq!(owners.processes[&own].program, std::env::current_exe().ok());
        drop(one);
        assert!(find("/proc".as_ref(), &[inode].into(), false).unwrap().of.is_empty());
    }
}
