//! Who can reach a service, and what it can reach.

use super::{Bench, rules};
use crate::compose::fields::flag;
use crate::compose::fix::Edit;
use crate::compose::node::{Node, Spot};
use crate::compose::ports::Port;
use crate::policy::expect::shown;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

rules! {
    PUBLISHED = "compose.published-everywhere", Error,
        "a published port that other machines can reach",
        "Without an address a port is published on every address of the host, past the rules of ufw and firewalld: \
         whoever is in the same network can talk to the service.";
    HOST_NETWORK = "compose.host-network", Error,
        "the network of the host",
        "It reaches everything that listens on the host's loopback, and what it listens on is the host's.";
    SHARED_NETWORK = "compose.shared-network", Warning,
        "the network of another container",
        "The two reach what the other one has on its loopback, and have one way out.";
    UNPROTECTED = "compose.unprotected-network", Error,
        "a network on which other machines reach its containers",
        "Packets of other machines are led to the containers' own addresses: to published ports whatever address they are \
         published on, `127.0.0.1:` too, and with `nat-unprotected` to every port.";
    OPEN_EGRESS = "compose.open-egress", Warning,
        "a network with a way out",
        "What is read or made inside can be sent to any address, and anything can be fetched. A network that is \
         `internal` has no way out; a proxy on it lets through what is allowed.";
    EXTERNAL_NETWORK = "compose.external-network", Info,
        "a network that is made elsewhere",
        "Whether it has a way out, and who else is on it, does not stand in these files.";
    UNREACHABLE_PORT = "compose.unreachable-port", Warning,
        "a published port on networks that are all internal",
        "The engine publishes nothing for a container that is on internal networks alone: nobody reaches the port, and \
         the quick cure, taking `internal` away, opens the way out.";
    HOST_GATEWAY = "compose.host-gateway", Warning,
        "a name for the host inside",
        "`host-gateway` leads to services of the host that listen on more than loopback.";
    STATIC_PEER = "compose.static-peer", Info,
        "addresses of other machines written into /etc/hosts",
        "Names that are answered there are not asked of any resolver that would refuse them.";
}

pub(super) fn judge(bench: &mut Bench<'_>) {
    published(bench);
    mode(bench);
    egress(bench);
    hosts(bench);
}

/// True where other machines cannot reach an address.
fn is_loopback(host: Option<IpAddr>) -> bool {
    host.is_some_and(|host| host.to_canonical().is_loopback())
}

fn published(bench: &mut Bench<'_>) {
    let service = bench.service;
    for (number, port) in service.ports.iter().enumerate() {
        if is_loopback(port.host) {
            continue;
        }
        let local = match port.host {
            Some(IpAddr::V6(_)) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            _ => IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let meant = Port { host: Some(local), ..port.clone() };
        let evidence = match port.host {
            None => format!("{} names no address, which is every address", port.shown()),
            Some(host) => format!("{} is published on {host}", port.shown()),
        };
        let fix = format!("write `{}` in place of `{}`", meant.shown(), port.shown());
        let edit = Edit::port(service, number, &meant);
        bench.find(&PUBLISHED, &port.spot, evidence, fix).mend(edit);
    }
}

fn mode(bench: &mut Bench<'_>) {
    let Some((mode, spot)) = bench.service.network_mode() else { return };
    if mode == "host" {
        let fix = "take `network_mode` out, and publish on 127.0.0.1 what must be reached";
        bench.find(&HOST_NETWORK, spot, "network_mode: host", fix);
    } else if mode.starts_with("service:") || mode.starts_with("container:") {
        let fix = "take `network_mode` out, and put both on an internal network";
        let evidence = format!("network_mode: {}", shown(mode, 60));
        bench.find(&SHARED_NETWORK, spot, evidence, fix);
    } else if mode != "none" {
        let fix = "`network_mode: none`, or `networks` with one that is `internal: true`";
        let evidence = format!("network_mode: {}", shown(mode, 60));
        bench.find(&OPEN_EGRESS, spot, evidence, fix);
    }
}

fn egress(bench: &mut Bench<'_>) {
    let networks = bench.service.networks();
    let mut all_internal = !networks.is_empty();
    for (name, spot) in networks {
        let network = bench.project.network(&name);
        let flagged =
            |field: &str| network.and_then(|it| it.get(field)).and_then(Node::text).and_then(flag);
        let internal = flagged("internal") == Some(true);
        all_internal &= internal;
        unprotected(bench, &name, &spot);
        let external = network.and_then(|it| it.get("external"));
        let external = external.is_some_and(|it| it.text().and_then(flag) != Some(false));
        let quoted = shown(&name, 60);
        let engines = bench.project.engines_network(&name);
        if engines == Some("host") {
            all_internal = false;
            let fix = "take the network out, and publish on 127.0.0.1 what must be reached";
            bench.find(&HOST_NETWORK, &spot, format!("network `{quoted}` is the host's"), fix);
        } else if engines == Some("none") {
            all_internal = false;
        } else if engines == Some("bridge") {
            all_internal = false;
            let evidence = format!("network `{quoted}` is the engine's default bridge");
            let fix = format!(
                "a network of the project's own: `networks.{quoted}` with `internal: true`"
            );
            bench.find(&OPEN_EGRESS, &spot, evidence, fix);
        } else if external {
            all_internal = false;
            let evidence = format!("network `{quoted}` is external");
            let fix = format!(
                "`docker network inspect` says whether it is internal; or define `networks.{quoted}` here"
            );
            bench.find(&EXTERNAL_NETWORK, &spot, evidence, fix);
        } else if !bench.project.is_closed(&name) {
            let evidence = format!("network `{quoted}` is not internal");
            let fix = match network {
                Some(_) => format!("`internal: true` in `networks.{quoted}`"),
                None => {
                    format!("`networks: {{{quoted}: {{internal: true}}}}` at the top of the file")
                }
            };
            // Where the network says so itself, that is the place.
            let own = network.and_then(|it| it.entry("internal")).map(|it| it.value.spot.clone());
            bench.find(&OPEN_EGRESS, &own.unwrap_or(spot), evidence, fix);
        }
    }
    if all_internal && let Some(port) = bench.service.ports.first() {
        let evidence = format!("{} is published, and every network is internal", port.shown());
        let fix = "add a network whose containers have a dead gateway (docs/containers.md), or take `ports` out";
        bench.find(&UNREACHABLE_PORT, &port.spot, evidence, fix);
    }
}

/// What docker's bridge lets in from other machines.
fn unprotected(bench: &mut Bench<'_>, name: &str, spot: &Spot) {
    const MODES: &[&str] = &["routed", "nat-unprotected"];
    let Some(network) = bench.project.network(name) else { return };
    let internal = network.get("internal").and_then(Node::text).and_then(flag) == Some(true);
    let options = network.get("driver_opts").map(Node::entries).unwrap_or_default();
    for entry in options.iter().filter(|_| !internal) {
        let Some(option) = entry.key.strip_prefix("com.docker.network.bridge.") else { continue };
        let value = entry.value.text().unwrap_or_default().trim();
        let open = match option {
            "gateway_mode_ipv4" | "gateway_mode_ipv6" => MODES.contains(&value),
            "trusted_host_interfaces" => !value.is_empty(),
            _ => false,
        };
        if open {
            let (name, value) = (shown(name, 60), shown(value, 40));
            let evidence = format!("network `{name}` has {option}: {value}");
            let fix = format!("take `{}` out of `networks.{name}.driver_opts`", entry.key);
            bench.find(&UNPROTECTED, spot, evidence, fix);
        }
    }
}

fn hosts(bench: &mut Bench<'_>) {
    let Some(hosts) = bench.service.find(&["extra_hosts"]) else { return };
    let listed = hosts.items().iter().filter_map(|item| Some((item.text()?.to_owned(), item)));
    let mapped = hosts.entries().iter().flat_map(|entry| {
        let own = entry.value.text().is_some().then_some(&entry.value);
        let addresses = own.into_iter().chain(entry.value.items());
        addresses.map(|it| (format!("{}={}", entry.key, it.text().unwrap_or_default()), it))
    });
    for (text, item) in listed.chain(mapped) {
        let evidence = format!("extra_hosts: {}", shown(&text, 80));
        if text.ends_with("host-gateway") {
            let fix =
                "take the entry out; give the service a socket or an internal network instead";
            bench.find(&HOST_GATEWAY, &item.spot, evidence, fix);
        } else {
            let fix = "take the entry out, and let the name be resolved where rules count";
            bench.find(&STATIC_PEER, &item.spot, evidence, fix);
        }
    }
}
