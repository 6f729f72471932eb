//! Copies bytes both ways until an end, or until the rule that allowed it is gone.

use super::gate::{Gate, Grant};
use crate::firewall::{Denial, Reason};
use std::rc::Rc;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;

/// `head`: what the client has sent already and the server has not seen.
pub async fn relay<S: AsyncRead + AsyncWrite + Unpin>(
    gate: &Rc<Gate>,
    grant: &Grant,
    mut client: TcpStream,
    mut server: S,
    head: &[u8],
) {
    let copy = async {
        server.write_all(head).await?;
        copy_bidirectional(&mut client, &mut server).await
    };
    tokio::select! {
        // Either end may break at any time; the other sees its own connection end.
        copied = copy => if let Ok((out, into)) = copied {
            gate.count_bytes(out + u64::try_from(head.len()).unwrap_or(0), into);
        },
        () = gate.revoked(grant) => {
            let who = &gate.config.who;
            let denial =
                Denial::new(who, &grant.host, grant.port, grant.door, Reason::Revoked);
            gate.denied(&denial);
            super::ending::reset(client);
        }
    }
}
