//! The only unsafe code: thin, checked wrappers of system calls that nix has not.
//!
//! Everything here may run between clone and exec: no function allocates, locks or panics.
#![expect(unsafe_code, reason = "system calls that no kept crate wraps; see each WHY")]

pub mod attempt;
mod call;
pub mod clone;
pub mod exec;
pub mod fd;
pub mod landlock;
pub mod mount;
pub mod net;
pub mod netlink;
pub mod passed;
pub mod probe;
pub mod process;
pub mod ptrace;
pub mod ready;
pub mod seccomp;
pub mod socket;
pub mod terminal;
pub mod xattr;

pub use call::{Call, Sys, SysError, SysResult};

/// Turns the return value of a raw system call into a result.
fn check(call: Call, returned: libc::c_long) -> SysResult<libc::c_long> {
    if returned < 0 { Err(SysError::last(call)) } else { Ok(returned) }
}
