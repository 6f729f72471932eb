//! The three Landlock calls. The rights themselves come from the `landlock` crate, in the plan.

use super::{Call, SysResult, check};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

const RULE_PATH_BENEATH: libc::c_int = 1;
const RULE_NET_PORT: libc::c_int = 2;
const CREATE_RULESET_VERSION: u32 = 1;

#[repr(C)]
struct RulesetAttr {
    handled_access_fs: u64,
    handled_access_net: u64,
    scoped: u64,
}

#[repr(C, packed)]
struct PathBeneathAttr {
    allowed_access: u64,
    parent_fd: i32,
}

#[repr(C)]
struct NetPortAttr {
    allowed_access: u64,
    port: u64,
}

/// The kernel's Landlock ABI; 0 where it has none or it is switched off.
pub fn abi() -> u32 {
    u32::try_from(version()).unwrap_or(0)
}

/// Why there is none; 0 where there is.
pub fn errno() -> i32 {
    if version() < 0 { nix::errno::Errno::last_raw() } else { 0 }
}

fn version() -> libc::c_long {
    // WHY: the crate does not tell the raw number, which the report shows.
    // SAFETY: the version query takes no attributes. man: landlock_create_ruleset(2)
    unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<RulesetAttr>(),
            0,
            CREATE_RULESET_VERSION,
        )
    }
}

/// A ruleset that handles these rights.
pub struct Ruleset(OwnedFd);

impl Ruleset {
    /// `abi` decides how many fields the kernel knows: a longer struct with zero fields is accepted
    /// by every kernel since the first, so that all are always passed.
    pub fn create(fs: u64, net: u64, scoped: u64) -> SysResult<Self> {
        let attr = RulesetAttr { handled_access_fs: fs, handled_access_net: net, scoped };
        // WHY: the crate's builder allocates, which a child between clone and exec may not.
        // SAFETY: `attr` lives over the call and its size is passed with it.
        // man: landlock_create_ruleset(2)
        let fd = unsafe {
            libc::syscall(
                libc::SYS_landlock_create_ruleset,
                &raw const attr,
                size_of::<RulesetAttr>(),
                0,
            )
        };
        let fd = check(Call::LandlockCreate, fd)?;
        // SAFETY: the kernel just made this descriptor for us.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }))
    }

    /// Allows rights on everything beneath an open file. man: landlock_add_rule(2)
    pub fn allow_beneath(&self, parent: BorrowedFd<'_>, access: u64) -> SysResult<()> {
        let attr = PathBeneathAttr { allowed_access: access, parent_fd: parent.as_raw_fd() };
        // SAFETY: `attr` lives over the call and is what this rule type wants.
        let returned = unsafe {
            libc::syscall(
                libc::SYS_landlock_add_rule,
                self.0.as_raw_fd(),
                RULE_PATH_BENEATH,
                &raw const attr,
                0,
            )
        };
        check(Call::LandlockAddRule, returned).map(drop)
    }

    /// Allows rights on one TCP port. man: landlock_add_rule(2)
    pub fn allow_port(&self, port: u16, access: u64) -> SysResult<()> {
        let attr = NetPortAttr { allowed_access: access, port: port.into() };
        // SAFETY: `attr` lives over the call and is what this rule type wants.
        let returned = unsafe {
            libc::syscall(
                libc::SYS_landlock_add_rule,
                self.0.as_raw_fd(),
                RULE_NET_PORT,
                &raw const attr,
                0,
            )
        };
        check(Call::LandlockAddRule, returned).map(drop)
    }

    /// Confines the calling thread for good. man: landlock_restrict_self(2)
    pub fn restrict_self(self) -> SysResult<()> {
        // SAFETY: a descriptor and no flags.
        let returned =
            unsafe { libc::syscall(libc::SYS_landlock_restrict_self, self.0.as_raw_fd(), 0) };
        check(Call::LandlockRestrict, returned).map(drop)
    }
}
