//! The network namespace: loopback and nothing else, or one veth pair to the proxy's.

mod sockets;
mod veth;

use crate::egress::config::{HTTP_PORT, SOCKS_PORT};
use crate::plan::{NetworkPlan, Stage};
use crate::spawn::wire::{At, Fault, Reporter};
use crate::sys::{Call, Sys, net};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::os::fd::{AsFd, BorrowedFd};

/// Witness.
pub struct Enforced(());

/// Makes the network of the plan. `egress` is where the sockets of a proxied one are handed out.
///
/// That there is no other way out is shown by the proof.
pub fn apply(
    plan: &NetworkPlan,
    egress: Option<BorrowedFd<'_>>,
    reporter: Reporter<'_>,
) -> Result<Enforced, Fault> {
    match (plan, egress) {
        (NetworkPlan::Loopback, _) => loopback()?,
        // Landlock and seccomp see to it that the network of this namespace is not used.
        (NetworkPlan::Barred, _) => {}
        (NetworkPlan::Proxied(plan), Some(egress)) => veth::apply(plan, egress, reporter)?,
        // A network without its proxy would be one that nobody guards, or one that leads nowhere.
        (NetworkPlan::Proxied(_), None) => {
            return Err(crate::sys::SysError::unverified()).at(Stage::Network, 0);
        }
    }
    Ok(Enforced(()))
}

fn loopback() -> Result<(), Fault> {
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
        .sys(Call::Socket)
        .at(Stage::Network, 0)?;
    net::loopback_up(socket.as_fd()).at(Stage::Network, 0)
}

/// The doors of a container, which has a loopback interface alone: the HTTP proxy and SOCKS5, on ports that
/// anybody may bind; and sockets to reach its published ports with.
pub fn doors(inward: u16, to: BorrowedFd<'_>) -> crate::sys::SysResult<()> {
    sockets::listeners(HTTP_PORT, false, to)?;
    sockets::listeners(SOCKS_PORT, false, to)?;
    sockets::inward(inward, false, to)?;
    sockets::complete(to)
}
