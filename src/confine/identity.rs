//! The single user of the jail. man: user_namespaces(7)

use crate::plan::{INSIDE_ID, IdMap, Stage};
use crate::spawn::wire::{At, Fault};
use crate::sys::{Call, Sys, SysError, SysResult};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd;
use std::ffi::CStr;
use std::io::Write;

/// Witness: this process is user and group [`INSIDE_ID`], and no other id exists here.
pub struct Enforced(());

/// Step numbers of this stage, in order, with their texts.
pub const STEPS: [&str; 3] = ["deny setgroups", "map the group", "map the user"];

/// Writes the maps of this process's own user namespace.
///
/// A process may map its own id itself once setgroups is denied: no helper with privileges is needed.
pub fn apply(ids: &IdMap) -> Result<Enforced, Fault> {
    put(c"/proc/self/setgroups", b"deny").at(Stage::IdMap, 0)?;
    map(c"/proc/self/gid_map", ids.host_gid).at(Stage::IdMap, 1)?;
    map(c"/proc/self/uid_map", ids.host_uid).at(Stage::IdMap, 2)?;
    let uids = unistd::getresuid().sys(Call::Verify).at(Stage::IdMap, 2)?;
    let gids = unistd::getresgid().sys(Call::Verify).at(Stage::IdMap, 1)?;
    let all = [uids.real, uids.effective, uids.saved].iter().all(|id| id.as_raw() == INSIDE_ID)
        && [gids.real, gids.effective, gids.saved].iter().all(|id| id.as_raw() == INSIDE_ID);
    if all { Ok(Enforced(())) } else { Err(SysError::unverified()).at(Stage::IdMap, 2) }
}

fn map(path: &CStr, host_id: u32) -> SysResult<()> {
    // "1000 4294967295 1": at most 17 bytes.
    let mut line = [0u8; 32];
    let mut rest = &mut line[..];
    let room = rest.len();
    // A slice writer fails only when it is full, which 17 bytes cannot make it.
    write!(rest, "{INSIDE_ID} {host_id} 1").map_err(|_| SysError::unverified())?;
    let length = room - rest.len();
    put(path, &line[..length])
}

/// Writes a whole value with one write(2), as the files of /proc want it.
pub fn put(path: &CStr, value: &[u8]) -> SysResult<()> {
    let file = open(path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty()).sys(Call::Open)?;
    let written = unistd::write(&file, value).sys(Call::Write)?;
    if written == value.len() { Ok(()) } else { Err(SysError::unverified()) }
}
