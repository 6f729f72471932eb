//! Opens a host file by its handle, past every mount ("shocker", Docker 2014).
//!
//! Stopped by: seccomp, no CAP_DAC_READ_SEARCH.

use super::prelude::*;

#[repr(C)]
struct Handle {
    bytes: u32,
    kind: i32,
    data: [u8; 128],
}

pub const ATTACK: Attack = Attack {
    name: "file_handle",
    about: "name_to_handle_at and open_by_handle_at",
    requires: requires![root],
    setup: |fixture| fixture.set_path("file", "home/.ssh/id_rsa"),
    attack: |env| {
        let mut handle = Handle { bytes: 128, kind: 0, data: [0; 128] };
        let mut mount = 0i32;
        // The root of the file system has a guessable handle; a file of /usr is on the host's disk.
        let path = if env.jailed { "/usr/bin" } else { env.get("file") };
        let near = std::path::Path::new(path).parent().expect("a folder of that file system");
        let path = std::ffi::CString::new(path).expect("a path");
        let (at, out) = (libc::AT_FDCWD, &raw mut handle);
        let named = syscall!(libc::SYS_name_to_handle_at, at, path.as_ptr(), out, &raw mut mount, 0);
        let folder = fs::File::open(near).expect("the folder");
        let fd = std::os::fd::AsRawFd::as_raw_fd(&folder);
        let opened = syscall!(libc::SYS_open_by_handle_at, fd, out, libc::O_RDONLY);
        judge(opened.or_else(|error| named.and(Err(error))))
    },
    ..Attack::BASE
};
