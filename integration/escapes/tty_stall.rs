//! `--tty` with a time limit: floods the terminal while nobody reads, so that the supervisor would hang
//! in a write instead of ending the run.
//!
//! Stopped by: the supervisor writes only where there is room.

use super::prelude::*;
use std::time::{Duration, Instant};

pub const ATTACK: Attack = Attack {
    name: "tty_stall",
    about: "outlive --timeout by output that nobody reads",
    cut_short: true,
    setup: |fixture| {
        let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).expect("a pipe");
        fixture.keep.push(Box::new(read));
        fixture.set("lasts", &crate::run::patience(8000).as_secs().to_string());
        fixture.hook(move |command| _ = command.stdout(write.try_clone().expect("the pipe")));
    },
    jail_args: &["--tty", "--timeout", "200ms"],
    attack: |env| {
        let lasts: u64 = env.get("lasts").parse().expect("a number");
        let until = Instant::now() + Duration::from_secs(lasts);
        let _ = syscall!(libc::SYS_alarm, lasts);
        while Instant::now() < until {
            let _ = syscall!(libc::SYS_write, 1, [b'x'; 512].as_ptr(), 512);
        }
        Verdict::Tried("it lived on".into())
    },
    during: Some(|fixture, pid| {
        std::thread::sleep(crate::run::patience(200 + 2000 + 1500));
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if !state.is_empty() && !state.contains(") Z") {
            fixture.write("late", "");
        }
        unsafe { libc::kill(pid as i32, libc::SIGKILL) };
    }),
    effect: Some(|fixture, _| fixture.at("late").exists().then(|| "it runs beyond its time".into())),
    ..Attack::BASE
};
