//! A connection to an address: which names can it mean?

use super::close::refuse;
use super::gate::{Gate, Grant, Target};
use super::hold::Client;
use super::tunnel;
use crate::firewall::{Denial, Door, Host, Reason};
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::net::TcpStream;

/// Serves a connection that the client made to `dialled` itself.
pub async fn serve(gate: Rc<Gate>, client: TcpStream, dialled: SocketAddr) {
    match held(&gate, &client, dialled).await {
        Ok(candidates) => {
            let addresses = vec![dialled.ip().to_canonical()];
            let target =
                Target { candidates, addresses, port: dialled.port(), door: Door::Transparent };
            tunnel::serve(gate, client, Vec::new(), target).await;
        }
        Err(denial) => {
            refuse(client);
            gate.denied(&denial);
        }
    }
}

/// The same as [`candidates`], where the owner may be asked.
async fn held(gate: &Gate, client: &TcpStream, dialled: SocketAddr) -> Result<Vec<Grant>, Denial> {
    let door = Door::Transparent;
    let Err(denial) = candidates(gate, dialled, door) else {
        return candidates(gate, dialled, door);
    };
    if gate.config.hold.is_none() {
        return Err(denial);
    }
    let host = meant(gate, dialled);
    let asked = gate.ask_owner(&host, dialled.port(), door, Client::Stream(client)).await;
    asked.map_err(by_number)?;
    candidates(gate, dialled, door)
}

/// The host that a connection to this address most likely means.
pub(super) fn meant(gate: &Gate, dialled: SocketAddr) -> Host {
    let address = dialled.ip().to_canonical();
    let latest = gate.names.borrow().of(address).into_iter().next();
    latest.map_or(Host::Address(address), Host::Name)
}

/// Every allowed host that this address was given out for, at least one.
pub(super) fn candidates(
    gate: &Gate,
    dialled: SocketAddr,
    door: Door,
) -> Result<Vec<Grant>, Denial> {
    let address = dialled.ip().to_canonical();
    let port = dialled.port();
    let names = gate.names.borrow().of(address).into_iter().map(Host::Name);
    let mut denials = Vec::new();
    let mut grants = Vec::new();
    for host in names {
        let grant = gate.ask(&host, port, door).and_then(|grant| {
            let usable = gate.usable(&grant, address);
            usable.map(|_| grant.clone()).map_err(|reason| gate.denial(&grant, reason))
        });
        match grant {
            Ok(grant) => grants.push(grant),
            Err(denial) => denials.push(denial),
        }
    }
    match gate.ask(&Host::Address(address), port, door) {
        Ok(grant) => match gate.usable(&grant, address) {
            Ok(_) => grants.push(grant),
            Err(reason) => denials.push(gate.denial(&grant, reason)),
        },
        // That no rule names the address says nothing, where a name is known for it.
        Err(denial) if denials.is_empty() => denials.push(by_number(denial)),
        Err(_) => {}
    }
    // The name that was answered last is the one that the client most likely means.
    match denials.into_iter().next() {
        Some(denial) if grants.is_empty() => Err(denial),
        _ => Ok(grants),
    }
}

fn by_number(mut denial: Denial) -> Denial {
    if denial.reason == Reason::NotListed {
        denial.reason = match denial.door {
            Door::Transparent => Reason::UnknownAddress,
            _ => Reason::AddressNotListed,
        };
    }
    denial
}

#[cfg(test)]
mod tests {
    use super::super::world::{World, allow, ip, name, private, rule, run};
    use super::*;
    use crate::firewall::Effect;

    fn asked(world: &World, address: &str, port: u16) -> Result<Vec<String>, &'static str> {
        let dialled = SocketAddr::new(ip(address), port);
        match candidates(&world.gate, dialled, Door::Transparent) {
            Ok(grants) => Ok(grants.iter().map(|grant| grant.host.to_string()).collect()),
            Err(denial) => Err(denial.reason.code()),
        }
    }

    fn hosts(names: &[&str]) -> Result<Vec<String>, &'static str> {
        Ok(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_allowed_name_of_an_address_is_a_candidate() {
        run(async {
            let world = World::of(vec![
                allow("a.example", 443),
                allow("b.example", 443),
                allow("c.example", 8443),
                allow("93.184.215.14", 22),
            ])
            .await;
            for answered in ["a.example", "b.example", "c.example"] {
                world.gate.names.borrow_mut().answered(&name(answered), &[ip("93.184.215.14")]);
            }
            let at = "93.184.215.14";
            assert_eq!(asked(&world, at, 443), hosts(&["b.example", "a.example"]));
            assert_eq!(asked(&world, at, 8443), hosts(&["c.example"]));
            assert_eq!(asked(&world, at, 22), hosts(&["93.184.215.14"]));
            assert_eq!(asked(&world, at, 80), Err("other-port"));
            assert_eq!(asked(&world, "::ffff:93.184.215.14", 8443), hosts(&["c.example"]));
            assert_eq!(asked(&world, "93.184.215.15", 443), Err("address-not-listed"));
        });
    }

    #[test]
    fn an_address_that_was_answered_is_vetted_again() {
        run(async {
            let private = private("a.example", 443);
            let world = World::of(vec![private]).await;
            world.gate.names.borrow_mut().answered(&name("a.example"), &[ip("10.0.0.1")]);
            assert_eq!(asked(&world, "10.0.0.1", 443), hosts(&["a.example"]));
            let deny = rule(Effect::Deny, "10.0.0.1", 443);
            world.gate.replace(crate::firewall::Rules(vec![deny]));
            assert_eq!(asked(&world, "10.0.0.1", 443), Err("denied-by-rule"));
            let strict = World::of(vec![allow("a.example", 443)]).await;
            strict.gate.names.borrow_mut().answered(&name("a.example"), &[ip("10.0.0.1")]);
            assert_eq!(asked(&strict, "10.0.0.1", 443), Err("not-public"));
        });
    }
}
