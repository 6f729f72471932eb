//! The shape of `.cloned/connectors/<name>.yaml`, and its JSON Schema for editors.
//!
//! Values that have a form of their own (sizes, times, paths …) are text here; `decode` parses them,
//! so that an error names the field and says what is accepted. For the same reason every field may be
//! absent here, also those that a manifest must have. The doc comments of the fields are
//! what an editor shows.

use super::either::Either;
use super::forms;
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What one connector is and what it may do. What is not listed here it cannot do.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Connector manifest of jail")]
#[schemars(extend("required" = ["name"]))]
#[schemars(extend("oneOf" = [{"required": ["command"]}, {"required": ["package"]}]))]
pub(super) struct RawManifest {
    /// The connector's name; the same as the file's without `.yaml`.
    #[schemars(schema_with = "forms::name")]
    pub(super) name: Option<String>,
    /// The tool id of the host application that this connector stands behind:
    /// `cloned.mcp.web.search@v1`.
    #[schemars(with = "Option<String>")]
    pub(super) tool: Option<String>,
    /// The program: a name that is looked up in PATH, or a path.
    #[schemars(with = "String")]
    pub(super) command: Option<String>,
    /// What the program (or the package) is started with.
    #[schemars(schema_with = "forms::texts")]
    pub(super) args: Option<Vec<String>>,
    /// A package in one version, instead of `command`: `npm:NAME@VERSION` (started by npx) or
    /// `pypi:NAME@VERSION` (started by uvx).
    #[schemars(schema_with = "forms::package")]
    pub(super) package: Option<String>,
    /// Environment variables; the connector gets no others. No value (`NAME:`) passes the host's.
    #[schemars(schema_with = "forms::env")]
    pub(super) env: Option<BTreeMap<String, Option<String>>>,
    /// Secrets: where each comes from and where the connector finds it. Never the value itself.
    #[schemars(with = "Vec<RawSecret>")]
    pub(super) secrets: Option<Vec<RawSecret>>,
    /// Files and folders of the host that it sees, and its own.
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
    #[schemars(schema_with = "forms::sandbox")]
    pub(super) sandbox: Option<String>,
    /// With `sandbox: container`: the image that it runs in, and what runs it.
    #[schemars(with = "RawContainer")]
    pub(super) container: Option<RawContainer>,
    /// Controls that may be missing where this machine cannot apply them; else the run is refused.
    #[schemars(schema_with = "forms::controls")]
    pub(super) allow_missing: Option<Vec<String>>,
    /// How long the connector may live on after its standard input ended: a time, or `never` to
    /// let it live as long as it likes.
    #[schemars(schema_with = "forms::eof_grace")]
    pub(super) eof_grace: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["name", "from", "to"]))]
pub(super) struct RawSecret {
    /// What the secret is called in messages and in the audit log.
    #[schemars(with = "String")]
    pub(super) name: Option<String>,
    /// Where it comes from: exactly one.
    #[schemars(with = "RawSource")]
    pub(super) from: Option<RawSource>,
    /// Where it goes: a variable or a file of the connector, or `egress`: to the proxy only, for rules
    /// that inject it.
    #[schemars(schema_with = "forms::target")]
    pub(super) to: Option<Either<RawTarget>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = [], "minProperties" = 1, "maxProperties" = 1))]
pub(crate) struct RawSource {
    /// A file of the host.
    #[schemars(with = "String")]
    pub(crate) file: Option<String>,
    /// A descriptor that jail inherits, from 3.
    #[schemars(schema_with = "forms::descriptor")]
    pub(crate) fd: Option<String>,
    /// A variable of jail's own environment.
    #[schemars(with = "String")]
    pub(crate) env: Option<String>,
    /// A program of the host that prints it, with its arguments.
    #[schemars(schema_with = "forms::texts")]
    pub(crate) command: Option<Vec<String>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = [], "minProperties" = 1, "maxProperties" = 1))]
pub(super) struct RawTarget {
    /// An environment variable of the connector.
    #[schemars(with = "String")]
    pub(super) env: Option<String>,
    /// A file name under `/run/secrets`.
    #[schemars(with = "String")]
    pub(super) file: Option<String>,
    /// `true`: it never enters the jail; rules of `network.allow` inject it on the way out.
    #[schemars(with = "bool")]
    pub(super) egress: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = []))]
pub(super) struct RawFilesystem {
    /// Host paths that the connector may read. Relative ones start at the folder that holds
    /// `.cloned`.
    #[schemars(with = "Vec<String>")]
    pub(super) read: Option<Vec<String>>,
    /// Host paths that the connector may read and write.
    #[schemars(with = "Vec<String>")]
    pub(super) write: Option<Vec<String>>,
    /// What `/workspace` is: `tmpfs`, `{tmpfs: SIZE}`, `{host: PATH}` or `{copy: PATH, size: SIZE}`.
    #[schemars(schema_with = "forms::workspace")]
    pub(super) workspace: Option<Either<RawWorkspaceFields>>,
    /// Which of the system's programs it sees: `usr` (all of /usr) or `minimal` (only what the
    /// command needs).
    #[schemars(schema_with = "forms::system")]
    pub(super) system: Option<String>,
    /// Size of its private `/tmp`, and again of its HOME.
    #[schemars(schema_with = "forms::size")]
    pub(super) scratch: Option<String>,
    /// Names that stay writable though they act outside the jail later, such as `.git/hooks`.
    #[schemars(with = "Vec<String>")]
    pub(super) unprotect: Option<Vec<String>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = []))]
pub(super) struct RawNetwork {
    /// `proxy`: what the rules allow, through jail's proxy; the default of a connector with a manifest.
    /// `none`: no way out.
    #[schemars(schema_with = "forms::network_mode")]
    pub(super) mode: Option<String>,
    /// What happens to hosts that no rule names. `deny`: they are refused. `ask`: the connection is held
    /// while you are asked (`jail approvals`). Without it: as the workspace's firewall says.
    #[schemars(schema_with = "forms::unlisted")]
    pub(super) unlisted: Option<String>,
    /// How long it is held, 0s to 1m; most clients give up after 5 seconds.
    #[schemars(schema_with = "forms::period")]
    pub(super) hold: Option<String>,
    /// Hosts that it may reach, as `HOST:PORT` or with conditions. `*.example.com` is every name below
    /// example.com; without a port it is 443.
    #[schemars(schema_with = "forms::allow")]
    pub(super) allow: Option<Vec<Either<RawAllow>>>,
    /// Hosts that it may not reach, whatever else allows them; without a port, at no port.
    #[schemars(schema_with = "forms::deny")]
    pub(super) deny: Option<Vec<Either<RawDeny>>>,
    /// Connections at one time.
    #[schemars(schema_with = "forms::connections")]
    pub(super) connections: Option<String>,
    /// Bytes per second in each direction, all connections together.
    #[schemars(schema_with = "forms::size")]
    pub(super) bandwidth: Option<String>,
    /// May the connector's own processes talk TCP to each other on its loopback?
    #[schemars(with = "bool")]
    pub(super) loopback: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["host"]))]
pub(super) struct RawAllow {
    /// `HOST:PORT`.
    #[schemars(with = "String")]
    pub(super) host: Option<String>,
    /// Let any bytes pass: neither TLS nor HTTP is looked for.
    #[schemars(with = "bool")]
    pub(super) raw: Option<bool>,
    /// The name may have addresses that are not public: loopback, private, link-local.
    #[schemars(with = "bool")]
    pub(super) private: Option<bool>,
    /// Let the client hide the server name that it asks for (Encrypted Client Hello).
    #[schemars(with = "bool")]
    pub(super) ech: Option<bool>,
    /// Why the rule is there; shown with it.
    #[schemars(with = "String")]
    pub(super) reason: Option<String>,
    /// A header that the proxy adds to requests; its value never enters the jail.
    #[schemars(with = "RawInject")]
    pub(super) inject: Option<RawInject>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["host"]))]
pub(super) struct RawDeny {
    /// `HOST` or `HOST:PORT`.
    #[schemars(with = "String")]
    pub(super) host: Option<String>,
    /// Why the rule is there; shown with it.
    #[schemars(with = "String")]
    pub(super) reason: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["header", "value"]))]
pub(super) struct RawInject {
    /// The header's name, such as `Authorization`.
    #[schemars(with = "String")]
    pub(super) header: Option<String>,
    /// What it says.
    #[schemars(with = "RawInjectValue")]
    pub(super) value: Option<RawInjectValue>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["secret"]))]
pub(super) struct RawInjectValue {
    /// The name of an entry of `secrets`.
    #[schemars(with = "String")]
    pub(super) secret: Option<String>,
    /// The value with `%s` where the secret goes, such as `Bearer %s`; the secret alone without this.
    #[schemars(schema_with = "forms::header_format")]
    pub(super) format: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["listen"]))]
pub(super) struct RawPort {
    /// The port inside the jail.
    #[schemars(schema_with = "forms::port")]
    pub(super) listen: Option<String>,
    /// The loopback address of the host where it is offered: `127.0.0.1:3000`. The registry of ports has to
    /// grant it as well.
    #[schemars(with = "String")]
    pub(super) publish: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = []))]
pub(super) struct RawLimits {
    /// Memory, with what it keeps in tmpfs.
    #[schemars(schema_with = "forms::size")]
    pub(super) memory: Option<String>,
    /// Processors: `1`, `0.5`.
    #[schemars(schema_with = "forms::cpus")]
    pub(super) cpus: Option<String>,
    /// Processes and threads.
    #[schemars(schema_with = "forms::pids")]
    pub(super) pids: Option<String>,
    /// Bytes per second from and to disks.
    #[schemars(with = "RawIo")]
    pub(super) io: Option<RawIo>,
    /// Open files per process, from 1024.
    #[schemars(schema_with = "forms::files")]
    pub(super) files: Option<String>,
    /// The largest file that it may write.
    #[schemars(schema_with = "forms::size")]
    pub(super) file_size: Option<String>,
    /// Wall clock; then the connector is ended.
    #[schemars(schema_with = "forms::period")]
    pub(super) timeout: Option<String>,
    /// Politeness towards other processes, 0 to 19.
    #[schemars(schema_with = "forms::nice")]
    pub(super) nice: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = [], "minProperties" = 1))]
pub(super) struct RawContainer {
    /// The name of an image that the engine has: `connectors:1`. It is never fetched.
    #[schemars(with = "String")]
    pub(super) image: Option<String>,
    /// `podman` or `docker`; without this the one that is there, rootless before rootful.
    #[schemars(schema_with = "forms::engine")]
    pub(super) engine: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = [], "minProperties" = 1))]
pub(super) struct RawIo {
    /// Bytes per second.
    #[schemars(schema_with = "forms::size")]
    pub(super) read: Option<String>,
    /// Bytes per second.
    #[schemars(schema_with = "forms::size")]
    pub(super) write: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = [], "minProperties" = 1))]
pub(super) struct RawRpc {
    /// Methods that may be called; all without this.
    #[schemars(with = "Vec<String>")]
    pub(super) methods: Option<Vec<String>>,
    /// Tools that `tools/call` may name; all without this.
    #[schemars(with = "Vec<String>")]
    pub(super) tools: Option<Vec<String>>,
    /// The longest message.
    #[schemars(schema_with = "forms::size")]
    pub(super) max_frame: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = []))]
pub(super) struct RawWorkspaceFields {
    /// Empty, in memory, of this size; gone afterwards.
    #[schemars(schema_with = "forms::size")]
    pub(super) tmpfs: Option<String>,
    /// This folder of the host, writable.
    #[schemars(with = "String")]
    pub(super) host: Option<String>,
    /// A copy of this folder of the host; thrown away afterwards.
    #[schemars(with = "String")]
    pub(super) copy: Option<String>,
    /// How large the copy may grow.
    #[schemars(schema_with = "forms::size")]
    pub(super) size: Option<String>,
}

/// The JSON Schema of a manifest.
pub fn schema() -> Schema {
    schemars::schema_for!(RawManifest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Every `properties` name of the schema, wherever it is.
    fn fields(value: &Value, names: &mut Vec<String>) {
        if let Some(object) = value.as_object() {
            if let Some(properties) = object.get("properties").and_then(Value::as_object) {
                names.extend(properties.keys().cloned());
            }
            object.values().for_each(|value| fields(value, names));
        } else if let Some(list) = value.as_array() {
            list.iter().for_each(|value| fields(value, names));
        }
    }

    #[test]
    fn the_schema_lists_every_field_and_no_other() {
        let schema = serde_json::to_value(schema()).unwrap();
        let mut names = Vec::new();
        fields(&schema, &mut names);
        names.sort();
        names.dedup();
        let mut expected = [
            "name",
            "tool",
            "command",
            "args",
            "package",
            "env",
            "secrets",
            "filesystem",
            "network",
            "ports",
            "limits",
            "seccomp",
            "rpc",
            "sandbox",
            "container",
            "image",
            "engine",
            "allow_missing",
            "eof_grace",
            "from",
            "to",
            "file",
            "fd",
            "read",
            "write",
            "workspace",
            "system",
            "scratch",
            "unprotect",
            "mode",
            "unlisted",
            "hold",
            "allow",
            "deny",
            "connections",
            "bandwidth",
            "raw",
            "private",
            "ech",
            "reason",
            "inject",
            "header",
            "value",
            "secret",
            "format",
            "egress",
            "loopback",
            "listen",
            "publish",
            "memory",
            "cpus",
            "pids",
            "io",
            "files",
            "file_size",
            "timeout",
            "nice",
            "methods",
            "tools",
            "max_frame",
            "tmpfs",
            "host",
            "copy",
            "size",
        ];
        expected.sort_unstable();
        assert_eq!(names, expected);
        assert_eq!(schema["additionalProperties"], Value::Bool(false));
        assert_eq!(schema["required"], serde_json::json!(["name"]));
    }

    /// schemars would ask for all: a field that may be absent is not an `Option` to it here.
    #[test]
    fn the_schema_asks_for_no_field_that_may_be_absent() {
        let schema = serde_json::to_value(schema()).unwrap();
        let required: Vec<(&str, &Value)> = schema["$defs"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, of)| (name.as_str(), &of["required"]))
            .filter(|(_, required)| required.as_array().is_none_or(|list| !list.is_empty()))
            .collect();
        let port = serde_json::json!(["listen"]);
        let secret = serde_json::json!(["name", "from", "to"]);
        let host = serde_json::json!(["host"]);
        let inject = serde_json::json!(["header", "value"]);
        let value = serde_json::json!(["secret"]);
        let expected = [
            ("RawAllow", &host),
            ("RawDeny", &host),
            ("RawInject", &inject),
            ("RawInjectValue", &value),
            ("RawPort", &port),
            ("RawSecret", &secret),
        ];
        assert_eq!(required, expected);
    }

    /// An editor shows them.
    #[test]
    fn every_field_at_the_top_is_described() {
        let schema = serde_json::to_value(schema()).unwrap();
        for (name, field) in schema["properties"].as_object().unwrap() {
            assert!(field["description"].as_str().is_some_and(|text| text.len() > 20), "{name}");
        }
    }
}
