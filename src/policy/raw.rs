//! The shape of `.cloned/connectors/<name>.yaml`, and its JSON Schema for editors.
//!
//! Values that have a form of their own (sizes, times, paths …) are text here; `decode` parses them,
//! so that an error names the field and says what is accepted. The doc comments of the fields are
//! what an editor shows.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// What one connector is and what it may do. What is not listed here it cannot do.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Connector manifest of jail")]
#[schemars(extend("required" = ["name"]))]
#[schemars(extend("oneOf" = [{"required": ["command"]}, {"required": ["package"]}]))]
pub(super) struct RawManifest {
    /// The connector's name; the same as the file's without `.yaml`.
    #[schemars(schema_with = "name")]
    pub(super) name: Option<String>,
    /// The tool id of the host application that this connector stands behind:
    /// `cloned.mcp.web.search@v1`.
    #[schemars(with = "Option<String>")]
    pub(super) tool: Option<String>,
    /// The program: a name that is looked up in PATH, or a path.
    #[schemars(with = "String")]
    pub(super) command: Option<String>,
    /// What the program (or the package) is started with.
    #[schemars(schema_with = "texts")]
    pub(super) args: Option<Vec<String>>,
    /// A package in one version, instead of `command`: `npm:NAME@VERSION` (started by npx) or
    /// `pypi:NAME@VERSION` (started by uvx).
    #[schemars(schema_with = "package")]
    pub(super) package: Option<String>,
    /// Environment variables; the connector gets no others. No value (`NAME:`) passes the host's.
    #[schemars(schema_with = "env")]
    pub(super) env: Option<BTreeMap<String, Option<String>>>,
    /// Secrets: where each comes from and where the connector finds it. Never the value itself.
    #[schemars(with = "Vec<RawSecret>")]
    pub(super) secrets: Option<Vec<RawSecret>>,
    /// Files and folders.
    #[schemars(with = "RawFilesystem")]
    pub(super) filesystem: Option<RawFilesystem>,
    /// Hosts that may be reached; none without this.
    #[schemars(with = "RawNetwork")]
    pub(super) network: Option<RawNetwork>,
    /// Ports that the connector may listen on.
    #[schemars(with = "Vec<RawPort>")]
    pub(super) ports: Option<Vec<RawPort>>,
    /// The share of the machine that it may use.
    #[schemars(with = "RawLimits")]
    pub(super) limits: Option<RawLimits>,
    /// System calls: the name of a built-in profile, or the path (with a `/` in it) of an OCI
    /// seccomp profile.
    #[schemars(with = "String")]
    pub(super) seccomp: Option<String>,
    /// The JSON-RPC guard: which messages may pass. Without it bytes pass untouched.
    #[schemars(with = "RawRpc")]
    pub(super) rpc: Option<RawRpc>,
    /// What the connector is confined by.
    #[schemars(schema_with = "sandbox")]
    pub(super) sandbox: Option<String>,
    /// Controls that may be missing where this machine cannot apply them; else the run is refused.
    #[schemars(schema_with = "controls")]
    pub(super) allow_missing: Option<Vec<String>>,
    /// How long the connector may live on after its standard input ended: a time, or `never` to
    /// let it live as long as it likes.
    #[schemars(schema_with = "eof_grace")]
    pub(super) eof_grace: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSecret {
    /// What the secret is called in messages and in the audit log.
    pub(super) name: String,
    /// Where it comes from: exactly one.
    pub(super) from: RawSource,
    /// Where the connector finds it: exactly one.
    pub(super) to: RawTarget,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub(super) struct RawSource {
    /// A file of the host.
    #[schemars(with = "String")]
    pub(super) file: Option<String>,
    /// A descriptor that jail inherits, from 3.
    #[schemars(schema_with = "descriptor")]
    pub(super) fd: Option<String>,
    /// A variable of jail's own environment.
    #[schemars(with = "String")]
    pub(super) env: Option<String>,
    /// A program of the host that prints it, with its arguments.
    #[schemars(schema_with = "texts")]
    pub(super) command: Option<Vec<String>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub(super) struct RawTarget {
    /// An environment variable of the connector.
    #[schemars(with = "String")]
    pub(super) env: Option<String>,
    /// A file name under `/run/secrets`.
    #[schemars(with = "String")]
    pub(super) file: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFilesystem {
    /// Host paths that the connector may read. Relative ones start at the folder that holds
    /// `.cloned`.
    #[schemars(with = "Vec<String>")]
    pub(super) read: Option<Vec<String>>,
    /// Host paths that the connector may read and write.
    #[schemars(with = "Vec<String>")]
    pub(super) write: Option<Vec<String>>,
    /// What `/workspace` is: `tmpfs`, `{tmpfs: SIZE}`, `{host: PATH}` or `{copy: PATH, size: SIZE}`.
    #[schemars(schema_with = "workspace")]
    pub(super) workspace: Option<RawWorkspace>,
    /// Which of the system's programs it sees: `usr` (all of /usr) or `minimal` (only what the
    /// command needs).
    #[schemars(schema_with = "system")]
    pub(super) system: Option<String>,
    /// Size of its private `/tmp`, and again of its HOME.
    #[schemars(schema_with = "size")]
    pub(super) scratch: Option<String>,
    /// Names that stay writable though they act outside the jail later, such as `.git/hooks`.
    #[schemars(with = "Vec<String>")]
    pub(super) unprotect: Option<Vec<String>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNetwork {
    /// `host:port`; without a port it is 443.
    #[schemars(with = "Vec<String>")]
    pub(super) allow: Option<Vec<String>>,
    /// May the connector's own processes talk TCP to each other on its loopback?
    #[schemars(with = "bool")]
    pub(super) loopback: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPort {
    /// The port inside the jail.
    #[schemars(schema_with = "port")]
    pub(super) listen: String,
    /// The loopback address of the host where it is offered: `127.0.0.1:3000`.
    #[schemars(with = "String")]
    pub(super) publish: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    /// Memory, with what it keeps in tmpfs.
    #[schemars(schema_with = "size")]
    pub(super) memory: Option<String>,
    /// Processors: `1`, `0.5`.
    #[schemars(schema_with = "cpus")]
    pub(super) cpus: Option<String>,
    /// Processes and threads.
    #[schemars(schema_with = "pids")]
    pub(super) pids: Option<String>,
    /// Bytes per second from and to disks.
    #[schemars(with = "RawIo")]
    pub(super) io: Option<RawIo>,
    /// Open files per process, from 1024.
    #[schemars(schema_with = "files")]
    pub(super) files: Option<String>,
    /// The largest file that it may write.
    #[schemars(schema_with = "size")]
    pub(super) file_size: Option<String>,
    /// Wall clock; then the connector is ended.
    #[schemars(schema_with = "period")]
    pub(super) timeout: Option<String>,
    /// Politeness towards other processes, 0 to 19.
    #[schemars(schema_with = "nice")]
    pub(super) nice: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub(super) struct RawIo {
    /// Bytes per second.
    #[schemars(schema_with = "size")]
    pub(super) read: Option<String>,
    /// Bytes per second.
    #[schemars(schema_with = "size")]
    pub(super) write: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub(super) struct RawRpc {
    /// Methods that may be called; all without this.
    #[schemars(with = "Vec<String>")]
    pub(super) methods: Option<Vec<String>>,
    /// Tools that `tools/call` may name; all without this.
    #[schemars(with = "Vec<String>")]
    pub(super) tools: Option<Vec<String>>,
    /// The longest message.
    #[schemars(schema_with = "size")]
    pub(super) max_frame: Option<String>,
}

/// A word, or a mapping.
#[derive(Debug)]
pub(super) enum RawWorkspace {
    Word(String),
    Fields(RawWorkspaceFields),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWorkspaceFields {
    /// Empty, in memory, of this size; gone afterwards.
    #[schemars(schema_with = "size")]
    pub(super) tmpfs: Option<String>,
    /// This folder of the host, writable.
    #[schemars(with = "String")]
    pub(super) host: Option<String>,
    /// A copy of this folder of the host; thrown away afterwards.
    #[schemars(with = "String")]
    pub(super) copy: Option<String>,
    /// How large the copy may grow.
    #[schemars(schema_with = "size")]
    pub(super) size: Option<String>,
}

impl<'de> Deserialize<'de> for RawWorkspace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = RawWorkspace;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`tmpfs`, {tmpfs: SIZE}, {host: PATH} or {copy: PATH, size: SIZE}")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<RawWorkspace, E> {
                Ok(RawWorkspace::Word(word.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawWorkspace, A::Error> {
                RawWorkspaceFields::deserialize(MapAccessDeserializer::new(map))
                    .map(RawWorkspace::Fields)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// The JSON Schema of a manifest.
pub fn schema() -> Schema {
    schemars::schema_for!(RawManifest)
}

// === values that have a form of their own ===

fn name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$" })
}

fn package(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^(npm|pypi):.+@[0-9].*$" })
}

/// YAML writes numbers and truth values without quotes; a variable or an argument is text anyway.
fn texts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": ["string", "number", "boolean"] } })
}

fn env(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
        "additionalProperties": { "type": ["string", "number", "boolean", "null"] }
    })
}

fn size(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["string", "integer"],
        "pattern": "^[0-9]+(K|M|G|KiB|MiB|GiB)?$",
        "minimum": 1,
        "examples": ["512M", "64MiB", "1G"]
    })
}

fn period(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": "^[0-9]+(ms|s|m|h)$",
        "examples": ["500ms", "30s", "2m", "1h"]
    })
}

fn eof_grace(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": "^(never|[0-9]+(ms|s|m|h))$",
        "examples": ["10s", "never"]
    })
}

fn cpus(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["number", "string"],
        "pattern": "^[0-9]{1,4}(\\.[0-9]{1,3})?$",
        "exclusiveMinimum": 0,
        "maximum": 4096
    })
}

fn count(range: &std::ops::RangeInclusive<u32>) -> Schema {
    let (low, high) = (range.start(), range.end());
    json_schema!({ "type": "integer", "minimum": low, "maximum": high })
}

fn pids(_: &mut SchemaGenerator) -> Schema {
    count(&super::parse::PIDS)
}

fn files(_: &mut SchemaGenerator) -> Schema {
    count(&super::parse::FILES)
}

fn nice(_: &mut SchemaGenerator) -> Schema {
    count(&super::parse::NICE)
}

fn port(_: &mut SchemaGenerator) -> Schema {
    count(&(1..=65535))
}

fn descriptor(_: &mut SchemaGenerator) -> Schema {
    count(&super::parse::DESCRIPTORS)
}

fn sandbox(_: &mut SchemaGenerator) -> Schema {
    words(super::Backend::ALL.iter().map(|value| value.name()))
}

fn system(_: &mut SchemaGenerator) -> Schema {
    words(super::SystemTree::ALL.iter().map(|value| value.name()))
}

fn controls(_: &mut SchemaGenerator) -> Schema {
    let items = words(super::Control::ALL.iter().map(|value| value.name()));
    json_schema!({ "type": "array", "items": items })
}

fn words(words: impl Iterator<Item = &'static str>) -> Schema {
    let words: Vec<&str> = words.collect();
    json_schema!({ "type": "string", "enum": words })
}

fn workspace(generator: &mut SchemaGenerator) -> Schema {
    let fields = generator.subschema_for::<RawWorkspaceFields>();
    json_schema!({ "anyOf": [{ "type": "string", "const": "tmpfs" }, fields] })
}
