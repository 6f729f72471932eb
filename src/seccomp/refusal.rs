//! One refused call, in the words of the profile: its name, the errno, and the arguments that decided.
//!
//! An argument is kept only where a filter looked at it, and only the bits that it looked at: never an
//! address of the connector's memory, and nothing that varies without meaning.

use super::arch::Arch;
use super::bpf::{Data, Insn, run_watched};
use super::notify::is_told;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An argument that the filter looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Seen {
    /// Which one, from 0.
    pub index: u8,
    /// Its value, as far as that is looked at.
    pub value: u64,
    /// The bits that are.
    pub mask: u64,
}

/// A call that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub number: u32,
    pub args: Vec<Seen>,
}

/// What the plain program answers, and what decided. `others` are filters whose comparisons are worth
/// knowing as well.
///
/// `None` for a call that the plain program does not refuse, which no telling program tells of.
pub fn judge(
    plain: &[Insn],
    others: &[Vec<Insn>],
    number: u32,
    args: [u64; 6],
) -> Option<(Call, u16)> {
    let data = Data { number, arch: Arch::NATIVE.audit(), pointer: 0, args };
    let mut looked = [0u64; 6];
    let mut look = |offset: u32, bits: u32| {
        let Some(word) = offset.checked_sub(16).map(|past| past / 4) else { return };
        if let Some(mask) = looked.get_mut(word as usize / 2) {
            *mask |= u64::from(bits) << (32 * (word % 2));
        }
    };
    let verdict = run_watched(plain, &data, &mut look).ok()?;
    for other in others {
        // What it answers is not asked for.
        drop(run_watched(other, &data, &mut look));
    }
    let seen = |(index, mask): (usize, u64)| {
        let value = args[index] & mask;
        (mask != 0).then_some(Seen { index: index as u8, value, mask })
    };
    let args = looked.into_iter().enumerate().filter_map(seen).collect();
    is_told(verdict).then_some((Call { number, args }, (verdict & 0xffff) as u16))
}

impl Call {
    pub fn name(&self) -> String {
        let name = Arch::NATIVE.call_name(self.number);
        name.unwrap_or_else(|| format!("call {}", self.number))
    }
}

impl fmt::Display for Call {
    /// As in C, with `_` for what nobody looked at: `socket(40, 1, 0)`, `ioctl(_, 0x5412)`, `keyctl`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())?;
        let Some(last) = self.args.last() else { return Ok(()) };
        let args: Vec<String> = (0..=last.index)
            .map(|index| match self.args.iter().find(|seen| seen.index == index) {
                Some(seen) if seen.value < 256 => seen.value.to_string(),
                Some(seen) => format!("{:#x}", seen.value),
                None => "_".to_owned(),
            })
            .collect();
        write!(f, "({})", args.join(", "))
    }
}
