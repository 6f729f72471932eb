//! The shape of `.cloned/ports.yaml`, and its JSON Schema for editors.
//!
//! Values are text here, and every field may be absent: `decode` parses them, so that an error names the
//! field and says what is accepted. The doc comments are what an editor shows.

use super::forms;
use crate::ports::Judgement;
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Which service may bind which port of this machine.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Port registry of jail")]
#[schemars(extend("required" = ["version"]))]
pub(super) struct RawRegistry {
    /// The version of this format: 1.
    #[schemars(schema_with = "forms::version")]
    pub(super) version: Option<String>,
    /// How `jail doctor ports` and `jail run` judge what is not here.
    #[schemars(with = "RawPolicy")]
    pub(super) policy: Option<RawPolicy>,
    /// The services by name, each with its one port.
    #[schemars(schema_with = "forms::services")]
    pub(super) services: Option<BTreeMap<String, RawService>>,
    /// Ranges of ports that one connector alone may publish: `web-preview: [3100-3199]`.
    #[schemars(schema_with = "forms::reserved")]
    pub(super) reserved: Option<BTreeMap<String, Vec<String>>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = []))]
pub(super) struct RawPolicy {
    /// A port that no service has; `warn` without this. With `deny` not even a port that a person names
    /// on a command line is published without an entry.
    #[schemars(with = "Judgement")]
    pub(super) unregistered: Option<String>,
    /// A socket that other machines can reach; `deny` without this.
    #[schemars(with = "Judgement")]
    pub(super) non_loopback: Option<String>,
}

/// At most one of `connector`, `container` and `program`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["port"]))]
pub(super) struct RawService {
    /// The port of this machine.
    #[schemars(schema_with = "forms::port")]
    pub(super) port: Option<String>,
    /// `tcp` without this.
    #[schemars(schema_with = "forms::proto")]
    pub(super) proto: Option<String>,
    /// The address that it listens on; 127.0.0.1 without this.
    #[schemars(with = "String")]
    pub(super) bind: Option<String>,
    /// The user, by name or number, that the socket must belong to.
    #[schemars(schema_with = "forms::owner")]
    pub(super) owner: Option<String>,
    /// The connector that may publish it.
    #[schemars(schema_with = "forms::connector")]
    pub(super) connector: Option<String>,
    /// The name of the container that publishes it.
    #[schemars(with = "String")]
    pub(super) container: Option<String>,
    /// The program that listens: an absolute path, or the last part of one.
    #[schemars(with = "String")]
    pub(super) program: Option<String>,
    /// What it is for.
    #[schemars(with = "String")]
    pub(super) note: Option<String>,
}

/// The JSON Schema of the registry.
pub fn schema() -> Schema {
    schemars::schema_for!(RawRegistry)
}
