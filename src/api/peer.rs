//! Who is at the other end of the unix socket.
//!
//! The socket is its owner's alone, and so is each connection: the kernel says whose process it is
//! (SO_PEERCRED). A connector is its owner's process, too. It is told apart by what confines it: a user
//! namespace that is not ours, or filters of system calls that are not just what we have ourselves.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::{PeerCredentials, PeerPidfd};
use nix::unistd::geteuid;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};

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
        let process = held(socket)?;
        unconfined(peer.pid)?;
        if process.is_some_and(|process| over(&process)) {
            return Err(format!("process {} ended while it was looked at", peer.pid));
        }
    }
    Ok(peer)
}

/// The process itself, since Linux 6.5: as long as it lives its number is nobody else's.
fn held(socket: &impl AsFd) -> Result<Option<OwnedFd>, String> {
    match getsockopt(socket, PeerPidfd) {
        Ok(process) => Ok(Some(process)),
        Err(Errno::ENOPROTOOPT) => Ok(None),
        Err(errno) => Err(format!("the kernel does not say which process it is: {}", errno.desc())),
    }
}

fn over(process: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    !matches!(poll(&mut fds, PollTimeout::ZERO), Ok(0))
}

fn unconfined(pid: i32) -> Result<(), String> {
    let cannot = |error| format!("cannot tell what confines process {pid}: {error}");
    // A process that has ended meanwhile asks for nothing any more.
    let own = fs::read_link("/proc/self/ns/user").map_err(cannot)?;
    let its = fs::read_link(format!("/proc/{pid}/ns/user")).map_err(cannot)?;
    if own != its {
        return Err(format!("process {pid} is in another user namespace, as connectors are"));
    }
    let status = |pid: &str| fs::read_to_string(format!("/proc/{pid}/status")).map_err(cannot);
    if filtered(&status(&pid.to_string())?, &status("self")?) {
        return Err(format!("process {pid} is confined by seccomp, as connectors are"));
    }
    Ok(())
}

/// Does it have filters that we do not have? None is less than a connector has, and in a container all processes
/// have what the container's have. Fewer than ours are other ones: a service can have more than a connector.
fn filtered(its: &str, ours: &str) -> bool {
    let gains = |status: &str| status.lines().any(|line| line == "NoNewPrivs:\t0");
    count(its) > 0 && (count(its), gains(its)) != (count(ours), gains(ours))
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
    fn filters_that_we_do_not_have_are_a_connectors() {
        let status = |filters: u32, no_new_privs: u32| {
            format!("Name:\tx\nNoNewPrivs:\t{no_new_privs}\nSeccomp_filters:\t{filters}\n")
        };
        let refused = |its: String, ours: String| filtered(&its, &ours);
        assert!(!refused(status(0, 0), status(0, 0)) && !refused(status(0, 1), status(3, 1)));
        // All in one container.
        assert!(!refused(status(1, 0), status(1, 0)));
        // A connector in it, and one outside of a service that has more filters than it.
        assert!(refused(status(2, 1), status(1, 0)) && refused(status(1, 1), status(3, 1)));
        assert!(refused(status(1, 1), status(0, 0)) && refused(status(1, 1), status(1, 0)));
    }

    #[test]
    fn the_kernel_holds_who_is_there() {
        let (one, _other) = UnixStream::pair().unwrap();
        if let Some(process) = held(&one).unwrap() {
            assert!(!over(&process));
        }
    }

    #[test]
    fn filters_are_counted_as_far_as_the_kernel_says() {
        assert_eq!(count("Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t3\n"), 3);
        assert_eq!(count("Seccomp:\t2\n"), 2);
        assert_eq!(count("Name:\tx\n"), 0);
    }
}
