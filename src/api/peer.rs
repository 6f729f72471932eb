//! Who is at the other end of the unix socket.
//!
//! The socket is its owner's alone, and so is each connection: the kernel says whose process it is
//! (SO_PEERCRED). A connector is its owner's process, too. It is told apart by what confines it: a user
//! namespace that is not ours, or more filters of system calls than we have.

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::geteuid;
use std::fs;
use std::os::fd::AsFd;

/// Who is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    pub uid: u32,
    pub pid: i32,
}

/// The process at the other end, or why it is not let in.
pub(super) fn vetted(socket: &impl AsFd) -> Result<Peer, String> {
    let peer = getsockopt(socket, PeerCredentials)
        .map_err(|errno| format!("the kernel does not say who it is: {}", errno.desc()))?;
    let peer = Peer { uid: peer.uid(), pid: peer.pid() };
    let own = geteuid().as_raw();
    if peer.uid != own && peer.uid != 0 {
        return Err(format!("it is a process of user {}, and not of {own}", peer.uid));
    }
    // Of root's processes an ordinary user sees nothing; root needs no socket to do harm.
    if peer.uid == own || geteuid().is_root() {
        unconfined(peer.pid)?;
    }
    Ok(peer)
}

fn unconfined(pid: i32) -> Result<(), String> {
    let cannot = |error| format!("cannot tell what confines process {pid}: {error}");
    // A process that has ended meanwhile asks for nothing any more.
    let own = fs::read_link("/proc/self/ns/user").map_err(cannot)?;
    let its = fs::read_link(format!("/proc/{pid}/ns/user")).map_err(cannot)?;
    if own != its {
        return Err(format!("process {pid} is in another user namespace, as connectors are"));
    }
    let filters = |pid: &str| -> Result<u32, String> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).map_err(cannot)?;
        Ok(count(&status))
    };
    if filters(&pid.to_string())? > filters("self")? {
        return Err(format!("process {pid} is confined by seccomp, as connectors are"));
    }
    Ok(())
}

/// How many filters a process has. Before Linux 5.9 only whether there is one.
fn count(status: &str) -> u32 {
    let field = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        value.trim().parse().ok()
    };
    field("Seccomp_filters:").or_else(|| field("Seccomp:")).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn we_are_our_own_peer() {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = vetted(&one).unwrap();
        assert_eq!(peer.pid, i32::try_from(std::process::id()).unwrap());
    }

    #[test]
    fn filters_are_counted_as_far_as_the_kernel_says() {
        assert_eq!(count("Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t3\n"), 3);
        assert_eq!(count("Seccomp:\t2\n"), 2);
        assert_eq!(count("Name:\tx\n"), 0);
    }
}
