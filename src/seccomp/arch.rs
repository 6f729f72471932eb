//! The architectures that jail has filters for, and the numbers that they give to system calls.
//!
//! Shared with `build.rs`, as every file of this folder but `mod.rs` and `cache.rs`: these files name
//! each other through `super`, and use no type of the rest of the crate.

use libseccomp::{ScmpArch, ScmpSyscall};
use std::fmt;

/// An architecture, always the 64-bit entry: 32-bit and x32 calls are refused on each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// x86-64 (AMD64).
    X86_64,
    /// 64-bit ARM.
    Aarch64,
}

/// What a name means on one architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// The call exists here.
    Is(u32),
    /// The call exists on some other architecture (`open` on aarch64): nothing to filter here.
    Elsewhere,
    /// Nobody knows such a call: a misspelling, or newer than this jail.
    Unknown,
}

impl Arch {
    /// Every architecture that the built-in profiles are for.
    pub const ALL: &'static [Self] = &[Self::X86_64, Self::Aarch64];

    /// The architecture that this code was compiled for.
    #[cfg(target_arch = "x86_64")]
    pub const NATIVE: Self = Self::X86_64;
    /// The architecture that this code was compiled for.
    #[cfg(target_arch = "aarch64")]
    pub const NATIVE: Self = Self::Aarch64;

    /// As uname(1) and Rust's `target_arch` say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// The reverse of `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|arch| arch.name() == name)
    }

    /// As the OCI runtime specification says it.
    pub fn oci_name(self) -> &'static str {
        match self {
            Self::X86_64 => "SCMP_ARCH_X86_64",
            Self::Aarch64 => "SCMP_ARCH_AARCH64",
        }
    }

    /// `AUDIT_ARCH_…`: what the kernel puts in `seccomp_data.arch`.
    pub fn audit(self) -> u32 {
        match self {
            Self::X86_64 => 0xc000_003e,
            Self::Aarch64 => 0xc000_00b7,
        }
    }

    pub(super) fn scmp(self) -> ScmpArch {
        match self {
            Self::X86_64 => ScmpArch::X8664,
            Self::Aarch64 => ScmpArch::Aarch64,
        }
    }

    /// The number of a call, from libseccomp and, for calls younger than it, from `NEWER`.
    pub fn number(self, name: &str) -> Number {
        match ScmpSyscall::from_name_by_arch(name, self.scmp()) {
            Ok(call) => u32::try_from(call.as_raw_syscall()).map_or(Number::Elsewhere, Number::Is),
            Err(_) => match NEWER.iter().find(|newer| newer.1 == name) {
                Some(newer) if newer.2.contains(&self) => Number::Is(newer.0),
                Some(_) => Number::Elsewhere,
                None => Number::Unknown,
            },
        }
    }

    /// The name of a number here, where there is one.
    pub fn call_name(self, number: u32) -> Option<String> {
        let newer = NEWER.iter().find(|n| n.0 == number && n.2.contains(&self));
        let known = || {
            let call = ScmpSyscall::from_raw_syscall(i32::try_from(number).ok()?);
            call.get_name_by_arch(self.scmp()).ok()
        };
        newer.map(|n| n.1.to_owned()).or_else(known)
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Calls that libseccomp 2.5.4 (Debian 12) may not know. Since Linux 5.1 a new call has one number on
/// every architecture; `uretprobe` is the kernel's own trampoline on x86-64 alone.
const NEWER: &[(u32, &str, &[Arch])] = &[
    (335, "uretprobe", &[Arch::X86_64]),
    (450, "set_mempolicy_home_node", Arch::ALL),
    (451, "cachestat", Arch::ALL),
    (452, "fchmodat2", Arch::ALL),
    (453, "map_shadow_stack", Arch::ALL),
    (454, "futex_wake", Arch::ALL),
    (455, "futex_wait", Arch::ALL),
    (456, "futex_requeue", Arch::ALL),
    (457, "statmount", Arch::ALL),
    (458, "listmount", Arch::ALL),
    (459, "lsm_get_self_attr", Arch::ALL),
    (460, "lsm_set_self_attr", Arch::ALL),
    (461, "lsm_list_modules", Arch::ALL),
    (462, "mseal", Arch::ALL),
    (463, "setxattrat", Arch::ALL),
    (464, "getxattrat", Arch::ALL),
    (465, "listxattrat", Arch::ALL),
    (466, "removexattrat", Arch::ALL),
    (467, "open_tree_attr", Arch::ALL),
    (468, "file_getattr", Arch::ALL),
    (469, "file_setattr", Arch::ALL),
];
