//! Tunnels: bytes of a connection that a door has let through.

use super::gate::{Gate, Target};
use std::rc::Rc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Carries a connection to its target; `head` are bytes of it that have been read already.
pub async fn serve(gate: Rc<Gate>, mut client: TcpStream, head: Vec<u8>, target: Target) {
    let Some(grant) = target.candidates.first() else { return };
    let mut upstream = match gate.dial(grant, target.address).await {
        Ok(upstream) => upstream,
        Err(denial) => return gate.denied(&denial),
    };
    gate.count_allowed();
    let relay = async {
        upstream.write_all(&head).await?;
        tokio::io::copy_bidirectional(&mut client, &mut upstream).await
    };
    tokio::select! {
        // Either end may go at any time; the connection ends with it.
        result = relay => drop(result),
        () = gate.revoked(grant) => {}
    }
}
