//! Names of containers, and for which one a publishing program listens.
//!
//! Engines keep both in files that mostly only root may read: where they cannot be read, a container has a
//! number and no name. A port that docker publishes without docker-proxy has no socket at all; it is a rule
//! of the packet filter, which this doctor does not read.

use super::observed::Holder;
use crate::doctor::sockets::Process;
use crate::doctor::sockets::cgroup::Container;
use serde_json::Value;
use std::fs;
use std::path::Path;

/// One container as its engine describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub id: String,
    pub name: String,
    pub addresses: Vec<String>,
}

const DOCKER: &str = "/var/lib/docker/containers";
const PODMAN: &str = "/var/lib/containers/storage/overlay-containers/containers.json";
const PODMAN_OF_USER: &str = ".local/share/containers/storage/overlay-containers/containers.json";

/// All containers whose description we may read.
pub fn known(home: Option<&Path>) -> Vec<Known> {
    let mut known = Vec::new();
    for entry in fs::read_dir(DOCKER).into_iter().flatten().flatten() {
        let file = fs::read(entry.path().join("config.v2.json"));
        known.extend(file.ok().and_then(|bytes| docker(&bytes)));
    }
    let own = home.map(|home| home.join(PODMAN_OF_USER));
    for file in [Some(PODMAN.into()), own].into_iter().flatten() {
        known.extend(fs::read(file).ok().map(|bytes| podman(&bytes)).unwrap_or_default());
    }
    known
}

/// docker's `config.v2.json`.
fn docker(bytes: &[u8]) -> Option<Known> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let networks = value.pointer("/NetworkSettings/Networks").and_then(Value::as_object);
    let of = |network: &Value, field: &str| network.get(field)?.as_str().map(str::to_owned);
    let addresses = networks.into_iter().flat_map(|all| all.values());
    let addresses = addresses
        .flat_map(|network| [of(network, "IPAddress"), of(network, "GlobalIPv6Address")])
        .flatten()
        .filter(|address| !address.is_empty())
        .collect();
    Some(Known {
        id: value.get("ID")?.as_str()?.to_owned(),
        name: value.get("Name")?.as_str()?.trim_start_matches('/').to_owned(),
        addresses,
    })
}

/// podman's `containers.json`.
fn podman(bytes: &[u8]) -> Vec<Known> {
    let Ok(Value::Array(all)) = serde_json::from_slice(bytes) else { return Vec::new() };
    let one = |value: &Value| {
        let name = value.get("names")?.get(0)?.as_str()?.to_owned();
        Some(Known { id: value.get("id")?.as_str()?.to_owned(), name, addresses: Vec::new() })
    };
    all.iter().filter_map(one).collect()
}

/// What publishes ports, by the last part of its path.
fn engine(process: &Process) -> Option<&'static str> {
    match process.program.as_ref()?.file_name()?.to_str()? {
        "docker-proxy" | "rootlesskit" => Some("docker"),
        "rootlessport" | "pasta" | "pasta.avx2" | "slirp4netns" => Some("podman"),
        _ => None,
    }
}

/// The value after an option.
fn option<'a>(command: &'a [String], name: &str) -> Option<&'a str> {
    let at = command.iter().position(|word| word == name)?;
    command.get(at + 1).map(String::as_str)
}

/// The holder's container, with its name.
pub fn container(process: &Process, known: &[Known]) -> Option<Container> {
    let mut container = process.belongs.container.clone();
    if let Some(engine) = engine(process) {
        let mut published = container.take().unwrap_or(Container {
            engine,
            id: String::new(),
            name: None,
            publishes: true,
        });
        published.publishes = true;
        if let Some(address) = option(&process.command, "-container-ip")
            && let Some(known) = known.iter().find(|it| it.addresses.iter().any(|a| a == address))
        {
            published.id.clone_from(&known.id);
        }
        container = Some(published);
    }
    let mut container = container?;
    if container.name.is_none() {
        let named = known.iter().find(|known| known.id == container.id);
        container.name = named.map(|known| known.name.clone());
    }
    Some(container)
}

/// Fills in everything that a process says of itself.
pub fn holder(process: &Process, known: &[Known]) -> Holder {
    Holder {
        pid: process.pid,
        name: process.name.clone(),
        program: process.program.clone(),
        deleted: process.deleted,
        elsewhere: process.elsewhere,
        unit: process.belongs.unit.clone(),
        container: container(process, known),
        connector: None,
        run: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::sockets::cgroup::belongs;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn process(program: &str, command: &str, cgroup: &str) -> Process {
        Process {
            pid: 7,
            parent: 1,
            name: "x".into(),
            program: Some(program.into()),
            deleted: false,
            elsewhere: false,
            belongs: belongs(&cgroup.replace("ID", ID)).into(),
            command: command.split_whitespace().map(str::to_owned).collect(),
        }
    }

    #[test]
    fn docker_proxy_listens_for_a_container() {
        let config = format!(
            r#"{{"ID":"{ID}","Name":"/cloned-localai","NetworkSettings":{{"Networks":{{"bridge":{{"IPAddress":"172.17.0.2","GlobalIPv6Address":""}}}}}}}}"#
        );
        let known = [docker(config.as_bytes()).unwrap()];
        let command = "docker-proxy -proto tcp -host-ip 127.0.0.1 -host-port 8080 -container-ip 172.17.0.2 -container-port 80";
        let proxy = process("/usr/bin/docker-proxy", command, "0::/system.slice/docker.service");
        let found = container(&proxy, &known).unwrap();
        assert_eq!((found.name.as_deref(), &*found.id), (Some("cloned-localai"), ID));
        assert!(found.publishes);
        // Without the engine's files it is some container.
        let found = container(&proxy, &[]).unwrap();
        assert_eq!((found.engine, found.name), ("docker", None));
    }

    #[test]
    fn rootlessport_stands_below_the_conmon_of_its_container() {
        let known = podman(format!(r#"[{{"id":"{ID}","names":["web"]}}]"#).as_bytes());
        let port = process(
            "/usr/bin/rootlessport",
            "rootlessport",
            "0::/user.slice/libpod-conmon-ID.scope",
        );
        assert_eq!(container(&port, &known).unwrap().name.as_deref(), Some("web"));
        let inside = process("/bin/httpd", "", "0::/machine.slice/libpod-ID.scope/container");
        let inside = container(&inside, &known).unwrap();
        assert_eq!((inside.name.as_deref(), inside.publishes), (Some("web"), false));
    }

    #[test]
    fn files_that_are_none_of_an_engine() {
        assert_eq!(docker(b"{}"), None);
        assert_eq!(docker(b"\xff"), None);
        assert_eq!(podman(b"{}"), []);
        assert_eq!(podman(b"[1, {\"id\": \"x\"}]"), []);
        assert_eq!(container(&process("/bin/sh", "", "0::/"), &[]), None);
    }
}
