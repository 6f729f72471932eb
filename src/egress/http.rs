//! The HTTP door.

use super::close::refuse;
use super::gate::Gate;
use std::rc::Rc;
use tokio::net::TcpStream;

pub async fn serve_proxy(_gate: Rc<Gate>, client: TcpStream) {
    refuse(client);
}
