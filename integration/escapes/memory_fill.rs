//! Takes 512 MiB of memory.
//!
//! Stopped by: the memory controller, which ends the whole jail (code 137): no verdict comes out.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "memory_fill",
    about: "touch 512 MiB",
    requires: requires![cgroup_v2],
    setup: |fixture| {
        // The user's bus, for a cgroup from the user manager.
        let runtime = std::env::var_os("XDG_RUNTIME_DIR");
        fixture.hook(move |command| {
            runtime.iter().for_each(|path| _ = command.env("XDG_RUNTIME_DIR", path));
        });
    },
    cut_short: true,
    effect: Some(|_, outcome| {
        let refused = matches!(&outcome.verdict, Some((kind, _)) if kind == "refused");
        // The cgroup of an engine ends the process that took it, and nobody else.
        let held = outcome.code == Some(137) || (crate::tier::contained() && refused);
        (!held).then(|| format!("it went on to {:?}", outcome.code))
    }),
    jail_args: &["--memory", "128M"],
    attack: |_| match kit::child_status(|| {
        let mut memory = vec![0u8; 512 << 20];
        memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
        i32::from(std::hint::black_box(&memory).is_empty())
    }) {
        Some(0) => Verdict::Escaped("512 MiB were there".into()),
        other => Verdict::Refused(format!("it ended: {other:?}")),
    },
    ..Attack::BASE
};
