//! A world: two network namespaces, a cable between them, and nothing else.
//!
//! ```text
//! host ── eth0 [`HOST`] ──── [`NAMESERVER`] ── internet, whose loopback owns the addresses below
//!  lo: services of its own
//! ```
//!
//! No interface leads anywhere else, so that no packet can leave. `jail` runs on the host: to the
//! supervisor it looks like a machine that is online. Names and addresses are these:
//!
//! | name | address |
//! |---|---|
//! | `allowed.test` | [`ALLOWED`], [`ALLOWED6`] |
//! | `other.test`, `evilallowed.test`, `allowed.test.evil.test` | [`OTHER`], [`OTHER6`] |
//! | the rest | see [`zone`] |
//!
//! Every address, those of the host too, answers on these ports: 80 and 8080 HTTP, 443 and 8443 TLS with HTTP inside, 53 DNS,
//! and [`ECHO`]. What arrives is in [`seen`].

pub mod authority;
pub mod dns;
pub mod git;
pub mod http;
pub mod naive;
pub mod packets;
pub mod seen;
pub mod servers;
pub mod space;
pub mod zone;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub const ALLOWED: IpAddr = v4(93, 184, 215, 14);
pub const ALLOWED6: IpAddr = v6([0x2606, 0x2800, 0x21f, 0xcb07, 0x6820, 0x80da, 0xaf6b, 0x8b2c]);
pub const OTHER: IpAddr = v4(45, 33, 32, 156);
pub const OTHER6: IpAddr = v6([0x2600, 0x3c01, 0, 0, 0xf03c, 0x91ff, 0xfe18, 0xbb2f]);
/// Both `shared-a.test` and `shared-b.test`.
pub const SHARED: IpAddr = v4(151, 101, 1, 69);
/// `rebind.test`, the first time.
pub const REBIND: IpAddr = v4(93, 184, 215, 15);
/// `mixed.test`, besides 127.0.0.1.
pub const MIXED: IpAddr = v4(93, 184, 215, 16);
/// Of somebody else's resolver.
pub const RESOLVER: IpAddr = v4(8, 8, 8, 8);
/// The host's own addresses: one of a home network, and one that looks public.
pub const HOST: IpAddr = v4(192, 168, 1, 2);
pub const HOST_PUBLIC: IpAddr = v4(93, 184, 216, 34);
pub const HOST6: IpAddr = v6([0x2a01, 0x4f8, 1, 0, 0, 0, 0, 2]);
pub const GATEWAY6: IpAddr = v6([0x2a01, 0x4f8, 1, 0, 0, 0, 0, 1]);
/// The one of /etc/resolv.conf, and the way out.
pub const NAMESERVER: IpAddr = v4(192, 168, 1, 1);
pub const PRIVATE: IpAddr = v4(10, 0, 0, 1);
pub const SHARED_SPACE: IpAddr = v4(100, 100, 100, 200);
pub const METADATA: IpAddr = v4(169, 254, 169, 254);
pub const METADATA6: IpAddr = v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]);
pub const SIX_TO_FOUR: IpAddr = v6([0x2002, 0x7f00, 1, 0, 0, 0, 0, 0]);
pub const NAT64: IpAddr = v6([0x64, 0xff9b, 0, 0, 0, 0, 0x7f00, 1]);
/// Where a jail has its doors; in a control, the naive proxy.
pub const DOOR: IpAddr = v4(169, 254, 77, 1);
pub const DOOR6: IpAddr = v6([0xfd6a, 0x6169, 0x6c, 0, 0, 0, 0, 1]);
pub const HTTP_DOOR: u16 = 3128;
pub const SOCKS_DOOR: u16 = 1080;

/// Ports that send back what they get.
pub const ECHO: &[u16] = &[7, 22, 25, 853, 5432];
/// In every answer over HTTP, and in the greeting of [`ECHO`].
pub const REACHED: &str = "THE-WORLD-WAS-REACHED";

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

const fn v6(s: [u16; 8]) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]))
}

pub struct World {
    folder: PathBuf,
    pub seen: seen::Log,
    pub authority: authority::Authority,
}

static WORLD: OnceLock<World> = OnceLock::new();

/// The world of this process.
pub fn get() -> &'static World {
    WORLD.get().expect("this process is in no world")
}

/// A new folder for a world.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("jail-world-").tempdir().expect("a temp folder");
    readable(folder.path());
    folder
}

/// Moves this process into a new world. It must have one thread. `naive`: with a proxy that allows
/// everything where a jail has its doors.
pub fn enter(folder: &Path, naive: bool) -> &'static World {
    space::leave_the_machine();
    many_descriptors();
    let authority = authority::Authority::new();
    std::fs::write(folder.join("ca.pem"), authority.pem()).expect("the certificate");
    space::mounts(folder);
    let world = World { folder: folder.to_owned(), seen: seen::Log::default(), authority };
    assert!(WORLD.set(world).is_ok(), "one world a process");
    space::build(naive);
    get()
}

impl World {
    /// Trusted in the world; clients with lists of their own get it by SSL_CERT_FILE and the like.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// What the web servers hand out below `/files/`.
    pub fn files(&self) -> PathBuf {
        self.folder.join("files")
    }
}

/// A flood ends here twice: at the naive proxy and at the server.
fn many_descriptors() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit");
    setrlimit(Resource::RLIMIT_NOFILE, most.min(8192), most).expect("a limit");
}

fn readable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("its mode");
}
