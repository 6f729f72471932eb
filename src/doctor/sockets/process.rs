//! What is told of one process. All of it is read below one open `/proc/PID`, so that another process
//! that gets the number meanwhile is never taken for it: the kernel answers ESRCH then.

use super::cgroup::{Belongs, belongs};
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, fstatat, stat};
use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::rc::Rc;

/// A holder of sockets.
#[derive(Debug, Clone)]
pub struct Process {
    pub pid: u32,
    pub parent: u32,
    /// What it calls itself: any name.
    pub name: String,
    /// The executable; `None` where we may not see it.
    pub program: Option<PathBuf>,
    /// The executable's file is gone or was replaced.
    pub deleted: bool,
    /// At that path we see another file: the process is in a mount namespace of its own, where a program
    /// can have any path. False as well where nobody asked.
    pub elsewhere: bool,
    pub belongs: Rc<Belongs>,
    /// Of programs that publish ports for others; empty for the rest.
    pub command: Vec<String>,
}

/// Programs whose command line says for whom they listen.
const PUBLISHERS: [&str; 6] =
    ["docker-proxy", "rootlessport", "rootlesskit", "pasta", "pasta.avx2", "slirp4netns"];
/// Longer than any line of theirs.
const MOST: u64 = 1 << 16;

/// Reads processes, each cgroup only once.
pub(super) struct Reader {
    /// Compare the file at the path of a program with the program.
    pub(super) compare: bool,
    last: Option<(Vec<u8>, Rc<Belongs>)>,
}

impl Reader {
    /// `None` where it has ended.
    pub(super) fn read(&mut self, pid: u32, folder: &impl AsFd) -> Option<Process> {
        let (name, parent) = named(&content(folder, c"stat")?)?;
        let path = link(folder, c"exe");
        let (mut program, mut deleted) = (path.as_deref(), false);
        if let Some(full) = program
            && let Some(before) = full.strip_suffix(b" (deleted)")
            // A file can be called so.
            && !is_at(folder, full)
        {
            (program, deleted) = (Some(before), true);
        }
        let elsewhere =
            self.compare && !deleted && program.is_some_and(|path| !is_at(folder, path));
        let program = program.map(|path| PathBuf::from(OsStr::from_bytes(path)));
        let publishes = program
            .as_ref()
            .and_then(|path| path.file_name()?.to_str())
            .is_some_and(|name| PUBLISHERS.contains(&name));
        let command = if publishes { arguments(folder) } else { Vec::new() };
        let belongs = self.belongs(folder);
        Some(Process { pid, parent, name, program, deleted, elsewhere, belongs, command })
    }

    pub(super) fn new(compare: bool) -> Self {
        Self { compare, last: None }
    }

    fn belongs(&mut self, folder: &impl AsFd) -> Rc<Belongs> {
        let file = content(folder, c"cgroup").unwrap_or_default();
        match &self.last {
            Some((before, belongs)) if *before == file => belongs.clone(),
            _ => {
                let new = Rc::new(belongs(&String::from_utf8_lossy(&file)));
                self.last = Some((file, new.clone()));
                new
            }
        }
    }
}

/// Name and parent. The name is in brackets and may hold brackets. man: proc_pid_stat(5)
fn named(stat: &[u8]) -> Option<(String, u32)> {
    let open = stat.iter().position(|b| *b == b'(')?;
    let close = stat.iter().rposition(|b| *b == b')')?;
    let name = String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned();
    let parent = super::number(super::words(stat.get(close + 1..)?).nth(1)?)?;
    Some((name, parent))
}

/// True where the program is the file that we see at this path.
fn is_at(folder: &impl AsFd, path: &[u8]) -> bool {
    let program = fstatat(folder, c"exe", AtFlags::empty());
    let file = stat(OsStr::from_bytes(path));
    let identity = |stat: nix::sys::stat::FileStat| (stat.st_dev, stat.st_ino);
    program.is_ok_and(|program| file.is_ok_and(|file| identity(program) == identity(file)))
}

fn arguments(folder: &impl AsFd) -> Vec<String> {
    let bytes = content(folder, c"cmdline").unwrap_or_default();
    let words = bytes.split(|b| *b == 0).filter(|word| !word.is_empty());
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

fn content(folder: &impl AsFd, name: &CStr) -> Option<Vec<u8>> {
    let fd = openat(folder, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
    let mut bytes = Vec::with_capacity(512);
    File::from(fd).take(MOST).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn link(folder: &impl AsFd, name: &CStr) -> Option<Vec<u8>> {
    let mut buffer = vec![0u8; libc::PATH_MAX as usize];
    let length = crate::sys::fd::read_link(folder.as_fd(), name, &mut buffer).ok()?;
    buffer.truncate(length);
    Some(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_processes_may_hold_anything() {
        let stat = |text: &str| named(text.as_bytes());
        assert_eq!(stat("7 (sh) S 3 7 7"), Some(("sh".into(), 3)));
        assert_eq!(stat("7 (a) S 1 (b) R 4 7"), Some(("a) S 1 (b".into(), 4)));
        assert_eq!(stat("7 sh S 3"), None);
        assert_eq!(stat(")("), None);
    }

    #[test]
    fn this_process() {
        let folder = File::open("/proc/self").unwrap();
        let own = Reader::new(true).read(std::process::id(), &folder).unwrap();
        assert_eq!(own.program, std::env::current_exe().ok());
        assert_eq!(own.parent, nix::unistd::getppid().as_raw() as u32);
        assert!(!own.deleted && !own.elsewhere && own.command.is_empty());
    }
}
