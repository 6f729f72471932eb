//! An engine that leaves an option out, or does the opposite, is found out before the connector starts.

use crate::engines::{World, text};
use crate::{Outcome, Scene};
use std::fs;
use std::os::unix::fs::PermissionsExt;

pub const ALL: &[Scene] = &[("controls_that_an_engine_leaves_out", all)];

/// A word of the command line, what takes its place, and the control that is then missed.
const CASES: &[(&str, &str, &str)] = &[
    ("--read-only", "", "read-only-root"),
    ("--cap-drop=ALL", "", "capabilities"),
    ("--security-opt=no-new-privileges", "", "no-new-privileges"),
    ("--security-opt=seccomp=*", "--security-opt=seccomp=unconfined", "seccomp"),
    ("--user=*", "--user=4321:4321", "user"),
    // The daemon of these tests has a network of its own, which is not the supervisor's either.
    ("--network=none", "--network=host", "n"),
    ("--tmpfs=/tmp:*", "", "mounts"),
    ("--tmpfs=/home/jail:*", "--tmpfs=/home/jail:rw,size=1g", "mounts"),
    ("--shm-size=*", "--volume=/added", "nothing-else-writable"),
];

/// Only where limits are in force.
const LIMITS: &[(&str, &str, &str)] = &[
    ("--memory-swap=*", "", "swap"),
    ("--cpus=*", "", "cpus"),
    // Podman refuses this itself, beside --shm-size.
    ("--ipc=private", "--ipc=host", "namespaces"),
    // Rootless, this takes a program more (slirp4netns), which a machine may not have.
    ("--network=none", "--network=bridge", "no-route"),
    ("--pids-limit=*", "", "pids"),
];

fn all(world: &World) -> Outcome {
    let shims = world.path("shims");
    fs::create_dir_all(&shims).unwrap();
    let mut wrong = Vec::new();
    // What is left as it is must run, or a refusal shows nothing.
    wrong.extend(one(world, ("--nothing-of-this", "", "")).err());
    for case in CASES.iter().chain(LIMITS.iter().filter(|_| world.docker)) {
        wrong.extend(one(world, *case).err());
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

fn one(world: &World, (word, instead, control): (&str, &str, &str)) -> Outcome {
    let engine = world.engine();
    let shim = world.path("shims").join(engine);
    let script = format!(
        "#!/bin/sh\nPATH=${{PATH#*:}}\n[ \"$1\" = run ] || exec {engine} \"$@\"\nn=$#\nwhile [ $n -gt 0 ]; do\n\
         a=$1; shift; n=$((n-1))\ncase $a in {word}) a='{instead}';; esac\n\
         [ -z \"$a\" ] || set -- \"$@\" \"$a\"\ndone\nexec {engine} \"$@\"\n"
    );
    fs::write(&shim, script).unwrap();
    fs::set_permissions(&shim, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", world.path("shims").display());
    let output = world.run(&[], "echo RAN").env("PATH", path).output().unwrap();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    let ran = said.contains("RAN");
    if control.is_empty() {
        return if ran { Ok(()) } else { Err(format!("an honest engine is refused: {said}")) };
    }
    let named = match control {
        "n" => ["namespaces", "no-route"]
            .iter()
            .any(|it| said.contains(&format!("did not apply `{it}`"))),
        control => said.contains(&format!("did not apply `{control}`")),
    };
    match !ran && named && output.status.code() == Some(125) {
        true => Ok(()),
        false => Err(format!("{word} -> `{instead}`: wanted a refusal for `{control}`:\n{said}")),
    }
}
