//! What was seen: open sockets with their holders, as plain values for the judge.

use super::facts::Facts;
use crate::doctor::sockets::cgroup::Container;
use crate::doctor::sockets::{Inet, Transport};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// Everything that was seen in one network namespace.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    pub sockets: Vec<Open>,
    pub holders: BTreeMap<u32, Holder>,
    pub unix: Vec<OpenUnix>,
    /// Processes whose descriptors we may not see.
    pub hidden: usize,
}

/// One open socket.
#[derive(Debug, Clone)]
pub struct Open {
    pub socket: Inet,
    /// In order; none where nobody that we may see holds it.
    pub pids: Vec<u32>,
    /// The same with the number of the descriptor, for listings.
    pub descriptors: Vec<(u32, u32)>,
    /// Every address at which it answers: a dual-stack wildcard has two.
    pub addresses: Vec<IpAddr>,
    /// The interface that it is bound to, or that its link-local address is on.
    pub device: Option<String>,
    /// Only this machine can reach it.
    pub loopback: bool,
}

/// One process that holds sockets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Holder {
    pub pid: u32,
    /// What it calls itself: any name.
    pub name: String,
    /// `null` where we may not see it.
    pub program: Option<PathBuf>,
    /// The file of the program is gone or was replaced.
    pub deleted: bool,
    /// We see another file at that path; looked at where the registry names a program.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
    pub unit: Option<String>,
    pub container: Option<Container>,
    /// The connector of this workspace whose jail it belongs to, and its run.
    pub connector: Option<String>,
    pub run: Option<String>,
}

/// A unix socket that takes connections or datagrams, with who holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenUnix {
    /// As people write it: `@name` or a path.
    pub name: String,
    pub pids: Vec<u32>,
    pub access: Access,
}

/// Who may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody in the network namespace.
    Abstract,
    /// Everybody, with this mode: no folder above it is in the way.
    Everybody(u32),
    /// Not everybody, or that cannot be told.
    Limited,
}

impl Open {
    /// `twin`: an IPv4 socket has the same port, so that this one cannot take IPv4 too.
    pub fn new(socket: Inet, pids: Vec<u32>, twin: bool, facts: &Facts) -> Self {
        let address = socket.local.ip().to_canonical();
        let only_v6 = socket.told.and_then(|told| told.only_v6).unwrap_or(twin);
        let mut addresses = vec![address];
        if address == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && !only_v6 {
            addresses.push(Ipv4Addr::UNSPECIFIED.into());
        }
        let device = socket.told.and_then(|told| facts.interface(told.device));
        let device = device.or_else(|| match address {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => facts.only_place(v6),
            _ => None,
        });
        let loopback =
            addresses.iter().all(IpAddr::is_loopback) || device.is_some_and(|it| it.loopback);
        let device = device.map(|interface| interface.name.clone());
        let descriptors = Vec::new();
        Self { socket, pids, descriptors, addresses, device, loopback }
    }

    pub fn transport(&self) -> Transport {
        self.socket.transport
    }

    pub fn port(&self) -> u16 {
        self.socket.local.port()
    }

    /// `tcp 127.0.0.1:8080`
    pub fn subject(&self) -> String {
        let place = match (self.socket.local.ip().to_canonical(), &self.device) {
            (IpAddr::V4(v4), None) => v4.to_string(),
            (IpAddr::V4(v4), Some(device)) => format!("{v4}%{device}"),
            (IpAddr::V6(v6), None) => format!("[{v6}]"),
            (IpAddr::V6(v6), Some(device)) => format!("[{v6}%{device}]"),
        };
        format!("{} {place}:{}", self.transport().name(), self.port())
    }
}

impl Holder {
    /// For people: the program, and who it belongs to.
    pub fn describe(&self) -> String {
        let mut text = match &self.program {
            Some(program) => program.display().to_string(),
            None => self.name.clone(),
        };
        text += &format!(" (pid {}", self.pid);
        if self.deleted {
            text += ", its file is gone";
        }
        if self.elsewhere {
            text += ", not the file that is at this path here";
        }
        if let Some(connector) = &self.connector {
            text += &format!(", connector {connector}");
        }
        if let Some(container) = &self.container {
            let name = container.name.as_deref().unwrap_or(match container.id.get(..12) {
                Some(id) => id,
                None => "of an unknown name",
            });
            let what = if container.publishes { "for the container" } else { "container" };
            text += &format!(", {what} {name}");
        }
        if let Some(unit) = &self.unit {
            text += &format!(", {unit}");
        }
        text + ")"
    }
}
