//! The reference: a table compiled by libseccomp.
//!
//! Every filter that jail loads is held against what libseccomp makes of the same profile.

use super::arch::Arch;
use super::bpf::{Insn, MAX_INSNS, decode};
use super::oci::{Arg, Error, Op};
use super::table::{ALLOW, Call, NO_SUCH_CALL, Table};
use libseccomp::{
    ScmpAction, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall, ScmpVersion,
};
use std::io::Read;

/// How libseccomp arranges its comparisons (`SCMP_FLTATR_CTL_OPTIMIZE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One after the other: what libseccomp does unasked, and its best tested output.
    Linear,
    /// A tree of single numbers, for comparison.
    Tree,
}

/// libseccomp's program for a table.
///
/// It says nothing of `Table::newer`, which libseccomp has no word for. For an architecture that is
/// not `host` it leaves out the calls that this libseccomp has no name for, since it translates
/// numbers by name; `covers` tells which.
pub fn reference(table: &Table, host: Arch, shape: Shape) -> Result<Vec<Insn>, Error> {
    let mut filter = filter(table, host, shape).map_err(|e| Error(format!("libseccomp: {e}")))?;
    for (number, call) in &table.calls {
        // libseccomp refuses a rule that says what the default says.
        if call.verdict != table.default && covers(table, host, &call.name) {
            add(&mut filter, table.arch, host, *number, call)
                .map_err(|e| Error(format!("libseccomp: {}: {e}", call.name)))?;
        }
    }
    let bytes = export(&filter).map_err(|e| Error(format!("libseccomp: {e}")))?;
    match decode(&bytes) {
        Some(insns) if insns.len() <= MAX_INSNS => Ok(insns),
        Some(insns) => Err(Error(format!("{} instructions, the kernel takes 4096", insns.len()))),
        None => Err(Error("libseccomp wrote half an instruction".to_owned())),
    }
}

/// True where the reference program has a say on this call.
pub fn covers(table: &Table, host: Arch, name: &str) -> bool {
    table.arch == host || ScmpSyscall::from_name(name).is_ok()
}

/// Which libseccomp this is, as `2.5.4`.
pub fn version() -> String {
    ScmpVersion::current().map_or_else(|_| "unknown".to_owned(), |version| version.to_string())
}

type Result1<T> = Result<T, libseccomp::error::SeccompError>;

fn filter(table: &Table, host: Arch, shape: Shape) -> Result1<ScmpFilterContext> {
    let mut filter = ScmpFilterContext::new(action(table.default))?;
    filter.set_ctl_optimize(if shape == Shape::Linear { 1 } else { 2 })?;
    if table.arch != host {
        filter.add_arch(table.arch.scmp())?.remove_arch(host.scmp())?;
    }
    // A kernel that is built without the 32-bit entries answers ENOSYS, so a program that probes
    // for them is prepared for that. Killing (libseccomp's own choice) would tell it no more and the
    // owner less: a connector that just dies.
    filter.set_act_badarch(action(NO_SUCH_CALL))?;
    Ok(filter)
}

fn add(
    filter: &mut ScmpFilterContext,
    arch: Arch,
    host: Arch,
    number: u32,
    call: &Call,
) -> Result1<()> {
    // Rules are given in the numbers of the host, also for another architecture.
    let syscall = if arch == host {
        ScmpSyscall::from_raw_syscall(number.cast_signed())
    } else {
        ScmpSyscall::from_name(&call.name)?
    };
    if call.any_of.is_empty() {
        filter.add_rule(action(call.verdict), syscall)?;
    }
    for conditions in &call.any_of {
        let conditions: Vec<_> = conditions.iter().map(compare).collect();
        filter.add_rule_conditional(action(call.verdict), syscall, &conditions)?;
    }
    Ok(())
}

fn compare(arg: &Arg) -> ScmpArgCompare {
    let (op, datum) = match arg.op {
        Op::Ne => (ScmpCompareOp::NotEqual, arg.value),
        Op::Lt => (ScmpCompareOp::Less, arg.value),
        Op::Le => (ScmpCompareOp::LessOrEqual, arg.value),
        Op::Eq => (ScmpCompareOp::Equal, arg.value),
        Op::Ge => (ScmpCompareOp::GreaterEqual, arg.value),
        Op::Gt => (ScmpCompareOp::Greater, arg.value),
        Op::MaskedEq => (ScmpCompareOp::MaskedEqual(arg.value), arg.value_two),
    };
    ScmpArgCompare::new(u32::from(arg.index), op, datum)
}

fn action(verdict: u32) -> ScmpAction {
    match verdict {
        ALLOW => ScmpAction::Allow,
        0x7ffc_0000 => ScmpAction::Log,
        0x0003_0000 => ScmpAction::Trap,
        0x0000_0000 => ScmpAction::KillThread,
        0x8000_0000 => ScmpAction::KillProcess,
        errno => ScmpAction::Errno((errno & 0xffff).cast_signed()),
    }
}

/// The program in bytes. libseccomp wants a descriptor; a program has 32 KiB at most, and a pipe
/// holds 64, so the write does not wait for the read.
fn export(filter: &ScmpFilterContext) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let (mut reader, writer) = std::io::pipe()?;
    filter.export_bpf(&writer)?;
    drop(writer);
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes)?;
    Ok(bytes)
}
