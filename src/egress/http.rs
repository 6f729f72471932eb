//! Plain HTTP to a host that the connection names by itself.

use super::ending;
use super::gate::{Gate, Target};
use crate::firewall::{Denial, Reason};
use std::rc::Rc;
use tokio::net::TcpStream;

/// Serves requests in origin form. Until requests are read here, every one is refused.
pub async fn serve_origin(gate: Rc<Gate>, client: TcpStream, head: Vec<u8>, target: Target) {
    drop(head);
    if let Some(grant) = target.candidates.first() {
        let why = "plain HTTP is not let out yet".to_owned();
        let reason = Reason::Malformed { why };
        gate.denied(&Denial::new(&gate.config.who, &grant.host, target.port, target.door, reason));
    }
    ending::say(client, b"HTTP/1.1 501 Not Implemented\r\nConnection: close\r\n\r\n").await;
}

pub async fn serve_proxy(_gate: Rc<Gate>, client: TcpStream) {
    super::close::refuse(client);
}
