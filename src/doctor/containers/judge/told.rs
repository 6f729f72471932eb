//! What the engine was told: ports, namespaces, binds, limits, secrets.

use super::{Book, Expected, kernel};
use crate::doctor::containers::{Container, rules};
use crate::policy::expect::shown;
use serde_json::Value;
use std::net::IpAddr;

pub(super) fn judge(container: &Container, book: &mut Book) {
    let inspect = &container.inspect;
    let host = &inspect["HostConfig"];
    ports(inspect, book);
    namespaces(host, book);
    if host["Privileged"].as_bool() == Some(true) {
        book.note(&rules::PRIVILEGED, "Privileged is true", "take out privileged: true");
    }
    modules(container, host, book);
    super::mounts::judge(container, book);
    super::limits::judge(container, book);
    life(inspect, host, book);
    secrets(inspect, book);
}

/// Every address, as it was asked for and as it is.
fn ports(inspect: &Value, book: &mut Book) {
    let mut everywhere = Vec::new();
    for published in [&inspect["HostConfig"]["PortBindings"], &inspect["NetworkSettings"]["Ports"]]
    {
        for (inside, bindings) in published.as_object().into_iter().flatten() {
            for binding in bindings.as_array().into_iter().flatten() {
                let ip = binding["HostIp"].as_str().unwrap_or_default();
                let loopback = ip.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback());
                let at = if ip.is_empty() { "0.0.0.0" } else { ip };
                let port = binding["HostPort"].as_str().unwrap_or_default();
                let text = format!("{at}:{port} leads to {inside}");
                if !loopback && !everywhere.contains(&text) {
                    everywhere.push(text);
                }
            }
        }
    }
    for text in everywhere {
        let fix = "ports: [\"127.0.0.1:PORT:PORT\"] (-p 127.0.0.1:PORT:PORT)";
        book.note(&rules::PUBLISHED, text, fix);
    }
}

fn namespaces(host: &Value, book: &mut Book) {
    let mode = |name: &str| host[name].as_str().unwrap_or_default();
    if mode("NetworkMode") == "host" {
        let fix = "take out network_mode: host; publish ports on 127.0.0.1";
        book.note(&rules::HOST_NETWORK, "NetworkMode is host", fix);
    }
    for (field, what) in [
        ("PidMode", "processes"),
        ("IpcMode", "shared memory"),
        ("UTSMode", "the host's name"),
        ("UsernsMode", "users"),
        ("CgroupnsMode", "cgroups"),
    ] {
        // Under cgroup version 1 docker gives every container the host's; that alone is no way out.
        if mode(field) == "host" && field != "CgroupnsMode" {
            let evidence = format!("{field} is host: {what} are shared");
            book.note(&rules::HOST_NAMESPACE, evidence, "take out what says `host`");
        }
    }
    for field in ["NetworkMode", "PidMode", "IpcMode", "UTSMode", "UsernsMode"] {
        if mode(field).starts_with("container:") {
            let evidence = format!("{field} is {}", shown(mode(field), 80));
            book.note(&rules::SHARED_NAMESPACE, evidence, "give it one of its own");
        }
    }
}

fn modules(container: &Container, host: &Value, book: &mut Book) {
    let options = host["SecurityOpt"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for option in options {
        let (name, value) = option.split_once(['=', ':']).unwrap_or((option, ""));
        match (name, value) {
            ("apparmor", "unconfined") | ("label", "disable") => {
                book.note(&rules::MODULE_OFF, option, "take it out of security_opt");
            }
            ("systempaths", "unconfined") | ("unmask", _) => {
                book.note(&rules::UNMASKED, option, "take it out of security_opt");
            }
            _ => {}
        }
    }
    let masked = host["MaskedPaths"].as_array();
    let privileged = host["Privileged"].as_bool() == Some(true);
    if container.engine == "docker" && masked.is_some_and(Vec::is_empty) && !privileged {
        let fix = "take out systempaths=unconfined";
        book.note(&rules::UNMASKED, "MaskedPaths is empty", fix);
    }
}

fn life(inspect: &Value, host: &Value, book: &mut Book) {
    let test = inspect["Config"]["Healthcheck"]["Test"].as_array();
    let tested = test.is_some_and(|test| test.first().is_some_and(|kind| kind != "NONE"));
    if !tested {
        book.note(&rules::HEALTH, "there is none in the image or its options", "healthcheck:");
    }
    let health = &inspect["State"]["Health"]["Status"];
    if health == "unhealthy" {
        let fix = "look at its log, and at State.Health in `inspect`";
        book.note(&rules::UNHEALTHY, "State.Health.Status is unhealthy", fix);
    }
    let restarts = inspect["RestartCount"].as_i64().unwrap_or(0);
    if restarts > 3 || inspect["State"]["Restarting"].as_bool() == Some(true) {
        let fix = "restart: on-failure:3, and look at its log";
        book.note(&rules::RESTARTS, format!("it was restarted {restarts} times"), fix);
    }
    let log = &host["LogConfig"];
    // podman, whose Config is null, says it as Size: "10MB", and "" or "0B" where there is none.
    let sized =
        log["Size"].as_str().is_some_and(|size| size.starts_with(|it| matches!(it, '1'..='9')));
    if log["Type"] == "json-file" && log["Config"].get("max-size").is_none() && !sized {
        let fix = "logging: {options: {max-size: 10m, max-file: \"3\"}}";
        book.note(&rules::LOGS, "json-file without max-size", fix);
    }
}

/// By the name: the value is never shown.
fn secrets(inspect: &Value, book: &mut Book) {
    const WORDS: [&str; 6] = ["SECRET", "TOKEN", "PASSWORD", "PASSWD", "API_KEY", "PRIVATE_KEY"];
    for entry in inspect["Config"]["Env"].as_array().into_iter().flatten().filter_map(Value::as_str)
    {
        let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
        let upper = name.to_ascii_uppercase();
        // A path is where a secret is, not what it is.
        let file = upper.ends_with("_FILE") || value.starts_with('/');
        if WORDS.iter().any(|word| upper.contains(word)) && !value.is_empty() && !file {
            let fix = "secrets: and a variable NAME_FILE that says where it is";
            book.note(&rules::SECRET, format!("the variable {name} has a value"), fix);
        }
    }
}

/// For what /proc would say better.
pub(super) fn stands_in(container: &Container, expected: Expected, book: &mut Book) {
    let host = &container.inspect["HostConfig"];
    let user = container.inspect["Config"]["User"].as_str().unwrap_or_default();
    let uid = match user.split(':').next().unwrap_or_default() {
        "" | "root" => Some(0),
        name => name.parse().ok(),
    };
    kernel::user(uid, expected, book);
    if host["ReadonlyRootfs"].as_bool() != Some(true) {
        let fix = "read_only: true (--read-only)";
        book.note(&rules::WRITABLE_ROOT, "ReadonlyRootfs is not true", fix);
    }
    let options = host["SecurityOpt"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let options: Vec<&str> = options.collect();
    let off = |option: &&str| option.starts_with("seccomp") && option.ends_with("unconfined");
    if let Some(option) = options.iter().find(|option| off(option)) {
        book.note(&rules::SECCOMP_OFF, *option, "take out seccomp=unconfined");
    }
    let nnp = |option: &&str| option.starts_with("no-new-privileges") && !option.ends_with("false");
    if !options.iter().any(nnp) {
        let fix = "security_opt: [no-new-privileges:true]";
        book.note(&rules::NEW_PRIVILEGES, "SecurityOpt does not say it", fix);
    }
    let dropped = host["CapDrop"].as_array();
    let all = dropped.is_some_and(|list| list.iter().any(|cap| cap == "ALL") || list.len() > 10);
    let added = host["CapAdd"].as_array().is_some_and(|list| !list.is_empty());
    if !all || added {
        let evidence = if added { "CapAdd is not empty" } else { "CapDrop is not ALL" };
        book.note(&rules::CAPABILITIES, evidence, "cap_drop: [ALL], and add none");
    }
}
