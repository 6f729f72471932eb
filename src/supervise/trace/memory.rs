//! What a stopped process has in its memory and in its `/proc` folder: paths, addresses, flags. All of it
//! is the connector's word; it is told, and never acted on.

use crate::sys::ptrace::read_memory;
use std::ffi::OsString;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

const PATH_MAX: usize = libc::PATH_MAX as usize;
/// A read never goes over a page's end, behind which there may be nothing.
const PAGE: usize = 4096;

/// Where a socket address leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Inet(SocketAddr),
    Unix(PathBuf),
    /// A unix socket without a file; its name.
    Abstract(Vec<u8>),
}

/// One thread of the connector.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task(pub i32);

impl Task {
    /// The path at `address`; `None` where there is none that ends.
    pub(super) fn text(self, address: u64) -> Option<PathBuf> {
        let mut text = Vec::new();
        while text.len() < PATH_MAX {
            let from = address.checked_add(text.len() as u64)?;
            let mut page = [0u8; PAGE];
            let room = PAGE - (from % PAGE as u64) as usize;
            let read = read_memory(self.0, from, page.get_mut(..room)?).ok()?;
            let piece = page.get(..read)?;
            if let Some(end) = piece.iter().position(|byte| *byte == 0) {
                text.extend_from_slice(piece.get(..end)?);
                return Some(OsString::from_vec(text).into());
            }
            if read == 0 {
                return None;
            }
            text.extend_from_slice(piece);
        }
        None
    }

    /// The first field of a `struct open_how`.
    pub(super) fn open_flags(self, address: u64) -> Option<u64> {
        let mut flags = [0u8; 8];
        let read = read_memory(self.0, address, &mut flags).ok()?;
        (read == flags.len()).then(|| u64::from_ne_bytes(flags))
    }

    pub(super) fn target(self, address: u64, length: u64) -> Option<Target> {
        let mut bytes = [0u8; size_of::<libc::sockaddr_un>()];
        let length = usize::try_from(length).ok()?.min(bytes.len());
        let read = read_memory(self.0, address, bytes.get_mut(..length)?).ok()?;
        target(bytes.get(..read)?)
    }

    /// The absolute path inside that `path` stands for, by its words alone: links are not followed here.
    /// `dir` is a descriptor, `None` the working folder.
    pub(super) fn absolute(self, dir: Option<u64>, path: &Path) -> Option<PathBuf> {
        if path.is_absolute() {
            return Some(plain(path));
        }
        let folder = match dir.map(|dir| dir as i32) {
            None | Some(libc::AT_FDCWD) => self.link("cwd")?,
            Some(fd) => self.descriptor(fd)?,
        };
        Some(plain(&folder.join(path)))
    }

    /// Where a descriptor of it leads; `None` for what is no file.
    pub(super) fn descriptor(self, fd: i32) -> Option<PathBuf> {
        self.link(&format!("fd/{fd}"))
    }

    fn link(self, name: &str) -> Option<PathBuf> {
        let to = std::fs::read_link(format!("/proc/{}/{name}", self.0)).ok()?;
        to.is_absolute().then_some(to)
    }
}

/// Without `.` and `..`; more of them than folders lead to the root.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => drop(out.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    out
}

fn target(bytes: &[u8]) -> Option<Target> {
    let (family, rest) = bytes.split_first_chunk::<2>()?;
    match libc::c_int::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => {
            let (port, rest) = rest.split_first_chunk::<2>()?;
            let address = Ipv4Addr::from(*rest.first_chunk::<4>()?);
            Some(Target::Inet((address, u16::from_be_bytes(*port)).into()))
        }
        libc::AF_INET6 => {
            let (port, rest) = rest.split_first_chunk::<2>()?;
            let address = Ipv6Addr::from(*rest.get(4..)?.first_chunk::<16>()?);
            Some(Target::Inet((address, u16::from_be_bytes(*port)).into()))
        }
        libc::AF_UNIX => match rest.first() {
            None => None,
            Some(0) => Some(Target::Abstract(rest.get(1..)?.to_vec())),
            Some(_) => {
                let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
                Some(Target::Unix(OsString::from_vec(rest.get(..end)?.to_vec()).into()))
            }
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_and_plain() {
        for (path, expected) in [
            ("/a/./b/../c", "/a/c"),
            ("/../../etc//passwd", "/etc/passwd"),
            ("/", "/"),
            ("/a/..", "/"),
        ] {
            assert_eq!(plain(Path::new(path)), Path::new(expected), "{path}");
        }
        let own = Task(std::process::id().cast_signed());
        let here = std::env::current_dir().unwrap();
        assert_eq!(own.absolute(None, Path::new("x/../y")), Some(here.join("y")));
        let at = |dir| own.absolute(Some(dir), Path::new("y"));
        assert_eq!(at(libc::AT_FDCWD as u64), Some(here.join("y")));
        assert_eq!(at(1 << 20), None, "a descriptor that is not there");
    }

    #[test]
    fn memory_is_read_up_to_its_end() {
        let own = Task(std::process::id().cast_signed());
        let long = format!("/{}\0", "x".repeat(4000));
        let read = own.text(long.as_ptr() as u64);
        assert_eq!(read.unwrap().as_os_str().len(), 4001);
        let endless = vec![b'x'; 3 * PATH_MAX];
        assert_eq!(own.text(endless.as_ptr() as u64), None);
        for nowhere in [0, 1, u64::MAX, u64::MAX - 4095, 1 << 63] {
            assert_eq!(own.text(nowhere), None);
            assert_eq!(own.open_flags(nowhere), None);
            assert_eq!(own.target(nowhere, 16), None);
        }
        assert_eq!(own.open_flags(1u64.to_ne_bytes().as_ptr() as u64), Some(1));
    }

    #[test]
    fn addresses_of_any_length_are_read_or_not() {
        let inet = |family: libc::c_int, rest: &[u8]| {
            let mut bytes = (family as u16).to_ne_bytes().to_vec();
            bytes.extend_from_slice(rest);
            bytes
        };
        let v4 = inet(libc::AF_INET, &[1, 187, 192, 0, 2, 7]);
        assert_eq!(target(&v4), Some(Target::Inet("192.0.2.7:443".parse().unwrap())));
        let mut rest = vec![0, 53, 0, 0, 0, 0];
        rest.extend_from_slice(&Ipv6Addr::LOCALHOST.octets());
        let v6 = inet(libc::AF_INET6, &rest);
        assert_eq!(target(&v6), Some(Target::Inet("[::1]:53".parse().unwrap())));
        let unix = inet(libc::AF_UNIX, b"/run/x\0garbage");
        assert_eq!(target(&unix), Some(Target::Unix("/run/x".into())));
        let hidden = inet(libc::AF_UNIX, b"\0name");
        assert_eq!(target(&hidden), Some(Target::Abstract(b"name".to_vec())));
        for whole in [v4, v6] {
            for length in 0..whole.len() {
                assert_eq!(target(&whole[..length]), None, "cut at {length}");
            }
        }
        assert_eq!(target(&inet(libc::AF_NETLINK, &[0; 10])), None);
    }
}
