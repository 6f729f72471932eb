//! How a connection ends that was refused: with a word that arrives, or at once.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// For the client to take the last word, and to send what is on its way.
const PATIENCE: Duration = Duration::from_secs(1);
/// As much of that is thrown away.
const DRAIN: usize = 64 << 10;

/// Sends a last word and closes. A socket that is closed with unread bytes sends RST, which makes the
/// client's kernel forget the word: so what the client still sends is read, for a moment.
pub(super) async fn say(mut client: TcpStream, word: &[u8]) {
    let goodbye = async {
        client.write_all(word).await?;
        client.shutdown().await?;
        let mut waste = [0; 4096];
        let mut left = DRAIN;
        while left > 0 {
            match client.read(&mut waste).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        std::io::Result::Ok(())
    };
    // It has been refused and recorded; a client that does not listen has missed only the reason.
    drop(tokio::time::timeout(PATIENCE, goodbye).await);
}

/// Closes with RST, so that a client does not wait for an answer.
pub(super) fn reset(client: TcpStream) {
    // If it cannot be set, the connection ends by FIN.
    drop(client.set_zero_linger());
    drop(client);
}
