//! Proof from inside: what must fail is tried, and the run ends if any of it works.
//!
//! The probes run in the very process that becomes the connector, so that what they show is what the
//! connector has: nothing is inferred from a version, and no other process stands in.

use crate::egress::config::{JAIL_V4, JAIL_V6};
use crate::plan::probe::{outside_v4, outside_v6};
use crate::plan::{Moment, NetworkPlan, Probe, Stage};
use crate::planted::{Control, broken};
use crate::spawn::wire::{At, Batch, Fault, Message, Reporter};
use crate::sys::seccomp::Pass;
use crate::sys::{Call, SysError, attempt};
use nix::errno::Errno;
use std::path::Path;

/// Witness: every probe of both moments was refused.
pub struct Enforced(());

/// What the probes need to know.
pub struct Target<'a> {
    pub probes: &'a [Probe],
    pub canary: &'a Path,
    /// A place beside the canary where its user may make a file.
    pub beside: &'a Path,
    pub network: &'a NetworkPlan,
    /// jail's own processes outside, as the connector would call them.
    pub supervisor: i32,
    pub init: i32,
    pub reporter: Reporter<'a>,
    pub pass: Pass,
}

/// Tries the probes of one moment.
pub fn before_seccomp(target: &Target<'_>) -> Result<(), Fault> {
    attempt_all(target, Moment::BeforeSeccomp)
}

/// Tries the rest; only then is there a witness.
pub fn after_seccomp(target: &Target<'_>) -> Result<Enforced, Fault> {
    attempt_all(target, Moment::AfterSeccomp)?;
    Ok(Enforced(()))
}

fn attempt_all(target: &Target<'_>, moment: Moment) -> Result<(), Fault> {
    let mut batch = Batch::new(target.reporter);
    let probes = if broken(Control::Proof) { &[] } else { target.probes };
    for probe in probes.iter().filter(|probe| probe.moment() == moment) {
        match run(*probe, target) {
            Err(errno) if was_not_tried(errno) => {
                batch.flush();
                let error = SysError::new(Call::Probe, errno);
                return Err(error).at(Stage::Proof, *probe as usize);
            }
            Err(errno) => {
                batch.add(Message::Refused { probe: *probe as u8, errno: errno as i32 });
            }
            Ok(()) => {
                batch.add(Message::Escaped { probe: *probe as u8 });
                batch.flush();
                return Err(SysError::unverified()).at(Stage::Proof, *probe as usize);
            }
        }
    }
    // A proof that nobody hears of is none.
    batch.send().at(Stage::Proof, target.probes.len())
}

/// Errors that no control answers with: what was to be tried did not get as far as the control.
fn was_not_tried(errno: Errno) -> bool {
    [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM, Errno::ENOBUFS, Errno::EINTR, Errno::EIO]
        .contains(&errno)
}

fn run(probe: Probe, target: &Target<'_>) -> Result<(), Errno> {
    let (v4, v6, closed) = match target.network {
        NetworkPlan::Loopback | NetworkPlan::Barred => (None, None, 9),
        NetworkPlan::Proxied(plan) => (Some(JAIL_V4), Some(JAIL_V6), plan.closed),
    };
    let plain = |number| attempt::plain(number, 0, target.pass);
    let socket =
        |family, kind, protocol| attempt::create_socket(family, kind, protocol, target.pass);
    match probe {
        Probe::WriteRoot => attempt::open(c"/.jail-proof", true, true),
        Probe::WriteSystem => attempt::open(c"/usr/.jail-proof", true, true)
            .or_else(|_| attempt::open(c"/etc/.jail-proof", true, true)),
        Probe::HostFile => attempt::open(target.canary, false, false),
        Probe::InitExe => attempt::open(c"/proc/1/exe", false, false),
        Probe::InitMemory => attempt::open(c"/proc/1/mem", false, false),
        Probe::Sysctl => attempt::open(c"/proc/sys/kernel/core_pattern", true, false),
        Probe::Connect4 => attempt::reach_ipv4(outside_v4(closed), false, v4),
        Probe::Connect6 => attempt::reach_ipv6(outside_v6(closed), v6),
        Probe::Udp4 => attempt::reach_ipv4(outside_v4(closed), true, v4),
        Probe::RawSocket => socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP),
        Probe::PacketSocket => socket(libc::AF_PACKET, libc::SOCK_RAW, 0),
        Probe::NestedUserns | Probe::SeccompUserns => attempt::unshare_user(target.pass),
        Probe::MountTmpfs => attempt::mount_tmpfs(),
        Probe::BecomeRoot => attempt::become_root(),
        Probe::Chroot => attempt::chroot(),
        Probe::PtraceInit | Probe::SeccompPtrace => attempt::ptrace_init(target.pass),
        Probe::SeccompBpf => plain(libc::SYS_bpf),
        Probe::SeccompKeyctl => plain(libc::SYS_keyctl),
        Probe::SeccompIoUring => filtered(plain(libc::SYS_io_uring_setup)),
        Probe::SeccompPerf => plain(libc::SYS_perf_event_open),
        Probe::SeccompUserfaultfd => plain(libc::SYS_userfaultfd),
        Probe::SeccompVsock => socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0),
        Probe::SeccompMptcp => socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP),
        probe => run_on_host(probe, target),
    }
}

/// Those for which there is something to get at only in the host's own view. There the filter tells
/// nobody, so that it needs no pass.
fn run_on_host(probe: Probe, target: &Target<'_>) -> Result<(), Errno> {
    let pass = target.pass;
    let socket = |family| attempt::create_socket(family, libc::SOCK_STREAM, 0, pass);
    match probe {
        Probe::WriteOutside => attempt::open(target.beside, true, true),
        Probe::EmptyOutside => attempt::truncate(target.canary),
        Probe::LinkOutside => attempt::link_here(target.canary),
        Probe::LandlockConnect => attempt::connect_loopback(),
        Probe::SignalInit => attempt::signal(target.init),
        Probe::SignalSupervisor => attempt::signal(target.supervisor),
        Probe::TraceSupervisor => attempt::trace(target.supervisor),
        Probe::SeccompInet => socket(libc::AF_INET),
        Probe::SeccompInet6 => socket(libc::AF_INET6),
        Probe::SeccompUnix => socket(libc::AF_UNIX),
        Probe::SeccompNetlink => attempt::create_socket(libc::AF_NETLINK, libc::SOCK_RAW, 0, pass),
        Probe::SeccompDatagrams => attempt::socket_pair(libc::SOCK_DGRAM),
        Probe::SeccompChmod => attempt::change_mode(target.canary),
        Probe::SeccompShm => attempt::plain(libc::SYS_shmget, 0, pass),
        Probe::SeccompLimits => attempt::limits_of(target.supervisor),
        // One that is in neither list: it was not tried, which is not "held".
        _ => Ok(()),
    }
}

/// An error of the call itself (EINVAL, EFAULT) would mean that the filter let it through.
fn filtered(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::EINVAL | Errno::EFAULT) => Ok(()),
        other => other,
    }
}
