//! One source of settings, and how the sources are laid over each other.

use super::{
    Backend, Bytes, ConnectorName, Container, Control, Cpus, EngineKind, EnvEntry, EofGrace,
    Filesystem, ImageName, IoLimit, Limits, Network, NetworkMode, Origin, Package, PathRule,
    Policy, PortGrant, Problem, Rpc, SeccompChoice, Secret, Setting, SystemTree, ToolId, Workspace,
};
use crate::firewall::{Effect, HostPattern, Ports, Rule, Unlisted};
use std::ffi::OsString;
use std::time::Duration;

/// What one layer sets. Lists add to those of the layers below; everything else replaces.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) tool: Option<Setting<ToolId>>,
    pub(super) package: Option<Setting<Package>>,
    pub(super) command: Option<Setting<Vec<OsString>>>,
    pub(super) env: Vec<Setting<EnvEntry>>,
    pub(super) secrets: Vec<Setting<Secret>>,
    pub(super) read: Vec<Setting<PathRule>>,
    pub(super) write: Vec<Setting<PathRule>>,
    pub(super) workspace: Option<Setting<Workspace>>,
    pub(super) system: Option<Setting<SystemTree>>,
    pub(super) scratch: Option<Setting<Bytes>>,
    pub(super) unprotect: Vec<Setting<String>>,
    pub(super) mode: Option<Setting<NetworkMode>>,
    pub(super) unlisted: Option<Setting<Unlisted>>,
    pub(super) hold: Option<Setting<Duration>>,
    pub(super) rules: Vec<Rule>,
    pub(super) connections: Option<Setting<u32>>,
    pub(super) bandwidth: Option<Setting<Bytes>>,
    pub(super) loopback: Option<Setting<bool>>,
    pub(super) ports: Vec<Setting<PortGrant>>,
    pub(super) memory: Option<Setting<Bytes>>,
    pub(super) cpus: Option<Setting<Cpus>>,
    pub(super) pids: Option<Setting<u32>>,
    pub(super) io: Option<Setting<IoLimit>>,
    pub(super) files: Option<Setting<u32>>,
    pub(super) file_size: Option<Setting<Bytes>>,
    pub(super) timeout: Option<Setting<Duration>>,
    pub(super) nice: Option<Setting<u8>>,
    pub(super) seccomp: Option<Setting<SeccompChoice>>,
    pub(super) rpc: Option<Setting<Rpc>>,
    pub(super) sandbox: Option<Setting<Backend>>,
    pub(super) image: Option<Setting<ImageName>>,
    pub(super) engine: Option<Setting<EngineKind>>,
    pub(super) allow_missing: Vec<Setting<Control>>,
    pub(super) eof_grace: Option<Setting<EofGrace>>,
}

/// The size of an in-memory workspace, and of a copied one, where nobody says otherwise.
pub const WORKSPACE_SIZE: Bytes = Bytes(256 << 20);

/// Connections through the proxy at one time: a browser's worth, and no scan of a network.
const CONNECTIONS: u32 = 256;
/// Measured: clients give up on a silent peer from five seconds on.
const HOLD: Duration = Duration::from_secs(4);

/// What holds where no layer says otherwise, and is not the same for every run.
pub(super) struct Unsaid {
    pub(super) eof_grace: EofGrace,
    pub(super) mode: NetworkMode,
}

/// A policy of built-in defaults: what most connectors were measured to need, and no access.
fn built_in(name: ConnectorName, command: Setting<Vec<OsString>>, unsaid: &Unsaid) -> Policy {
    Policy {
        name,
        tool: None,
        package: None,
        command,
        env: Vec::new(),
        secrets: Vec::new(),
        filesystem: Filesystem {
            read: Vec::new(),
            write: Vec::new(),
            workspace: Setting::built_in(Workspace::Tmpfs { size: WORKSPACE_SIZE }),
            system: Setting::built_in(SystemTree::Usr),
            scratch: Setting::built_in(Bytes(64 << 20)),
            unprotect: Vec::new(),
        },
        network: Network {
            mode: Setting::built_in(unsaid.mode),
            unlisted: None,
            hold: Setting::built_in(HOLD),
            rules: Vec::new(),
            connections: Setting::built_in(CONNECTIONS),
            bandwidth: None,
            loopback: Setting::built_in(false),
        },
        ports: Vec::new(),
        limits: Limits {
            memory: Setting::built_in(Bytes(256 << 20)),
            cpus: Setting::built_in(Cpus(1000)),
            // A launcher such as npx is a chain of shells and runtimes before the connector starts.
            pids: Setting::built_in(64),
            io: None,
            files: Setting::built_in(1024),
            file_size: None,
            timeout: None,
            nice: Setting::built_in(0),
        },
        seccomp: Setting::built_in(SeccompChoice::BuiltIn("default".to_owned())),
        rpc: None,
        sandbox: Setting::built_in(Backend::Namespace),
        container: Container::default(),
        allow_missing: Vec::new(),
        eof_grace: Setting::built_in(unsaid.eof_grace.0),
    }
}

/// Lays `layers` (lowest first) over the built-in defaults. `command` of the layers is not used: it
/// is never merged, so the caller says which it is.
pub(super) fn merge(
    name: ConnectorName,
    command: Setting<Vec<OsString>>,
    unsaid: &Unsaid,
    layers: Vec<Layer>,
) -> Result<Policy, Vec<Problem>> {
    let mut policy = built_in(name, command, unsaid);
    let mut problems = Vec::new();
    for layer in layers {
        contradictions(&layer, &mut problems);
        lay(&mut policy, layer);
    }
    if problems.is_empty() { Ok(policy) } else { Err(problems) }
}

fn lay(policy: &mut Policy, layer: Layer) {
    // Destructured without `..`: a field that is forgotten here does not compile.
    let Layer {
        tool,
        package,
        command: _,
        env,
        secrets,
        read,
        write,
        workspace,
        system,
        scratch,
        unprotect,
        mode,
        unlisted,
        hold,
        rules,
        connections,
        bandwidth,
        loopback,
        ports,
        memory,
        cpus,
        pids,
        io,
        files,
        file_size,
        timeout,
        nice,
        seccomp,
        rpc,
        sandbox,
        image,
        engine,
        allow_missing,
        eof_grace,
    } = layer;
    let Policy { filesystem, network, limits, .. } = policy;
    paths(filesystem, read, write);
    add(&mut filesystem.unprotect, unprotect, String::eq);
    set(&mut filesystem.workspace, workspace);
    set(&mut filesystem.system, system);
    set(&mut filesystem.scratch, scratch);
    set(&mut network.mode, mode);
    set_optional(&mut network.unlisted, unlisted);
    set(&mut network.hold, hold);
    add_rules(&mut network.rules, rules);
    set(&mut network.connections, connections);
    set_optional(&mut network.bandwidth, bandwidth);
    set(&mut network.loopback, loopback);
    set(&mut limits.memory, memory);
    set(&mut limits.cpus, cpus);
    set(&mut limits.pids, pids);
    set_optional(&mut limits.io, io);
    set(&mut limits.files, files);
    set_optional(&mut limits.file_size, file_size);
    set_optional(&mut limits.timeout, timeout);
    set(&mut limits.nice, nice);
    set_optional(&mut policy.tool, tool);
    set_optional(&mut policy.package, package);
    add(&mut policy.env, env, |old, new| old.name == new.name);
    add(&mut policy.secrets, secrets, |old, new| old.name == new.name);
    add(&mut policy.ports, ports, |old, new| old.listen == new.listen);
    add(&mut policy.allow_missing, allow_missing, Control::eq);
    set(&mut policy.seccomp, seccomp);
    set_optional(&mut policy.rpc, rpc);
    set(&mut policy.sandbox, sandbox);
    set_optional(&mut policy.container.image, image);
    set_optional(&mut policy.container.engine, engine);
    let eof_grace = eof_grace.map(|grace| Setting::new(grace.value.0, grace.origin));
    set(&mut policy.eof_grace, eof_grace);
}

/// A path is read-only or writable, as the later layer has it.
fn paths(old: &mut Filesystem, read: Vec<Setting<PathRule>>, write: Vec<Setting<PathRule>>) {
    old.write.retain(|old| read.iter().all(|new| new.value != old.value));
    old.read.retain(|old| write.iter().all(|new| new.value != old.value));
    add(&mut old.read, read, PathRule::eq);
    add(&mut old.write, write, PathRule::eq);
}

fn set<T>(old: &mut Setting<T>, new: Option<Setting<T>>) {
    if let Some(new) = new {
        *old = new;
    }
}

fn set_optional<T>(old: &mut Option<Setting<T>>, new: Option<Setting<T>>) {
    if new.is_some() {
        *old = new;
    }
}

/// Appends; what has the same key as a new entry makes way for it.
fn add<T>(old: &mut Vec<Setting<T>>, new: Vec<Setting<T>>, same: impl Fn(&T, &T) -> bool) {
    for entry in new {
        old.retain(|other| !same(&other.value, &entry.value));
        old.push(entry);
    }
}

/// Appends; a rule for the same host and ports makes way, so that the command line can say of a host
/// what the manifest does not.
fn add_rules(old: &mut Vec<Rule>, new: Vec<Rule>) {
    for rule in new {
        old.retain(|other| (other.effect, key(other)) != (rule.effect, key(&rule)));
        old.push(rule);
    }
}

fn key(rule: &Rule) -> (&HostPattern, Ports) {
    (&rule.host, rule.ports)
}

/// Rules of one layer that cannot all be meant.
fn unclear_rules(layer: &Layer, problems: &mut Vec<Problem>) {
    let of = |effect| layer.rules.iter().filter(move |rule| rule.effect == effect);
    let mut wrong = |rule: &Rule, what: String, hint: &str| {
        let field = match rule.effect {
            Effect::Allow => "network.allow",
            Effect::Deny => "network.deny",
        };
        problems.push(Problem::new(&rule.origin, field, what).hint(hint));
    };
    for (number, rule) in layer.rules.iter().enumerate() {
        let same = |other: &&Rule| (other.effect, key(other)) == (rule.effect, key(rule));
        if let Some(other) = layer.rules[..number].iter().find(same) {
            let what = format!("`{}` is listed twice ({})", rule.host, place(&other.origin));
            wrong(rule, what, "keep one of the two");
        }
    }
    for rule in of(Effect::Allow) {
        let covers = |deny: &&Rule| {
            deny.host.covers(&rule.host)
                && rule.ports.one().is_some_and(|port| deny.ports.contain(port))
        };
        if let Some(deny) = of(Effect::Deny).find(covers) {
            let what = format!("`{}` is denied as well ({})", rule.host, place(&deny.origin));
            wrong(rule, what, "a rule that denies wins wherever it stands: take one of them out");
        }
    }
    if let (Some(mode), Some(rule)) = (&layer.mode, of(Effect::Allow).next())
        && mode.value == NetworkMode::None
    {
        let what =
            format!("allows `{}`, but the network is `none` ({})", rule.host, place(&mode.origin));
        wrong(rule, what, "take out one of the two");
    }
}

/// What one layer may not say twice: from two layers the later wins, within one nobody can tell.
fn contradictions(layer: &Layer, problems: &mut Vec<Problem>) {
    for write in &layer.write {
        if let Some(read) = layer.read.iter().find(|read| read.value == write.value) {
            let path = write.value.path.display();
            let what = format!("{path} is also in `filesystem.read` ({})", place(&read.origin));
            problems.push(
                Problem::new(&write.origin, "filesystem.write", what)
                    .hint("keep one of the two; what may be written may also be read"),
            );
        }
    }
    unclear_rules(layer, problems);
    for (number, secret) in layer.secrets.iter().enumerate() {
        let earlier = &layer.secrets[..number];
        if let Some(other) = earlier.iter().find(|other| other.value.name == secret.value.name) {
            let what =
                format!("two secrets have this name; the other one: {}", place(&other.origin));
            problems.push(Problem::new(&secret.origin, &format!("secrets[{number}].name"), what));
        }
    }
    for (number, port) in layer.ports.iter().enumerate() {
        let earlier = &layer.ports[..number];
        if let Some(other) = earlier.iter().find(|other| other.value.listen == port.value.listen) {
            let what = format!(
                "port {} is listed twice; the other one: {}",
                port.value.listen,
                place(&other.origin)
            );
            problems.push(Problem::new(&port.origin, &format!("ports[{number}].listen"), what));
        }
    }
}

/// A short "where" within a sentence about the same file.
pub(super) fn place(origin: &Origin) -> String {
    match origin {
        Origin::File { line, column, .. } => format!("line {line}, column {column}"),
        other => other.to_string(),
    }
}
