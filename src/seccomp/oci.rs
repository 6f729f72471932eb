//! The profile as the OCI runtime specification writes it, and what jail takes of it.
//!
//! Whatever jail does not understand is an error: a rule that is skipped in silence is a hole in one
//! profile and a broken program in the next.
//!
//! Specification: <https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#seccomp>

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a profile cannot be used: lower case, no final period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(pub String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// A whole profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Profile {
    /// The verdict on every call that no rule names. Must refuse.
    pub default_action: Action,
    /// The errno of `defaultAction`; 1 (EPERM) where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_errno_ret: Option<u16>,
    /// The specification's list of architectures. One of this and `archMap`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architectures: Option<Vec<String>>,
    /// The same as container engines write it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arch_map: Option<Vec<ArchMap>>,
    /// Flags of seccomp(2). Only the empty list is accepted: how to load is jail's decision.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// The rules; their order does not matter.
    pub syscalls: Vec<Rule>,
}

/// An architecture as container engines name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ArchMap {
    /// `SCMP_ARCH_…`.
    pub architecture: String,
    /// Further entries into its kernel. Only the empty list is accepted.
    #[serde(default)]
    pub sub_architectures: Vec<String>,
}

/// One verdict for some calls, perhaps only for some arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rule {
    /// The calls; those that an architecture lacks count on others only.
    pub names: Vec<String>,
    /// The verdict.
    pub action: Action,
    /// The errno of `SCMP_ACT_ERRNO`; 1 (EPERM) where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno_ret: Option<u16>,
    /// All of them must hold. At most one for each argument.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Arg>,
    /// Why the rule is there. Built-in profiles have one everywhere.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Conditions on the host, which container engines resolve before they hand a profile on. Only
    /// the empty object is accepted.
    #[serde(default, skip_serializing)]
    pub includes: Option<When>,
    /// The reverse of `includes`.
    #[serde(default, skip_serializing)]
    pub excludes: Option<When>,
}

/// A condition on the host. It is read so that it can be refused by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct When {
    #[serde(default)]
    pub caps: Vec<String>,
    #[serde(default)]
    pub arches: Vec<String>,
    pub min_kernel: Option<String>,
}

/// A condition on one argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Arg {
    /// Which argument, counted from 0.
    pub index: u8,
    /// What to compare with; for `SCMP_CMP_MASKED_EQ` the mask.
    pub value: u64,
    /// For `SCMP_CMP_MASKED_EQ`: what the masked argument must equal.
    #[serde(default)]
    pub value_two: u64,
    /// How to compare; always unsigned and on 64 bits.
    pub op: Op,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    #[serde(rename = "SCMP_CMP_NE")]
    Ne,
    #[serde(rename = "SCMP_CMP_LT")]
    Lt,
    #[serde(rename = "SCMP_CMP_LE")]
    Le,
    #[serde(rename = "SCMP_CMP_EQ")]
    Eq,
    #[serde(rename = "SCMP_CMP_GE")]
    Ge,
    #[serde(rename = "SCMP_CMP_GT")]
    Gt,
    #[serde(rename = "SCMP_CMP_MASKED_EQ")]
    MaskedEq,
}

/// A verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    #[serde(rename = "SCMP_ACT_ALLOW")]
    Allow,
    #[serde(rename = "SCMP_ACT_LOG")]
    Log,
    #[serde(rename = "SCMP_ACT_ERRNO")]
    Errno,
    #[serde(rename = "SCMP_ACT_TRAP")]
    Trap,
    #[serde(rename = "SCMP_ACT_KILL", alias = "SCMP_ACT_KILL_THREAD")]
    KillThread,
    #[serde(rename = "SCMP_ACT_KILL_PROCESS")]
    KillProcess,
    #[serde(rename = "SCMP_ACT_TRACE")]
    Trace,
    #[serde(rename = "SCMP_ACT_NOTIFY")]
    Notify,
}

impl Profile {
    /// Reads a profile and checks everything that needs no architecture.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        let profile: Self = serde_json::from_slice(json).map_err(|e| Error(e.to_string()))?;
        profile.check_head()?;
        for (index, rule) in profile.syscalls.iter().enumerate() {
            let first = rule.names.first().map_or("no name", String::as_str);
            rule.check().map_err(|why| Error(format!("rule {} ({first}): {why}", index + 1)))?;
        }
        Ok(profile)
    }

    /// What is asked of the profiles inside the binary on top: a reason for every rule, and only
    /// comparisons that no caller can get around or stumble over (see `Arg::is_exact`).
    pub fn check_built_in(&self) -> Result<(), Error> {
        for (index, rule) in self.syscalls.iter().enumerate() {
            let first = rule.names.first().map_or("no name", String::as_str);
            if rule.comment.trim().is_empty() {
                return Err(Error(format!("rule {} ({first}) has no comment", index + 1)));
            }
            if !rule.args.iter().all(|arg| arg.is_exact() || arg.is_no_address()) {
                return Err(Error(format!(
                    "rule {} ({first}) compares other than by SCMP_CMP_MASKED_EQ on 32 bits, or with no address",
                    index + 1
                )));
            }
        }
        Ok(())
    }

    /// The architectures that the profile is written for.
    pub fn architectures(&self) -> impl Iterator<Item = &str> {
        let list = self.architectures.iter().flatten().map(String::as_str);
        let map = self.arch_map.iter().flatten().map(|m| m.architecture.as_str());
        list.chain(map)
    }

    fn check_head(&self) -> Result<(), Error> {
        match self.default_action {
            Action::Allow | Action::Log => {
                return Err(Error(
                    "defaultAction allows: a profile lists what is allowed, not what is refused"
                        .to_owned(),
                ));
            }
            action => action.check(self.default_errno_ret)?,
        }
        if !self.flags.is_empty() {
            return Err(Error("flags: how a filter is loaded is jail's decision".to_owned()));
        }
        if self.architectures.is_some() == self.arch_map.is_some() {
            return Err(Error("give one of architectures and archMap".to_owned()));
        }
        let subs = self.arch_map.iter().flatten().flat_map(|map| &map.sub_architectures);
        let listed = self.architectures().filter(|name| COMPAT.contains(name));
        match subs.map(String::as_str).chain(listed).next() {
            Some(name) => Err(Error(format!(
                "{name}: jail answers 32-bit and x32 calls with ENOSYS, a profile cannot allow them"
            ))),
            None => Ok(()),
        }
    }
}

/// Second entries into a 64-bit kernel, which jail has no filters for.
const COMPAT: &[&str] = &["SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_ARM"];

impl Rule {
    fn check(&self) -> Result<(), Error> {
        if self.names.is_empty() {
            return Err(Error("names is empty".to_owned()));
        }
        self.action.check(self.errno_ret)?;
        let conditional = [&self.includes, &self.excludes];
        if conditional.into_iter().flatten().any(|when| *when != When::default()) {
            return Err(Error(
                "includes/excludes (caps, arches, minKernel) depend on a host: write the rule out \
                 or drop it"
                    .to_owned(),
            ));
        }
        for (at, arg) in self.args.iter().enumerate() {
            arg.check()?;
            if self.args[..at].iter().any(|other| other.index == arg.index) {
                return Err(Error(format!(
                    "two conditions on argument {}: runtimes disagree whether that means and or \
                     or; write one rule for each",
                    arg.index
                )));
            }
        }
        Ok(())
    }
}

impl Arg {
    /// True where the comparison sees just what the kernel sees of an `int`: it looks at the low 32
    /// bits only. The kernel drops the high half of such a register, so a plain comparison of 64
    /// bits is passed by with a bit set up there (CVE-2019-10063), or, in an allowlist, refuses a
    /// harmless caller whose compiler left rubbish in it.
    pub fn is_exact(&self) -> bool {
        self.op == Op::MaskedEq && self.value <= u64::from(u32::MAX)
    }

    /// True where an address must be NULL. There all 64 bits count: an address whose low half is zero
    /// can be had by mmap.
    pub fn is_no_address(&self) -> bool {
        self.op == Op::MaskedEq && self.value == u64::MAX && self.value_two == 0
    }

    fn check(&self) -> Result<(), Error> {
        if self.index > 5 {
            return Err(Error(format!("argument {}: calls have arguments 0 to 5", self.index)));
        }
        if self.op == Op::MaskedEq && self.value_two & !self.value != 0 {
            return Err(Error(format!(
                "argument {}: valueTwo {:#x} has bits outside of the mask {:#x}, so nothing matches",
                self.index, self.value_two, self.value
            )));
        }
        if self.op != Op::MaskedEq && self.value_two != 0 {
            return Err(Error(format!(
                "argument {}: valueTwo means something for SCMP_CMP_MASKED_EQ only",
                self.index
            )));
        }
        Ok(())
    }
}

impl Action {
    fn check(self, errno: Option<u16>) -> Result<(), Error> {
        match (self, errno) {
            (Self::Trace | Self::Notify, _) => Err(Error(
                "SCMP_ACT_TRACE and SCMP_ACT_NOTIFY wait for a supervisor, and jail is none: \
                 nothing in a run may depend on answering in time"
                    .to_owned(),
            )),
            (Self::Errno, Some(0)) => {
                Err(Error("errnoRet 0 would feign success; give an error number".to_owned()))
            }
            (Self::Errno, Some(4096..)) => Err(Error("errnoRet is above 4095".to_owned())),
            (Self::Errno, _) | (_, None) => Ok(()),
            (_, Some(_)) => Err(Error("errnoRet without SCMP_ACT_ERRNO".to_owned())),
        }
    }
}
