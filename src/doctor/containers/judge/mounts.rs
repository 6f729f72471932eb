//! What of the host is inside: folders, sockets, devices.

use super::Book;
use crate::doctor::containers::{Container, rules};
use crate::doctor::host_paths::{is_socket, sensitive};
use serde_json::Value;

pub(super) fn judge(container: &Container, book: &mut Book) {
    for mount in container.inspect["Mounts"].as_array().into_iter().flatten() {
        let text = |field: &str| mount[field].as_str().unwrap_or_default();
        match text("Type") {
            "bind" => bind(container, mount, text("Source"), book),
            "volume" => volume(container, mount, text("Name"), book),
            _ => {}
        }
        if text("Propagation").ends_with("shared") {
            let evidence = format!("{} is {}", text("Destination"), text("Propagation"));
            book.note(&rules::PROPAGATION, evidence, "take `shared` or `rshared` out");
        }
    }
    devices(&container.inspect["HostConfig"], book);
}

fn bind(container: &Container, mount: &Value, source: &str, book: &mut Book) {
    let inside = mount["Destination"].as_str().unwrap_or_default();
    let write = mount["RW"].as_bool() != Some(false);
    let text = format!("{source} at {inside}{}", if write { ", writable" } else { "" });
    if is_socket(source) {
        book.note(&rules::ENGINE_SOCKET, text, "take it out; nothing in a container needs it");
    } else if let Some(why) = sensitive(source, container.home.as_deref()) {
        let fix = "bind the one folder that the program needs";
        book.note(&rules::SENSITIVE_BIND, format!("{text}: {why}"), fix);
    } else if write {
        book.note(&rules::WRITABLE_BIND, text, "add :ro where the program only reads it");
    }
}

/// A volume can be a folder of the host by its options.
fn volume(container: &Container, mount: &Value, name: &str, book: &mut Book) {
    let known = container.volumes.iter().find(|(known, _)| known == name);
    let Some((_, Some(options))) = known else {
        let evidence = format!("the options of the volume {name} cannot be read");
        book.note(&rules::UNVERIFIED, evidence, "look at `volume inspect`");
        return;
    };
    let text = |name: &str| options[name].as_str().unwrap_or_default();
    let bound = text("o").split(',').any(|word| word == "bind" || word == "rbind");
    if bound || text("device").starts_with('/') {
        bind(container, mount, text("device"), book);
    }
}

fn devices(host: &Value, book: &mut Book) {
    let fix = "take it out where the program can do without";
    let all = |name: &str| host[name].as_array().cloned().unwrap_or_default();
    for device in all("Devices") {
        book.note(&rules::DEVICE, device["PathOnHost"].as_str().unwrap_or_default(), fix);
    }
    for rule in all("DeviceCgroupRules") {
        book.note(&rules::DEVICE_RULE, rule.as_str().unwrap_or_default(), fix);
    }
    for request in all("DeviceRequests") {
        let driver = request["Driver"].as_str().filter(|driver| !driver.is_empty());
        let evidence = format!("DeviceRequests has one for {}", driver.unwrap_or("any driver"));
        book.note(&rules::GPU, evidence, fix);
    }
}
