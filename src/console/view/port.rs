//! The registry of ports, and what was asked for.

use super::super::show;
use crate::ports::requests::Request;
use crate::ports::{Service, registry::Reserved};
use std::net::SocketAddr;

#[derive(Debug, Clone)]
pub(in crate::console) struct PortView {
    pub(in crate::console) name: String,
    pub(in crate::console) proto: &'static str,
    pub(in crate::console) at: String,
    pub(in crate::console) holder: String,
    /// Other machines can reach it.
    pub(in crate::console) open: bool,
    pub(in crate::console) note: Option<String>,
}

#[derive(Debug, Clone)]
pub(in crate::console) struct RangeView {
    pub(in crate::console) connector: String,
    pub(in crate::console) range: String,
}

/// A port that somebody would like to have.
#[derive(Debug, Clone)]
pub(in crate::console) struct WishView {
    pub(in crate::console) name: String,
    pub(in crate::console) at: String,
    pub(in crate::console) connector: Option<String>,
    pub(in crate::console) by: Option<String>,
    pub(in crate::console) when: String,
    pub(in crate::console) reason: Option<String>,
    /// The command that grants it.
    pub(in crate::console) command: String,
}

pub(in crate::console) fn port(service: &Service) -> PortView {
    let Service { connector, container, program, .. } = service;
    let holders = [("connector", connector), ("container", container), ("program", program)];
    let holder = holders.into_iter().find_map(|(kind, name)| Some(format!("{kind} {}", name.as_ref()?)));
    PortView {
        name: service.name.to_string(),
        proto: service.proto.as_str(),
        at: SocketAddr::new(service.bind, service.port.get()).to_string(),
        holder: holder.as_deref().map_or_else(|| "anybody".to_owned(), show::text),
        open: !service.bind.is_loopback(),
        note: service.note.as_deref().map(show::text),
    }
}

pub(in crate::console) fn range(reserved: &Reserved) -> RangeView {
    RangeView { connector: show::text(&reserved.connector), range: reserved.range.to_string() }
}

pub(in crate::console) fn wish(request: &Request) -> WishView {
    let at = SocketAddr::new(request.bind, request.port.get());
    WishView {
        name: show::text(&request.service),
        at: format!("{at}/{}", request.proto),
        connector: request.connector.as_deref().map(show::text),
        by: request.by.as_deref().map(show::text),
        when: show::text(&request.at),
        reason: request.reason.as_deref().map(show::text),
        command: show::text(&request.command()),
    }
}
