//! The descriptor-based mount API (Linux 5.2; mount_setattr 5.12).
//!
//! A mount is made detached, gets its final attributes, and is attached only then: nothing is ever
//! visible with weaker flags, and no path is looked up twice.

use super::{Call, Sys, SysResult, check};
use nix::NixPath;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// `linux/mount.h`
pub const MOUNT_ATTR_RDONLY: u64 = 0x01;
pub const MOUNT_ATTR_NOSUID: u64 = 0x02;
pub const MOUNT_ATTR_NODEV: u64 = 0x04;
pub const MOUNT_ATTR_NOEXEC: u64 = 0x08;

const OPEN_TREE_CLONE: libc::c_uint = 1;
const OPEN_TREE_CLOEXEC: libc::c_uint = libc::O_CLOEXEC as libc::c_uint;
const FSOPEN_CLOEXEC: libc::c_uint = 1;
const FSMOUNT_CLOEXEC: libc::c_uint = 1;
const FSCONFIG_SET_FLAG: libc::c_uint = 0;
const FSCONFIG_SET_STRING: libc::c_uint = 1;
const FSCONFIG_CMD_CREATE: libc::c_uint = 6;
const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 0x04;
const MOVE_MOUNT_T_EMPTY_PATH: libc::c_uint = 0x40;

#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

fn owned(returned: libc::c_long) -> OwnedFd {
    // SAFETY: only called with the descriptor that a successful call of this file just returned.
    unsafe { OwnedFd::from_raw_fd(returned as RawFd) }
}

/// A file system that is being configured. man: fsopen(2), fsconfig(2), fsmount(2)
pub struct FsContext(OwnedFd);

impl FsContext {
    pub fn open(kind: &CStr) -> SysResult<Self> {
        // WHY: no crate wraps the new mount API.
        // SAFETY: a C string and a flag word.
        let fd = unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) };
        Ok(Self(owned(check(Call::Fsopen, fd)?)))
    }

    pub fn set(&self, key: &CStr, value: &CStr) -> SysResult<()> {
        self.config(FSCONFIG_SET_STRING, key.as_ptr(), value.as_ptr())
    }

    pub fn flag(&self, key: &CStr) -> SysResult<()> {
        self.config(FSCONFIG_SET_FLAG, key.as_ptr(), std::ptr::null())
    }

    fn config(
        &self,
        command: libc::c_uint,
        key: *const libc::c_char,
        value: *const libc::c_char,
    ) -> SysResult<()> {
        // SAFETY: key and value are C strings or NULL, as the command wants them.
        let returned = unsafe {
            libc::syscall(libc::SYS_fsconfig, self.0.as_raw_fd(), command, key, value, 0)
        };
        check(Call::Fsconfig, returned).map(drop)
    }

    /// Creates the file system and a detached mount of it.
    pub fn mount(self, attributes: u64) -> SysResult<OwnedFd> {
        self.config(FSCONFIG_CMD_CREATE, std::ptr::null(), std::ptr::null())?;
        // SAFETY: a descriptor and two flag words.
        let fd = unsafe {
            libc::syscall(libc::SYS_fsmount, self.0.as_raw_fd(), FSMOUNT_CLOEXEC, attributes)
        };
        Ok(owned(check(Call::Fsmount, fd)?))
    }
}

/// A detached recursive copy of the mount tree at an open file. man: open_tree(2)
pub fn clone_tree(at: BorrowedFd<'_>) -> SysResult<OwnedFd> {
    let flags = OPEN_TREE_CLONE
        | OPEN_TREE_CLOEXEC
        | libc::AT_RECURSIVE as libc::c_uint
        | libc::AT_EMPTY_PATH as libc::c_uint;
    // SAFETY: a descriptor, an empty C string and a flag word.
    let fd = unsafe { libc::syscall(libc::SYS_open_tree, at.as_raw_fd(), c"".as_ptr(), flags) };
    Ok(owned(check(Call::OpenTree, fd)?))
}

/// Sets attributes on a mount (and all below it). man: mount_setattr(2)
pub fn set_attributes(mount: BorrowedFd<'_>, set: u64, recursive: bool) -> SysResult<()> {
    let attr = MountAttr { attr_set: set, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: `attr` lives over the call and its size is passed with it.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    check(Call::MountSetattr, returned).map(drop)
}

/// Attaches a detached mount on an open file. man: move_mount(2)
pub fn attach(mount: BorrowedFd<'_>, onto: BorrowedFd<'_>) -> SysResult<()> {
    // SAFETY: two descriptors and two empty C strings.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            onto.as_raw_fd(),
            c"".as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH,
        )
    };
    check(Call::MoveMount, returned).map(drop)
}

/// The flags of the mount behind a path, as `ST_*` bits. man: statvfs(3)
pub fn flags_at<P: ?Sized + NixPath>(path: &P) -> SysResult<libc::c_ulong> {
    Ok(nix::sys::statvfs::statvfs(path).sys(Call::Statfs)?.flags().bits())
}
