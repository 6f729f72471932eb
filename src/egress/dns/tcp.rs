//! DNS over TCP: messages with their length before them, one after the other.

use super::super::close::refuse;
use super::super::gate::Gate;
use super::super::hold::Client;
use super::answer::answer;
use super::question::fitted;
use std::io;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Questions of one connection.
const MOST: usize = 100;

/// Serves questions until the client ends, is silent for too long, or has asked enough.
pub(in super::super) async fn serve(gate: Rc<Gate>, mut client: TcpStream) {
    for _ in 0..MOST {
        let patience = gate.config.limits.handshake + gate.config.hold.unwrap_or_default();
        match tokio::time::timeout(patience, one(&gate, &mut client)).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return,
            // It has broken off, or stopped in the middle: its own business.
            Ok(Err(_)) | Err(_) => return refuse(client),
        }
    }
}

/// One question; false where the client has no more.
async fn one(gate: &Gate, client: &mut TcpStream) -> io::Result<bool> {
    let mut length = [0; 2];
    if client.read(&mut length[..1]).await? == 0 {
        return Ok(false);
    }
    client.read_exact(&mut length[1..]).await?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    client.read_exact(&mut message).await?;
    let Some((reply, _)) = answer(gate, &message, Client::Stream(client)).await else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let Some(bytes) = fitted(reply, u16::MAX) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend(bytes);
    client.write_all(&framed).await?;
    Ok(true)
}
