//! Entries that are right by themselves and wrong together. Pure.

use super::decode::key;
use crate::policy::decode::Decoder;
use crate::policy::{Origin, Problem};
use crate::ports::{Registry, Service};

pub(super) fn check(decoder: &mut Decoder<'_>, registry: &Registry) {
    for (number, service) in registry.services.iter().enumerate() {
        let earlier = &registry.services[..number];
        if let Some(other) = earlier.iter().find(|other| other.clashes(service)) {
            let what = format!(
                "{} port {} of {} is that of `{}` already ({})",
                service.proto,
                service.port,
                service.bind,
                other.name,
                line(&other.origin)
            );
            let hint = "one of the two can bind it; give the other another port";
            wrong(decoder, service, what, hint);
        }
        let reserved = registry.reserved_for(service.port.get());
        if let Some(reserved) =
            reserved.filter(|it| service.connector.as_deref() != Some(it.connector.as_str()))
        {
            let what = format!(
                "{} lies in {}, which is reserved for the connector `{}` ({})",
                service.port,
                reserved.range,
                reserved.connector,
                line(&reserved.origin)
            );
            let hint = format!("use a port outside of it, or `connector: {}`", reserved.connector);
            wrong(decoder, service, what, &hint);
        }
    }
    for (number, reserved) in registry.reserved.iter().enumerate() {
        let earlier = &registry.reserved[..number];
        let overlap = |other: &&crate::ports::Reserved| other.range.overlaps(reserved.range);
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

fn wrong(decoder: &mut Decoder<'_>, service: &Service, what: String, hint: &str) {
    let field = format!("services.{}.port", service.name);
    let origin = key(decoder, &field);
    decoder.problems.push(Problem::new(&origin, &field, what).hint(hint));
}

/// Of the same file: its name would say nothing.
fn line(origin: &Origin) -> String {
    match origin {
        Origin::File { line, .. } => format!("line {line}"),
        other => other.to_string(),
    }
}
