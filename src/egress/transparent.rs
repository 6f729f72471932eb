//! A connection to an address: which names can it mean?

use super::close::refuse;
use super::gate::{Gate, Grant, Target};
use super::tunnel;
use crate::firewall::{Denial, Door, Host, Reason};
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::net::TcpStream;

/// Serves a connection that the client made to `dialled` itself.
pub async fn serve(gate: Rc<Gate>, client: TcpStream, dialled: SocketAddr) {
    match candidates(&gate, dialled, Door::Transparent) {
        Ok(candidates) => {
            let address = Some(dialled.ip().to_canonical());
            let target =
                Target { candidates, address, port: dialled.port(), door: Door::Transparent };
            tunnel::serve(gate, client, Vec::new(), target).await;
        }
        Err(denial) => {
            refuse(client);
            gate.denied(&denial);
        }
    }
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
