//! Resolve once, vet every address, dial exactly one of those.

use super::gate::{Gate, Grant};
use super::upstream;
use crate::firewall::{Denial, Reason};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The next address is tried beside the one before after so long (RFC 8305).
const STAGGER: Duration = Duration::from_millis(250);

impl Gate {
    /// A connection to a granted host, over the upstream proxy where there is one. `only`: dial no
    /// other address than this one, which the client dialled itself; it is vetted again.
    ///
    /// An upstream proxy is given the name: it resolves, and answers for the address.
    pub async fn dial(
        self: &Rc<Self>,
        grant: &Grant,
        only: Option<IpAddr>,
    ) -> Result<TcpStream, Denial> {
        let patience = self.config.limits.dial;
        let dialling = async {
            if let Some(proxy) = &self.config.upstream {
                if let Some(address) = only {
                    self.usable(grant, address).map_err(|reason| self.denial(grant, reason))?;
                }
                return upstream::connect(proxy, &self.resolver, &grant.host, grant.port)
                    .await
                    .map_err(|why| self.denial(grant, Reason::Unreachable { why }));
            }
            let addresses = match only {
                Some(address) => {
                    self.vet(grant, vec![address]).map_err(|reason| self.denial(grant, reason))?
                }
                None => self.vetted(grant).await?,
            };
            race(&addresses, grant.port)
                .await
                .map_err(|error| self.denial(grant, Reason::Unreachable { why: error.to_string() }))
        };
        let late = || {
            let why = format!("no answer within {}", humantime::format_duration(patience));
            self.denial(grant, Reason::Unreachable { why })
        };
        let stream = tokio::time::timeout(patience, dialling).await.map_err(|_| late())??;
        at_once(&stream);
        Ok(stream)
    }
}

/// Small messages go out as they are written.
pub(super) fn at_once(stream: &TcpStream) {
    // It fails only for a connection that is gone, which its next use says.
    drop(stream.set_nodelay(true));
}

/// The first of the addresses that answers (happy eyeballs): IPv6 first, families in turn.
pub(super) async fn race(addresses: &[IpAddr], port: u16) -> io::Result<TcpStream> {
    let mut next = in_turn(addresses).into_iter();
    let mut attempts = JoinSet::new();
    let mut failed = io::Error::other("no address");
    loop {
        match next.next() {
            Some(address) => {
                attempts.spawn(TcpStream::connect(SocketAddr::new(address, port)));
            }
            None if attempts.is_empty() => return Err(failed),
            None => {}
        }
        tokio::select! {
            Some(done) = attempts.join_next() => match done {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => failed = error,
                Err(error) => failed = error.into(),
            },
            () = tokio::time::sleep(STAGGER), if next.len() > 0 => {}
        }
    }
}

fn in_turn(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let (v6, v4): (Vec<&IpAddr>, Vec<&IpAddr>) = addresses.iter().partition(|a| a.is_ipv6());
    let mut order = Vec::with_capacity(addresses.len());
    let (mut v6, mut v4) = (v6.into_iter(), v4.into_iter());
    while order.len() < addresses.len() {
        order.extend(v6.next());
        order.extend(v4.next());
    }
    order
}
