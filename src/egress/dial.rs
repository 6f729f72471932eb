//! Resolve once, vet every address, dial exactly one of those.

use super::gate::{Gate, Grant};
use crate::firewall::{Denial, Host, Reason};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use tokio::net::TcpStream;

impl Gate {
    /// The addresses of a granted host that may be dialled, at least one. An address that the rule names
    /// is itself; those of a name are resolved now and vetted one by one.
    pub async fn vetted(&self, grant: &Grant) -> Result<Vec<IpAddr>, Denial> {
        match &grant.host {
            Host::Address(address) => Ok(vec![*address]),
            Host::Name(_) => Err(Denial::new(
                &self.config.who,
                &grant.host,
                grant.port,
                grant.door,
                Reason::NoAddress { why: "names are not resolved yet".to_owned() },
            )),
        }
    }

    /// A connection to a granted host, over the upstream proxy where there is one. `only`: dial no
    /// other address than this one, which was vetted when the resolver gave it out.
    pub async fn dial(
        self: &Rc<Self>,
        grant: &Grant,
        only: Option<IpAddr>,
    ) -> Result<TcpStream, Denial> {
        let addresses = match only {
            Some(address) => vec![address],
            None => self.vetted(grant).await?,
        };
        let mut why = "no address".to_owned();
        for address in addresses {
            match TcpStream::connect(SocketAddr::new(address, grant.port)).await {
                Ok(stream) => return Ok(stream),
                Err(error) => why = error.to_string(),
            }
        }
        Err(Denial::new(
            &self.config.who,
            &grant.host,
            grant.port,
            grant.door,
            Reason::Unreachable { why },
        ))
    }
}
