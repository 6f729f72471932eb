//! `docs/policy.md`: every field of a manifest, from the JSON Schema.

use super::markdown::{cell, head, prose, row};
use crate::plan::human;
use crate::policy::{self, Places, SeccompChoice, Workspace};
use serde_json::{Map, Value};
use std::path::Path;

pub(super) fn page() -> String {
    let schema = policy::schema().to_value();
    let mut out = format!(
        "# The manifest\n\n\
        `.cloned/connectors/NAME.yaml` says what the connector NAME is and what it may do. {}\n\n\
        - Unknown fields, wrong values and contradictions are errors that name file, line and column: \
        `jail check`.\n\
        - Layers, lowest first: built-in defaults, `$XDG_CONFIG_HOME/jail/defaults.yaml`, the manifest, \
        options of `jail run`. Lists add up, everything else replaces. `jail explain NAME` shows who set \
        what.\n\
        - Relative paths start at the folder that holds `.cloned`; `~/` is your home.\n\
        - The YAML is a strict subset: one document, no anchors, no tags, no duplicate keys.\n\
        - `jail init` writes an example with every field; `jail schema connector` prints the JSON Schema \
        ([schema/connector.json](schema/connector.json)).\n\n\
        - [network.md](network.md) has the rules of the network, injected headers and published ports.\n\n\
        This version refuses to run a manifest that uses `package`, `rpc` or `sandbox: container`: it cannot \
        do these yet and does not pretend to.\n\n",
        text(&schema, "description"),
    );
    out += "## Fields\n\n";
    out += &head(&["field", "value", "meaning"]);
    let mut rows = Vec::new();
    fields(&schema, &schema, "", &mut rows);
    out + &rows.concat() + &defaults()
}

/// What holds where nobody says otherwise, read from the policy of the shortest manifest.
fn defaults() -> String {
    let places = Places { root: "/".into(), home: None, protected: Vec::new() };
    let shortest = b"name: a\ncommand: a\n";
    let policy = match policy::manifest(Path::new("a.yaml"), "a", shortest, &places) {
        Ok(policy) => policy,
        Err(problems) => return format!("\n{problems:?}\n"),
    };
    let limits = &policy.limits;
    let workspace = match &policy.filesystem.workspace.value {
        Workspace::Tmpfs { size } => format!("tmpfs of {}", human(size.0)),
        other => format!("{other:?}"),
    };
    let seccomp = match &policy.seccomp.value {
        SeccompChoice::BuiltIn(name) => name.clone(),
        SeccompChoice::File(path) => path.display().to_string(),
    };
    let grace = policy.eof_grace.value.map_or("never".to_owned(), |grace| format!("{grace:?}"));
    let mut out = "\n## Defaults\n\n\
        What is not here is empty or not set. `eof_grace` and `network.mode` are for connectors with a manifest: \
        a command after `--` may live on after its input ended, and has a way out only where some rule \
        allows something.\n\n"
        .to_owned();
    out += &head(&["field", "default"]);
    for (name, value) in [
        ("filesystem.workspace", workspace),
        ("filesystem.system", policy.filesystem.system.value.name().to_owned()),
        ("filesystem.scratch", human(policy.filesystem.scratch.value.0)),
        ("network.mode", policy.network.mode.value.name().to_owned()),
        ("network.connections", policy.network.connections.value.to_string()),
        ("network.loopback", policy.network.loopback.value.to_string()),
        ("limits.memory", human(limits.memory.value.0)),
        ("limits.cpus", (f64::from(limits.cpus.value.0) / 1000.0).to_string()),
        ("limits.pids", limits.pids.value.to_string()),
        ("limits.files", limits.files.value.to_string()),
        ("limits.nice", limits.nice.value.to_string()),
        ("seccomp", seccomp),
        ("sandbox", policy.sandbox.value.name().to_owned()),
        ("eof_grace", grace),
    ] {
        out += &row(&[&format!("`{name}`"), &value]);
    }
    out
}

/// One row for every field below `of`, in the schema's order.
fn fields(root: &Value, of: &Value, prefix: &str, rows: &mut Vec<String>) {
    let Some(properties) = of.get("properties").and_then(Value::as_object) else { return };
    let required = names(of.get("required"));
    for (name, field) in properties {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let must = if required.contains(&name.as_str()) { " Must be given." } else { "" };
        let meaning = format!("{}{must}", text(field, "description"));
        rows.push(format!("| `{path}` | {} | {} |\n", cell(&form(root, field)), cell(&meaning)));
        below(root, field, &path, rows);
    }
}

/// The fields within a field: of its own, of its items, of one of its forms.
fn below(root: &Value, field: &Value, path: &str, rows: &mut Vec<String>) {
    if let Some(inner) = resolved(root, field) {
        fields(root, inner, path, rows);
    }
    if let Some(items) = field.get("items") {
        below(root, items, &format!("{path}[]"), rows);
    }
    for inner in field.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        if let Some(inner) = resolved(root, inner) {
            fields(root, inner, path, rows);
        }
    }
}

/// What `$ref` points at.
fn resolved<'a>(root: &'a Value, field: &Value) -> Option<&'a Value> {
    root.pointer(field.get("$ref")?.as_str()?.strip_prefix('#')?)
}

/// What a value looks like.
fn form(root: &Value, field: &Value) -> String {
    if let Some(values) = field.get("enum") {
        return words(&names(Some(values)));
    }
    if let Some(examples) = field.get("examples") {
        return format!("such as {}", words(&names(Some(examples))));
    }
    if let Some(items) = field.get("items") {
        return match resolved(root, items) {
            Some(_) => "list of mappings".to_owned(),
            None if items.get("anyOf").is_some() => "list of texts or mappings".to_owned(),
            None => match form(root, items) {
                plain if plain == "text" => "list of texts".to_owned(),
                other => format!("list of {other}"),
            },
        };
    }
    if field.get("anyOf").is_some() {
        return "word or mapping".to_owned();
    }
    if field.get("$ref").is_some() || field.get("additionalProperties").is_some() {
        return "mapping".to_owned();
    }
    range(field)
}

fn range(field: &Value) -> String {
    let kinds = match field.get("type") {
        Some(Value::String(kind)) => vec![kind.as_str()],
        list => names(list),
    };
    let number = kinds.iter().any(|kind| ["integer", "number"].contains(kind));
    let bound = |name: &str| field.get(name).map(Value::to_string);
    match (number, bound("minimum"), bound("maximum")) {
        (true, Some(low), Some(high)) => format!("{low} to {high}"),
        (true, None, Some(high)) => format!("number up to {high}"),
        _ if kinds.contains(&"string") => "text".to_owned(),
        _ if kinds == ["boolean"] => "`true` or `false`".to_owned(),
        _ => "number".to_owned(),
    }
}

fn names(list: Option<&Value>) -> Vec<&str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn words(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn text(of: &Value, name: &str) -> String {
    let object: Option<&Map<String, Value>> = of.as_object();
    prose(object.and_then(|object| object.get(name)).and_then(Value::as_str).unwrap_or_default())
}
