//! The network namespace: loopback and nothing else.

use crate::plan::Stage;
use crate::spawn::wire::{At, Fault};
use crate::sys::{Call, Sys, net};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::os::fd::AsFd;

/// Witness.
pub struct Enforced(());

pub const STEPS: [&str; 1] = ["bring the loopback interface up; there is no other"];

/// Brings `lo` up. That there is no way out is shown by the proof.
pub fn apply() -> Result<Enforced, Fault> {
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
        .sys(Call::Socket)
        .at(Stage::Network, 0)?;
    net::loopback_up(socket.as_fd()).at(Stage::Network, 0)?;
    Ok(Enforced(()))
}
