//! What was decided about a run holds when its engine fails, lies late, or belongs to others as well.

use crate::engines::{IMAGE, World, text, until};
use crate::{Outcome, Scene};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Output, Stdio};

pub const ALL: &[Scene] = &[
    ("engine_gone_after_the_run", gone),
    ("egress_killed_during_the_run", broken_off),
];

/// An engine of this name, first in PATH: `script` decides, and `real` is what it calls.
pub fn shim(world: &World, script: &str) -> String {
    let folder = world.path("settled");
    fs::create_dir_all(&folder).unwrap();
    let engine = world.engine();
    let file = folder.join(engine);
    let head = format!("#!/bin/sh\nPATH=${{PATH#*:}}\nreal={engine}\n");
    fs::write(&file, format!("{head}{script}\nexec $real \"$@\"\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default())
}

pub fn said(output: &Output) -> String {
    format!("{}: {}{}", output.status, text(&output.stdout), text(&output.stderr))
}

/// A workspace with a repository that has no hooks yet, and may be written to from inside.
fn workspace(world: &World, name: &str) -> PathBuf {
    let folder = world.path("work").join(name);
    fs::create_dir_all(folder.join(".git")).unwrap();
    if world.docker {
        for path in [&folder, &folder.join(".git")] {
            std::os::unix::fs::chown(path, Some(65532), Some(65532)).unwrap();
        }
    }
    folder
}

const HOOK: &str = "busybox mkdir -p .git/hooks && echo x > .git/hooks/post-commit && echo MADE";

/// The engine cannot be asked any more when the connector has ended: its end is recorded as it was, and what
/// it left does not stay live.
fn gone(world: &World) -> Outcome {
    let folder = workspace(world, "gone");
    let path = shim(world, "[ \"$1\" != rm ] || { echo 'no daemon any more' >&2; exit 1; }");
    let mut command = world.run(&["--workspace", "host:gone"], &format!("{HOOK}; exit 7"));
    let output = command.env("PATH", path).output().unwrap();
    let all = said(&output);
    if folder.join(".git/hooks").exists() {
        return Err(format!("the hook is live outside:\n{all}"));
    }
    for words in ["MADE", "acts outside the jail", "no daemon any more", "rm --force"] {
        if !all.contains(words) {
            return Err(format!("it does not say `{words}`:\n{all}"));
        }
    }
    let log = text(&world.jail(&["audit", "show", "--kind", "run-end", "--json"]).stdout);
    let end = log.lines().last().unwrap_or_default();
    match output.status.code() == Some(7) && end.contains(r#""code":7"#) {
        true => Ok(()),
        false => Err(format!("the end is not the connector's own: {end}\n{all}")),
    }
}

/// The supervisor gives up while the connector runs: what that made meanwhile does not stay live either.
fn broken_off(world: &World) -> Outcome {
    let folder = workspace(world, "broken");
    let manifest = format!(
        "name: broken\ncommand: sh\nargs: [-c, '{HOOK}; sleep 60']\nsandbox: container\n\
         container: {{image: '{IMAGE}', engine: {}}}\nfilesystem: {{workspace: {{host: '{}'}}}}\n\
         network:\n  allow: [{{host: example.com}}]\n",
        world.engine(),
        folder.display(),
    );
    fs::write(world.path("work/.cloned/connectors/broken.yaml"), manifest).unwrap();
    let mut command = world.command(&world.jail);
    command.args(["run", "broken"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let made = until("the hook", || folder.join(".git/hooks/post-commit").exists());
    // timeout(1) has one child, the supervisor, which has one, the egress process.
    let of = |pid: u32| {
        let path = format!("/proc/{pid}/task/{pid}/children");
        let all = fs::read_to_string(path).unwrap_or_default();
        all.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()
    };
    let egress: Vec<u32> = of(child.id()).into_iter().flat_map(of).collect();
    for pid in &egress {
        let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let all = said(&output);
    made.map_err(|why| format!("{why}:\n{all}"))?;
    if egress.len() != 1 || output.status.code() != Some(125) {
        return Err(format!("killed {egress:?}, and that did not end it:\n{all}"));
    }
    match !folder.join(".git/hooks").exists() && all.contains("acts outside the jail") {
        true => Ok(()),
        false => Err(format!("the hook is live outside:\n{all}")),
    }
}
