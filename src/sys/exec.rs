//! execve(2) with arrays that were made before the clone.

use super::seccomp::Pass;
use super::{Call, SysError};
use std::ffi::{CStr, CString};

/// A NULL-terminated array of C strings, as execve wants it.
pub struct CArray {
    strings: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

impl CArray {
    pub fn new(strings: Vec<CString>) -> Self {
        let mut pointers: Vec<_> = strings.iter().map(|s| s.as_ptr()).collect();
        pointers.push(std::ptr::null());
        Self { strings, pointers }
    }

    pub fn strings(&self) -> &[CString] {
        &self.strings
    }
}

/// Becomes another program; returns only the error.
pub fn execve(program: &CStr, argv: &CArray, envp: &CArray, pass: Pass) -> SysError {
    let (argv, envp) = (argv.pointers.as_ptr(), envp.pointers.as_ptr());
    // WHY: nix::unistd::execve builds its pointer arrays on the heap at the call, and no wrapper has a
    // sixth argument.
    // SAFETY: both arrays end in NULL and point into strings that they own. man: execve(2)
    unsafe { libc::syscall(libc::SYS_execve, program.as_ptr(), argv, envp, 0, 0, pass.0) };
    SysError::last(Call::Execve)
}
