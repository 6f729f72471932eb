//! Makes ever more empty files: inodes are kernel memory that no size counts.
//!
//! Stopped by: each tmpfs has a number of inodes.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "inode_fill",
    about: "5000 empty files in /tmp",
    setup: |fixture| {
        let place = if fixture.jailed { "/tmp".into() } else { fixture.at("outside").display().to_string() };
        fixture.set("place", &place);
    },
    jail_args: &["--scratch", "8M"],
    attack: |env| {
        let make = |number| fs::File::create(env.path("place").join(format!("f{number}"))).map(drop);
        judge((0..5000).try_for_each(make))
    },
    ..Attack::BASE
};
