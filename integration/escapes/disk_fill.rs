//! Fills every place that it may write: /tmp, HOME, /dev/shm, the workspace (20 MiB each).
//!
//! Stopped by: each is a tmpfs with a size.

use super::prelude::*;
use std::io::Write;

const MORE: usize = 20 << 20;

pub const ATTACK: Attack = Attack {
    name: "disk_fill",
    about: "20 MiB in each writable place",
    setup: |fixture| {
        let places = if fixture.jailed {
            "/tmp:/home/jail:/dev/shm:/workspace".to_owned()
        } else {
            fixture.at("outside").display().to_string()
        };
        fixture.set("places", &places);
    },
    jail_args: &["--workspace", "tmpfs:12M", "--scratch", "8M"],
    attack: |env| {
        let mut said = Vec::new();
        for place in env.get("places").split(':') {
            let path = format!("{place}/fill");
            let filled = fs::File::create(&path).and_then(|mut file| {
                let block = vec![1u8; 1 << 16];
                (0..MORE / block.len()).try_for_each(|_| file.write_all(&block))
            });
            let _ = fs::remove_file(&path);
            match filled {
                Ok(()) => return Verdict::Escaped(format!("{place} took 20 MiB")),
                Err(error) => said.push(format!("{place}: {error}")),
            }
        }
        Verdict::Refused(said.join("; "))
    },
    ..Attack::BASE
};
