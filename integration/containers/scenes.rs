//! What a run in a container does for its client.

use crate::engines::{NOTES, World, text, until};
use crate::{Outcome, Scene};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

pub const ALL: &[Scene] = &[
    ("session_json_rpc", session),
    ("bytes_pass_untouched", bytes),
    ("exit_codes", codes),
    ("limits", limits),
    ("limits_that_are_ignored", ignored),
    ("secrets_are_nowhere_to_be_seen", secrets),
    ("workspace_and_protected_names", workspace),
    ("way_out", way_out),
    ("killed_supervisor_leaves_nothing", killed),
    ("no_image", no_image),
    ("explained", explained),
];

fn expect(what: &str, output: &std::process::Output, code: i32, says: &str) -> Outcome {
    let all = format!("{}{}", text(&output.stdout), text(&output.stderr));
    if output.status.code() == Some(code) && all.contains(says) {
        return Ok(());
    }
    Err(format!("{what}: {}, wanted {code} and `{says}`:\n{all}", output.status))
}

/// The demo's client speaks MCP with the demo's connector.
fn session(world: &World) -> Outcome {
    let Some(demo) = std::env::var_os("DEMO") else {
        return Err("skip: DEMO does not say where the demo's programs are".to_owned());
    };
    let client = std::path::Path::new(&demo).join("demo-client");
    let mut command = world.command(client);
    command.arg("--").arg(&world.jail).args([
        "run",
        "--sandbox=container",
        "--engine",
        world.engine(),
    ]);
    command.args(["--image", NOTES, "--", "notes-connector"]);
    // It runs the same connector without jail first, to have something to compare with.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", std::path::Path::new(&demo).display()));
    let output = command.output().unwrap();
    expect("the demo", &output, 0, "")
}

fn bytes(world: &World) -> Outcome {
    let sent: Vec<u8> =
        (0..300_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut command = world.run(&[], "cat; echo told >&2");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let copy = sent.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&copy).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    if output.stdout != sent {
        return Err(format!("{} bytes came back of {}", output.stdout.len(), sent.len()));
    }
    expect("stderr", &output, 0, "").and_then(|()| match text(&output.stderr).contains("told") {
        true => Ok(()),
        false => Err("stderr was not relayed".to_owned()),
    })
}

fn codes(world: &World) -> Outcome {
    expect("an exit code", &world.ran(&[], "exit 7"), 7, "")?;
    expect("a signal", &world.ran(&[], "kill -9 $$"), 137, "")?;
    expect("a time limit", &world.ran(&["--timeout", "1s"], "sleep 60"), 124, "time limit")?;
    let mut missing = world.command(&world.jail);
    missing.args(["run", "--sandbox=container", "--image", crate::engines::IMAGE, "--", "no-such"]);
    expect("no program", &missing.output().unwrap(), 127, "cannot find no-such in the image")?;
    for profile in ["strict", "browser"] {
        expect(profile, &world.ran(&["--seccomp", profile], "echo ran"), 0, "ran")?;
    }
    Ok(())
}

fn limits(world: &World) -> Outcome {
    if !world.docker {
        return Err("skip: rootless podman limits nothing on cgroup version 1".to_owned());
    }
    let fill = "dd if=/dev/zero of=/workspace/x bs=1M count=100";
    expect("memory", &world.ran(&["--memory", "32M"], fill), 137, "memory limit of 32 MiB")?;
    let forks = "i=0; while [ $i -lt 20 ]; do sleep 3 & i=$((i+1)); done; wait";
    expect("pids", &world.ran(&["--pids", "6"], forks), 2, "limit of 6 processes")?;
    let size = "dd if=/dev/zero of=/tmp/x bs=1M count=20 2>&1";
    expect("a full /tmp", &world.ran(&["--scratch", "4M"], size), 1, "No space left")
}

/// A limit that an engine leaves out in silence is a refusal, or a gap that its owner allowed.
fn ignored(world: &World) -> Outcome {
    if world.docker {
        let io = world.ran(&["--allow-missing", "io"], "echo ran");
        return expect("nothing is missing", &io, 0, "ran");
    }
    if fs::metadata("/sys/fs/cgroup/cgroup.controllers").is_ok() {
        return Err("skip: cgroup version 2 limits rootless podman".to_owned());
    }
    let refused = world.ran(&["--memory", "64M"], "echo ran");
    expect("a limit that was asked for", &refused, 125, "cannot be enforced here")?;
    let mut allowed = world.command(&world.jail);
    allowed.args(["run", "--sandbox=container", "--image", crate::engines::IMAGE]);
    allowed.args(["--memory", "64M", "--allow-missing", "memory", "--", "busybox", "echo", "ran"]);
    expect("allowed", &allowed.output().unwrap(), 0, "not enforced: memory")
}

const SECRET: &str = "s3cr3t-of-the-test";

fn secrets(world: &World) -> Outcome {
    let file = world.path("work/key");
    fs::write(&file, SECRET).unwrap();
    let manifest = format!(
        "name: secretive\ncommand: sh\nargs: [-c, 'echo $KEY; cat /run/secrets/key; sleep 60']\n\
         sandbox: container\ncontainer: {{image: '{}', engine: {}}}\nnetwork: {{mode: none}}\n\
         secrets:\n- {{name: a, from: {{file: key}}, to: {{env: KEY}}}}\n\
         - {{name: b, from: {{file: key}}, to: {{file: key}}}}\n",
        crate::engines::IMAGE,
        world.engine(),
    );
    fs::write(world.path("work/.cloned/connectors/secretive.yaml"), manifest).unwrap();
    let mut command = world.command(&world.jail);
    let out = world.path("work/out");
    command.args(["run", "--quiet", "--timeout", "40s", "secretive"]);
    command.stdout(fs::File::create(&out).unwrap()).stderr(Stdio::inherit());
    let mut child = command.spawn().unwrap();
    let both = || fs::read_to_string(&out).unwrap_or_default().matches(SECRET).count() == 2;
    let came = until("the secrets inside", both);
    let id = world.ask(&["ps", "--quiet"]);
    let ask = |id: &String| world.ask(&["container", "inspect", id]);
    let shown = id.as_ref().ok().and_then(|id| ask(id).ok()).unwrap_or_default();
    let args = process_arguments();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(child.id().cast_signed()),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    child.wait().unwrap();
    came?;
    let id = id?;
    if !shown.contains("jail-secretive-") {
        return Err(format!("inspect shows another container: {id}"));
    }
    match shown.contains(SECRET) || args.contains(SECRET) {
        true => Err("inspect or a command line shows the secret".to_owned()),
        false => Ok(()),
    }
}

fn process_arguments() -> String {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok()).collect()
}

fn workspace(world: &World) -> Outcome {
    let folder = world.path("work/ws");
    fs::create_dir_all(folder.join(".git/hooks")).unwrap();
    if world.docker {
        let line = "echo ran";
        let refused = world.ran(&["--workspace", "host:ws"], line);
        expect("root's own folder", &refused, 125, "chown -R 65532:65532")?;
        for path in [&folder, &folder.join(".git"), &folder.join(".git/hooks")] {
            std::os::unix::fs::chown(path, Some(65532), Some(65532)).unwrap();
        }
    }
    let line = "echo made > file; echo x > .git/hooks/pre-commit; echo y > .envrc; ls -a";
    let output = world.ran(&["--workspace", "host:ws"], line);
    expect("a protected name", &output, 0, "Read-only file system")?;
    expect("a new one", &output, 0, "acts outside the jail")?;
    if fs::read_to_string(folder.join("file")).unwrap_or_default() != "made\n" {
        return Err("the workspace was not written".to_owned());
    }
    let left = folder.join(".envrc").exists() || folder.join(".git/hooks/pre-commit").exists();
    if left { Err("what acts later is still there".to_owned()) } else { Ok(()) }
}

/// Rules decide, through the door on the container's loopback; nothing else leads out.
fn way_out(world: &World) -> Outcome {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in server.incoming().flatten().take(20) {
            let mut client = client;
            client.write_all(b"hello from outside\n").ok();
        }
    });
    let manifest = format!(
        "name: outgoing\ncommand: sh\nargs: [-c, 'eval \"$LINE\"']\nsandbox: container\n\
         container: {{image: '{}', engine: {}}}\nenv: {{LINE: }}\nnetwork:\n  allow:\n  \
         - {{host: '127.0.0.1:{port}', raw: true, private: true}}\n",
        crate::engines::IMAGE,
        world.engine(),
    );
    fs::write(world.path("work/.cloned/connectors/outgoing.yaml"), manifest).unwrap();
    let run = |line: &str| {
        let mut command = world.command(&world.jail);
        command.args(["run", "outgoing"]).env("LINE", line).output().unwrap()
    };
    let connect = |port: u16| {
        format!(
            "(printf 'CONNECT 127.0.0.1:{port} HTTP/1.1\\r\\nHost: 127.0.0.1:{port}\\r\\n\\r\\n'; sleep 2) \
             | nc 127.0.0.1 3128"
        )
    };
    expect("an allowed host", &run(&connect(port)), 0, "hello from outside")?;
    let other = if port == 9 { 10 } else { 9 };
    expect("another port", &run(&connect(other)), 0, "403")?;
    let direct =
        run(&format!("nc -w 3 127.0.0.1 {port} && echo reached; nc -w 3 192.0.2.1 80; true"));
    expect("not through the door", &direct, 0, "unreachable")?;
    match text(&direct.stdout).contains("hello") {
        true => Err("the host's loopback was reached without the door".to_owned()),
        false => Ok(()),
    }
}

fn killed(world: &World) -> Outcome {
    let mut command = world.command(&world.jail);
    command.args(["run", "--sandbox=container", "--quiet", "--image", crate::engines::IMAGE]);
    command.args(["--engine", world.engine(), "--", "sleep", "300"]);
    // Without timeout(1) in between, whose child would live on.
    let mut direct = std::process::Command::new(&world.jail);
    direct.args(command.get_args().skip(3)).current_dir(world.path("work"));
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => direct.env(name, value),
            None => direct.env_remove(name),
        };
    }
    let mut child = direct.stdin(Stdio::null()).spawn().unwrap();
    let there = || world.ask(&["ps", "--quiet"]).is_ok_and(|ids| !ids.is_empty());
    let started = until("the container", there);
    child.kill().unwrap();
    child.wait().unwrap();
    started?;
    until("its end", || world.ask(&["ps", "--all", "--quiet"]).is_ok_and(|ids| ids.is_empty()))?;
    // The run's folder is the next run's to remove.
    expect("the next run", &world.ran(&[], "true"), 0, "")?;
    let runs = world.path("home/.cache/jail/runs");
    let left = fs::read_dir(&runs).map(|folder| folder.count()).unwrap_or(0);
    if left == 0 { Ok(()) } else { Err(format!("{left} folders are left in {}", runs.display())) }
}

fn no_image(world: &World) -> Outcome {
    let run = |args: &[&str]| {
        let mut command = world.command(&world.jail);
        command.args(["run", "--sandbox=container", "--engine", world.engine()]).args(args);
        command.args(["--", "true"]).output().unwrap()
    };
    expect("an unknown image", &run(&["--image", "no-such:1"]), 125, "jail fetches none")?;
    expect("none at all", &run(&[]), 125, "needs an image")?;
    let other = if world.docker { "podman" } else { "docker" };
    let mut command = world.command(&world.jail);
    command.args(["run", "--sandbox=container", "--engine", other, "--image", "x", "--", "true"]);
    // Whatever PATH has: the other engine is not in this world.
    command.env("PATH", world.path("run"));
    let mut bare = std::process::Command::new(&world.jail);
    bare.args(command.get_args().skip(3)).current_dir(world.path("work")).env_clear();
    bare.env("PATH", world.path("run")).env("HOME", world.path("home"));
    expect("no engine", &bare.output().unwrap(), 125, "no container engine can be used here")
}

fn explained(world: &World) -> Outcome {
    let manifest = format!(
        "name: shown\ncommand: id\nsandbox: container\ncontainer: {{image: '{}', engine: {}}}\n",
        crate::engines::IMAGE,
        world.engine(),
    );
    fs::write(world.path("work/.cloned/connectors/shown.yaml"), manifest).unwrap();
    let output = world.jail(&["explain", "shown"]);
    for option in [
        "--network=none",
        "--read-only",
        "--cap-drop=ALL",
        "no-new-privileges",
        "--tmpfs=/tmp:rw,noexec",
    ] {
        expect("the command", &output, 0, option)?;
    }
    let json = world.jail(&["explain", "shown", "--json"]);
    let parsed: serde_json::Value =
        serde_json::from_slice(&json.stdout).map_err(|error| error.to_string())?;
    let command = parsed["command"].as_array().ok_or("there is no command")?;
    let folder = fs::metadata(world.path("work")).unwrap().permissions().mode();
    // explain starts nothing and makes nothing.
    let runs = world.path("home/.cache/jail/runs");
    let left = fs::read_dir(&runs).map(|folder| folder.count()).unwrap_or(0);
    match command.iter().any(|word| word == "--cap-drop=ALL") && left == 0 && folder != 0 {
        true => Ok(()),
        false => Err(format!("{command:?}, {left} folders")),
    }
}
