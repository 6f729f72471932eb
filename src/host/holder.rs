//! Which process of a jail holds the socket at one end of a connection.

use crate::doctor::sockets::{Inet, Transport, inet};
use crate::sys::fd::read_link;
use nix::dir::Dir;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use std::collections::VecDeque;
use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

/// A jail with more processes is not searched whole.
const MOST: usize = 256;
/// The kernel keeps 15 bytes of a name.
const NAME: usize = 15;

/// The process below `init` that holds the socket with this port, as `name (pid)` with the pid that this
/// machine knows it by; `None` where it cannot be told. The name is any bytes, of the process's choice.
pub fn holder(init: u32, port: u16, transport: Transport) -> Option<(Vec<u8>, u32)> {
    let proc = Path::new("/proc");
    let net = proc.join(init.to_string()).join("net");
    let files = match transport {
        Transport::Tcp => [("tcp", false), ("tcp6", true)],
        _ => [("udp", false), ("udp6", true)],
    };
    let rows = files.iter().filter_map(|(file, v6)| {
        let bytes = fs::read(net.join(file)).ok()?;
        Some(inet::parse(transport, *v6, &bytes).rows)
    });
    let ours = |row: &Inet| row.local.port() == port && row.inode != 0;
    let inodes: Vec<u64> = rows.flatten().filter(ours).map(|row| row.inode).collect();
    if inodes.is_empty() {
        return None;
    }
    let mut queue = VecDeque::from([init]);
    for _ in 0..MOST {
        let pid = queue.pop_front()?;
        let folder = proc.join(pid.to_string());
        if holds(&folder, &inodes).unwrap_or(false) {
            let mut name = fs::read(folder.join("comm")).ok()?;
            name.truncate(name.iter().position(|byte| *byte == b'\n').unwrap_or(NAME).min(NAME));
            return Some((name, pid));
        }
        queue.extend(children(&folder));
    }
    None
}

/// Those of every thread.
fn children(folder: &Path) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(folder.join("task")) else { return Vec::new() };
    let of_thread = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("children")).ok()?;
        Some(text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
    };
    threads.flatten().take(MOST).filter_map(of_thread).flatten().take(MOST).collect()
}

fn holds(folder: &Path, inodes: &[u64]) -> Option<bool> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut fds = Dir::open(&folder.join("fd"), flags, Mode::empty()).ok()?;
    let place = fds.as_fd().try_clone_to_owned().ok()?;
    let mut link = [0u8; 64];
    for entry in fds.iter() {
        let entry = entry.ok()?;
        let Ok(length) = read_link(place.as_fd(), entry.file_name(), &mut link) else { continue };
        let inode = link.get(..length).and_then(|link| {
            let digits = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
            std::str::from_utf8(digits).ok()?.parse::<u64>().ok()
        });
        if inode.is_some_and(|inode| inodes.contains(&inode)) {
            return Some(true);
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_found_among_the_descendants() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let own = std::process::id();
        let (name, pid) = holder(own, port, Transport::Udp).unwrap();
        assert_eq!(pid, own);
        assert!(!name.is_empty() && name.len() <= NAME);
        assert_eq!(holder(own, port, Transport::Tcp), None, "the same port of TCP");
        drop(socket);
        assert_eq!(holder(own, port, Transport::Udp), None);
    }

    #[test]
    fn a_childs_child_is_looked_at() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let parent = nix::unistd::getppid().as_raw().cast_unsigned();
        // The test's own parent: whatever started it.
        let found = holder(parent, port, Transport::Tcp);
        assert_eq!(found.map(|(_, pid)| pid), Some(std::process::id()));
    }
}
