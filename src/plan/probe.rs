//! What a jail must not be able to do: tried from inside before the connector starts.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Addresses outside that nobody has: TEST-NET-1 (RFC 5737) and its like (RFC 3849).
pub const OUTSIDE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub const OUTSIDE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// Where the network probes knock. `closed`: a port at which the proxy does not listen.
pub fn outside_v4(closed: u16) -> SocketAddrV4 {
    SocketAddrV4::new(OUTSIDE_V4, closed)
}

/// The same for IPv6.
pub fn outside_v6(closed: u16) -> SocketAddrV6 {
    SocketAddrV6::new(OUTSIDE_V6, closed, 0, 0)
}

/// Did a probe knock there, rather than the connector? The proxy's log leaves these out.
pub fn is_outside(address: SocketAddr) -> bool {
    address.port() < CLOSED_BELOW
        && match address.ip() {
            IpAddr::V4(v4) => v4 == OUTSIDE_V4,
            IpAddr::V6(v6) => v6 == OUTSIDE_V6,
        }
}

/// The probes' port is below this.
const CLOSED_BELOW: u16 = 1024;

/// The first port that is not one of these, from the discard service's on.
pub fn closed_port(open: &[u16]) -> u16 {
    (9..CLOSED_BELOW).find(|port| !open.contains(port)).unwrap_or(9)
}

/// When a probe is tried: before seccomp it shows that namespaces, capabilities and Landlock hold on
/// their own; after it, that the filter is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    BeforeSeccomp,
    AfterSeccomp,
}

macro_rules! probes {
    ($($variant:ident $name:literal $moment:ident $text:literal;)*) => {
        /// One act that must fail.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Probe { $($variant),* }

        impl Probe {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Stable name, for reports.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What is tried.
            pub fn text(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            pub fn moment(self) -> Moment {
                match self { $(Self::$variant => Moment::$moment),* }
            }
        }
    };
}

probes! {
    WriteRoot "write-root" BeforeSeccomp "create a file in /";
    WriteSystem "write-system" BeforeSeccomp "create a file in /usr, /etc or another read-only tree";
    HostFile "host-file" BeforeSeccomp "open a host file that was not granted";
    InitExe "init-exe" BeforeSeccomp "open /proc/1/exe, the jail binary itself";
    InitMemory "init-memory" BeforeSeccomp "open /proc/1/mem";
    Sysctl "sysctl" BeforeSeccomp "write /proc/sys/kernel/core_pattern";
    Connect4 "connect-ipv4" BeforeSeccomp "TCP connect to an IPv4 address outside";
    Connect6 "connect-ipv6" BeforeSeccomp "TCP connect to an IPv6 address outside";
    Udp4 "udp-ipv4" BeforeSeccomp "send a UDP datagram to an IPv4 address outside";
    RawSocket "raw-socket" BeforeSeccomp "open a raw IPv4 socket";
    PacketSocket "packet-socket" BeforeSeccomp "open a packet socket";
    NestedUserns "nested-userns" BeforeSeccomp "unshare(CLONE_NEWUSER)";
    MountTmpfs "mount" BeforeSeccomp "mount a tmpfs";
    BecomeRoot "setuid-root" BeforeSeccomp "setresuid(0, 0, 0)";
    Chroot "chroot" BeforeSeccomp "chroot(/)";
    PtraceInit "ptrace-init" BeforeSeccomp "ptrace(PTRACE_ATTACH) pid 1";
    SeccompUserns "seccomp-userns" AfterSeccomp "unshare(CLONE_NEWUSER), by the filter";
    SeccompPtrace "seccomp-ptrace" AfterSeccomp "ptrace, by the filter";
    SeccompBpf "seccomp-bpf" AfterSeccomp "bpf";
    SeccompKeyctl "seccomp-keyctl" AfterSeccomp "keyctl";
    SeccompIoUring "seccomp-io-uring" AfterSeccomp "io_uring_setup";
    SeccompPerf "seccomp-perf" AfterSeccomp "perf_event_open";
    SeccompUserfaultfd "seccomp-userfaultfd" AfterSeccomp "userfaultfd";
    SeccompVsock "seccomp-vsock" AfterSeccomp "socket(AF_VSOCK)";
    SeccompMptcp "seccomp-mptcp" AfterSeccomp "socket(IPPROTO_MPTCP)";
    WriteOutside "write-outside" BeforeSeccomp "create a file in a folder of its own user";
    EmptyOutside "empty-outside" BeforeSeccomp "truncate a file of its own user";
    LinkOutside "link-outside" BeforeSeccomp "give a file of its own user a name in the workspace";
    LandlockConnect "landlock-connect" BeforeSeccomp "TCP connect to a port of this machine, by Landlock";
    SignalInit "signal-init" BeforeSeccomp "signal jail's own process beside it";
    SignalSupervisor "signal-supervisor" BeforeSeccomp "signal the supervisor";
    TraceSupervisor "trace-supervisor" BeforeSeccomp "ptrace(PTRACE_SEIZE) the supervisor";
    SeccompInet "seccomp-inet" AfterSeccomp "socket(AF_INET)";
    SeccompInet6 "seccomp-inet6" AfterSeccomp "socket(AF_INET6)";
    SeccompUnix "seccomp-unix" AfterSeccomp "socket(AF_UNIX)";
    SeccompNetlink "seccomp-netlink" AfterSeccomp "socket(AF_NETLINK)";
    SeccompDatagrams "seccomp-datagrams" AfterSeccomp "socketpair(SOCK_DGRAM)";
    SeccompChmod "seccomp-chmod" AfterSeccomp "chmod a file of its own user";
    SeccompShm "seccomp-shm" AfterSeccomp "shmget";
    SeccompLimits "seccomp-limits" AfterSeccomp "prlimit the supervisor";
}

/// Tried where there are no namespaces to rely on.
const INSTEAD: [Probe; 15] = [
    Probe::WriteOutside,
    Probe::EmptyOutside,
    Probe::LinkOutside,
    Probe::LandlockConnect,
    Probe::SignalInit,
    Probe::SignalSupervisor,
    Probe::TraceSupervisor,
    Probe::SeccompInet,
    Probe::SeccompInet6,
    Probe::SeccompUnix,
    Probe::SeccompNetlink,
    Probe::SeccompDatagrams,
    Probe::SeccompChmod,
    Probe::SeccompShm,
    Probe::SeccompLimits,
];

/// Held by a namespace alone. Those that send are left out with it: what is not held would leave.
const BY_NAMESPACE: [Probe; 5] =
    [Probe::Connect4, Probe::Connect6, Probe::Udp4, Probe::NestedUserns, Probe::PtraceInit];

impl Probe {
    /// What is tried in namespaces.
    pub fn within_namespaces() -> Vec<Self> {
        Self::ALL.iter().copied().filter(|probe| !INSTEAD.contains(probe)).collect()
    }

    /// What is tried without.
    pub fn without_namespaces() -> Vec<Self> {
        Self::ALL.iter().copied().filter(|probe| !BY_NAMESPACE.contains(probe)).collect()
    }

    pub fn from_wire(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
