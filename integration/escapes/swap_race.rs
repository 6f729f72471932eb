//! A granted folder is swapped with a link to a secret folder, again and again, while jails start.
//! It lies in a folder that connectors may write: one of them does the swapping.
//!
//! CVE-2021-30465, CVE-2025-31133. Stopped by: the plan refuses links below writable folders; every
//! host path is opened once, without following links, and compared with what was planned.

use super::prelude::*;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

struct Swapper(Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>);

impl Drop for Swapper {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
        let _ = self.1.take().map(std::thread::JoinHandle::join);
    }
}

pub const ATTACK: Attack = Attack {
    name: "swap_race",
    about: "swap a granted folder with a link while the jail is set up",
    repeat: 200,
    setup: |fixture| {
        let ws = fixture.workspace();
        fs::create_dir(ws.join("grant")).expect("a folder");
        std::os::unix::fs::symlink(fixture.at("home/.ssh"), ws.join("link")).expect("a link");
        fixture.set_path("grant", "ws/grant");
        let (a, b) = (ws.join("grant"), ws.join("link"));
        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        let thread = std::thread::spawn(move || {
            while !seen.load(Relaxed) {
                let _ = renameat2(AT_FDCWD, &a, AT_FDCWD, &b, RenameFlags::RENAME_EXCHANGE);
                std::thread::sleep(std::time::Duration::from_micros(300));
            }
        });
        fixture.keep.push(Box::new(Swapper(stop, Some(thread))));
    },
    jail_args: &["--workspace", "host:{host_ws}", "--read", "{grant}"],
    attack: |env| {
        let file = env.path("grant").join("id_rsa");
        let tries = if env.jailed { 1 } else { 2000 };
        let found = (0..tries).find_map(|_| {
            let read = fs::read(&file).ok();
            // On a busy machine the swapper has its turn late.
            std::thread::sleep(std::time::Duration::from_micros(if env.jailed { 0 } else { 200 }));
            read
        });
        judge_secret(found.ok_or_else(|| io::ErrorKind::NotFound.into()), env.get("marker"))
    },
    run_refused: Some("error:"),
    ..Attack::BASE
};
