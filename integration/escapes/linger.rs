//! The client closes its end of stdin; the connector opened that pipe for writing before, by
//! /proc/self/fd/0, so that no hang-up is ever seen.
//!
//! Not stopped: the kernel gives a pipe's owner every right on it, and Landlock does not look at pipes.
//! The time limit, and the supervisor's own end, still end the run.

use super::prelude::*;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::time::{Duration, Instant};

pub const ATTACK: Attack = Attack {
    name: "linger",
    about: "live on after the client closed stdin",
    setup: |fixture| {
        fixture.workspace();
        let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).expect("a pipe");
        fixture.set("client", &write.into_raw_fd().to_string());
        fixture.hook(move |command| _ = command.stdin(read.try_clone().expect("the pipe")));
    },
    jail_args: &["--workspace", "host:{host_ws}", "--eof-grace", "200ms"],
    attack: |env| {
        let held = fs::OpenOptions::new().write(true).open("/proc/self/fd/0");
        fs::write(env.path("ws").join("ready"), "").expect("ready");
        std::thread::sleep(Duration::from_millis(1500));
        judge(held.map(|file| file.as_raw_fd()))
    },
    during: Some(|fixture, _| {
        let until = Instant::now() + crate::run::patience(5000);
        while !fixture.at("ws/ready").exists() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(kit::owned(fixture.fill("{client}").parse().expect("a descriptor")));
    }),
    by_design: Some("whoever reads a pipe may open it for writing; limits.timeout bounds the run"),
    ..Attack::BASE
};
