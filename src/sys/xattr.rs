//! Extended attributes, xattr(7).
#![expect(unsafe_code, reason = "getxattr(2) has no wrapper in the crates we use")]

use std::ffi::CString;
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
