//! What crosses the door: a unix socket of the run, bound into the container.
//!
//! | from | what |
//! |---|---|
//! | supervisor | one byte each with a descriptor: `i` stdin, `o` stdout, `e` stderr, `s` where sockets are handed out |
//! | supervisor | the [`Order`], as a frame |
//! | entry | the [`Sight`]: what it sees of itself, as a frame |
//! | entry | records of `spawn::wire`, as a jail's init writes them |
//! | supervisor | the gate (one byte), then signals, one byte each |
//!
//! Its end is the end of the run, whoever closes it.

use crate::plan::{LandlockPlan, PathAccess, Seen};
use crate::sys::fd::adopt;
use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;

/// Longest frame: an environment and a table of mounts are far shorter.
const LIMIT: u32 = 16 << 20;

/// What the entry is to do. It has neither Debug nor Display: secrets are in it.
#[derive(Serialize, Deserialize)]
pub struct Order {
    pub argv: Vec<Vec<u8>>,
    /// `NAME=VALUE`.
    pub envp: Vec<Vec<u8>>,
    /// Where the program is looked for.
    pub search_path: Vec<u8>,
    pub cwd: PathBuf,
    /// Number of the resource, and its value.
    pub rlimits: Vec<(u32, u64)>,
    pub nice: u8,
    pub landlock: Option<Rules>,
    /// The connector's filter, for the kernel.
    pub seccomp: Vec<u8>,
    /// Make the doors, and so many sockets for published ports.
    pub doors: Option<u16>,
    /// Folders that must be writable.
    pub writable: Vec<PathBuf>,
    /// Where files of the host are shown.
    pub shown: Vec<PathBuf>,
    /// File names below /run/secrets.
    pub secrets: Vec<(String, Vec<u8>)>,
}

/// A Landlock ruleset, as bits for the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    pub handled_fs: u64,
    pub handled_net: u64,
    pub scoped: u64,
    /// Beneath these paths, these rights.
    pub paths: Vec<(PathBuf, u64)>,
    pub bind_ports: Vec<u16>,
}

impl Rules {
    /// Those of a plan, and `writable` besides.
    pub fn of(plan: &LandlockPlan, writable: &[String]) -> Self {
        let also = writable.iter().map(|path| (PathBuf::from(path), plan.writable()));
        let own = plan.paths.iter().map(|rule| (rule.path.clone(), rule.access));
        Self {
            handled_fs: plan.handled_fs,
            handled_net: plan.handled_net,
            scoped: plan.scoped,
            paths: own.chain(also).collect(),
            bind_ports: plan.bind_ports.clone(),
        }
    }

    /// As a jail's init applies it.
    pub fn plan(&self) -> LandlockPlan {
        let rule = |(path, access): &(PathBuf, u64)| PathAccess {
            path: path.clone(),
            seen: Seen::Process,
            access: *access,
            text: "",
        };
        LandlockPlan {
            abi: 0,
            handled_fs: self.handled_fs,
            handled_net: self.handled_net,
            scoped: self.scoped,
            paths: self.paths.iter().map(rule).collect(),
            bind_ports: self.bind_ports.clone(),
            beyond: Vec::new(),
        }
    }
}

/// What the entry sees of itself, before the connector starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// /proc/self/status
    pub status: String,
    /// /proc/self/mountinfo
    pub mountinfo: String,
    /// /proc/self/net/route and ipv6_route
    pub routes: String,
    pub routes6: String,
    /// Where /proc/self/ns/NAME leads, by name.
    pub namespaces: Vec<(String, String)>,
    /// What was tried and must fail: what, and the errno, 0 where it worked.
    pub tried: Vec<(String, i32)>,
    /// Folders that were to be writable, and the errno, 0 where they are.
    pub writable: Vec<(PathBuf, i32)>,
    /// What is where files of the host are to be shown.
    pub shown: Vec<Shown>,
    /// What there is of [`super::verify::MASKED`] and [`super::verify::FROZEN`].
    pub system: Vec<PathBuf>,
    /// The connector's program, where it was found; else why not.
    pub program: Option<PathBuf>,
    pub not_found: Option<i32>,
}

/// Which file is at a path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    pub path: PathBuf,
    pub device: u64,
    pub inode: u64,
    /// 0 where it could be looked at.
    pub errno: i32,
}

/// Sends one frame.
pub fn send<T: Serialize>(to: &mut impl Write, value: &T) -> io::Result<()> {
    let bytes = serde_json::to_vec(value).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= LIMIT);
    let length = length.ok_or_else(|| io::Error::other("a message that is too long"))?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&bytes)
}

/// Takes one frame.
pub fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > LIMIT {
        return Err(io::Error::other("a message that is too long"));
    }
    let mut bytes = vec![0; length as usize];
    from.read_exact(&mut bytes)?;
    serde_json::from_slice(&bytes).map_err(io::Error::other)
}

/// Takes one byte, with the descriptor that came with it.
pub fn receive_descriptor(from: BorrowedFd<'_>) -> io::Result<(u8, Option<OwnedFd>)> {
    let mut byte = [0u8];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let mut space = cmsg_space!(RawFd);
    let message =
        recvmsg::<()>(from.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let (mut found, bytes) = (None, message.bytes);
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = control {
            found = fds.into_iter().map(adopt).next_back();
        }
    }
    if bytes == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok((byte[0], found)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_whole_or_not() {
        let sight = Sight { status: "x".repeat(1000), ..Sight::default() };
        let mut bytes = Vec::new();
        send(&mut bytes, &sight).unwrap();
        assert_eq!(receive::<Sight>(&mut bytes.as_slice()).unwrap(), sight);
        for cut in 0..bytes.len() {
            assert!(receive::<Sight>(&mut &bytes[..cut]).is_err(), "{cut}");
        }
        let huge = u32::MAX.to_le_bytes();
        assert!(receive::<Sight>(&mut huge.as_slice()).unwrap_err().to_string().contains("long"));
    }
}
