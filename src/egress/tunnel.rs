//! A connection whose target is known as far as the client has said it.

use super::close::refuse;
use super::gate::{Gate, Target};
use std::rc::Rc;
use tokio::net::TcpStream;

pub async fn serve(_gate: Rc<Gate>, client: TcpStream, _head: Vec<u8>, _target: Target) {
    refuse(client);
}
