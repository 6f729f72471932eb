//! The environment inside: made from nothing.

use super::{Facts, HostView, INSIDE_HOME, INSIDE_USER, NetworkPlan};
use crate::egress::config::{HTTP_PORT, PROXY_V4};
use crate::policy::{Backend, EnvValue, Policy};
use crate::resolve::Resolved;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::Path;

/// Variables that say how things look, not who somebody is; taken from the caller where set.
pub const PASSED: [&str; 4] = ["LANG", "LC_ALL", "TZ", "TERM"];

/// With no network, these spare npm and uv their retries (npx: over a minute) and use their caches.
const OFFLINE: [(&str, &str); 3] =
    [("npm_config_offline", "true"), ("npm_config_update_notifier", "false"), ("UV_OFFLINE", "1")];

/// Every spelling that some client reads: curl, git and wget no capitals for http, others nothing else.
/// Node asks for a flag as well. `no_proxy` names the jail's own loopback and nothing else: clients do
/// not agree on what a name there stands for.
fn proxied(proxy: Ipv4Addr) -> Vec<(&'static str, String)> {
    let http = format!("http://{proxy}:{HTTP_PORT}");
    let mut all: Vec<_> =
        ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
            .into_iter()
            .map(|name| (name, http.clone()))
            .collect();
    for name in ["no_proxy", "NO_PROXY"] {
        all.push((name, "localhost,127.0.0.1,::1".to_owned()));
    }
    all.push(("NODE_USE_ENV_PROXY", "1".to_owned()));
    all
}

/// Name and value of every variable but the secrets, sorted.
pub(super) fn environment(
    policy: &Policy,
    facts: &Facts,
    resolved: &Resolved,
    network: &NetworkPlan,
    view: Option<&HostView>,
) -> Vec<(OsString, OsString)> {
    let mut env: BTreeMap<String, OsString> = BTreeMap::new();
    env.insert("PATH".into(), search_path(facts, resolved));
    for (name, value) in [
        ("HOME", INSIDE_HOME),
        ("USER", INSIDE_USER),
        ("LOGNAME", INSIDE_USER),
        ("SHELL", "/bin/sh"),
        ("TMPDIR", "/tmp"),
        ("LANG", "C.UTF-8"),
    ] {
        env.insert(name.into(), value.into());
    }
    if let Some(view) = view {
        env.insert("HOME".into(), view.home().into());
        env.insert("TMPDIR".into(), view.tmp().into());
    }
    match network {
        NetworkPlan::Loopback | NetworkPlan::Barred => {
            env.extend(OFFLINE.map(|(name, value)| (name.to_owned(), value.into())));
        }
        NetworkPlan::Proxied(_) => {
            // A container has no interface but its own loopback: the doors are there.
            let contained = policy.sandbox.value == Backend::Container;
            let proxy = if contained { Ipv4Addr::LOCALHOST } else { PROXY_V4 };
            env.extend(
                proxied(proxy).into_iter().map(|(name, value)| (name.to_owned(), value.into())),
            );
        }
    }
    for name in PASSED {
        if let Some(value) = facts.environment.get(name) {
            env.insert(name.into(), value.into());
        }
    }
    for entry in &policy.env {
        let name = entry.value.name.clone();
        match &entry.value.value {
            EnvValue::Literal(value) => {
                env.insert(name, value.into());
            }
            EnvValue::FromHost => match facts.environment.get(&name) {
                Some(value) => {
                    env.insert(name, value.into());
                }
                None => {
                    env.remove(&name);
                }
            },
        }
    }
    env.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

/// The directories that the command needs come first, so that `env node` finds the same node.
fn search_path(facts: &Facts, resolved: &Resolved) -> OsString {
    let mut path = OsString::new();
    let known: Vec<&Path> = facts.search_path.split(':').map(Path::new).collect();
    for dir in resolved.path_dirs.iter().filter(|dir| !known.contains(&dir.as_path())) {
        path.push(dir);
        path.push(":");
    }
    path.push(&facts.search_path);
    path
}
