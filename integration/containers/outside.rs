//! Another machine, as far as containers can tell: a network namespace of the test's own, at the end of a cable
//! that begins in the daemon's. No interface of either leads anywhere else.
//!
//! With rootless podman there is no daemon, and its user cannot make such a namespace: space.sh has made it, and
//! neighbour.py does there what it is asked for.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The other machine's, and the daemon's on the same cable.
pub const ADDRESS: &str = "198.51.100.10";
pub const ENGINE: &str = "198.51.100.1";
pub const HELLO: &str = "hello from outside";
/// Where neighbour.py serves.
pub const PORT: u16 = 8000;

pub struct Outside {
    there: There,
    daemon: u32,
}

enum There {
    /// A process that holds its namespace.
    Held(Child),
    /// Who is asked.
    Asked(PathBuf),
}

/// How many connections a server of the other machine got.
pub enum Met {
    Counted(Arc<AtomicUsize>),
    Asked(PathBuf),
}

impl Met {
    /// Since this was asked.
    pub fn take(&self) -> Result<usize, String> {
        match self {
            Met::Counted(count) => Ok(count.swap(0, Ordering::SeqCst)),
            Met::Asked(socket) => {
                let answer = ask(socket, "met")?;
                answer.parse().map_err(|_| format!("the other machine: {answer}"))
            }
        }
    }
}

/// Does something in the network namespace of a process.
pub fn within<T: Send>(pid: u32, act: impl FnOnce() -> T + Send) -> Result<T, String> {
    // Which also those may who are not root.
    if pid == std::process::id() {
        return Ok(act());
    }
    let entered = || {
        let namespace = File::open(format!("/proc/{pid}/ns/net"))?;
        // Of this thread alone, which ends here.
        nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET)?;
        Ok(act())
    };
    let done: std::io::Result<T> =
        std::thread::scope(|scope| scope.spawn(entered).join()).map_err(|_| "it panicked")?;
    done.map_err(|error| format!("the network of process {pid}: {error}"))
}

impl Outside {
    pub fn join(daemon: u32) -> Result<Self, String> {
        // It ends by itself where these tests are killed.
        let line = "ip link set lo up; echo there; exec sleep 3600";
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", line]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("unshare: {error}"))?;
        let mut said = [0; 5];
        let came = child.stdout.take().unwrap().read_exact(&mut said);
        let there = child.id();
        let outside = Self { there: There::Held(child), daemon };
        came.map_err(|error| format!("a namespace of its own: {error}"))?;
        for (pid, line) in [
            (daemon, format!("ip link add out0 type veth peer name in0 netns {there}")),
            (daemon, format!("ip addr add {ENGINE}/24 dev out0")),
            (daemon, "ip link set out0 up".to_owned()),
            (there, format!("ip addr add {ADDRESS}/24 dev in0")),
            (there, "ip link set in0 up".to_owned()),
            (daemon, format!("ip route add default via {ADDRESS}")),
        ] {
            ip(pid, &line)?;
        }
        Ok(outside)
    }

    /// The one of space.sh, which leads to this process's own namespace.
    pub fn of_this_space(socket: &Path) -> Result<Self, String> {
        ask(socket, "met")?;
        Ok(Self { there: There::Asked(socket.to_owned()), daemon: std::process::id() })
    }

    /// Whose network namespace the published ports are in.
    pub fn daemon(&self) -> u32 {
        self.daemon
    }

    /// Whether somebody answers there, seen from the other machine.
    pub fn reaches(&self, to: SocketAddr) -> Result<bool, String> {
        match &self.there {
            There::Held(child) => reaches(child.id(), to),
            There::Asked(socket) => {
                Ok(ask(socket, &format!("reaches {} {}", to.ip(), to.port()))? == "yes")
            }
        }
    }

    /// A route to there from the other machine, as a neighbour would make it.
    pub fn route(&self, to: &str) -> Result<(), String> {
        match &self.there {
            There::Held(child) => ip(child.id(), &format!("ip route replace {to} via {ENGINE}")),
            There::Asked(socket) => match ask(socket, &format!("route {to}"))?.as_str() {
                "done" => Ok(()),
                why => Err(format!("a route to {to}: {why}")),
            },
        }
    }

    /// A server of the other machine; what it counts are connections. neighbour.py has one at `PORT` alone.
    pub fn serve(&self, port: u16) -> Result<Met, String> {
        match &self.there {
            There::Held(child) => serve(child.id(), port).map(Met::Counted),
            There::Asked(_) if port != PORT => Err(format!("nobody serves port {port} there")),
            There::Asked(socket) => {
                let met = Met::Asked(socket.clone());
                met.take()?;
                Ok(met)
            }
        }
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        if let There::Held(child) = &mut self.there {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// A line to neighbour.py, and its answer.
fn ask(socket: &Path, line: &str) -> Result<String, String> {
    let asked = || {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        writeln!(stream, "{line}")?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    };
    asked().map_err(|error: std::io::Error| format!("the other machine, {line}: {error}"))
}

fn ip(pid: u32, line: &str) -> Result<(), String> {
    let mut command = Command::new("nsenter");
    command.args(["--target", &pid.to_string(), "--net"]).args(line.split(' '));
    let output = command.output().map_err(|error| format!("nsenter: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{line}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// A server at every address of that process's namespace, until the tests end.
pub fn serve(pid: u32, port: u16) -> Result<Arc<AtomicUsize>, String> {
    let listener = within(pid, || TcpListener::bind(("0.0.0.0", port)))?
        .map_err(|error| format!("port {port}: {error}"))?;
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten().take(1000) {
            counted.fetch_add(1, Ordering::SeqCst);
            answer(client);
        }
    });
    Ok(count)
}

fn answer(mut client: TcpStream) {
    client.set_read_timeout(Some(Duration::from_secs(5))).ok();
    let mut asked = [0; 1024];
    // One that only looks whether somebody is there says nothing.
    if client.read(&mut asked).is_ok_and(|got| got > 0) {
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ";
        write!(client, "{head}{}\r\n\r\n{HELLO}", HELLO.len()).ok();
    }
}

/// Whether somebody answers there, seen from a namespace.
pub fn reaches(pid: u32, to: SocketAddr) -> Result<bool, String> {
    within(pid, || TcpStream::connect_timeout(&to, Duration::from_secs(3)).is_ok())
}

/// The addresses of a namespace.
pub fn addresses(pid: u32) -> Result<Vec<std::net::IpAddr>, String> {
    let found = within(pid, || {
        let all = nix::ifaddrs::getifaddrs().into_iter().flatten();
        let address = |it: nix::ifaddrs::InterfaceAddress| {
            let address = it.address?;
            let four = address.as_sockaddr_in().map(|it| it.ip().into());
            four.or_else(|| address.as_sockaddr_in6().map(|it| it.ip().into()))
        };
        all.filter_map(address).collect::<Vec<_>>()
    })?;
    if found.len() > 1 { Ok(found) } else { Err(format!("too few addresses: {found:?}")) }
}
