//! The JSON Schema of values that have a form of their own, for editors; `decode` is what decides.

use super::raw::RawService;
use crate::ports::Proto;
use schemars::{Schema, SchemaGenerator, json_schema};

/// As `ServiceName::new` and `ConnectorName` have it.
const SERVICE: &str = "^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$";
const CONNECTOR: &str = "^[a-z0-9][a-z0-9._-]{0,63}$";

pub(super) fn version(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "const": 1 })
}

pub(super) fn services(generator: &mut SchemaGenerator) -> Schema {
    let service = generator.subschema_for::<RawService>();
    json_schema!({
        "type": ["object", "null"],
        "propertyNames": { "pattern": SERVICE },
        "additionalProperties": service
    })
}

pub(super) fn reserved(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["object", "null"],
        "propertyNames": { "pattern": CONNECTOR },
        "additionalProperties": {
            "type": "array",
            "items": { "type": ["string", "integer"], "pattern": "^[0-9]{1,5}(-[0-9]{1,5})?$" },
            "examples": [["3100-3199"]]
        }
    })
}

pub(super) fn port(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "minimum": 1, "maximum": 65535 })
}

pub(super) fn proto(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Proto>()
}

pub(super) fn owner(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "integer"] })
}

pub(super) fn connector(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": CONNECTOR })
}
