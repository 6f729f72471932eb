//! Classic BPF as seccomp(2) uses it: the instruction, its bytes, and an interpreter.
//!
//! The interpreter is what lets a test, the build and `from_file` compare two programs. It knows the
//! instructions that occur in filters of libseccomp and of `tree`; any other one is an error, so that
//! nothing is "equal" for want of understanding.

/// A = the 32-bit word of `seccomp_data` at `k`.
pub const LOAD: u16 = 0x20;
/// A &= k.
pub const AND: u16 = 0x54;
/// Skip `k` instructions.
pub const JUMP: u16 = 0x05;
/// Skip `jt` instructions where A == k, else `jf`.
pub const JUMP_EQ: u16 = 0x15;
/// The same for A > k, unsigned.
pub const JUMP_GT: u16 = 0x25;
/// The same for A >= k, unsigned.
pub const JUMP_GE: u16 = 0x35;
/// The same for A & k != 0.
pub const JUMP_SET: u16 = 0x45;
/// The verdict is `k`.
pub const RETURN: u16 = 0x06;

/// `BPF_MAXINSNS`: the kernel takes no longer program.
pub const MAX_INSNS: usize = 4096;

/// One instruction: `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insn {
    /// What to do: one of the constants above.
    pub code: u16,
    /// Instructions to skip where a comparison holds.
    pub jt: u8,
    /// And where it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

impl Insn {
    /// An instruction that does not branch.
    pub const fn new(code: u16, k: u32) -> Self {
        Self { code, jt: 0, jf: 0, k }
    }

    /// A comparison with `k`.
    pub const fn branch(code: u16, k: u32, jt: u8, jf: u8) -> Self {
        Self { code, jt, jf, k }
    }
}

/// The bytes that seccomp(2) takes.
pub fn encode(program: &[Insn]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(program.len() * 8);
    for insn in program {
        bytes.extend_from_slice(&insn.code.to_ne_bytes());
        bytes.extend_from_slice(&[insn.jt, insn.jf]);
        bytes.extend_from_slice(&insn.k.to_ne_bytes());
    }
    bytes
}

/// The instructions in `bytes`; `None` where these are no whole number of instructions.
pub fn decode(bytes: &[u8]) -> Option<Vec<Insn>> {
    let (insns, rest) = bytes.as_chunks::<8>();
    let decode = |i: &[u8; 8]| Insn {
        code: u16::from_ne_bytes([i[0], i[1]]),
        jt: i[2],
        jf: i[3],
        k: u32::from_ne_bytes([i[4], i[5], i[6], i[7]]),
    };
    rest.is_empty().then(|| insns.iter().map(decode).collect())
}

/// What a filter sees of one call: `struct seccomp_data`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Data {
    /// The number of the call; the x32 entry sets bit 30.
    pub number: u32,
    /// `AUDIT_ARCH_…` of the entry by which the call came.
    pub arch: u32,
    /// The address of the calling instruction.
    pub pointer: u64,
    /// The registers, whole, whatever the type of the argument.
    pub args: [u64; 6],
}

impl Data {
    /// The 32-bit word at `offset`; both architectures are little-endian.
    fn word(&self, offset: u32) -> Result<u32, String> {
        let half =
            |value: u64| if offset.is_multiple_of(8) { value as u32 } else { (value >> 32) as u32 };
        match offset {
            0 => Ok(self.number),
            4 => Ok(self.arch),
            8 | 12 => Ok(half(self.pointer)),
            16..=60 if offset.is_multiple_of(4) => Ok(half(self.args[(offset as usize - 16) / 8])),
            _ => Err(format!("load at offset {offset}")),
        }
    }
}

/// Runs a program on one call: the verdict, as the kernel would give it.
pub fn run(program: &[Insn], data: &Data) -> Result<u32, String> {
    run_watched(program, data, |_, _| {})
}

/// The same; `loads` is told each word of `seccomp_data` that is looked at, by its offset and the bits.
pub fn run_watched(
    program: &[Insn],
    data: &Data,
    mut loads: impl FnMut(u32, u32),
) -> Result<u32, String> {
    let mut accumulator = 0u32;
    let mut at = 0usize;
    loop {
        let insn = program.get(at).ok_or_else(|| format!("runs past its end at {at}"))?;
        let branch = |taken: bool| usize::from(if taken { insn.jt } else { insn.jf });
        at += 1;
        match insn.code {
            LOAD => {
                let next = program.get(at).filter(|next| next.code == AND);
                loads(insn.k, next.map_or(!0, |and| and.k));
                accumulator = data.word(insn.k)?;
            }
            AND => accumulator &= insn.k,
            JUMP => at += insn.k as usize,
            JUMP_EQ => at += branch(accumulator == insn.k),
            JUMP_GT => at += branch(accumulator > insn.k),
            JUMP_GE => at += branch(accumulator >= insn.k),
            JUMP_SET => at += branch(accumulator & insn.k != 0),
            RETURN => return Ok(insn.k),
            code => return Err(format!("unknown instruction {code:#06x} at {}", at - 1)),
        }
    }
}
