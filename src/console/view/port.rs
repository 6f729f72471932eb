//! The registry of ports.

use super::super::show;
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

pub(in crate::console) fn port(service: &Service) -> PortView {
    let Service { connector, container, program, .. } = service;
    let holders = [("connector", connector), ("container", container), ("program", program)];
    let holder =
        holders.into_iter().find_map(|(kind, name)| Some(format!("{kind} {}", name.as_ref()?)));
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
