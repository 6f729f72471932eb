//! Ending a connection so that nobody takes it for a complete one.

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A stream whose end can be a reset instead of a clean close.
pub trait Abort {
    /// From now on, dropping it resets the connection.
    fn abort(&self);
}

impl Abort for TcpStream {
    fn abort(&self) {
        // It fails only for a socket that is no longer connected: then there is nothing to reset.
        drop(self.set_zero_linger());
    }
}

impl Abort for TlsStream<TcpStream> {
    fn abort(&self) {
        self.get_ref().0.abort();
    }
}

/// Resets a connection at once: the client sees an error, and does not wait.
pub fn refuse(client: TcpStream) {
    client.abort();
    drop(client);
}
