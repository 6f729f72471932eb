//! The second form of a program: what it refuses it tells to a listener first.
//!
//! Only the refusals change, and only those with another errno than ENOSYS: ENOSYS is the answer to
//! programs that probe for a call and do without it. Each `return EPERM` becomes a jump to an ending:
//!
//! ```text
//! argument 6 is the pass ?  return EPERM            as the plain program does
//! else                      return USER_NOTIF       the listener answers, with an errno always
//! ```
//!
//! The pass is a random number, drawn for each run and put in when the program is loaded. The payload
//! gives it in every call that it makes between loading the filter and exec, while nobody listens yet:
//! to the payload both programs are the same. Whoever guessed the pass would gain that a refusal is not
//! recorded, and nothing else.
//!
//! The pass is only looked at behind the decision: a program that loads an argument before it knows the
//! number would keep the kernel from remembering which calls are always allowed.

use super::bpf::{Insn, JUMP, JUMP_EQ, LOAD, MAX_INSNS, RETURN};
use super::oci::Error;
use super::table::NO_SUCH_CALL;

/// `SECCOMP_RET_USER_NOTIF`.
pub const TELL: u32 = 0x7fc0_0000;

const ACTION: u32 = 0xffff_0000;
const ERRNO: u32 = 0x0005_0000;

/// Where `seccomp_data` has the low half of the sixth argument; the high half follows.
const PASS: u32 = 16 + 8 * 5;
/// Instructions of one ending.
const ENDING: usize = 6;
/// Bytes of an instruction, and where its operand begins.
const INSN: usize = 8;
const OPERAND: usize = 4;

/// True where a call with this verdict is told of.
pub fn is_told(verdict: u32) -> bool {
    verdict & ACTION == ERRNO && verdict != NO_SUCH_CALL
}

/// The same program, telling. Its pass is 0 until [`arm`] gives it one.
pub fn telling(plain: &[Insn]) -> Result<Vec<Insn>, Error> {
    let mut program = plain.to_vec();
    let mut endings: Vec<u32> = Vec::new();
    for (at, insn) in plain.iter().enumerate() {
        if insn.code != RETURN || !is_told(insn.k) {
            continue;
        }
        let index = endings.iter().position(|verdict| *verdict == insn.k).unwrap_or_else(|| {
            endings.push(insn.k);
            endings.len() - 1
        });
        let to = plain.len() + index * ENDING;
        program[at] = Insn::new(JUMP, (to - at - 1) as u32);
    }
    endings.into_iter().for_each(|verdict| program.extend(ending(verdict)));
    if program.len() > MAX_INSNS {
        return Err(Error(format!("{} instructions, the kernel takes 4096", program.len())));
    }
    Ok(program)
}

fn ending(verdict: u32) -> [Insn; ENDING] {
    [
        Insn::new(LOAD, PASS),
        Insn::branch(JUMP_EQ, 0, 0, 3),
        Insn::new(LOAD, PASS + 4),
        Insn::branch(JUMP_EQ, 0, 0, 1),
        Insn::new(RETURN, verdict),
        Insn::new(RETURN, TELL),
    ]
}

/// Puts the pass into a telling program, as bytes.
pub fn arm(program: &mut [u8], pass: u64) {
    let halves = [pass as u32, (pass >> 32) as u32];
    let mut rest = program;
    while let Some((front, last)) = rest.split_last_chunk_mut::<{ ENDING * INSN }>() {
        let load = LOAD.to_ne_bytes();
        if last[..2] != load || last[OPERAND..INSN] != PASS.to_ne_bytes() {
            return;
        }
        // A rule may look at the sixth argument as well; no rule tells.
        if last[5 * INSN + OPERAND..] != TELL.to_ne_bytes() {
            return;
        }
        for (insn, half) in [1, 3].into_iter().zip(halves) {
            let at = insn * INSN + OPERAND;
            last[at..at + 4].copy_from_slice(&half.to_ne_bytes());
        }
        rest = front;
    }
}
