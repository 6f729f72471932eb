//! The SOCKS5 door.

use super::close::refuse;
use super::gate::Gate;
use std::rc::Rc;
use tokio::net::TcpStream;

pub async fn serve(_gate: Rc<Gate>, client: TcpStream) {
    refuse(client);
}
