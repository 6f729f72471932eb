//! Resolve once, vet every address, dial exactly one of those.

use super::gate::{Gate, Grant};
use super::upstream;
use crate::firewall::{Denial, Reason};
use crate::planted::{Control, broken};
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
    /// other address than these, which the client dialled itself or which the host was resolved to before;
    /// they are vetted again. Empty: the host is resolved now.
    ///
    /// An upstream proxy is given the name: it resolves, and answers for the address.
    pub async fn dial(
        self: &Rc<Self>,
        grant: &Grant,
        only: &[IpAddr],
    ) -> Result<TcpStream, Denial> {
        let patience = self.config.limits.dial;
        let dialling = async {
            if let Some(proxy) = &self.config.upstream {
                for address in only {
                    self.usable(grant, *address).map_err(|reason| self.denial(grant, reason))?;
                }
                return upstream::connect(proxy, &self.resolver, &grant.host, grant.port)
                    .await
                    .map_err(|why| self.denial(grant, Reason::Unreachable { why }));
            }
            let addresses = if only.is_empty() || broken(Control::ResolveOnce) {
                self.vetted(grant).await?
            } else {
                self.vet(grant, only.to_vec()).map_err(|reason| self.denial(grant, reason))?
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
    // One alone needs no task.
    if let [only] = addresses {
        return TcpStream::connect(SocketAddr::new(*only, port)).await;
    }
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

#[cfg(test)]
mod tests {
    use super::super::world::{World, allow, host, ip, listener, private, run};
    use super::*;
    use crate::firewall::Door;
    use hickory_proto::rr::RecordType;

    #[test]
    fn families_take_turns_and_ipv6_begins() {
        let order = in_turn(&["1.1.1.1", "1.0.0.1", "2606::1", "2606::2", "2606::3"].map(ip));
        assert_eq!(order, ["2606::1", "1.1.1.1", "2606::2", "1.0.0.1", "2606::3"].map(ip));
    }

    #[test]
    fn a_name_that_changes_its_address_is_resolved_once_for_each_dial() {
        run(async {
            let (listener, at) = listener("127.0.0.1").await;
            let world = World::of(vec![private("rebind.example", at.port())]).await;
            world.zone.put("rebind.example", &[&["127.0.0.1"], &["169.254.77.1"]]);
            let host = host("rebind.example");
            let grant = world.gate.ask(&host, at.port(), Door::Connect).unwrap();
            let (dialled, accepted) = tokio::join!(world.gate.dial(&grant, &[]), listener.accept());
            assert_eq!(dialled.unwrap().peer_addr().unwrap(), at);
            assert!(accepted.is_ok());
            assert_eq!(world.zone.asked("rebind.example", RecordType::A), 1);
            let second = world.gate.dial(&grant, &[]).await.unwrap_err();
            assert_eq!(second.reason.code(), "no-address", "the new address is vetted, too");
            assert_eq!(world.zone.asked("rebind.example", RecordType::A), 2);
        });
    }

    #[test]
    fn the_dialled_address_is_vetted_again() {
        run(async {
            let world = World::of(vec![allow("a.example", 443)]).await;
            let grant = world.gate.ask(&host("a.example"), 443, Door::Transparent).unwrap();
            let denial = world.gate.dial(&grant, &[ip("127.0.0.1")]).await.unwrap_err();
            assert_eq!(denial.reason.code(), "not-public");
            assert_eq!(world.zone.asked_in_all(), 0);
        });
    }

    #[test]
    fn a_closed_port_does_not_end_the_race() {
        run(async {
            let (listener, at) = listener("127.0.0.1").await;
            let addresses = ["127.0.0.3", "127.0.0.2", "127.0.0.1"].map(ip);
            let (dialled, _) = tokio::join!(race(&addresses, at.port()), listener.accept());
            assert_eq!(dialled.unwrap().peer_addr().unwrap(), at);
            assert!(race(&["127.0.0.4"].map(ip), at.port()).await.is_err());
        });
    }

    #[test]
    fn a_host_that_never_answers_is_given_up() {
        run(async {
            let mut world = World::of(vec![private("slow.example", 9)]).await;
            let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let mut server = hickory_resolver::config::NameServerConfig::udp(ip("127.0.0.1"));
            server.connections[0].port = silent.local_addr().unwrap().port();
            let servers = hickory_resolver::config::ResolverConfig::from_name_servers(vec![server]);
            let gate = Rc::get_mut(&mut world.gate).unwrap();
            gate.resolver = super::super::resolve::Resolver::of(servers);
            gate.config.limits.dial = Duration::from_millis(50);
            let grant = world.gate.ask(&host("slow.example"), 9, Door::Connect).unwrap();
            let denial = world.gate.dial(&grant, &[]).await.unwrap_err();
            assert_eq!(denial.reason.to_string(), "cannot be reached: no answer within 50ms");
        });
    }
}
