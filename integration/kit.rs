//! Small tools of the attacks: raw calls, verdicts, namespaces, pseudo-terminals.

use crate::harness::Verdict;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// `syscall!(SYS_foo, a, b)` → `io::Result<i64>`; the number is any integer.
#[macro_export]
macro_rules! syscall {
    ($number:expr $(, $arg:expr)* $(,)?) => {{
        let returned = unsafe { libc::syscall($number as libc::c_long $(, $arg as libc::c_ulong)*) };
        if returned < 0 { Err(std::io::Error::last_os_error()) } else { Ok(returned) }
    }};
}

/// What worked is an escape, what failed was refused with that error.
pub fn judge<T: std::fmt::Debug>(result: io::Result<T>) -> Verdict {
    match result {
        Ok(value) => Verdict::Escaped(format!("it worked: {value:.60?}")),
        Err(error) => Verdict::Refused(error.to_string()),
    }
}

/// Did a file with the secret come into sight?
pub fn judge_secret(found: io::Result<impl AsRef<[u8]>>, marker: &str) -> Verdict {
    match found {
        Ok(bytes) if contains(bytes.as_ref(), marker) => Verdict::Escaped("read it".into()),
        Ok(_) => Verdict::Refused("something is there, but not the secret".into()),
        Err(error) => Verdict::Refused(error.to_string()),
    }
}

pub fn contains(bytes: &[u8], marker: &str) -> bool {
    bytes.windows(marker.len()).any(|window| window == marker.as_bytes())
}

/// Enters a user namespace as its root, with more namespaces. Only in a process made for it.
pub fn new_userns(more: libc::c_int) -> io::Result<()> {
    let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
    userns(more, (0, uid), (0, gid))
}

/// The same, but keeping the user's own numbers.
pub fn new_userns_same_ids(more: libc::c_int) -> io::Result<()> {
    let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
    userns(more, (uid, uid), (gid, gid))
}

fn userns(more: libc::c_int, uid: (u32, u32), gid: (u32, u32)) -> io::Result<()> {
    if unsafe { libc::unshare(libc::CLONE_NEWUSER | more) } != 0 {
        return Err(io::Error::last_os_error());
    }
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{} {} 1", uid.0, uid.1))?;
    std::fs::write("/proc/self/gid_map", format!("{} {} 1", gid.0, gid.1))
}

/// Runs it in a forked child; true if it says so. A child that dies says no.
pub fn in_child(act: impl FnOnce() -> bool) -> bool {
    child_status(|| i32::from(!act())) == Some(0)
}

/// The exit code of a forked child that ran this; `None` where a signal ended it.
pub fn child_status(act: impl FnOnce() -> i32) -> Option<i32> {
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        unsafe { libc::_exit(act()) };
    }
    let mut status = 0;
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status))
}

/// getpid by `int 0x80`, where it is 20.
#[cfg(target_arch = "x86_64")]
pub fn int80_works() -> bool {
    let returned: i64;
    unsafe {
        std::arch::asm!("int 0x80", inlateout("rax") 20_i64 => returned,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    returned > 0
}

#[cfg(not(target_arch = "x86_64"))]
pub fn int80_works() -> bool {
    false
}

pub const KEY_SPEC_USER_KEYRING: i32 = -4;
const KEYCTL_SETPERM: i32 = 5;

/// Plants a key in the user's keyring that every process of the user may read.
pub fn plant_key(name: &str, value: &str) -> io::Result<i64> {
    let name = std::ffi::CString::new(name)?;
    let (kind, bytes) = (c"user".as_ptr(), value.as_bytes());
    let key = syscall!(
        libc::SYS_add_key,
        kind,
        name.as_ptr(),
        bytes.as_ptr(),
        bytes.len(),
        KEY_SPEC_USER_KEYRING
    )?;
    syscall!(libc::SYS_keyctl, KEYCTL_SETPERM, key, 0x3f3f_0000u32)?;
    Ok(key)
}

pub fn find_key(name: &str) -> io::Result<i64> {
    let name = std::ffi::CString::new(name)?;
    syscall!(libc::SYS_keyctl, 10, KEY_SPEC_USER_KEYRING, c"user".as_ptr(), name.as_ptr(), 0)
}

pub fn unplant_key(name: &str) {
    if let Ok(key) = find_key(name) {
        let _ = syscall!(libc::SYS_keyctl, 9, key, KEY_SPEC_USER_KEYRING);
    }
}

pub fn keyring() -> io::Result<()> {
    let name = format!("jail-escapes-probe-{}", std::process::id());
    plant_key(&name, "x")?;
    let found = find_key(&name).map(drop);
    unplant_key(&name);
    found
}

/// 127.0.0.1 and the port that the fixture tells.
pub fn loopback(port: &str) -> libc::sockaddr_in {
    let port: u16 = port.parse().expect("a port");
    let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    address.sin_family = libc::AF_INET as u16;
    address.sin_port = port.to_be();
    address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
    address
}

/// A pseudo-terminal: (master, slave), the slave raw.
pub fn pty() -> (OwnedFd, OwnedFd) {
    let pair = nix::pty::openpty(None, None).expect("a pty");
    let mut modes = nix::sys::termios::tcgetattr(&pair.slave).expect("modes");
    nix::sys::termios::cfmakeraw(&mut modes);
    nix::sys::termios::tcsetattr(&pair.slave, nix::sys::termios::SetArg::TCSANOW, &modes)
        .expect("raw");
    (pair.master, pair.slave)
}

/// A descriptor that the kernel just made for us.
pub fn owned(fd: i64) -> OwnedFd {
    unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).expect("a descriptor")) }
}
