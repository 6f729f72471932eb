//! What of the host's files is inside.

use super::{Bench, rules};
use crate::compose::model::Mount;
use crate::compose::node::{Node, Spot};
use crate::doctor::host_paths::{is_socket, sensitive};
use crate::policy::expect::shown;

rules! {
    ENGINE_SOCKET = "compose.engine-socket", Error,
        "the socket of the container engine",
        "Who can write to it starts a privileged container with the host's disk in it: it is root of the host, and \
         `:ro` changes nothing, since a socket is not written to as a file is.";
    SENSITIVE_BIND = "compose.sensitive-bind", Error,
        "a folder of the host that is not a service's",
        "Configuration, keys or programs of the host, its users or its kernel can be read, and changed where the mount is \
         writable.";
    WRITABLE_BIND = "compose.writable-bind", Warning,
        "a folder of the host that it can write to",
        "What it leaves there is run or read by programs outside: a git hook, a build script, a link that leads elsewhere.";
    PROPAGATION = "compose.mount-propagation", Error,
        "mounts made inside appear on the host",
        "A file system that is mounted in the container covers files of the host.";
    VOLUMES_FROM = "compose.volumes-from", Warning,
        "the mounts of another container",
        "What it can read and write does not stand in this service, and changes with the other one.";
}

pub(super) fn judge(bench: &mut Bench<'_>) {
    let service = bench.service;
    if let Some((true, spot)) = service.flag("use_api_socket") {
        bench.find(&ENGINE_SOCKET, spot, "use_api_socket: true", "take `use_api_socket` out");
    }
    for mount in &service.mounts {
        let source = mount.source.as_deref().unwrap_or_default();
        match mount.kind.as_str() {
            "bind" | "npipe" => bind(bench, mount, source),
            "volume" => disguised(bench, mount, source),
            _ => {}
        }
    }
    files(bench);
    for (from, spot) in service.texts("volumes_from") {
        let evidence = format!("volumes_from: {}", shown(from, 60));
        bench.find(
            &VOLUMES_FROM,
            spot,
            evidence,
            "name in `volumes` what is needed, `:ro` where it can be",
        );
    }
}

fn bind(bench: &mut Bench<'_>, mount: &Mount, source: &str) {
    let evidence = format!("{} at {}", shown(source, 80), shown(&mount.target, 80));
    if is_socket(source) {
        let fix = "take it out; give the service an API of its own that starts what it may start";
        bench.find(&ENGINE_SOCKET, &mount.spot, evidence, fix);
        return;
    }
    if let Some(why) = sensitive(source, bench.project.home.as_deref()) {
        let fix = format!("bind a folder of the service's own in place of {}", shown(source, 80));
        bench.find(&SENSITIVE_BIND, &mount.spot, format!("{evidence}: {why}"), fix);
    } else if !mount.read_only {
        let fix = "`:ro` (or `read_only: true`); a named volume where it must write";
        bench.find(&WRITABLE_BIND, &mount.spot, evidence.clone(), fix);
    }
    if mount.propagation.as_deref().is_some_and(|it| it.ends_with("shared")) {
        bench.find(&PROPAGATION, &mount.spot, evidence, "take `shared` or `rshared` out");
    }
}

/// A volume whose options bind a folder of the host.
fn disguised(bench: &mut Bench<'_>, mount: &Mount, source: &str) {
    let options = bench.project.volume(source).and_then(|it| it.get("driver_opts"));
    let Some(options) = options else { return };
    let text = |name: &str| options.get(name).and_then(Node::text).unwrap_or_default();
    let bound = text("o").split(',').any(|it| it == "bind" || it == "rbind");
    let device = text("device").to_owned();
    if bound || device.starts_with('/') {
        let folder = bench.project.folder.clone();
        let home = bench.project.home.clone();
        let full = crate::compose::paths::join(Some(&folder), &device, home.as_deref());
        let mount = Mount { kind: "bind".to_owned(), ..mount.clone() };
        bind(bench, &mount, &full.display().to_string());
    }
}

/// Secrets and configs are files of the host, too.
fn files(bench: &mut Bench<'_>) {
    let (service, project) = (bench.service, bench.project);
    for section in ["secrets", "configs"] {
        for item in service.find(&[section]).map(Node::items).unwrap_or_default() {
            let name = item.get("source").and_then(Node::text).unwrap_or_default();
            let shared = project.root.get(section).and_then(|all| all.get(name)?.get("file"));
            let Some((file, node)) = shared.and_then(|node| Some((node.text()?, node))) else {
                continue;
            };
            let spot: Spot = node.spot.clone();
            let evidence = format!("{section} `{}` is {}", shown(name, 40), shown(file, 80));
            if is_socket(file) {
                bench.find(&ENGINE_SOCKET, &spot, evidence, "take it out");
            } else if let Some(why) = sensitive(file, project.home.as_deref()) {
                let fix = "copy what is needed into a file of the service's own";
                bench.find(&SENSITIVE_BIND, &spot, format!("{evidence}: {why}"), fix);
            }
        }
    }
}
