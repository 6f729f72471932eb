//! Shows that a program says what its table says, and what libseccomp's program says.
//!
//! Every number, every entry and, for calls with conditions, every combination of arguments at which
//! one of the comparisons could turn. Three parties must agree: the table (plain Rust), the tree and
//! libseccomp's program, both run by the interpreter.

use super::arch::Arch;
use super::bpf::{Data, Insn, decode, encode, run};
use super::compile::covers;
use super::notify::{TELL, arm, is_told};
use super::oci::{Arg, Error};
use super::table::{Call, Table, X32_BIT};

/// How much is tried on top of what is always tried.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Numbers above the highest that the profile names.
    pub beyond: u32,
    /// Random combinations of arguments for each call with conditions.
    pub combinations: usize,
}

impl Effort {
    /// For a profile that a user waits for.
    pub const QUICK: Self = Self { beyond: 64, combinations: 2_000 };
    /// For the build and the tests.
    pub const THOROUGH: Self = Self { beyond: 600, combinations: 8_000 };
}

/// Compares the three on every call worth a try; gives the number of calls compared. Without a
/// reference, the table alone is the judge.
pub fn equal(
    table: &Table,
    host: Arch,
    ours: &[Insn],
    reference: Option<&[Insn]>,
    effort: Effort,
) -> Result<usize, Error> {
    let mut judge = Judge { table, host, ours, reference, compared: 0 };
    each(table, effort, |arch, number, args| judge.compare(arch, number, args))?;
    Ok(judge.compared)
}

/// Holds a telling program against its table: it tells of exactly what the table refuses with an errno
/// that is told, but where the sixth argument is the pass; there, and in all else, it says what the
/// table says.
pub fn telling(table: &Table, program: &[Insn], effort: Effort) -> Result<usize, Error> {
    const PASS: u64 = 0x9d3f_0c61_b7e2_584a;
    let mut bytes = encode(program);
    arm(&mut bytes, PASS);
    let armed = decode(&bytes).ok_or_else(|| Error("half an instruction".to_owned()))?;
    let mut compared = 0;
    each(table, effort, |arch, number, args| {
        let wrong_in_one_bit = PASS ^ 1 << (compared % 64);
        for sixth in [args[5], PASS, wrong_in_one_bit] {
            let args = [args[0], args[1], args[2], args[3], args[4], sixth];
            let data = Data { number, arch, pointer: 0x7f00_1234_5678, args };
            let verdict = table.verdict(arch, number, &args);
            let meant = if is_told(verdict) && sixth != PASS { TELL } else { verdict };
            let says = run(&armed, &data).map_err(|e| Error(format!("telling: {e}")))?;
            if says != meant {
                return Err(Error(format!(
                    "call {number} (arch {arch:#x}, arguments {args:x?}): the telling program must \
                     say {meant:#x} and says {says:#x}"
                )));
            }
            compared += 1;
        }
        Ok(())
    })?;
    Ok(compared)
}

/// Every call worth a try.
fn each(
    table: &Table,
    effort: Effort,
    mut compare: impl FnMut(u32, u32, &[u64; 6]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let top = table.highest() + effort.beyond;
    // The other architecture and the 32-bit entries of both.
    let foreign = Arch::ALL.iter().map(|a| a.audit()).chain([0x4000_0003, 0x4000_0028, 0, !0]);
    for arch in foreign.filter(|arch| *arch != table.arch.audit()) {
        for number in 0..=top {
            compare(arch, number, &random.args())?;
        }
    }
    let native = table.arch.audit();
    for number in (0..=top).chain(X32_BIT..=X32_BIT + top) {
        compare(native, number, &[0; 6])?;
        compare(native, number, &[!0; 6])?;
        compare(native, number, &random.args())?;
    }
    for number in [X32_BIT - 1, X32_BIT | 0x8000_0000, 0x8000_0000, 0x7fff_ffff, !0 - 1, !0] {
        compare(native, number, &random.args())?;
    }
    for (number, call) in table.calls.iter().filter(|(_, call)| !call.any_of.is_empty()) {
        for args in combinations(call, effort.combinations, &mut random) {
            compare(native, *number, &args)?;
        }
    }
    Ok(())
}

struct Judge<'a> {
    table: &'a Table,
    host: Arch,
    ours: &'a [Insn],
    reference: Option<&'a [Insn]>,
    compared: usize,
}

impl Judge<'_> {
    fn compare(&mut self, arch: u32, number: u32, args: &[u64; 6]) -> Result<(), Error> {
        let data = Data { number, arch, pointer: 0x7f00_1234_5678, args: *args };
        let meant = self.table.verdict(arch, number, args);
        let ours = run(self.ours, &data).map_err(|e| Error(format!("jail's program: {e}")))?;
        self.compared += 1;
        let disagree = |who: &str, says: u32| {
            Err(Error(format!(
                "call {number} (arch {arch:#x}, arguments {args:x?}): the profile means \
                 {meant:#x}, {who} says {says:#x}"
            )))
        };
        if ours != meant {
            return disagree("jail's program", ours);
        }
        let Some(reference) = self.reference.filter(|_| self.reference_knows(arch, number)) else {
            return Ok(());
        };
        let reference =
            run(reference, &data).map_err(|e| Error(format!("libseccomp's program: {e}")))?;
        if reference != meant { disagree("libseccomp's program", reference) } else { Ok(()) }
    }

    /// libseccomp has no word for "newer than the profile", and lets call -1 through to the default,
    /// as tracers use it to skip a call; jail answers ENOSYS to both.
    fn reference_knows(&self, arch: u32, number: u32) -> bool {
        if arch != self.table.arch.audit() {
            return true;
        }
        if number > self.table.highest() {
            return self.table.arch == Arch::X86_64 && number >= X32_BIT && number != !0;
        }
        let call = self.table.calls.get(&number);
        call.is_none_or(|call| covers(self.table, self.host, &call.name))
    }
}

/// Arguments to try on a call: every rule fulfilled, then each of its conditions in turn at every
/// value where a comparison could turn, then combinations of all those values drawn at random.
fn combinations(call: &Call, drawn: usize, random: &mut Random) -> Vec<[u64; 6]> {
    let mut values: [Vec<u64>; 6] = std::array::from_fn(|_| vec![random.draw()]);
    let mut matches = values.clone();
    for arg in call.any_of.iter().flatten() {
        let at = usize::from(arg.index);
        values[at].extend(around(arg, random));
        matches[at].push(matching(arg));
    }
    let mut tries = Vec::new();
    for list in &call.any_of {
        let mut base = random.args();
        for arg in list {
            base[usize::from(arg.index)] = matching(arg);
        }
        tries.push(base);
        for arg in list {
            let at = usize::from(arg.index);
            for value in around(arg, random).into_iter().chain(matches[at].iter().copied()) {
                let mut args = base;
                args[at] = value;
                tries.push(args);
            }
        }
    }
    for _ in 0..drawn {
        tries.push(std::array::from_fn(|i| values[i][random.below(values[i].len())]));
    }
    tries
}

/// A value that fulfils the condition, where there is one.
pub fn matching(arg: &Arg) -> u64 {
    let near = [arg.value_two, arg.value, arg.value.wrapping_add(1), arg.value.wrapping_sub(1)];
    near.into_iter().find(|value| arg.holds(*value)).unwrap_or(arg.value)
}

/// The values at which the comparison could turn: those next to a match and to the bounds, and those
/// that differ from a match in one bit, of the upper half as well.
fn around(arg: &Arg, random: &mut Random) -> Vec<u64> {
    let pivot = matching(arg);
    let mut values = vec![
        pivot,
        pivot.wrapping_add(1),
        pivot.wrapping_sub(1),
        arg.value,
        arg.value.wrapping_add(1),
        arg.value.wrapping_sub(1),
        pivot | 0xffff_ffff_0000_0000,
        pivot & 0xffff_ffff,
        pivot << 32,
        0,
        u64::MAX,
        random.draw(),
    ];
    values.extend((0..64).map(|bit| pivot ^ 1 << bit));
    values
}

/// xorshift64*: the same numbers in every run, so that a failure can be looked at again.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.draw() % end as u64) as usize
    }

    fn args(&mut self) -> [u64; 6] {
        std::array::from_fn(|_| self.draw())
    }
}
