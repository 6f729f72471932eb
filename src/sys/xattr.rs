//! Extended attributes, xattr(7).
#![expect(unsafe_code, reason = "getxattr(2) has no wrapper in the crates we use")]

use nix::errno::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The value of a short attribute (at most 64 bytes); `None` where it is absent or unreadable.
pub fn read(path: &Path, name: &str) -> Option<Vec<u8>> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    let name = CString::new(name).ok()?;
    let mut value = vec![0u8; 64];
    // WHY: nix and std have no getxattr. https://man7.org/linux/man-pages/man2/getxattr.2.html
    // SAFETY: both strings end in NUL and live through the call; the kernel writes at most
    // `value.len()` bytes into `value`.
    let len = unsafe {
        libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len())
    };
    value.truncate(usize::try_from(len).ok()?);
    Some(value)
}

/// Has this open file the attribute? No, where its file system knows none. Errors: those of getxattr(2), EBADF
/// for a descriptor of `O_PATH` among them.
pub fn has(file: BorrowedFd<'_>, name: &CStr) -> nix::Result<bool> {
    // WHY: nix and std have no fgetxattr. https://man7.org/linux/man-pages/man2/getxattr.2.html
    // SAFETY: the descriptor and the string live through the call; with a size of 0 nothing is written.
    let len = unsafe { libc::fgetxattr(file.as_raw_fd(), name.as_ptr(), std::ptr::null_mut(), 0) };
    match Errno::result(len) {
        Ok(_) => Ok(true),
        Err(Errno::ENODATA | Errno::EOPNOTSUPP) => Ok(false),
        Err(errno) => Err(errno),
    }
}
