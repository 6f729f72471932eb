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
    ("leftovers_are_swept", swept),
    ("an_image_that_preloads", preloads),
    ("a_folder_is_exchanged", exchanged),
    ("controls_that_are_weakened", weakened),
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

/// What this user's own killed runs have left, and nothing else, whatever its labels say.
fn swept(world: &World) -> Outcome {
    let space = |name: &str| {
        let link = fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        link.to_string_lossy().chars().filter(char::is_ascii_digit).collect::<String>()
    };
    let mine = format!("{}.{}.{}", nix::unistd::geteuid(), space("user"), space("pid"));
    let theirs = format!("4242.{}.{}", space("user"), space("pid"));
    let elsewhere = format!("{}.{}.1", nix::unistd::geteuid(), space("user"));
    let start = |name: &str, owner: &str| {
        let owner = format!("jail.owner={owner}");
        let dead = "jail.supervisor=4194305.00000000-0000-0000-0000-000000000000.1";
        let mut args = vec!["run", "--detach", "--network=none", "--name", name];
        args.extend(["--label", "jail.run=R0", "--label", dead, "--label", &owner]);
        args.extend([IMAGE, "sleep", "300"]);
        world.ask(&args)
    };
    let left = start("jail-left-R0", &mine)?;
    let others = [
        ("another user's", start("jail-other-R0", &theirs)?),
        ("of another pid namespace", start("jail-else-R0", &elsewhere)?),
        // Of an image that was committed from a jail's container, which has its labels.
        ("of a committed image", start("mine-R0-too", &mine)?),
    ];
    let next = world.ran(&[], "true");
    let there = world.ask(&["ps", "--all", "--quiet", "--no-trunc"])?;
    for id in others.iter().map(|(_, id)| id).chain([&left]).filter(|id| there.contains(*id)) {
        world.ask(&["rm", "--force", id])?;
    }
    if next.status.code() != Some(0) {
        return Err(said(&next));
    }
    if there.contains(&left) {
        return Err("what a dead supervisor left is still there".to_owned());
    }
    match others.iter().find(|(_, id)| !there.contains(id)) {
        Some((whose, _)) => Err(format!("one {whose} was removed")),
        None => Ok(()),
    }
}

/// A library of the image runs before anything of ours where a loader is told of it: it ends the entry.
fn preloads(world: &World) -> Outcome {
    let root = world.path("preloads");
    let evil = root.join("evil.so");
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::create_dir_all(root.join("bin")).unwrap();
    let source = world.path("evil.c");
    let code =
        "#include <unistd.h>\n__attribute__((constructor)) static void f(void) { _exit(7); }\n";
    fs::write(&source, code).unwrap();
    let made =
        world.command("cc").args(["-shared", "-fPIC", "-o"]).arg(&evil).arg(&source).output();
    if !made.is_ok_and(|made| made.status.success()) {
        return Err("skip: there is no C compiler (cc)".to_owned());
    }
    let copied =
        std::process::Command::new("cp").arg("-a").arg(world.path("image/.")).arg(&root).status();
    if !copied.is_ok_and(|status| status.success()) {
        return Err("cp failed".to_owned());
    }
    let (by_env, by_file) = ("jail-test-preload-env:1", "jail-test-preload-file:1");
    let tar = world.path("image.tar").display().to_string();
    world.import(&root, by_env)?;
    world.ask(&["import", "--change", "ENV LD_PRELOAD=/evil.so", &tar, by_env])?;
    fs::write(root.join("etc/ld.so.preload"), "/evil.so\n").unwrap();
    world.import(&root, by_file)?;
    let run = |image: &str, path: &str| {
        let mut command = world.command(&world.jail);
        command.args(["run", "--sandbox=container", "--quiet", "--engine", world.engine()]);
        // Without a loader of its own: what the image does to its own programs is its own matter.
        command
            .args(["--image", image, "--", "sh", "-c", "echo RAN"])
            .env("PATH", path)
            .output()
            .unwrap()
    };
    let honest = std::env::var("PATH").unwrap_or_default();
    let dynamic = !libraries(world)?;
    for (image, word) in [(by_env, "--env=LD_PRELOAD="), (by_file, "*ld.so.preload*")] {
        let drop_word = format!(
            "n=$#\nwhile [ $n -gt 0 ]; do a=$1; shift; n=$((n-1))\ncase $a in {word}) continue;; esac\n\
             set -- \"$@\" \"$a\"\ndone"
        );
        let control = run(image, &shim(world, &drop_word));
        if dynamic && text(&control.stdout).contains("RAN") {
            return Err(format!("{image}: without {word} it must not run, and this shows nothing"));
        }
        let output = run(image, &honest);
        if !text(&output.stdout).contains("RAN") {
            return Err(format!("{image} keeps the entry from starting: {}", said(&output)));
        }
    }
    Ok(())
}

/// Is the program static? Then no loader starts it.
fn libraries(world: &World) -> Result<bool, String> {
    let output =
        world.command("ldd").arg(&world.jail).output().map_err(|error| error.to_string())?;
    Ok(!text(&output.stdout).contains("=>"))
}

/// Between jail's look and the engine's own, another folder takes the place of the one that was granted.
fn exchanged(world: &World) -> Outcome {
    let (folder, other) = (world.path("work/granted"), world.path("work/granted.aside"));
    fs::create_dir_all(&folder).unwrap();
    let options = ["--read", "granted"];
    let shown = format!("ls -d {}", folder.display());
    let control = world.ran(&options, &shown);
    if control.status.code() != Some(0) {
        return Err(format!("nothing was exchanged, and it does not run: {}", said(&control)));
    }
    let script = format!(
        "if [ \"$1\" = run ]; then mv {0} {1}; mkdir {0}; fi",
        folder.display(),
        other.display()
    );
    let path = shim(world, &script);
    let output = world.run(&options, "echo RAN").env("PATH", path).output().unwrap();
    let all = said(&output);
    match all.contains("did not apply `mounts`")
        && all.contains("exchanged")
        && !all.contains("RAN")
    {
        true => Ok(()),
        false => Err(all),
    }
}

/// A word of the command line, what takes its place, and the control that is then missed.
fn weakened(world: &World) -> Outcome {
    let unmask = match world.docker {
        true => "--security-opt=systempaths=unconfined",
        false => "--security-opt=unmask=ALL",
    };
    let cases = [
        ("--shm-size=*", "--shm-size=1g", "mounts"),
        ("--tmpfs=/.jail:*", "", "mounts"),
        ("--hostname=*", unmask, "masked-paths"),
    ];
    let mut wrong = Vec::new();
    for (word, instead, control) in cases {
        let script = format!(
            "n=$#\nwhile [ $n -gt 0 ]; do a=$1; shift; n=$((n-1))\ncase $a in {word}) a='{instead}';; esac\n\
             [ -z \"$a\" ] || set -- \"$@\" \"$a\"\ndone"
        );
        let output = world.run(&[], "echo RAN").env("PATH", shim(world, &script)).output().unwrap();
        let all = said(&output);
        if !all.contains(&format!("`{control}`")) || all.contains("RAN\n") {
            wrong.push(format!("{word} -> `{instead}`: wanted a refusal for `{control}`:\n{all}"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}
