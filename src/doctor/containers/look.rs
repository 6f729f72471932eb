//! Asks the engines what runs, and the kernel what that is.

use super::{Container, Live};
use crate::container::cgroup::Folders;
use crate::container::engine::{self, Detected, Engine, Silent};
use crate::failure::{Failure, Kind};
use crate::policy::EngineKind;
use serde_json::Value;
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// What was found, and what could not be looked at.
pub struct Found {
    pub containers: Vec<Container>,
    pub notes: Vec<String>,
    /// An engine is there that could not be asked: its containers are not among these.
    pub blind: bool,
}

/// All containers that run, or those that are named. A name that no engine knows is an error.
pub fn look(asked: Option<EngineKind>, names: &[String]) -> Result<Found, Failure> {
    // Without any engine there are no containers; who names one is told why it is not found.
    let detected = match (asked, names) {
        (None, []) => engine::survey(None),
        _ => engine::detect(asked)?,
    };
    let Detected { engines, silent } = detected;
    let mut found = Found { containers: Vec::new(), notes: Vec::new(), blind: false };
    for name in names {
        found.containers.push(named(&engines, name)?);
    }
    if names.is_empty() {
        let unasked = silent.iter().filter(|silent| silent.installed);
        found.notes.extend(unasked.map(|silent| format!("cannot be asked: {silent}")));
        for engine in &engines {
            found.notes.extend(running(engine, &mut found.containers));
        }
        found.blind = !found.notes.is_empty();
        let absent = silent.iter().filter(|silent| !silent.installed);
        found.notes.extend(absent.map(Silent::to_string));
    }
    Ok(found)
}

/// All of one engine; what could not be looked at.
fn running(engine: &Engine, containers: &mut Vec<Container>) -> Vec<String> {
    let kind = engine.kind.name();
    let list = match engine.ask(&["ps", "--quiet", "--no-trunc"]) {
        Ok(list) => list,
        Err(failure) => return vec![format!("cannot be asked: {kind}: {}", said(&failure))],
    };
    let mut notes = Vec::new();
    for id in String::from_utf8_lossy(&list).split_whitespace() {
        match one(engine, id) {
            Ok(container) => containers.push(container),
            Err(_) if ended(engine, id) => {}
            Err(failure) => notes.push(format!("{kind} {id}: {}", said(&failure))),
        }
    }
    notes
}

/// Between the list and the look.
fn ended(engine: &Engine, id: &str) -> bool {
    let filter = format!("id={id}");
    let list = engine.ask(&["ps", "--quiet", "--no-trunc", "--filter", &filter]);
    list.is_ok_and(|list| list.trim_ascii().is_empty())
}

fn said(failure: &Failure) -> String {
    [std::slice::from_ref(&failure.what), &failure.causes].concat().join(": ")
}

fn named(engines: &[Engine], name: &str) -> Result<Container, Failure> {
    let known = engines.iter().find_map(|engine| one(engine, name).ok());
    known.ok_or_else(|| {
        let all: Vec<&str> = engines.iter().map(|engine| engine.kind.name()).collect();
        Failure::new(Kind::Usage, format!("there is no container `{name}`"))
            .because(format!("asked: {}", all.join(", ")))
    })
}

fn one(engine: &Engine, id: &str) -> Result<Container, Failure> {
    let inspect = engine.inspect("container", id)?;
    let id = inspect["Id"].as_str().unwrap_or_default().to_owned();
    let pid = inspect["State"]["Pid"].as_i64().filter(|pid| *pid > 0);
    let live = pid.and_then(|pid| live(pid, &id));
    let names = inspect["NetworkSettings"]["Networks"].as_object();
    let names: Vec<&String> = names.into_iter().flat_map(|networks| networks.keys()).collect();
    let mut networks = Vec::new();
    let mut dead_ends = Vec::new();
    for name in names {
        let about = engine.inspect("network", name).unwrap_or(Value::Null);
        networks.push((name.clone(), internal(&about)));
        dead_ends.extend(dead(&about));
    }
    let mounts = inspect["Mounts"].as_array().into_iter().flatten();
    let named =
        mounts.filter(|mount| mount["Type"] == "volume").filter_map(|it| it["Name"].as_str());
    let volumes = named.map(|name| (name.to_owned(), options(engine, name))).collect();
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    let (engine, rootless) = (engine.kind.name(), engine.rootless);
    Ok(Container { engine, rootless, inspect, networks, dead_ends, volumes, home, live })
}

/// A volume of the engine's own has none: null, or an empty map.
fn options(engine: &Engine, volume: &str) -> Option<Value> {
    engine.inspect("volume", volume).ok().map(|about| about["Options"].clone())
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
    // Another way out would be IPv6.
    if about["Driver"] != "bridge" || about["EnableIPv6"] == true {
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

fn live(pid: i64, id: &str) -> Option<Live> {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
    let mountinfo = read("mountinfo")?;
    // An engine in a virtual machine counts in another machine: the process of that number here is a stranger.
    if !is_of(id, &[&read("cgroup").unwrap_or_default(), &mountinfo]) {
        return None;
    }
    let folders = i32::try_from(pid).ok().and_then(|pid| Folders::of(pid).ok());
    // None that is seen from here says nothing of its limits.
    let limits = folders.filter(|folders| *folders != Folders::default());
    Some(Live {
        status: read("status")?,
        mountinfo,
        uid_map: read("uid_map")?,
        routes: read("net/route").unwrap_or_default(),
        limits: limits.map(|folders| folders.limits()),
    })
}

/// Its cgroup, or the folder of the engine from which its host name comes, has the container's id in its name.
fn is_of(id: &str, texts: &[&str]) -> bool {
    id.len() >= 32 && texts.iter().any(|text| text.contains(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_with_the_same_number_is_not_the_container() {
        let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        assert!(is_of(id, &[&format!("5:pids:/docker/{id}\n"), ""]));
        assert!(is_of(
            id,
            &["0::/\n", &format!("1 0 0:1 /c/{id}/hostname /etc/hostname ro - ext4 x rw")]
        ));
        assert!(!is_of(id, &["0::/user.slice/session-1.scope\n", "1 0 0:1 / / rw - ext4 x rw"]));
        assert!(!is_of("", &["anything"]));
        // The process of these tests is no container of this name.
        assert_eq!(live(std::process::id().into(), id), None);
    }
}
