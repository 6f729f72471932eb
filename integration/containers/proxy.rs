//! `jail proxy` in a container, and the static image.

use crate::engines::{World, text, until};
use crate::{Outcome, Scene};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

pub const ALL: &[Scene] = &[("proxy_alone", alone), ("static_image", image)];

/// The same rules and the same record as a jail's way out.
fn alone(world: &World) -> Outcome {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut client in server.incoming().flatten().take(5) {
            client.write_all(b"hello from outside\n").ok();
        }
    });
    let door = free_port();
    let at = format!("127.0.0.1:{door}");
    let policy = world.path("work/.cloned/policy");
    fs::create_dir_all(&policy).unwrap();
    let rule = format!(
        "version: 1\nrules:\n- {{allow: '127.0.0.1:{port}', raw: true, private: true, reason: a test}}\n"
    );
    fs::write(policy.join("test.yaml"), rule).unwrap();
    let log = world.path("proxy-audit.log");
    let mut command = world.command(&world.jail);
    command.args(["proxy", "--listen", &at, "--connector", "sandbox", "--audit"]).arg(&log);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let asked = (|| {
        until("the proxy", || world.jail(&["proxy", "--check", &at]).status.code() == Some(0))?;
        let allowed = connect(&at, &format!("127.0.0.1:{port}"));
        if !allowed.contains("hello from outside") {
            return Err(format!("an allowed host: {allowed}"));
        }
        let refused = connect(&at, "127.0.0.1:9");
        if refused.contains(" 403 ") { Ok(()) } else { Err(format!("another port: {refused}")) }
    })();
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let status = child.wait().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    fs::remove_file(policy.join("test.yaml")).unwrap();
    asked.map_err(|why| format!("{why}\n{said}"))?;
    let record = fs::read_to_string(&log).unwrap_or_default();
    let kinds = ["run-start", "denial", "run-end"];
    if let Some(kind) = kinds.iter().find(|kind| !record.contains(&format!("\"{kind}\""))) {
        return Err(format!("the record has no {kind}: {record}\n{said}"));
    }
    // timeout(1) passes the signal on and says what its child said.
    if status.code() == Some(0) { Ok(()) } else { Err(format!("it ended with {status}: {said}")) }
}

fn connect(at: &str, to: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(at) else { return "no connection".to_owned() };
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    write!(stream, "CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let mut chunk = [0; 512];
    while let Ok(got @ 1..) = stream.read(&mut chunk) {
        answer.extend_from_slice(&chunk[..got]);
        if text(&answer).contains("outside") {
            break;
        }
    }
    text(&answer)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// docker/Dockerfile.static, with what `make build` made.
fn image(world: &World) -> Outcome {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let binary = root.join("build/jail");
    if !binary.exists() {
        return Err("skip: there is no build/jail; `make build` makes it".to_owned());
    }
    if !world.docker {
        return Err("skip: built by docker, as root".to_owned());
    }
    let context = world.path("static");
    fs::create_dir_all(context.join("build")).unwrap();
    fs::copy(&binary, context.join("build/jail")).unwrap();
    fs::copy(root.join("docker/Dockerfile.static"), context.join("Dockerfile")).unwrap();
    let place = context.display().to_string();
    world.ask(&["build", "--network=none", "--tag", "jail-test-static:1", &place])?;
    let hard = ["--rm", "--network=none", "--read-only", "--cap-drop=ALL"];
    let args = [&["run"][..], &hard, &["jail-test-static:1", "--version"]].concat();
    let said = world.ask(&args)?;
    let user =
        world.ask(&["image", "inspect", "--format", "{{.Config.User}}", "jail-test-static:1"])?;
    match said.starts_with("jail ") && user == "65532:65532" {
        true => Ok(()),
        false => Err(format!("{said}; user {user}")),
    }
}
