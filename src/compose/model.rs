//! A project as rules look at it: services, and what they share.

use super::fields::{self, check};
use super::node::{Entry, Node, Spot, Value};
use super::paths;
use super::ports::{self, Port};
use super::profiles::Profile;
use super::project::Loaded;
use super::refer;
use crate::policy::Problem;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// More than any file has.
const MAX_SERVICES: usize = 2_000;

#[derive(Debug)]
pub struct Project {
    pub services: Vec<Service>,
    /// The tree of everything, for what services share.
    pub root: Node,
    pub folder: PathBuf,
    pub home: Option<PathBuf>,
    /// The seccomp profiles that services name, by path.
    pub profiles: BTreeMap<PathBuf, Profile>,
}

#[derive(Debug)]
pub struct Service {
    pub name: String,
    /// Its key.
    pub at: Spot,
    /// In long forms.
    pub node: Node,
    pub ports: Vec<Port>,
    pub mounts: Vec<Mount>,
}

/// One entry of `volumes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// `bind`, `volume`, `tmpfs`, …
    pub kind: String,
    pub source: Option<String>,
    pub target: String,
    pub read_only: bool,
    pub propagation: Option<String>,
    /// Of a tmpfs.
    pub size: Option<i64>,
    pub spot: Spot,
}

/// Decodes a project, with all that is wrong with it.
pub fn decode(loaded: Loaded, home: Option<PathBuf>) -> Result<Project, Vec<Problem>> {
    let Loaded { root, folder, .. } = loaded;
    let mut problems = Vec::new();
    check(&root, fields::TOP, &[], &mut problems);
    for (section, table) in [("networks", fields::NETWORK), ("volumes", fields::VOLUME)] {
        for entry in root.get(section).map(Node::entries).unwrap_or_default() {
            let path = [section.to_owned(), entry.key.clone()];
            check(&entry.value, table, &path, &mut problems);
        }
    }
    let entries = root.get("services").map(Node::entries).unwrap_or_default();
    if entries.is_empty() && problems.is_empty() {
        problems.push(root.spot.problem("services", "there is no service"));
    }
    if let Some(entry) = entries.get(MAX_SERVICES) {
        let what = format!("a project has at most {MAX_SERVICES} services");
        problems.push(entry.at.problem("services", what));
        return Err(problems);
    }
    let services: Vec<_> = entries.iter().map(|entry| service(entry, &mut problems)).collect();
    for service in &services {
        refer::check(service, &root, &mut problems);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Project { services, root, folder, home, profiles: BTreeMap::new() })
}

fn service(entry: &Entry, problems: &mut Vec<Problem>) -> Service {
    let Entry { key, at, value } = entry;
    let node = value.clone();
    let path = vec!["services".to_owned(), key.clone()];
    check(&node, fields::SERVICE, &path, problems);
    let mut below = |names: &[&str], table| {
        let mut path = path.clone();
        let mut inner = Some(&node);
        for name in names {
            path.push((*name).to_owned());
            inner = inner.and_then(|it| it.get(name));
        }
        if let Some(inner) = inner {
            check(inner, table, &path, problems);
        }
    };
    below(&["healthcheck"], fields::HEALTHCHECK);
    below(&["logging"], fields::LOGGING);
    below(&["deploy", "resources"], fields::RESOURCES);
    below(&["deploy", "resources", "limits"], fields::LIMITS);
    below(&["deploy", "restart_policy"], fields::RESTART_POLICY);
    let mut read_ports = Vec::new();
    let mut mounts = Vec::new();
    for (number, item) in items(&node, "ports") {
        let path = [path.clone(), vec![format!("ports[{number}]")]].concat();
        check(item, fields::PORT, &path, problems);
        match ports::decode(item, &super::merge::field(&path)) {
            Ok(port) => read_ports.push(port),
            Err(problem) => problems.push(problem),
        }
    }
    for (number, item) in items(&node, "volumes") {
        let path = [path.clone(), vec![format!("volumes[{number}]")]].concat();
        check(item, fields::MOUNT, &path, problems);
        match mount(item) {
            Some(mount) => mounts.push(mount),
            None => {
                let field = super::merge::field(&path);
                problems.push(item.spot.problem(&field, "`type` and `target` are needed"));
            }
        }
    }
    Service { name: key.clone(), at: at.clone(), node, ports: read_ports, mounts }
}

fn items<'a>(node: &'a Node, name: &str) -> impl Iterator<Item = (usize, &'a Node)> {
    node.get(name).map(Node::items).unwrap_or_default().iter().enumerate()
}

fn mount(node: &Node) -> Option<Mount> {
    let text = |name: &str| node.get(name).and_then(Node::text);
    let inner = |one: &str, two: &str| node.get(one).and_then(|it| it.get(two)?.text());
    let kind = text("type")?.to_owned();
    let target = text("target").filter(|it| !it.is_empty()).or(match kind.as_str() {
        "cluster" => Some(""),
        _ => None,
    })?;
    Some(Mount {
        source: text("source").map(str::to_owned),
        target: paths::clean(target.as_ref()).display().to_string(),
        read_only: text("read_only").and_then(fields::flag).unwrap_or(false),
        propagation: inner("bind", "propagation").map(str::to_owned),
        size: inner("tmpfs", "size").and_then(fields::bytes),
        spot: node.spot.clone(),
        kind,
    })
}

// === impl Service ===

impl Service {
    /// A value at a path of keys.
    pub fn find(&self, path: &[&str]) -> Option<&Node> {
        let found = path.iter().try_fold(&self.node, |node, key| node.get(key));
        found.filter(|node| !node.is_null())
    }

    pub fn text(&self, name: &str) -> Option<(&str, &Spot)> {
        let node = self.find(&[name])?;
        Some((node.text()?, &node.spot))
    }

    pub fn flag(&self, name: &str) -> Option<(bool, &Spot)> {
        let (text, spot) = self.text(name)?;
        Some((fields::flag(text)?, spot))
    }

    /// The texts of a list.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = (&str, &Spot)> {
        let items = self.find(&[name]).map(Node::items).unwrap_or_default();
        items.iter().filter_map(|item| Some((item.text()?, &item.spot)))
    }

    /// Where a list, or what stands in its place, is.
    pub fn place_of(&self, name: &str) -> Spot {
        self.node.entry(name).map_or_else(|| self.at.clone(), |entry| entry.at.clone())
    }

    /// `network_mode`, or nothing.
    pub fn network_mode(&self) -> Option<(&str, &Spot)> {
        self.text("network_mode")
    }

    /// The names of its networks: `default` where it says nothing.
    pub fn networks(&self) -> Vec<(String, Spot)> {
        if self.network_mode().is_some() {
            return Vec::new();
        }
        let named = self.find(&["networks"]).map(Node::entries).unwrap_or_default();
        if named.is_empty() {
            return vec![("default".to_owned(), self.at.clone())];
        }
        named.iter().map(|entry| (entry.key.clone(), entry.at.clone())).collect()
    }

    /// A limit that can be said in two places.
    pub fn limit(&self, name: &str, deployed: &str) -> Option<&Node> {
        let own = self.find(&[name]);
        own.or_else(|| self.find(&["deploy", "resources", "limits", deployed]))
    }
}

impl Project {
    pub fn network(&self, name: &str) -> Option<&Node> {
        self.root.get("networks")?.get(name)
    }

    /// A path as the project's files name it.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        paths::join(Some(&self.folder), path, self.home.as_deref())
    }

    pub fn volume(&self, name: &str) -> Option<&Node> {
        self.root.get("volumes")?.get(name)
    }

    /// Which of the networks that every engine has it is: `host`, `none` or `bridge`.
    pub fn engines_network(&self, name: &str) -> Option<&'static str> {
        let network = self.network(name)?;
        let external = network.get("external");
        let is_external =
            external.is_some_and(|it| it.text().and_then(fields::flag) != Some(false));
        let own = external.and_then(|it| it.get("name")).or_else(|| network.get("name"));
        // One of the project's own has the project's name before it.
        let own = own.and_then(Node::text).or(is_external.then_some(name))?;
        ["host", "none", "bridge"].into_iter().find(|known| *known == own)
    }

    /// Nothing leads out of it: `internal`, or a gateway that nobody is.
    pub fn is_closed(&self, name: &str) -> bool {
        let Some(network) = self.network(name) else { return false };
        let flag = |name: &str| network.get(name).and_then(Node::text).and_then(fields::flag);
        if flag("internal") == Some(true) {
            return true;
        }
        // Other drivers do not know that address, and have routers of their own.
        let driver = network.get("driver").and_then(Node::text).unwrap_or("bridge");
        if flag("enable_ipv6") == Some(true) || driver != "bridge" {
            return false;
        }
        let pools = network.get("ipam").and_then(|ipam| ipam.get("config")).map(Node::items);
        pools.is_some_and(|pools| !pools.is_empty() && pools.iter().all(dead_gateway))
    }

    /// A service is judged where it can be started with these profiles; without any, always.
    pub fn keep(&mut self, profiles: &[String]) {
        if profiles.is_empty() || profiles.iter().any(|profile| profile == "*") {
            return;
        }
        self.services.retain(|service| {
            let mut own = service.texts("profiles").map(|(name, _)| name).peekable();
            own.peek().is_none() || own.any(|name| profiles.iter().any(|it| it == name))
        });
    }
}

/// The default route of containers leads to an address at which nobody is: the bridge has another.
fn dead_gateway(pool: &Node) -> bool {
    let text = |node: Option<&Node>| node.and_then(Node::text).map(str::to_owned);
    let dead = pool.get("aux_addresses").and_then(|it| text(it.get("DefaultGatewayIPv4")));
    let gateway = text(pool.get("gateway"));
    dead.is_some() && gateway.is_some() && dead != gateway
}

/// What a value says, for evidence.
pub fn said(node: &Node) -> String {
    match &node.value {
        Value::Scalar(scalar) => crate::policy::expect::shown(&scalar.text, 80),
        _ => node.kind().to_owned(),
    }
}
