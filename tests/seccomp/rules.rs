//! Every rule of every profile, kept and broken for real.

use super::child::{self, Outcome};
use super::special;
use jail::seccomp::arch::{Arch, Number};
use jail::seccomp::bpf::{self, Data, Insn};
use jail::seccomp::oci::{Action, Arg, Profile, Rule};
use jail::seccomp::prove::matching;
use jail::seccomp::table::{ALLOW, Table};
use jail::seccomp::{self};
use libtest_mimic::{Failed, Trial};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Rules looked at, names in them that this architecture has, and conditions broken.
pub(crate) static RULES: AtomicUsize = AtomicUsize::new(0);
pub(crate) static NAMES: AtomicUsize = AtomicUsize::new(0);
pub(crate) static BREACHES: AtomicUsize = AtomicUsize::new(0);

/// A profile with the program that jail ships for it.
pub(crate) struct Subject {
    name: String,
    profile: Profile,
    table: Table,
    shipped: Vec<Insn>,
    marked: Vec<u8>,
}

impl Subject {
    pub(crate) fn new(name: &str, json: &[u8]) -> Self {
        let profile = Profile::parse(json).expect("a profile");
        let table = Table::new(&profile, Arch::NATIVE).expect("for this machine");
        let bytes = seccomp::built_in(name).expect("every file is built in");
        let shipped = bpf::decode(bytes).expect("a program");
        Self { name: name.to_owned(), profile, table, shipped, marked: child::marked(bytes) }
    }

    /// What the shipped program says, by the interpreter.
    fn says(&self, number: u32, args: &[u64; 6]) -> u32 {
        let data = Data { number, arch: Arch::NATIVE.audit(), pointer: 0, args: *args };
        bpf::run(&self.shipped, &data).expect("a sound program")
    }

    /// The errno that the shipped program refuses with.
    fn refuses(&self, number: u32, args: &[u64; 6]) -> Result<i64, String> {
        match self.says(number, args) {
            verdict @ 0x5_0001..=0x5_0fff => Ok(i64::from(verdict & 0xffff)),
            verdict => Err(format!("call {number:#x} {args:x?}: the program says {verdict:#x}")),
        }
    }
}

type Test = fn(&Subject) -> Result<(), String>;

/// One test for each rule, and five for what no rule names.
pub(crate) fn trials(subject: Subject) -> Vec<Trial> {
    let subject = Arc::new(subject);
    let mut trials = Vec::new();
    for (index, rule) in subject.profile.syscalls.clone().into_iter().enumerate() {
        let on = Arc::clone(&subject);
        let name = format!("{}/rule {:03} {}", subject.name, index + 1, rule.names[0]);
        trials.push(Trial::test(name, move || check_rule(&on, &rule).map_err(Failed::from)));
    }
    let tests: [(&str, Test); 5] = [
        ("unnamed calls are refused", unnamed),
        ("the telling form refuses the same", telling),
        ("newer calls do not exist", newer),
        ("x32 calls do not exist", x32),
        ("int 0x80 does not exist", int80),
    ];
    for (name, test) in tests {
        let on = Arc::clone(&subject);
        let name = format!("{}/{name}", subject.name);
        trials.push(Trial::test(name, move || test(&on).map_err(Failed::from)));
    }
    trials
}

fn check_rule(on: &Subject, rule: &Rule) -> Result<(), String> {
    RULES.fetch_add(1, Ordering::Relaxed);
    let mut here = 0;
    for name in &rule.names {
        match Arch::NATIVE.number(name) {
            Number::Is(number) => {
                here += 1;
                match rule.action {
                    Action::Allow => allowed(on, rule, name, number)?,
                    _ => refused(on, number, &special::base(name))?,
                }
            }
            Number::Elsewhere => {}
            Number::Unknown => return Err(format!("{name} is no system call")),
        }
    }
    NAMES.fetch_add(here, Ordering::Relaxed);
    Ok(())
}

fn allowed(on: &Subject, rule: &Rule, name: &str, number: u32) -> Result<(), String> {
    let mut kept = special::base(name);
    for arg in &rule.args {
        let at = usize::from(arg.index);
        kept[at] = kept[at] & !arg.value | matching(arg);
    }
    passes(on, name, number, &kept)?;
    for arg in &rule.args {
        broken(on, arg, name, number, &kept)?;
    }
    Ok(())
}

/// Breaks one condition in every bit that it looks at, and shows that nothing else counts: the
/// kernel does not see the upper half of an `int`, so neither may the filter.
fn broken(on: &Subject, arg: &Arg, name: &str, number: u32, kept: &[u64; 6]) -> Result<(), String> {
    let at = usize::from(arg.index);
    let with = |value: u64| {
        let mut args = *kept;
        args[at] = value;
        args
    };
    // An address counts whole.
    let highs: &[u64] =
        if arg.is_no_address() { &[] } else { &[1 << 32, 1 << 63, 0xffff_ffff_0000_0000] };
    for high in highs {
        passes(on, name, number, &with(kept[at] ^ high))?;
    }
    let mut breaches = 0;
    for bit in (0..64).map(|bit| 1u64 << bit).filter(|bit| arg.value & bit != 0) {
        for value in [kept[at] ^ bit, kept[at] ^ bit ^ 1 << 32] {
            // Another rule may allow what this one does not.
            if on.table.verdict(Arch::NATIVE.audit(), number, &with(value)) == ALLOW {
                passes(on, name, number, &with(value))?;
            } else {
                refused(on, number, &with(value))?;
                breaches += 1;
            }
        }
    }
    BREACHES.fetch_add(breaches, Ordering::Relaxed);
    if breaches == 0 { Err(format!("{name}: no way to break {arg:?}")) } else { Ok(()) }
}

fn passes(on: &Subject, name: &str, number: u32, args: &[u64; 6]) -> Result<(), String> {
    let verdict = on.says(number, args);
    if verdict != ALLOW {
        return Err(format!("{name} {args:x?}: the program says {verdict:#x}"));
    }
    if let Some(result) = special::reaches_kernel(&on.marked, name, number) {
        return result;
    }
    match child::call(&on.marked, number, args) {
        Outcome::Reached(_) => Ok(()),
        other => Err(format!("{name} {args:x?}: {other:?}")),
    }
}

fn refused(on: &Subject, number: u32, args: &[u64; 6]) -> Result<(), String> {
    let errno = on.refuses(number, args)?;
    match child::call(&on.marked, number, args) {
        Outcome::Refused(actual) if actual == errno => Ok(()),
        other => Err(format!("call {number} {args:x?}: {other:?} instead of errno {errno}")),
    }
}

/// Every name that libseccomp or jail knows and the profile does not.
fn unnamed(on: &Subject) -> Result<(), String> {
    // From Linux 6.14 on the kernel does not ask a filter about uretprobe: it ends whoever calls it.
    let known = |number: &u32| {
        Arch::NATIVE.call_name(*number).is_some_and(|name| name != "uretprobe")
            && !on.table.calls.contains_key(number)
    };
    let calls: Vec<u32> = (0..1024).filter(known).collect();
    if calls.len() < 50 {
        return Err(format!("only {} calls are left to refuse", calls.len()));
    }
    all(on, calls.into_iter())
}

/// The telling form, by the kernel: with the pass it refuses as the plain one does, and without it asks. Where
/// nobody listens the kernel answers ENOSYS itself, so that nothing passes.
fn telling(on: &Subject) -> Result<(), String> {
    const PASS: u64 = 0x1122_3344_5566_7788;
    let mut program = seccomp::built_in_telling(&on.name).ok_or("no telling form")?.to_vec();
    jail::seccomp::notify::arm(&mut program, PASS);
    let program = child::marked(&program);
    let asked = Outcome::Reached(-i64::from(libc::ENOSYS));
    let mut told = 0;
    for number in 0..=on.table.highest() {
        // See `unnamed` for uretprobe.
        let known = Arch::NATIVE.call_name(number).is_some_and(|name| name != "uretprobe");
        if !known || on.table.calls.contains_key(&number) {
            continue;
        }
        told += 1;
        let refused = Outcome::Refused(libc::EPERM.into());
        for (sixth, meant) in [(PASS, refused), (PASS ^ 1 << 40, asked), (0, asked)] {
            let outcome = child::call(&program, number, &[0, 0, 0, 0, 0, sixth]);
            if outcome != meant {
                return Err(format!("call {number} with {sixth:#x}: {outcome:?}, not {meant:?}"));
            }
        }
    }
    if told < 50 { Err(format!("only {told} calls are told")) } else { Ok(()) }
}

fn newer(on: &Subject) -> Result<(), String> {
    let above = on.table.highest() + 1;
    for number in above..above + 600 {
        if on.refuses(number, &[0; 6])? != i64::from(libc::ENOSYS) {
            return Err(format!("call {number} is not answered with ENOSYS"));
        }
    }
    all(on, above..above + 600)
}

/// The same numbers by the x32 entry: other semantics behind the architecture of x86-64.
fn x32(on: &Subject) -> Result<(), String> {
    if Arch::NATIVE != Arch::X86_64 {
        return Ok(());
    }
    all(on, (0..=on.table.highest() + 64).map(|number| number | 0x4000_0000))?;
    all(on, [0x4000_0000 + 512, 0x4000_0000 + 547, 0x7fff_ffff, 0x8000_0000, u32::MAX].into_iter())
}

fn int80(on: &Subject) -> Result<(), String> {
    #[cfg(target_arch = "x86_64")]
    {
        match child::under(None, &special::int80) {
            (Some(1..), _) => {}
            // The kernel has no such entry: the filter has nothing to do.
            (_, status) if libc::WIFSIGNALED(status) => return Ok(()),
            other => return Err(format!("without a filter: {other:?}")),
        }
        match child::judge(child::under(Some(&on.marked), &special::int80)) {
            Outcome::Refused(errno) if errno == i64::from(libc::ENOSYS) => {}
            other => return Err(format!("{other:?}")),
        }
    }
    let _on = on;
    Ok(())
}

/// Makes calls that the program refuses, after the interpreter has said that it does.
fn all(on: &Subject, numbers: impl Iterator<Item = u32>) -> Result<(), String> {
    let mut calls = Vec::new();
    for number in numbers {
        calls.push((number, on.refuses(number, &[u64::MAX; 6])?));
    }
    child::all_refused(&on.marked, &calls, &[u64::MAX; 6])
}
