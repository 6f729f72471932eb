//! Entries that are right by themselves and wrong together. Pure.

use super::decode::key;
use crate::policy::decode::Decoder;
use crate::policy::{Origin, Problem};
use crate::ports::{Registry, Reserved, Service};

pub(super) fn check(decoder: &mut Decoder<'_>, registry: &Registry) {
    for (number, service) in registry.services.iter().enumerate() {
        let earlier = &registry.services[..number];
        for (what, hint) in objections(service, earlier, &registry.reserved) {
            let field = format!("services.{}.port", service.name);
            let origin = key(decoder, &field);
            decoder.problems.push(Problem::new(&origin, &field, what).hint(hint));
        }
    }
    for (number, reserved) in registry.reserved.iter().enumerate() {
        let earlier = &registry.reserved[..number];
        let overlap = |other: &&Reserved| other.range.overlaps(reserved.range);
        if let Some(other) = earlier.iter().find(overlap) {
            let what = format!(
                "{} overlaps {}, which is reserved for `{}` ({})",
                reserved.range,
                other.range,
                other.connector,
                line(&other.origin)
            );
            let field = format!("reserved.{}", reserved.connector);
            decoder.problems.push(Problem::new(&reserved.origin, &field, what));
        }
    }
}

/// Why this service cannot stand beside the others: what, and what to do.
pub(super) fn objections(
    service: &Service,
    others: &[Service],
    reserved: &[Reserved],
) -> Vec<(String, String)> {
    let mut all = Vec::new();
    if let (Some(connector), false) = (&service.connector, service.bind.is_loopback()) {
        let what = format!("`{connector}` is a connector, which publishes on loopback only");
        all.push((what, "say `bind: 127.0.0.1`, or leave it out".to_owned()));
    }
    if let Some(other) = others.iter().find(|other| other.clashes(service)) {
        let what = format!(
            "{} port {} of {} is that of `{}` already ({})",
            service.proto,
            service.port,
            service.bind,
            other.name,
            line(&other.origin)
        );
        all.push((what, "only one can bind it; give the other another port".to_owned()));
    }
    let taken = |it: &&Reserved| {
        it.range.contains(service.port.get()) && service.connector.as_ref() != Some(&it.connector)
    };
    if let Some(reserved) = reserved.iter().find(taken) {
        let what = format!(
            "{} lies in {}, which is reserved for the connector `{}` ({})",
            service.port,
            reserved.range,
            reserved.connector,
            line(&reserved.origin)
        );
        let hint = format!("use a port outside of it, or `connector: {}`", reserved.connector);
        all.push((what, hint));
    }
    all
}

/// Of the same file: its name would say nothing.
fn line(origin: &Origin) -> String {
    match origin {
        Origin::File { line, .. } => format!("line {line}"),
        other => other.to_string(),
    }
}
