//! Asks the engines what runs, and the kernel what that is.

use super::{Container, Live};
use crate::container::engine::{self, Engine};
use crate::failure::{Failure, Kind};
use crate::policy::EngineKind;
use std::fs;

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
    let networks = names.into_iter().map(|name| (name.clone(), internal(engine, name))).collect();
    let (engine, rootless) = (engine.kind.name(), engine.rootless);
    Ok(Container { engine, rootless, inspect, networks, live })
}

/// Docker writes it with a capital letter.
fn internal(engine: &Engine, network: &str) -> Option<bool> {
    let about = engine.inspect("network", network).ok()?;
    about["Internal"].as_bool().or_else(|| about["internal"].as_bool())
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
