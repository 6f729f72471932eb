//! Asks the engines what runs, and the kernel what that is.

use super::{Container, Live};
use crate::container::engine::{self, Engine};
use crate::failure::{Failure, Kind};
use crate::policy::EngineKind;
use serde_json::Value;
use std::fs;
use std::net::Ipv4Addr;

/// What was found, and what could not be looked at.
pub struct Found {
    pub containers: Vec<Container>,
    pub notes: Vec<String>,
}

/// All containers that run, or those that are named. A name that no engine knows is an error.
pub fn look(asked: Option<EngineKind>, names: &[String]) -> Result<Found, Failure> {
    let engines = engine::detect(asked)?;
    let mut found = Found { containers: Vec::new(), notes: Vec::new() };
    if names.is_empty() {
        for engine in &engines {
            let list = engine.ask(&["ps", "--quiet", "--no-trunc"])?;
            for id in String::from_utf8_lossy(&list).split_whitespace() {
                match one(engine, id) {
                    Ok(container) => found.containers.push(container),
                    // It ended meanwhile.
                    Err(failure) => found.notes.push(failure.what),
                }
            }
        }
    }
    for name in names {
        let known = engines.iter().find_map(|engine| one(engine, name).ok());
        found.containers.push(known.ok_or_else(|| {
            let all: Vec<&str> = engines.iter().map(|engine| engine.kind.name()).collect();
            Failure::new(Kind::Usage, format!("there is no container `{name}`"))
                .because(format!("asked: {}", all.join(", ")))
        })?);
    }
    Ok(found)
}

fn one(engine: &Engine, id: &str) -> Result<Container, Failure> {
    let inspect = engine.inspect("container", id)?;
    let pid = inspect["State"]["Pid"].as_i64().filter(|pid| *pid > 0);
    let live = pid.and_then(live);
    let names = inspect["NetworkSettings"]["Networks"].as_object();
    let names: Vec<&String> = names.into_iter().flat_map(|networks| networks.keys()).collect();
    let mut networks = Vec::new();
    let mut dead_ends = Vec::new();
    for name in names {
        let about = engine.inspect("network", name).unwrap_or(Value::Null);
        networks.push((name.clone(), internal(&about)));
        dead_ends.extend(dead(&about));
    }
    let (engine, rootless) = (engine.kind.name(), engine.rootless);
    Ok(Container { engine, rootless, inspect, networks, dead_ends, live })
}

/// Docker writes it with a capital letter.
fn internal(about: &Value) -> Option<bool> {
    about["Internal"].as_bool().or_else(|| about["internal"].as_bool())
}

/// What containers of a bridge were told is their gateway, where it is neither the bridge nor a container.
pub(super) fn dead(about: &Value) -> Vec<Ipv4Addr> {
    let address = |value: &Value| {
        let text = value.as_str()?.split('/').next()?;
        text.parse::<Ipv4Addr>().ok()
    };
    if about["Driver"] != "bridge" {
        return Vec::new();
    }
    let containers = about["Containers"].as_object().into_iter().flatten();
    let held: Vec<_> =
        containers.filter_map(|(_, container)| address(&container["IPv4Address"])).collect();
    let pools = about["IPAM"]["Config"].as_array().into_iter().flatten();
    let dead = |pool: &Value| {
        let told = address(&pool["AuxiliaryAddresses"]["DefaultGatewayIPv4"])?;
        let bridge = address(&pool["Gateway"])?;
        (told != bridge && !held.contains(&told)).then_some(told)
    };
    pools.filter_map(dead).collect()
}

fn live(pid: i64) -> Option<Live> {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
    Some(Live {
        status: read("status")?,
        mountinfo: read("mountinfo")?,
        uid_map: read("uid_map")?,
        routes: read("net/route").unwrap_or_default(),
    })
}
