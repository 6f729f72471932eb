//! Gets a handle to another program's binary, such as the jail's own, through /proc/PID/exe.
//!
//! CVE-2019-5736 (runc) wrote to it later. Stopped by: an undumpable init, hidepid, the mask over
//! /proc/1, the pid namespace.

use super::prelude::*;
use std::os::unix::fs::MetadataExt;

pub const ATTACK: Attack = Attack {
    name: "exe_of_others",
    about: "open /proc/PID/exe of the jail's init or a neighbour",
    setup: |fixture| {
        let copy = fixture.copy_of_me("neighbour");
        let pid = fixture.neighbour(std::process::Command::new(&copy).arg("--sleep"));
        fixture.set("neighbour", &pid.to_string());
        let jail = fs::metadata(crate::run::jail_binary()).expect("the jail binary");
        let copy = fs::metadata(copy).expect("the copy");
        fixture.set("inodes", &format!("{},{}", jail.ino(), copy.ino()));
    },
    attack: |env| {
        let mut seen = Verdict::Refused("no such binary is in sight".into());
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Ok(file) = fs::File::open(entry.path().join("exe")) else { continue };
            let inode = file.metadata().map_or(0, |meta| meta.ino()).to_string();
            if env.get("inodes").split(',').any(|known| known == inode) {
                seen = Verdict::Escaped(format!("opened {}/exe", entry.path().display()));
            }
        }
        seen
    },
    ..Attack::BASE
};
