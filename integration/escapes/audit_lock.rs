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
        std::thread::sleep(Duration::from_millis(600));
        judge(locked)
    },
    during: Some(|fixture, _| {
        let until = Instant::now() + Duration::from_secs(5);
        while !fixture.at("ws/ready").exists() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let started = Instant::now();
        let mut other = fixture.jail(&["--", "true"]);
        let ended = other.current_dir(fixture.at("root")).status().expect("another run");
        let waited = started.elapsed() > Duration::from_millis(400);
        fs::write(fixture.at("other"), format!("{ended} waited: {waited}")).expect("a note");
    }),
    effect: Some(|fixture, _| {
        let note = fixture.read("other");
        (!fixture.jailed || note.contains("waited: true")).then(|| format!("another run: {note}"))
    }),
    ..Attack::BASE
};
