//! A host, an outside and a container, and what can be sent between them.
//!
//! ```text
//! outside [`OUT4`] ── cable0 [`HOST4`], [`OTHER4`] host [`GATE4`] cable1 ── [`BOX4`] container
//! ```

use nix::sched::{CloneFlags, setns, unshare};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::process::{Command, Stdio};
use std::time::Duration;

pub const HOST4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
/// A second address of the host.
pub const OTHER4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 11));
pub const OUT4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2));
pub const HOST6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1));
pub const OUT6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2));
pub const GATE4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 78, 0, 1));
pub const BOX4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 78, 0, 2));
pub const LOCAL4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub const LOCAL6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
pub const ANY4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
pub const ANY6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// For what must come, on a busy machine.
const LONG: Duration = Duration::from_secs(20);
/// For what must not: it came at once before the rules were there.
const SHORT: Duration = Duration::from_millis(700);

pub struct World {
    pub host: Place,
    pub outside: Place,
    pub container: Place,
}

/// A network namespace.
pub struct Place(File);

/// Why there can be no world; `None` where there can.
pub fn missing() -> Option<String> {
    if !["/usr/sbin/ip", "/usr/bin/ip", "/sbin/ip"]
        .iter()
        .any(|path| fs::exists(path).is_ok_and(|it| it))
    {
        return Some("ip is not installed (iproute2)".to_owned());
    }
    let mut own = Command::new("unshare");
    own.args(if nix::unistd::geteuid().is_root() { ["-n", "true"] } else { ["-Urn", "true"] });
    let own = own.stdout(Stdio::null()).stderr(Stdio::null()).status();
    (!own.is_ok_and(|it| it.success())).then(|| "no network namespace for this user".to_owned())
}

/// The first of the namespaces; for an ordinary user in a user namespace, as its root.
pub fn leave_the_machine() {
    if nix::unistd::geteuid().is_root() {
        return unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
    }
    let (uid, gid) = (nix::unistd::getuid(), nix::unistd::getgid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).expect("namespaces");
    fs::write("/proc/self/setgroups", "deny").expect("setgroups");
    fs::write("/proc/self/uid_map", format!("0 {uid} 1")).expect("a map");
    fs::write("/proc/self/gid_map", format!("0 {gid} 1")).expect("a map");
}

/// A program that must succeed; its stdout.
pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("a program");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {} {errors}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

fn ip(words: &str) {
    run(Command::new("ip").args(words.split(' ')).env("PATH", super::tool::PATH));
}

impl Place {
    fn here() -> Self {
        Self(File::open("/proc/thread-self/ns/net").expect("my namespace"))
    }

    fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
        ip("link set lo up");
        for path in ["default", "all"] {
            // Addresses are usable at once. A kernel without IPv6 has none to wait for.
            drop(fs::write(format!("/proc/sys/net/ipv6/conf/{path}/accept_dad"), "0"));
        }
        Self::here()
    }

    fn enter(&self) {
        setns(&self.0, CloneFlags::CLONE_NEWNET).expect("the namespace");
    }

    /// Does it there.
    pub fn at<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let there = scope.spawn(|| {
                self.enter();
                act()
            });
            there.join().expect("what is done there")
        })
    }

    /// Says one byte to everybody who connects, and then what they say.
    pub fn serve_tcp(&self, at: IpAddr, port: u16) {
        let listener = self.at(|| TcpListener::bind((at, port)).expect("a port"));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.expect("a client");
                std::thread::spawn(move || {
                    let mut byte = [b'!'];
                    // Whoever only looked in is gone by now.
                    while client.write_all(&byte).is_ok() && client.read_exact(&mut byte).is_ok() {}
                });
            }
        });
    }

    /// Sends back what it gets.
    pub fn serve_udp(&self, at: IpAddr, port: u16) {
        let socket = self.at(|| UdpSocket::bind((at, port)).expect("a port"));
        std::thread::spawn(move || {
            let mut byte = [0];
            while let Ok((_, from)) = socket.recv_from(&mut byte) {
                drop(socket.send_to(&byte, from));
            }
        });
    }

    fn tcp(&self, to: IpAddr, port: u16, patience: Duration) -> Result<TcpStream, String> {
        self.at(|| {
            let failed = |error: std::io::Error| error.kind().to_string();
            let to = SocketAddr::new(to, port);
            let mut stream = TcpStream::connect_timeout(&to, patience).map_err(failed)?;
            stream.set_read_timeout(Some(patience)).map_err(failed)?;
            stream.read_exact(&mut [0]).map_err(failed)?;
            Ok(stream)
        })
    }

    fn udp(&self, to: IpAddr, port: u16, patience: Duration) -> Result<(), String> {
        self.at(|| {
            let failed = |error: std::io::Error| error.kind().to_string();
            let any = if to.is_ipv4() { ANY4 } else { ANY6 };
            let socket = UdpSocket::bind((any, 0)).map_err(failed)?;
            socket.set_read_timeout(Some(patience)).map_err(failed)?;
            socket.send_to(b"?", (to, port)).map_err(failed)?;
            socket.recv(&mut [0]).map(drop).map_err(failed)
        })
    }

    pub fn reaches(&self, to: IpAddr, port: u16) -> TcpStream {
        self.tcp(to, port, LONG).unwrap_or_else(|why| panic!("{to} port {port}: {why}"))
    }

    pub fn reaches_udp(&self, to: IpAddr, port: u16) {
        self.udp(to, port, LONG).unwrap_or_else(|why| panic!("{to} udp port {port}: {why}"));
    }

    /// Nothing comes back, not even a refusal.
    pub fn hears_nothing(&self, to: IpAddr, port: u16) {
        let heard = self.tcp(to, port, SHORT).map(drop);
        assert_eq!(heard, Err("timed out".to_owned()), "{to} port {port}");
    }

    pub fn hears_nothing_udp(&self, to: IpAddr, port: u16) {
        let heard = self.udp(to, port, SHORT);
        assert!(
            heard == Err("operation would block".to_owned()),
            "{to} udp port {port}: {heard:?}"
        );
    }

    /// It is told that it may not, or nothing at all: a datagram has no answer of its own.
    pub fn fails_udp(&self, to: IpAddr, port: u16) -> bool {
        self.udp(to, port, SHORT).is_err()
    }

    /// It is told that it may not, and need not wait.
    pub fn is_refused(&self, to: IpAddr, port: u16) {
        let heard = self.tcp(to, port, LONG).map(drop);
        assert_eq!(heard, Err("connection refused".to_owned()), "{to} port {port}");
    }
}

/// True where this connection still carries a byte there and back.
pub fn carries(stream: &mut TcpStream, patient: bool) -> bool {
    let patience = if patient { LONG } else { SHORT };
    stream.set_read_timeout(Some(patience)).expect("a timeout");
    stream.write_all(b"?").is_ok() && stream.read_exact(&mut [0]).is_ok()
}

/// This thread is on the host then.
pub fn build() -> World {
    let outside = Place::new();
    let container = Place::new();
    let host = Place::new();
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("forwarding");
    for (cable, place) in [("cable0", &outside), ("cable1", &container)] {
        let there = format!("/proc/{}/fd/{}", std::process::id(), place.0.as_raw_fd());
        ip(&format!("link add {cable} type veth peer name {cable} netns {there}"));
        ip(&format!("link set {cable} up"));
        place.at(|| ip(&format!("link set {cable} up")));
    }
    for (address, cable) in [(HOST4, "cable0"), (OTHER4, "cable0"), (GATE4, "cable1")] {
        ip(&format!("address add {address}/24 dev {cable}"));
    }
    ip(&format!("address add {HOST6}/64 dev cable0 nodad"));
    outside.at(|| {
        ip(&format!("address add {OUT4}/24 dev cable0"));
        ip(&format!("address add {OUT6}/64 dev cable0 nodad"));
        ip(&format!("route add 10.78.0.0/24 via {HOST4}"));
    });
    container.at(|| {
        ip(&format!("address add {BOX4}/24 dev cable1"));
        ip(&format!("route add default via {GATE4}"));
    });
    World { host, outside, container }
}
