//! The JSON Schema of values that have a form of their own, for editors; `parse` is what decides.

use super::parse::{CONNECTIONS, DESCRIPTORS, FILES, NICE, PIDS};
use super::raw::{RawAllow, RawDeny, RawTarget, RawWorkspaceFields};
use super::{Backend, Control, EngineKind, NetworkMode, SystemTree};
use crate::firewall::Unlisted;
use schemars::{Schema, SchemaGenerator, json_schema};

pub(super) fn name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$" })
}

pub(super) fn package(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^(npm|pypi):.+@[0-9].*$" })
}

/// YAML writes numbers and truth values without quotes; a variable or an argument is text anyway.
pub(super) fn texts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": ["string", "number", "boolean"] } })
}

pub(super) fn env(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
        "additionalProperties": { "type": ["string", "number", "boolean", "null"] }
    })
}

pub(super) fn size(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["string", "integer"],
        "pattern": "^[0-9]+(K|M|G|KiB|MiB|GiB)?$",
        "minimum": 1,
        "examples": ["512M", "64MiB", "1G"]
    })
}

pub(super) fn period(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": "^[0-9]+(ms|s|m|h)$",
        "examples": ["500ms", "30s", "2m", "1h"]
    })
}

pub(super) fn eof_grace(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": "^(never|[0-9]+(ms|s|m|h))$",
        "examples": ["10s", "never"]
    })
}

pub(super) fn cpus(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["number", "string"],
        "pattern": "^[0-9]{1,4}(\\.[0-9]{1,3})?$",
        "exclusiveMinimum": 0,
        "maximum": 4096
    })
}

pub(super) fn count(range: &std::ops::RangeInclusive<u32>) -> Schema {
    let (low, high) = (range.start(), range.end());
    json_schema!({ "type": "integer", "minimum": low, "maximum": high })
}

pub(super) fn pids(_: &mut SchemaGenerator) -> Schema {
    count(&PIDS)
}

pub(super) fn files(_: &mut SchemaGenerator) -> Schema {
    count(&FILES)
}

pub(super) fn nice(_: &mut SchemaGenerator) -> Schema {
    count(&NICE)
}

pub(super) fn port(_: &mut SchemaGenerator) -> Schema {
    count(&(1..=65535))
}

pub(super) fn descriptor(_: &mut SchemaGenerator) -> Schema {
    count(&DESCRIPTORS)
}

pub(super) fn sandbox(_: &mut SchemaGenerator) -> Schema {
    words(Backend::ALL.iter().map(|value| value.name()))
}

pub(super) fn engine(_: &mut SchemaGenerator) -> Schema {
    words(EngineKind::ALL.iter().map(|value| value.name()))
}

pub(super) fn system(_: &mut SchemaGenerator) -> Schema {
    words(SystemTree::ALL.iter().map(|value| value.name()))
}

pub(super) fn controls(_: &mut SchemaGenerator) -> Schema {
    let items = words(Control::ALL.iter().map(|value| value.name()));
    json_schema!({ "type": "array", "items": items })
}

pub(super) fn words(words: impl Iterator<Item = &'static str>) -> Schema {
    let words: Vec<&str> = words.collect();
    json_schema!({ "type": "string", "enum": words })
}

pub(super) fn workspace(generator: &mut SchemaGenerator) -> Schema {
    let fields = generator.subschema_for::<RawWorkspaceFields>();
    json_schema!({ "anyOf": [{ "type": "string", "const": "tmpfs" }, fields] })
}

pub(super) fn target(generator: &mut SchemaGenerator) -> Schema {
    let fields = generator.subschema_for::<RawTarget>();
    json_schema!({ "anyOf": [{ "type": "string", "const": "egress" }, fields] })
}

pub(super) fn network_mode(_: &mut SchemaGenerator) -> Schema {
    words(NetworkMode::ALL.iter().map(|value| value.name()))
}

pub(super) fn unlisted(_: &mut SchemaGenerator) -> Schema {
    words([Unlisted::Deny, Unlisted::Ask].iter().map(|value| value.name()))
}

pub(super) fn allow(generator: &mut SchemaGenerator) -> Schema {
    let fields = generator.subschema_for::<RawAllow>();
    json_schema!({ "type": "array", "items": { "anyOf": [{ "type": "string" }, fields] } })
}

pub(super) fn deny(generator: &mut SchemaGenerator) -> Schema {
    let fields = generator.subschema_for::<RawDeny>();
    json_schema!({ "type": "array", "items": { "anyOf": [{ "type": "string" }, fields] } })
}

pub(super) fn connections(_: &mut SchemaGenerator) -> Schema {
    count(&CONNECTIONS)
}

pub(super) fn header_format(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^[^%]*%s[^%]*$", "examples": ["Bearer %s"] })
}
