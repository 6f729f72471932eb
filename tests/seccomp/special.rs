//! Calls that arguments of -1 do not make harmless: each is made in its own way.

use super::child::{self, Outcome, raw};

/// How many of the calls have an entry below, for the count at the end.
pub(crate) const LIST: &[&str] =
    &["clone", "exit", "exit_group", "fork", "kill", "pause", "rt_sigreturn", "uretprobe", "vfork"];

/// Harmless arguments to start from. -1 is no descriptor, no address, no process, no command and no
/// set of flags; the few calls for which it is something are listed.
pub(crate) fn base(name: &str) -> [u64; 6] {
    match name {
        // CLONE_SIGHAND without CLONE_VM: EINVAL.
        "clone" => [0x800, 0, 0, 0, 0, 0],
        // Signal 0 to the own process group: nothing is sent.
        "kill" => [0; 6],
        _ => [u64::MAX; 6],
    }
}

/// Makes a call of `LIST` that `base` has no arguments for; `None`: an ordinary call.
pub(crate) fn reaches_kernel(filter: &[u8], name: &str, number: u32) -> Option<Result<(), String>> {
    let under = |act: &dyn Fn() -> i64| child::judge(child::under(Some(filter), act));
    let ends = |outcome: Outcome, wanted: fn(i32) -> bool| match outcome {
        Outcome::Ended(status) if wanted(status) => Ok(()),
        other => Err(format!("{name}: {other:?}")),
    };
    Some(match name {
        "exit" | "exit_group" => {
            let outcome = under(&|| raw(number, &[77, 0, 0, 0, 0, 0]));
            ends(outcome, |status| libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 77)
        }
        // An alarm ends the wait. A refusal returns at once, and is seen by its mark.
        "pause" => {
            let outcome = under(&|| {
                // SAFETY: a timer of the child's own.
                unsafe { libc::alarm(1) };
                raw(number, &[0; 6])
            });
            ends(outcome, |status| {
                libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGALRM
            })
        }
        // Without a frame of a signal on the stack the kernel ends the caller; a refusal returns.
        "rt_sigreturn" => ends(under(&|| raw(number, &[0; 6])), |status| libc::WIFSIGNALED(status)),
        // Outside of the kernel's trampoline: SIGILL, or ENOSYS from a kernel without it.
        "uretprobe" => match under(&|| raw(number, &[0; 6])) {
            Outcome::Reached(_) => Ok(()),
            outcome => ends(outcome, |status| libc::WIFSIGNALED(status)),
        },
        "fork" | "vfork" => match under(&|| forks(number)) {
            Outcome::Reached(pid) if pid > 0 => Ok(()),
            other => Err(format!("{name}: {other:?}")),
        },
        _ => return None,
    })
}

/// fork or vfork whose child ends within the same instructions: after vfork it runs on this stack.
#[cfg(target_arch = "x86_64")]
fn forks(number: u32) -> i64 {
    let result: i64;
    // SAFETY: both processes come out of the system call with the same registers; the new one
    // (0 in rax) calls exit (60) and touches no memory.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor edi, edi",
            "mov eax, 60",
            "syscall",
            "2:",
            inlateout("rax") i64::from(number) => result,
            out("rdi") _, out("rcx") _, out("r11") _,
        );
    }
    result
}

/// aarch64 has neither call.
#[cfg(not(target_arch = "x86_64"))]
fn forks(_number: u32) -> i64 {
    unreachable!("no fork or vfork here")
}

/// A call by the 32-bit entry of x86-64 (`int 0x80`), with the numbers of i386: getpid.
#[cfg(target_arch = "x86_64")]
pub(crate) fn int80() -> i64 {
    let result: i64;
    // SAFETY: getpid (20 on i386) takes nothing and touches nothing. The entry clears r8 to r11.
    unsafe {
        std::arch::asm!(
            "int 0x80",
            inlateout("rax") 20i64 => result,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    // The entry is a 32-bit one, and so is its result.
    i64::from(result as i32)
}
