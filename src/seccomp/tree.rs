//! jail's own code generator: a balanced tree over ranges of calls with one verdict.
//!
//! When a filter is loaded, the kernel runs it once for each of its some 460 calls to learn which are
//! always allowed. libseccomp's program compares with one number after the other, so loading a
//! profile of 300 calls costs more than a millisecond. Neighbouring calls mostly share a verdict:
//! the tree has as many leaves as there are changes, and a path of seven comparisons.
//!
//! Nothing is taken on trust: `prove` holds the outcome against libseccomp's program.
//!
//! ```text
//! load arch; not ours -> ENOSYS
//! load number
//! tree: >= 300 ? (>= 400 ? ...) : (>= 60 ? ...)     leaves: return, or jump to a block
//! blocks: one for each call with conditions on its arguments
//! ```

use super::arch::Arch;
use super::bpf::{AND, Insn, JUMP, JUMP_EQ, JUMP_GE, JUMP_GT, LOAD, MAX_INSNS, RETURN};
use super::oci::{Arg, Error, Op};
use super::table::{Call, NO_SUCH_CALL, Table, X32_BIT};

const NUMBER: u32 = 0;
const ARCH: u32 = 4;

/// The farthest that a conditional jump reaches.
const NEAR: usize = 255;

/// The program for a table.
pub fn emit(table: &Table) -> Result<Vec<Insn>, Error> {
    let (segments, blocks) = segments(table);
    let mut code = vec![
        Step::Insn(Insn::new(LOAD, ARCH)),
        Step::Insn(Insn::branch(JUMP_EQ, table.arch.audit(), 1, 0)),
        Step::Insn(Insn::new(RETURN, NO_SUCH_CALL)),
        Step::Insn(Insn::new(LOAD, NUMBER)),
    ];
    code.extend(tree(&segments));
    let program = link(&code, &blocks);
    if program.len() > MAX_INSNS {
        return Err(Error(format!("{} instructions, the kernel takes 4096", program.len())));
    }
    Ok(program)
}

/// From `start` up to the next segment, every call has this answer.
struct Segment {
    start: u32,
    leaf: Leaf,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaf {
    Verdict(u32),
    /// The block with this index decides by the arguments.
    Block(usize),
}

/// An instruction, or a jump to a block whose place is known only in the end.
enum Step {
    Insn(Insn),
    Block(usize),
}

fn segments(table: &Table) -> (Vec<Segment>, Vec<Vec<Insn>>) {
    let mut blocks = Vec::new();
    let mut segments: Vec<Segment> = Vec::new();
    let mut push = |start: u32, leaf: Leaf| {
        if segments.last().is_none_or(|last| last.leaf != leaf) {
            segments.push(Segment { start, leaf });
        }
    };
    for number in 0..=table.highest() {
        let leaf = match table.calls.get(&number) {
            None => Leaf::Verdict(table.default),
            Some(call) if call.any_of.is_empty() => Leaf::Verdict(call.verdict),
            Some(call) => {
                blocks.push(block(call, table.default));
                Leaf::Block(blocks.len() - 1)
            }
        };
        push(number, leaf);
    }
    push(table.highest() + 1, Leaf::Verdict(table.newer));
    if table.arch == Arch::X86_64 {
        push(X32_BIT, Leaf::Verdict(NO_SUCH_CALL));
    }
    (segments, blocks)
}

/// Finds the segment of the number in A.
fn tree(segments: &[Segment]) -> Vec<Step> {
    if let [only] = segments {
        return vec![match only.leaf {
            Leaf::Verdict(verdict) => Step::Insn(Insn::new(RETURN, verdict)),
            Leaf::Block(block) => Step::Block(block),
        }];
    }
    let (low, high) = segments.split_at(segments.len() / 2);
    let (below, above) = (tree(low), tree(high));
    let middle = high[0].start;
    let mut code = match u8::try_from(below.len()) {
        Ok(skip) => vec![Step::Insn(Insn::branch(JUMP_GE, middle, skip, 0))],
        Err(_) => vec![
            Step::Insn(Insn::branch(JUMP_GE, middle, 0, 1)),
            Step::Insn(Insn::new(JUMP, below.len() as u32)),
        ],
    };
    code.extend(below);
    code.extend(above);
    code
}

/// Puts the blocks behind the tree and fills in the jumps to them.
fn link(code: &[Step], blocks: &[Vec<Insn>]) -> Vec<Insn> {
    let mut start = code.len();
    let mut starts = Vec::with_capacity(blocks.len());
    for block in blocks {
        starts.push(start);
        start += block.len();
    }
    let place = |(at, step): (usize, &Step)| match step {
        Step::Insn(insn) => *insn,
        Step::Block(block) => Insn::new(JUMP, (starts[*block] - at - 1) as u32),
    };
    let mut program: Vec<Insn> = code.iter().enumerate().map(place).collect();
    program.extend(blocks.iter().flatten());
    program
}

/// Decides one call by its arguments.
fn block(call: &Call, default: u32) -> Vec<Insn> {
    let mut code = Vec::new();
    let mut rest = call.any_of.as_slice();
    while let Some(first) = rest.first() {
        let alike = rest.iter().take_while(|list| same_word(first, list)).take(NEAR - 1).count();
        if alike > 1 {
            code.extend(choice(&rest[..alike], call.verdict));
            rest = &rest[alike..];
        } else {
            code.extend(rule(first, call.verdict));
            rest = &rest[1..];
        }
    }
    code.push(Insn::new(RETURN, default));
    code
}

/// True where both lists are one comparison of the low half of the same argument by the same mask.
fn same_word(a: &[Arg], b: &[Arg]) -> bool {
    match (a, b) {
        ([a], [b]) => a.is_exact() && b.is_exact() && a.index == b.index && a.value == b.value,
        _ => false,
    }
}

/// One load for many rules of the same shape, as ioctl(2) has them: some sixty commands.
fn choice(rules: &[Vec<Arg>], verdict: u32) -> Vec<Insn> {
    let first = &rules[0][0];
    let mut code = load_masked(low(first.index), first.value as u32);
    for (at, rule) in rules.iter().enumerate() {
        let left = rules.len() - at - 1;
        let last = left == 0;
        // `left` is below NEAR: `block` takes no more rules at a time. The last one skips the
        // return where it does not match.
        code.push(Insn::branch(JUMP_EQ, rule[0].value_two as u32, left as u8, u8::from(last)));
    }
    code.push(Insn::new(RETURN, verdict));
    code
}

/// Returns the verdict where all conditions hold, and falls through where one does not.
fn rule(conditions: &[Arg], verdict: u32) -> Vec<Insn> {
    let mut code: Vec<Test> = conditions.iter().flat_map(condition).collect();
    code.push(Test::Insn(Insn::new(RETURN, verdict)));
    let end = code.len();
    // Six conditions make 36 instructions at most, so every distance fits in a byte.
    let resolve = |at: usize, to: To| match to {
        To::Next => 0,
        To::Skip(n) => n,
        To::Fail => (end - at - 1) as u8,
    };
    code.into_iter()
        .enumerate()
        .map(|(at, test)| match test {
            Test::Insn(insn) => insn,
            Test::Branch(code, k, yes, no) => {
                Insn::branch(code, k, resolve(at, yes), resolve(at, no))
            }
        })
        .collect()
}

#[derive(Clone, Copy)]
enum Test {
    Insn(Insn),
    Branch(u16, u32, To, To),
}

/// Where a comparison goes on.
#[derive(Clone, Copy)]
enum To {
    Next,
    /// Over so many instructions.
    Skip(u8),
    /// Behind the rule.
    Fail,
}

/// Falls through where the condition holds. Each comparison of 64 bits is one of the high half, then
/// one of the low.
fn condition(arg: &Arg) -> Vec<Test> {
    let (high_word, low_word) = ((arg.value >> 32) as u32, arg.value as u32);
    let load = |offset| Test::Insn(Insn::new(LOAD, offset));
    let (hi, lo) = (load(high(arg.index)), load(low(arg.index)));
    // The order of the high halves decides but where they are equal.
    let greater = |last: u16, yes: To, no: To, when_above: To, when_below: To| {
        vec![
            hi,
            Test::Branch(JUMP_GT, high_word, when_above, To::Next),
            Test::Branch(JUMP_EQ, high_word, To::Next, when_below),
            lo,
            Test::Branch(last, low_word, yes, no),
        ]
    };
    // Over the rest of the condition, from the second and the third instruction of `greater`.
    let (done_at_gt, done_at_eq) = (To::Skip(3), To::Skip(2));
    match arg.op {
        Op::MaskedEq => masked(arg),
        Op::Eq => masked(&Arg { value: u64::MAX, value_two: arg.value, ..arg.clone() }),
        Op::Ne => vec![
            hi,
            Test::Branch(JUMP_EQ, high_word, To::Next, To::Skip(2)),
            lo,
            Test::Branch(JUMP_EQ, low_word, To::Fail, To::Next),
        ],
        Op::Ge => greater(JUMP_GE, To::Next, To::Fail, done_at_gt, To::Fail),
        Op::Gt => greater(JUMP_GT, To::Next, To::Fail, done_at_gt, To::Fail),
        Op::Lt => greater(JUMP_GE, To::Fail, To::Next, To::Fail, done_at_eq),
        Op::Le => greater(JUMP_GT, To::Fail, To::Next, To::Fail, done_at_eq),
    }
}

fn masked(arg: &Arg) -> Vec<Test> {
    let halves = [
        (high(arg.index), (arg.value >> 32) as u32, (arg.value_two >> 32) as u32),
        (low(arg.index), arg.value as u32, arg.value_two as u32),
    ];
    let mut code = Vec::new();
    for (offset, mask, wanted) in halves {
        if mask != 0 {
            code.extend(load_masked(offset, mask).into_iter().map(Test::Insn));
            code.push(Test::Branch(JUMP_EQ, wanted, To::Next, To::Fail));
        }
    }
    code
}

fn load_masked(offset: u32, mask: u32) -> Vec<Insn> {
    let mut code = vec![Insn::new(LOAD, offset)];
    if mask != u32::MAX {
        code.push(Insn::new(AND, mask));
    }
    code
}

/// Where `seccomp_data` has the low half of an argument; both architectures are little-endian.
fn low(index: u8) -> u32 {
    16 + 8 * u32::from(index)
}

fn high(index: u8) -> u32 {
    low(index) + 4
}
