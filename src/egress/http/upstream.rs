//! The connection to a host, kept for the next request to the same.

use super::inject;
use super::refuse::{Place, Refusal};
use super::wire::Inbox;
use crate::egress::gate::{Gate, Grant};
use std::net::IpAddr;
use std::rc::Rc;
use tokio::io::{AsyncRead, AsyncWrite};

/// A plain connection or TLS over one.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}
pub(super) type Stream = Box<dyn Duplex>;

pub(super) struct Upstream {
    pub(super) grant: Grant,
    pub(super) stream: Stream,
    pub(super) inbox: Inbox,
    /// It has served a request before, so that the host may have closed it by now.
    pub(super) used: bool,
}

impl Upstream {
    pub(super) async fn connect(
        gate: &Rc<Gate>,
        grant: &Grant,
        addresses: &[IpAddr],
    ) -> Result<Self, Refusal> {
        let stream: Stream = if inject::of(grant).is_some() {
            inject::connect(gate, grant, addresses).await?
        } else {
            Box::new(gate.dial(grant, addresses).await?)
        };
        Ok(Self { grant: grant.clone(), stream, inbox: Inbox::default(), used: false })
    }

    /// True where a request for `grant` may go over this connection: the same host and port, by the
    /// same rule.
    pub(super) fn serves(&self, grant: &Grant) -> bool {
        let own = &self.grant;
        own.host == grant.host && own.port == grant.port && own.rule == grant.rule
    }
}

impl From<&Grant> for Place {
    fn from(grant: &Grant) -> Self {
        Self { host: Some(grant.host.clone()), port: grant.port, door: grant.door }
    }
}
