//! docker/compose.local-llm.yaml, with llama-server and a tiny model where LocalAI would be: the same protocol, the
//! same port, the same key, and a program that really loads a model and runs it.

use crate::engines::{IMAGE, RESOLVER, World, kept, needs, text};
use crate::outside::{self, ADDRESS, ENGINE, HELLO, PORT};
use crate::shipped::Shipped;
use crate::{Outcome, Scene};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub const ALL: &[Scene] = &[
    ("local_llm", local_llm),
    ("local_llm_loosened", loosened),
    ("local_llm_podman_alone", podman_alone),
];

const FILE: &str = "compose.local-llm.yaml";
const NAME: &str = "cloned-localai";
const KEY: &str = "key-of-the-test";
/// With Docker in a registry, for only that gives a digest; podman gives it itself.
fn stand_in(world: &World) -> &'static str {
    if world.docker { "127.0.0.1:5000/localai:standin" } else { "localhost/localai:standin" }
}

/// The variable of the key is that of the file.
const ENTRYPOINT: &str = r#"ENTRYPOINT ["/bin/sh", "-c", "exec llama-server --host 0.0.0.0 --port 8080 --model /models/model.gguf --api-key \"$LOCALAI_API_KEY\""]"#;

/// The files with a model, and variables that lead to the image.
fn lay(world: &World) -> Result<Shipped<'_>, String> {
    let shipped = Shipped::lay(world, FILE)?;
    let how = "tests/containers/install.sh makes it, where the packages can be had";
    let tar = needs(kept("llm.tar"), how)?;
    let model = needs(kept("model.gguf"), how)?;
    let about = fs::metadata(&tar).unwrap();
    let made = about.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    let stamp = format!("{}-{}", about.len(), made.as_nanos());
    let name = stand_in(world);
    world.unpack(&tar, name, &stamp, &[ENTRYPOINT])?;
    let inside = shipped.path("models/model.gguf");
    fs::copy(model, &inside).unwrap();
    fs::set_permissions(&inside, fs::Permissions::from_mode(0o644)).unwrap();
    let (image, version) = name.rsplit_once(':').unwrap();
    shipped.say(&format!(
        "LOCALAI_IMAGE={image}\nLOCALAI_VERSION={version}\nLOCALAI_DIGEST={}\nLLM_API_KEY={KEY}\n\
         LOCALAI_CPUS=1\nLOCALAI_MEMORY=512m\n",
        world.digest(name)?
    ));
    Ok(shipped)
}

fn local_llm(world: &World) -> Outcome {
    let shipped = lay(world)?;
    shipped.compose(&["up", "--detach"])?;
    shipped.healthy(NAME)?;
    let mut wrong = Vec::new();
    for (what, step) in [
        ("it answers", answers as fn(&Shipped<'_>) -> Outcome),
        ("loopback alone", loopback_alone),
        ("nobody, who writes nowhere", writes_nowhere),
        ("no way out", no_way_out),
        ("no name leaves", no_name_leaves),
    ] {
        wrong.extend(step(&shipped).err().map(|why| format!("{what}: {why}")));
    }
    let found = shipped.doctor(NAME)?;
    if !unenforced(world).iter().any(|known| found == *known) {
        wrong.push(format!("jail doctor containers: {found:?}"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// What the engine was told and does not do, and the doctor has to say: without a cgroup of version 2 that is
/// delegated, rootless podman sets no limits. Whether it is, where there is version 2, is not ours to judge here.
fn unenforced(world: &World) -> &'static [&'static [&'static str]] {
    const LIMITS: &[&str] =
        &["containers.memory-limit", "containers.cpu-limit", "containers.pids-limit"];
    match Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        _ if world.docker => &[&[]],
        true => &[&[], LIMITS],
        false => &[LIMITS],
    }
}

/// One HTTP request to the published port, from the daemon's network: status and body.
fn ask(world: &World, head: &str, body: &str) -> Result<(u16, String), String> {
    let daemon = world.outside()?.daemon();
    let stream = outside::within(daemon, || TcpStream::connect("127.0.0.1:8080"))?;
    let mut stream = stream.map_err(|error| format!("127.0.0.1:8080: {error}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let length = body.len();
    let head =
        format!("{head}Host: localhost:8080\r\nConnection: close\r\nContent-Length: {length}");
    let sent = write!(stream, "{head}\r\nContent-Type: application/json\r\n\r\n{body}");
    let mut answer = Vec::new();
    sent.and_then(|()| stream.read_to_end(&mut answer)).map_err(|error| error.to_string())?;
    let answer = text(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(format!("no head: {answer}"))?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    // Chunks have lines of their own around the one line of JSON.
    let body = body.lines().find(|line| line.starts_with('{')).unwrap_or(body).to_owned();
    Ok((status.ok_or(format!("no status: {head}"))?, body))
}

/// As many tokens as were asked for, made by a model that was loaded from /models, for whoever has the key.
fn answers(shipped: &Shipped<'_>) -> Outcome {
    let question = |most: u32| {
        let said = json!([{"role": "user", "content": "hello"}]);
        json!({"messages": said, "max_tokens": most, "seed": 1, "ignore_eos": true}).to_string()
    };
    let with_key = format!("POST /v1/chat/completions HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\n");
    for most in [4, 12] {
        let (status, body) = ask(shipped.world, &with_key, &question(most))?;
        let answer: Value = serde_json::from_str(&body).map_err(|_| format!("{status}: {body}"))?;
        let said = answer["choices"][0]["message"]["content"].as_str().unwrap_or_default();
        let right = status == 200
            && answer["object"] == "chat.completion"
            && answer["usage"]["completion_tokens"] == most
            && answer["usage"]["prompt_tokens"].as_u64() > Some(5)
            && !said.is_empty();
        if !right {
            return Err(format!("{most} tokens: {status}: {body}"));
        }
    }
    let keyless = "POST /v1/chat/completions HTTP/1.1\r\n";
    match ask(shipped.world, keyless, &question(4))? {
        (401, _) => Ok(()),
        (status, body) => Err(format!("without the key: {status}: {body}")),
    }
}

/// Every address of the daemon's machine, and the container's own seen from another machine.
fn loopback_alone(shipped: &Shipped<'_>) -> Outcome {
    let outside = shipped.world.outside()?;
    let daemon = outside.daemon();
    // A server that does listen everywhere is found at each of them, or this shows nothing.
    outside::serve(daemon, 8081)?;
    let ours: IpAddr = "127.0.0.1".parse().unwrap();
    let mut tried = 0;
    for address in outside::addresses(daemon)? {
        if address.is_ipv6() {
            // The control listens on none of these, and the kernel refuses.
            if address == IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])
                && outside::reaches(daemon, SocketAddr::new(address, 8080))?
            {
                return Err("it answers at ::1".to_owned());
            }
            continue;
        }
        if !outside::reaches(daemon, SocketAddr::new(address, 8081))? {
            return Err(format!("the control does not answer at {address}"));
        }
        if outside::reaches(daemon, SocketAddr::new(address, 8080))? != (address == ours) {
            return Err(format!("at {address} it is the wrong way round"));
        }
        tried += 1;
    }
    // With Docker there are its bridges as well.
    if tried < if shipped.world.docker { 4 } else { 3 } {
        return Err(format!("only {tried} addresses were tried"));
    }
    let engine: IpAddr = ENGINE.parse().unwrap();
    if !outside.reaches(SocketAddr::new(engine, 8081))? {
        return Err("the control does not answer another machine".to_owned());
    }
    // A neighbour may send packets for the container's own addresses to this machine.
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}";
    let own = shipped.world.ask(&["inspect", "--format", format, NAME])?;
    for address in own.split_whitespace().chain([ENGINE]) {
        if address != ENGINE {
            outside.route(address)?;
        }
        let at = SocketAddr::new(address.parse().unwrap(), 8080);
        if outside.reaches(at)? {
            return Err(format!("another machine reaches it at {address}"));
        }
    }
    Ok(())
}

fn writes_nowhere(shipped: &Shipped<'_>) -> Outcome {
    let (_, who) = shipped.inside(NAME, "id -u; id -g; id -G");
    if who != "65532\n65532\n65532\n" {
        return Err(format!("it is {who}"));
    }
    let (fine, said) = shipped.inside(NAME, "touch /tmp/x && cp /bin/true /tmp/true");
    if !fine {
        return Err(format!("/tmp: {said}"));
    }
    let refused = if shipped.world.docker { "Read-only file system" } else { "Permission denied" };
    for (line, refusal) in [
        ("touch /etc/x", "Read-only file system"),
        ("touch /models/x", "Read-only file system"),
        ("touch /backends/x", "Read-only file system"),
        ("echo > /models/model.gguf", "Read-only file system"),
        ("echo > /etc/resolv.conf", "Read-only file system"),
        ("/tmp/true", "Permission denied"),
        ("cp /bin/true /var/tmp/true && /var/tmp/true", refused),
    ] {
        let (worked, said) = shipped.inside(NAME, line);
        if worked || !said.contains(refusal) {
            return Err(format!("{line}: {said}"));
        }
    }
    // Every folder that there is, by the kernel's own answer.
    let line = "find / -path /proc -prune -o -type d -writable -print; find / -xdev -type f -writable | head";
    let (_, found) = shipped.inside(NAME, line);
    // The last with podman, where that file gives it a size and noexec.
    let known = ["/tmp", "/dev/shm", "/dev/mqueue", "/var/tmp"];
    let known = if shipped.world.docker { &known[..3] } else { &known[..] };
    let more = found.lines().find(|path| {
        !known.contains(path) && !path.starts_with("/tmp/") && !path.starts_with("find:")
    });
    match more {
        Some(path) => Err(format!("{path} can be written")),
        None if found.contains("/tmp") => Ok(()),
        None => Err(format!("/tmp was not found, and this shows nothing: {found}")),
    }
}

fn no_way_out(shipped: &Shipped<'_>) -> Outcome {
    let met = shipped.world.outside()?.serve(PORT)?;
    let to = format!("http://{ADDRESS}:{PORT}/");
    let control = shipped.world.ask(&["run", "--rm", IMAGE, "curl", "-sS", "-m", "20", &to])?;
    if control != HELLO || met.take()? != 1 {
        return Err(format!("a plain container does not get out either: {control}"));
    }
    let (worked, said) = shipped.inside(NAME, &format!("curl -sS -m 4 {to}"));
    if worked || met.take()? > 0 {
        return Err(format!("it got out: {said}"));
    }
    // The server's own process space has the tool: it is not for want of curl.
    match shipped.inside(NAME, "curl -sS -m 9 http://127.0.0.1:8080/health") {
        (true, _) => Ok(()),
        (false, said) => Err(format!("curl does not work at all: {said}")),
    }
}

/// Names are packets too: the engine would ask the resolver of the host for them.
fn no_name_leaves(shipped: &Shipped<'_>) -> Outcome {
    if !shipped.world.docker {
        // Nobody but root can be the resolver of a machine. This one is told of itself alone, and asks nobody else.
        let own = "nameserver 127.0.0.1";
        // Without that line of the file it is told of another.
        let args = ["run", "--rm", "--network", "cloned_sandbox", IMAGE, "cat", "/etc/resolv.conf"];
        let control = shipped.world.ask(&args)?;
        if control.trim() == own || !control.contains("nameserver") {
            return Err(format!("the control shows nothing: {control}"));
        }
        let line = "cat /etc/resolv.conf; timeout 20 getent hosts a.leaves.test";
        return match shipped.inside(NAME, line) {
            (false, said) if said.trim() == own => Ok(()),
            (_, said) => Err(said),
        };
    }
    let asked = resolver(shipped.world)?;
    let ask = |name: &str| shipped.inside(NAME, &format!("timeout 20 getent hosts {name}")).1;
    ask("secret.leaves.test");
    let left = asked.swap(0, Ordering::SeqCst);
    let own = ask("localai");
    // Without that line of the file they do leave.
    let image = ["--entrypoint", "getent", stand_in(shipped.world), "hosts", "control.leaves.test"];
    let args = [&["run", "--rm", "--network", "cloned_sandbox"], &image[..]].concat();
    let control = shipped.world.ask(&args);
    if control.is_ok() || asked.load(Ordering::SeqCst) == 0 {
        return Err(format!("the control does not ask, and this shows nothing: {control:?}"));
    }
    match (left, own.contains("localai")) {
        (0, true) => Ok(()),
        (0, false) => Err(format!("names of containers are not answered: {own}")),
        (left, _) => Err(format!("{left} questions reached the host's resolver")),
    }
}

/// The resolver of the daemon's machine, which knows no name; it counts.
fn resolver(world: &World) -> Result<Arc<AtomicUsize>, String> {
    let daemon = world.outside()?.daemon();
    let socket = outside::within(daemon, || UdpSocket::bind((RESOLVER, 53)))?;
    let socket = socket.map_err(|error| format!("{RESOLVER}: {error}"))?;
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut packet = [0; 512];
        for _ in 0..100 {
            let Ok((size, from)) = socket.recv_from(&mut packet) else { return };
            counted.fetch_add(1, Ordering::SeqCst);
            // An answer: there is no such name.
            packet[2..4].copy_from_slice(&[0x81, 0x83]);
            socket.send_to(&packet[..size], from).ok();
        }
    });
    Ok(asked)
}

const TMPFS: &str = "      - /tmp:rw,noexec,nosuid,nodev,size=1g,mode=1777\n";
const SECCOMP: &str = "seccomp=./seccomp/default.json";
const DEAD_GATEWAY: &str = "          aux_addresses: {DefaultGatewayIPv4: 10.213.77.6}\n";

/// What is loosened in the file, and what the doctor says of it.
const LOOSENED: &[(&str, &str, &str)] = &[
    ("\"127.0.0.1:8080:8080\"", "\"8080:8080\"", "containers.published-everywhere"),
    (
        "user: \"${LOCALAI_UID:-65532}:${LOCALAI_GID:-65532}\"",
        "user: '0:0'",
        "containers.user-differs",
    ),
    ("read_only: true", "read_only: false", "containers.writable-root"),
    (TMPFS, "      - /run:noexec,size=1m\n", "containers.tmp-not-writable"),
    ("noexec,", "exec,", "containers.tmpfs-options"),
    ("cap_drop: [ALL]", "cap_drop: [NET_RAW]", "containers.capabilities"),
    ("no-new-privileges:true", "no-new-privileges:false", "containers.new-privileges"),
    (SECCOMP, "seccomp=unconfined", "containers.seccomp-off"),
    (SECCOMP, "apparmor=unconfined", "containers.security-module-off"),
    ("./models:/models:ro", "./models:/models", "containers.writable-bind"),
    ("./backends:/backends:ro", "/etc:/backends:ro", "containers.sensitive-bind"),
    ("mem_limit:", "mem_reservation:", "containers.memory-limit"),
    ("cpus: \"${LOCALAI_CPUS:-4}\"", "privileged: true", "containers.privileged"),
    ("cpus: \"${LOCALAI_CPUS:-4}\"", "pid: host", "containers.host-namespace"),
    ("pids_limit: 256", "pids_limit: -1", "containers.pids-limit"),
    ("options: {max-size: 10m, max-file: \"3\"}", "options: {}", "containers.log-rotation"),
    (DEAD_GATEWAY, "", "containers.open-egress"),
];

fn loosened(world: &World) -> Outcome {
    world.docker_alone()?;
    let shipped = lay(world)?;
    let mut wrong = Vec::new();
    for (from, to, rule) in LOOSENED {
        // A network that is there is not made anew.
        if from == &DEAD_GATEWAY {
            shipped.compose(&["down", "--timeout", "1"])?;
        }
        shipped.loosen(&[(from, to)])?;
        let started = shipped.compose(&["up", "--detach", "--timeout", "1"]);
        let found = started.and_then(|()| shipped.doctor(NAME));
        if !found.as_ref().is_ok_and(|found| found.iter().any(|it| it == rule)) {
            wrong.push(format!("{from} -> `{to}`: wanted {rule}, found {found:?}"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Without its second file rootless podman is not what the first one says, and the doctor sees that.
fn podman_alone(world: &World) -> Outcome {
    if world.docker {
        return Err("skip: it is about rootless podman".to_owned());
    }
    let mut shipped = lay(world)?;
    shipped.alone();
    shipped.compose(&["up", "--detach"])?;
    shipped.healthy(NAME)?;
    let met = world.outside()?.serve(PORT)?;
    let to = format!("http://{ADDRESS}:{PORT}/");
    let (_, said) = shipped.inside(NAME, &format!("curl -sS -m 9 {to}"));
    let came = met.take()?;
    let found = shipped.doctor(NAME)?;
    let has = |rule: &str| found.iter().any(|it| it == rule);
    match (said == HELLO, came) {
        (true, 1) if has("containers.open-egress") && has("containers.tmpfs-options") => Ok(()),
        (true, 1) => Err(format!("it has a way out, and the doctor says {found:?}")),
        _ => Err(format!("it has no way out: then the second file is not needed: {came}: {said}")),
    }
}
