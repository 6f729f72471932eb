//! Two network namespaces and the veth pair between them.
//!
//! init is born in the namespace that becomes the proxy's; it makes its sockets there, hands them out,
//! and goes on to a second one, the jail's. No process stays behind, and no `setns` leads back.

use super::sockets;
use crate::plan::{Proxied, Stage};
use crate::spawn::wire::{At, Fault, Message, Reporter};
use crate::sys::netlink::Netlink;
use crate::sys::{Call, Sys, SysError, SysResult};
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The first and larger part of a request to make a pair of interfaces; it has about 200 bytes.
const CREATE_MAX: usize = 512;

/// The steps are numbered as in [`crate::plan::network::PROXIED`].
pub(super) fn apply(
    plan: &Proxied,
    egress: BorrowedFd<'_>,
    reporter: Reporter<'_>,
) -> Result<(), Fault> {
    let at = |step| move |error| Fault { stage: Stage::Network, step, error };
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let proxy_ns =
        open(c"/proc/self/ns/net", flags, Mode::empty()).sys(Call::Open).map_err(at(0))?;
    let proxy = Netlink::open().map_err(at(0))?;
    unlimited_refusals(plan.ipv6, reporter);
    for port in &plan.ports {
        sockets::listeners(*port, plan.ipv6, egress).map_err(at(2))?;
    }
    sockets::dns(plan.ipv6, egress).map_err(at(3))?;
    sockets::knocks(plan.ipv6, egress).map_err(at(4))?;
    sockets::spares(plan.spares, plan.ipv6, egress).map_err(at(5))?;

    unshare(CloneFlags::CLONE_NEWNET).sys(Call::Unshare).map_err(at(6))?;
    let jail = Netlink::open().map_err(at(6))?;
    let requests = &plan.requests;
    let mut create = [0u8; CREATE_MAX];
    let create = create
        .get_mut(..requests.create.bytes.len())
        .ok_or(SysError::unverified())
        .map_err(at(7))?;
    create.copy_from_slice(&requests.create.bytes);
    if let Some(place) = create.get_mut(requests.create_fd_at..requests.create_fd_at + 4) {
        place.copy_from_slice(&proxy_ns.as_raw_fd().to_ne_bytes());
    }
    jail.ask(create, requests.create.messages).map_err(at(7))?;
    for (step, proxy_batch, jail_batch) in [
        (8, &requests.proxy.addresses, &requests.jail.addresses),
        (9, &requests.proxy.up, &requests.jail.up),
        (10, &requests.proxy.settle, &requests.jail.settle),
        (11, &requests.proxy.routes, &requests.jail.routes),
    ] {
        proxy.ask(&proxy_batch.bytes, proxy_batch.messages).map_err(at(step))?;
        jail.ask(&jail_batch.bytes, jail_batch.messages).map_err(at(step))?;
    }
    sockets::inward(plan.inward, plan.ipv6, egress).map_err(at(12))?;
    sockets::complete(egress).map_err(at(12))
}

/// The kernel refuses UDP packets to closed ports by ICMP, but only some a second unless told
/// otherwise; clients would wait for the rest. Not a control: where it cannot be set they do wait.
fn unlimited_refusals(ipv6: bool, reporter: Reporter<'_>) {
    let note = |result: SysResult<()>| {
        if let Err(fault) = result.at(Stage::Network, 1) {
            reporter.send(Message::Noted(fault));
        }
    };
    note(crate::confine::identity::put(c"/proc/sys/net/ipv4/icmp_ratelimit", b"0"));
    if ipv6 {
        note(crate::confine::identity::put(c"/proc/sys/net/ipv6/icmp/ratelimit", b"0"));
    }
}
