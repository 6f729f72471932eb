//! Uses folders that the client had open, and that the supervisor inherited.
//!
//! CVE-2024-21626 (runc). Stopped by: close_range over everything from 3 on.

use super::prelude::*;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;

pub const ATTACK: Attack = Attack {
    name: "leaked_descriptors",
    about: "openat() from one of 48 inherited folder descriptors",
    setup: |fixture| {
        let folder = fs::File::open(fixture.at("home/.ssh")).expect("the folder");
        fixture.hook(move |command| {
            let folder = folder.try_clone().expect("a copy");
            unsafe {
                command.pre_exec(move || {
                    for number in 3..=50 {
                        if number != folder.as_raw_fd() {
                            libc::dup2(folder.as_raw_fd(), number);
                        }
                    }
                    Ok(())
                })
            };
        });
    },
    attack: |env| {
        let found = (3..256).find_map(|fd| fs::read(format!("/proc/self/fd/{fd}/id_rsa")).ok());
        let open = (3..256).find(|fd| {
            syscall!(libc::SYS_openat, *fd, c"id_rsa".as_ptr(), libc::O_RDONLY).is_ok()
        });
        match open {
            Some(fd) => Verdict::Escaped(format!("openat({fd}) worked")),
            None => judge_secret(found.ok_or_else(|| io::ErrorKind::NotFound.into()), env.get("marker")),
        }
    },
    ..Attack::BASE
};
