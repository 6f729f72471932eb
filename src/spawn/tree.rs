//! The processes that the connector leaves, where no pid namespace ends with init.
//!
//! init is a subreaper: whatever lost its parent is its child. So it ends its children, and theirs come
//! to it, until there is none. Nothing here allocates.

use crate::plan::host_view;
use crate::sys::fd::openat2;
use crate::sys::process::{has_children, reap_one, signal_one};
use crate::sys::{Call, Sys, SysResult};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::uio::pread;
use std::ffi::CStr;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// The kernel's list of this process's own children, which stays open: the filter of init lets nothing
/// be opened.
pub struct Children(OwnedFd);

/// Where the kernel shows it (CONFIG_PROC_CHILDREN).
pub const LIST: &CStr = c"/proc/thread-self/children";

/// Between two looks at a list that is empty while there are children.
const PAUSE: Duration = Duration::from_millis(1);

impl Children {
    /// Of the calling thread, whoever reads it later.
    pub fn open() -> SysResult<Self> {
        open(LIST, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).sys(Call::Open).map(Self)
    }

    /// Ends and reaps all of them, and what comes to us from them; `reaped` gets each end.
    pub fn end_all(&self, mut reaped: impl FnMut(&crate::sys::process::Reaped)) {
        while has_children() {
            let options = if self.kill() == 0 {
                std::thread::sleep(PAUSE);
                libc::WNOHANG
            } else {
                0
            };
            // Waits for the first; those that have ended meanwhile are there to be had.
            let mut next = reap_one(options);
            while let Some(one) = next {
                reaped(&one);
                next = reap_one(libc::WNOHANG);
            }
        }
    }

    /// SIGKILL for everyone on the list: their number. Those that are missed come with the next look.
    fn kill(&self) -> usize {
        let mut text = [0u8; 4096];
        let (mut at, mut pid, mut killed) = (0, 0i32, 0);
        while let Ok(length) = pread(&self.0, &mut text, at) {
            for byte in text.get(..length).unwrap_or_default() {
                if byte.is_ascii_digit() {
                    pid = pid.wrapping_mul(10).wrapping_add(i32::from(byte - b'0'));
                    continue;
                }
                killed += usize::from(pid > 1 && signal_one(pid, libc::SIGKILL));
                pid = 0;
            }
            if length == 0 {
                break;
            }
            at += i64::try_from(length).unwrap_or(i64::MAX);
        }
        killed
    }
}

impl AsFd for Children {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The first process's own files in /proc, held for as long as it lives.
///
/// Landlock's rules are tied to the kernel's entries for them, which it may forget when nobody has them
/// open; new ones would have no rule. What is missing here only costs the connector that right.
pub struct OwnFiles(
    #[expect(dead_code, reason = "held, never read")] [Option<OwnedFd>; host_view::OWN.len()],
);

impl OwnFiles {
    /// Before init's filter, which lets nothing be opened.
    pub fn hold(pid: i32) -> Option<Self> {
        let mut files = [const { None }; host_view::OWN.len()];
        for (file, path) in files.iter_mut().zip(host_view::OWN) {
            let name = path.strip_prefix("/proc/self/")?;
            let mut text = [0u8; 64];
            let mut rest = &mut text[..63];
            write!(rest, "/proc/{pid}/{name}").ok()?;
            let path = CStr::from_bytes_until_nul(&text).ok()?;
            *file = openat2(libc::AT_FDCWD, path, libc::O_PATH, 0).ok();
        }
        Some(Self(files))
    }
}
