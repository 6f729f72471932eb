//! A profile resolved for one architecture: what the filter has to answer, as plain data.

use super::arch::{Arch, Number};
use super::oci::{Action, Arg, Error, Op, Profile, Rule};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// `SECCOMP_RET_ALLOW`.
pub const ALLOW: u32 = 0x7fff_0000;
/// `SECCOMP_RET_ERRNO | ENOSYS`.
pub const NO_SUCH_CALL: u32 = ERRNO | 38;
/// Calls of the x32 entry carry this bit in their number and the architecture of x86-64.
pub const X32_BIT: u32 = 0x4000_0000;

const ERRNO: u32 = 0x0005_0000;
const EPERM: u16 = 1;

/// All verdicts of one profile on one architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Whose numbers these are.
    pub arch: Arch,
    /// On a call that no rule names, or whose conditions do not hold.
    pub default: u32,
    /// On a call with a higher number than every call that the profile names. Whoever wrote it could
    /// not know that call, so where the profile answers with an errno, jail answers as a kernel
    /// without the call does: programs then take their older way. runc does the same.
    pub newer: u32,
    /// The calls that the profile names, by number.
    pub calls: BTreeMap<u32, Call>,
}

/// The verdict on one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// As the profile calls it.
    pub name: String,
    /// A `SECCOMP_RET_…` value.
    pub verdict: u32,
    /// Where not empty, `verdict` is for arguments that fulfil one of these lists entirely.
    pub any_of: Vec<Vec<Arg>>,
}

impl Table {
    /// Resolves every name. A name that nobody knows is an error; one that other architectures have
    /// is none.
    pub fn new(profile: &Profile, arch: Arch) -> Result<Self, Error> {
        if !profile.architectures().any(|name| name == arch.oci_name()) {
            return Err(Error(format!("the profile is not for {}", arch.oci_name())));
        }
        let default = verdict(profile.default_action, profile.default_errno_ret);
        let newer = if profile.default_action == Action::Errno { NO_SUCH_CALL } else { default };
        let mut table = Self { arch, default, newer, calls: BTreeMap::new() };
        for (index, rule) in profile.syscalls.iter().enumerate() {
            for name in &rule.names {
                table
                    .add(name, rule)
                    .map_err(|why| Error(format!("rule {} ({name}): {why}", index + 1)))?;
            }
        }
        Ok(table)
    }

    /// The highest number that the profile names.
    pub fn highest(&self) -> u32 {
        self.calls.last_key_value().map_or(0, |(number, _)| *number)
    }

    /// What the filter has to answer: the meaning that both compilers are held to.
    pub fn verdict(&self, arch: u32, number: u32, args: &[u64; 6]) -> u32 {
        if arch != self.arch.audit() || (self.arch == Arch::X86_64 && number >= X32_BIT) {
            return NO_SUCH_CALL;
        }
        if number > self.highest() {
            return self.newer;
        }
        match self.calls.get(&number) {
            Some(call) if call.matches(args) => call.verdict,
            _ => self.default,
        }
    }

    fn add(&mut self, name: &str, rule: &Rule) -> Result<(), Error> {
        let number = match self.arch.number(name) {
            Number::Is(number) => number,
            Number::Elsewhere => return Ok(()),
            Number::Unknown => return Err(Error("no such system call".to_owned())),
        };
        let verdict = verdict(rule.action, rule.errno_ret);
        match self.calls.entry(number) {
            Entry::Vacant(free) => {
                let any_of = if rule.args.is_empty() { vec![] } else { vec![rule.args.clone()] };
                free.insert(Call { name: name.to_owned(), verdict, any_of });
            }
            Entry::Occupied(taken) if taken.get().verdict != verdict => {
                return Err(Error("an earlier rule gives this call another verdict".to_owned()));
            }
            // Rules of one call are alternatives, so one without conditions is all that counts.
            Entry::Occupied(mut taken) if rule.args.is_empty() => taken.get_mut().any_of.clear(),
            Entry::Occupied(taken) if taken.get().any_of.is_empty() => {}
            Entry::Occupied(mut taken) => taken.get_mut().any_of.push(rule.args.clone()),
        }
        Ok(())
    }
}

impl Call {
    fn matches(&self, args: &[u64; 6]) -> bool {
        let holds =
            |list: &Vec<Arg>| list.iter().all(|arg| arg.holds(args[usize::from(arg.index)]));
        self.any_of.is_empty() || self.any_of.iter().any(holds)
    }
}

impl Arg {
    /// The meaning of a condition: unsigned, on all 64 bits.
    pub fn holds(&self, actual: u64) -> bool {
        match self.op {
            Op::Ne => actual != self.value,
            Op::Lt => actual < self.value,
            Op::Le => actual <= self.value,
            Op::Eq => actual == self.value,
            Op::Ge => actual >= self.value,
            Op::Gt => actual > self.value,
            Op::MaskedEq => actual & self.value == self.value_two,
        }
    }
}

/// An action as the `SECCOMP_RET_…` value that a filter returns.
fn verdict(action: Action, errno: Option<u16>) -> u32 {
    match action {
        Action::Allow => ALLOW,
        Action::Log => 0x7ffc_0000,
        Action::Errno => ERRNO | u32::from(errno.unwrap_or(EPERM)),
        Action::Trap => 0x0003_0000,
        Action::KillThread => 0,
        // `Profile::parse` refuses the last two; were they to come here, killing is the safe answer.
        Action::KillProcess | Action::Trace | Action::Notify => 0x8000_0000,
    }
}
