//! Locks jail's audit log, which a read-only grant of the project shows: flock(2) needs no right to
//! write, and every run waits for the lock.
//!
//! Stopped by: jail's own folder is masked in whatever is granted.

use super::prelude::*;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

pub const ATTACK: Attack = Attack {
    name: "audit_lock",
    about: "flock .cloned/audit.log, so that no run starts or ends",
    setup: |fixture| {
        fixture.workspace();
        fixture.write("root/.cloned/connectors/x.yaml", "command: [x]\n");
        // Where another user's umask would have it 0600, this is still the same user.
        fixture.write("root/.cloned/lock-me", "");
        fixture.set_path("root", "root");
        fixture.set("held", &crate::run::patience(600).as_millis().to_string());
        let root = fixture.at("root");
        fixture.hook(move |command| _ = command.current_dir(&root));
    },
    jail_args: &["--workspace", "host:{host_ws}", "--read", "{root}"],
    attack: |env| {
        let own = env.path("root").join(".cloned");
        let open = fs::File::open(own.join("audit.log")).or_else(|_| fs::File::open(own.join("lock-me")));
        let locked = open.and_then(|file| {
            let locked = syscall!(libc::SYS_flock, file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB);
            locked.map(|_| file)
        });
        fs::write(env.path("ws").join("ready"), "").expect("ready");
        std::thread::sleep(Duration::from_millis(env.get("held").parse().expect("a number")));
        judge(locked)
    },
    during: Some(|fixture, _| {
        let until = Instant::now() + crate::run::patience(5000);
        while !fixture.at("ws/ready").exists() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        // As another run would, which waits; jail itself holds the lock only while it writes.
        let log = fs::File::open(fixture.at("root/.cloned/audit.log"));
        let until = Instant::now() + crate::run::patience(300);
        let free = log.is_ok_and(|log| {
            while log.try_lock().is_err() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            Instant::now() < until
        });
        fs::write(fixture.at("other"), format!("free: {free}")).expect("a note");
    }),
    effect: Some(|fixture, _| {
        let note = fixture.read("other");
        (!fixture.jailed || note != "free: true").then(|| format!("the log is {note}"))
    }),
    ..Attack::BASE
};
