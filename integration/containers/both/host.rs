//! What the attacks are made at, besides files: servers of the host, in one network namespace with its engine.
//!
//! For root that namespace is the daemon's, which these tests made: it has addresses of its own besides loopback's, those of
//! the metadata service among them, and a resolver at one of them. An ordinary user's is the one that the test runs in;
//! scripts/test.sh makes one with the same addresses. No packet leaves either.

use super::fixture::{Fixture, IMAGE, Neighbour};
use super::{MANIFEST, host_servers as servers};
use crate::as_in;
use crate::engines::{IMAGE as BUSYBOX, World, until};
use nix::sched::{CloneFlags, setns};
use serde_json::{Value, json};
use servers::{Hits, Server};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// For documentation: nobody has it.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
const OTHER: &str = "jail-test-other";

pub struct Host {
    namespace: Option<PathBuf>,
    /// It has the two addresses.
    pub space: bool,
    hits: Hits,
    server: Server,
    engine_socket: PathBuf,
    service: Option<Child>,
    other: String,
    resolv: PathBuf,
    remove: Command,
}

impl Host {
    pub fn start(world: &World, fixture: &Fixture) -> Result<Self, String> {
        let namespace = world.docker.then(|| {
            let pid = fs::read_to_string(world.path("dockerd.pid")).unwrap_or_default();
            PathBuf::from(format!("/proc/{}/ns/net", pid.trim()))
        });
        let hits: Hits = Arc::new(Mutex::new(Vec::new()));
        let (log, root, secret) = (Arc::clone(&hits), world.docker, fixture.secret.clone());
        let (space, server) = inside(namespace.as_deref(), move || {
            if root {
                for address in [ADDRESS, METADATA] {
                    let add =
                        ["addr", "add", &format!("{address}/32"), "dev", "lo"].map(str::to_owned);
                    Command::new("ip")
                        .args(add)
                        .status()
                        .map_err(|error| format!("ip: {error}"))?;
                }
            }
            let space = std::net::TcpListener::bind((METADATA, 0)).is_ok()
                && std::net::TcpListener::bind((ADDRESS, 0)).is_ok();
            let own = if space {
                (ADDRESS, METADATA)
            } else {
                (Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST)
            };
            let server = Server::start(own, if root { 53 } else { 0 }, &secret, &log);
            server.map(|server| (space, server)).map_err(|error| format!("the servers: {error}"))
        })?;
        let resolv = world.path("resolv.conf");
        fs::write(&resolv, format!("nameserver {ADDRESS}\noptions attempts:1 timeout:10\n"))
            .unwrap();
        let mut remove = Command::new(world.engine());
        as_in(world, &mut remove);
        remove.args(["rm", "--force", OTHER]).stdout(Stdio::null()).stderr(Stdio::null());
        let mut host = Self {
            namespace,
            space,
            hits,
            server,
            engine_socket: world.path("docker.sock"),
            service: None,
            other: String::new(),
            resolv,
            remove,
        };
        if !world.docker {
            host.service(world)?;
        }
        host.other(world)?;
        Ok(host)
    }

    /// Podman's API, as `podman.socket` would have it.
    fn service(&mut self, world: &World) -> Result<(), String> {
        self.engine_socket = world.path("run/podman.sock");
        let mut command = Command::new("podman");
        as_in(world, &mut command);
        command.args(["system", "service", "--time=0"]);
        command.arg(format!("unix://{}", self.engine_socket.display()));
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.service = Some(command.spawn().map_err(|error| format!("podman: {error}"))?);
        until("podman's socket", || self.engine_socket.exists())
    }

    /// Another container with a server: in the bridge's network, or where there is none, in the host's.
    fn other(&mut self, world: &World) -> Result<(), String> {
        let port = self.server.free;
        let at = if world.docker { "8080".to_owned() } else { format!("127.0.0.1:{port}") };
        let network = if world.docker { "--network=bridge" } else { "--network=host" };
        let args = [
            "run", "--detach", "--name", OTHER, network, BUSYBOX, "httpd", "-f", "-h", "/srv", "-p",
        ];
        world.ask(&[&args[..], &[&at]].concat())?;
        self.other = at;
        if world.docker {
            let address = "{{.NetworkSettings.IPAddress}}";
            self.other =
                world.ask(&["container", "inspect", "--format", address, OTHER])? + ":8080";
        }
        let to: SocketAddr =
            self.other.parse().map_err(|_| format!("no address: {}", self.other))?;
        let namespace = self.namespace.clone();
        until("the other container", || {
            inside(namespace.as_deref(), move || {
                TcpStream::connect(to).map_err(|error| error.to_string())
            })
            .is_ok()
        })
    }

    /// What came to servers that no rule names, since the beginning.
    pub fn hits(&self) -> Vec<String> {
        self.hits.lock().unwrap().clone()
    }

    /// The same policy for both backends.
    pub fn manifest(&self, world: &World, fixture: &Fixture) {
        let Server { secret, allowed, .. } = &self.server;
        let manifest = json!({
            "name": MANIFEST,
            "command": fixture.program,
            "args": ["--probe"],
            "env": {super::probe::VARIABLE: null},
            "container": {"image": IMAGE, "engine": world.engine()},
            "filesystem": {
                "read": [fixture.program, fixture.at("granted")],
                "workspace": {"host": fixture.workspace()},
            },
            "network": {"allow": [
                {"host": format!("127.0.0.1:{allowed}"), "raw": true, "private": true},
                {"host": format!("named.test:{allowed}"), "raw": true, "private": true},
                // Its addresses must be public, and it has that of loopback.
                {"host": format!("loop.test:{secret}"), "raw": true},
            ]},
        });
        // JSON is YAML.
        let file = world.path("work/.cloned/connectors").join(format!("{MANIFEST}.yaml"));
        fs::write(file, manifest.to_string()).unwrap();
    }

    /// For the attacker.
    pub fn values(&self, fixture: &Fixture, neighbour: &Neighbour, jailed: bool) -> Value {
        let server = &self.server;
        let planted = |folder| fixture.planted(folder).display().to_string();
        let mut values = json!({
            "jailed": jailed,
            "secret": fixture.secret,
            "loop": format!("127.0.0.1:{}", server.secret),
            "address": server.address.to_string(),
            "metadata": server.metadata.to_string(),
            "allowed": format!("127.0.0.1:{}", server.allowed),
            "allowed_port": server.allowed.to_string(),
            "secret_port": server.secret.to_string(),
            "metadata_port": server.metadata.port().to_string(),
            "resolver": server.resolver.to_string(),
            "abstract": server.abstract_name,
            "engine_socket": self.engine_socket,
            "other": self.other,
            "ssh": fixture.ssh,
            "outside": fixture.at("outside"),
            "granted": fixture.at("granted"),
            "etc": planted("/etc"),
            "program": planted("/usr/bin"),
            "neighbour": neighbour.0.id().to_string(),
            "tests": std::process::id().to_string(),
        });
        if !jailed {
            values["http"] = format!("127.0.0.1:{}", server.http).into();
            values["socks"] = format!("127.0.0.1:{}", server.socks).into();
        }
        values
    }

    /// A command in the host's network namespace, with its resolver.
    pub fn command(&self, world: &World, words: &[String]) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "400"]);
        if let Some(namespace) = &self.namespace {
            command.arg("nsenter").arg(format!("--net={}", namespace.display()));
            command.args(["unshare", "--mount", "sh", "-c"]);
            command.arg("mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"").arg(&self.resolv);
        }
        command.args(words).stdin(Stdio::null());
        as_in(world, &mut command);
        command
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.remove.status().ok();
        if let Some(mut service) = self.service.take() {
            let pid = nix::unistd::Pid::from_raw(service.id().cast_signed());
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).ok();
            service.wait().ok();
        }
    }
}

/// In a thread of that network namespace; threads and programs that it starts are in it, too.
fn inside<T: Send + 'static>(
    namespace: Option<&Path>,
    act: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let namespace = namespace
        .map(|path| fs::File::open(path).map_err(|error| format!("{}: {error}", path.display())));
    let namespace = namespace.transpose()?;
    let thread = std::thread::spawn(move || {
        if let Some(namespace) = namespace {
            setns(namespace, CloneFlags::CLONE_NEWNET)
                .map_err(|errno| format!("setns: {errno}"))?;
        }
        act()
    });
    thread.join().map_err(|_| "the thread panicked".to_owned())?
}
