//! How a later file changes what an earlier one says, as the compose specification has it: mappings are
//! joined, lists appended, plain values replaced, with the exceptions below.

use super::node::{Entry, Node, Tag, Value};
use crate::policy::Problem;
use crate::policy::expect::shown;

/// What both sides are made into before they are merged: lists of `K=V` and mappings mean the same.
const MAPPINGS: &[&str] = &[
    "services.*.environment",
    "services.*.labels",
    "services.*.annotations",
    "services.*.sysctls",
    "services.*.build.args",
    "services.*.build.labels",
    "services.*.build.additional_contexts",
    "services.*.deploy.labels",
    "networks.*.labels",
    "volumes.*.labels",
];

/// The same, where the items of the list are names without a value.
const NAMES: &[&str] = &["services.*.networks", "services.*.depends_on"];

/// One plain value means a list of one.
const LISTS: &[&str] = &[
    "services.*.dns",
    "services.*.dns_opt",
    "services.*.dns_search",
    "services.*.env_file",
    "services.*.tmpfs",
];

/// The later one takes the place of the earlier one, whatever they are.
const REPLACED: &[&str] = &[
    "services.*.command",
    "services.*.entrypoint",
    "services.*.healthcheck.test",
    "networks.*.ipam.config",
];

/// Merges `over` into `base`; `path` is where they are (`services`, `web`, …).
pub(super) fn merge(base: &mut Node, over: Node, path: &mut Vec<String>) -> Result<(), Problem> {
    if over.tag == Tag::Override {
        *base = Node { tag: Tag::None, ..over };
        return Ok(());
    }
    if over.is_null() {
        return Ok(());
    }
    if base.is_null() || any(path, REPLACED) {
        *base = over;
        return Ok(());
    }
    let mut over = over;
    align(base, path);
    align(&mut over, path);
    if at(path, "services.*.logging") && driver(base) != driver(&over) && driver(&over).is_some() {
        *base = over;
        return Ok(());
    }
    let number_or_mapping = at(path, "services.*.ulimits.*");
    match (&mut base.value, over.value) {
        (Value::Map(into), Value::Map(entries)) => {
            for entry in entries {
                put(into, entry, path)?;
            }
            Ok(())
        }
        (Value::List(into), Value::List(items)) => {
            into.extend(items);
            Ok(())
        }
        (Value::Scalar(into), Value::Scalar(scalar)) => {
            *into = scalar;
            base.spot = over.spot;
            Ok(())
        }
        (_, value) if number_or_mapping => {
            *base = Node { value, ..over };
            Ok(())
        }
        (_, value) => {
            let over = Node { value, spot: over.spot, tag: Tag::None };
            let what = format!(
                "{} cannot be merged into {} at {}",
                over.kind(),
                base.kind(),
                base.spot.origin()
            );
            Err(over
                .spot
                .problem(&field(path), what)
                .hint("`!override` before the value puts it in the place of the other one"))
        }
    }
}

fn put(into: &mut Vec<Entry>, entry: Entry, path: &mut Vec<String>) -> Result<(), Problem> {
    let known = into.iter().position(|it| it.key == entry.key);
    if entry.value.tag == Tag::Reset {
        if let Some(known) = known {
            into.remove(known);
        }
        return Ok(());
    }
    let Some(known) = known else {
        into.push(entry);
        return Ok(());
    };
    let old = &mut into[known];
    if !matches!(entry.value.value, Value::Map(_)) {
        old.at = entry.at;
    }
    if entry.value.is_null() && any(path, MAPPINGS) {
        // A name without a value takes the place of one with a value: it comes from the environment then.
        old.value = entry.value;
        return Ok(());
    }
    path.push(entry.key);
    merge(&mut old.value, entry.value, path)?;
    path.pop();
    Ok(())
}

/// Takes `!reset` and `!override` away from what is not merged with anything.
pub(super) fn settle(node: &mut Node) {
    node.tag = Tag::None;
    match &mut node.value {
        Value::Map(entries) => {
            entries.retain(|entry| entry.value.tag != Tag::Reset);
            entries.iter_mut().for_each(|entry| settle(&mut entry.value));
        }
        Value::List(items) => {
            items.retain(|item| item.tag != Tag::Reset);
            items.iter_mut().for_each(settle);
        }
        Value::Null | Value::Scalar(_) => {}
    }
}

/// Brings the forms that a field may have into the one in which it is merged.
pub(super) fn align(node: &mut Node, path: &[String]) {
    if any(path, MAPPINGS) {
        pairs(node);
    } else if any(path, NAMES) {
        names(node);
    } else if any(path, LISTS) && matches!(node.value, Value::Scalar(_)) {
        node.value = Value::List(vec![Node { tag: Tag::None, ..node.clone() }]);
    } else if at(path, "services.*.build") && matches!(node.value, Value::Scalar(_)) {
        let value = Node { tag: Tag::None, ..node.clone() };
        let at = node.spot.clone();
        node.value = Value::Map(vec![Entry { key: "context".to_owned(), at, value }]);
    }
}

/// `[A=b, C]` as `{A: b, C: }`.
fn pairs(node: &mut Node) {
    let Value::List(items) = &node.value else { return };
    if !items.iter().all(|item| matches!(item.value, Value::Scalar(_))) {
        return;
    }
    let mut map = Node::new(Value::Map(Vec::new()), &node.spot);
    for item in items {
        let Value::Scalar(scalar) = &item.value else { continue };
        let value = match scalar.text.split_once('=') {
            None => Node::new(Value::Null, &item.spot),
            Some((_, value)) => {
                let mut node = item.part(value);
                if let (Value::Scalar(into), Some(fallback)) = (&mut node.value, &scalar.fallback) {
                    let value = fallback.split_once('=').map_or("", |(_, value)| value);
                    into.fallback = Some(value.to_owned());
                }
                node
            }
        };
        let key = scalar.text.split('=').next().unwrap_or_default().to_owned();
        // Of two the later one counts.
        map.remove(&key);
        map.put(&key, &item.spot, value);
    }
    node.value = map.value;
}

/// `[a, b]` as `{a: , b: }`.
fn names(node: &mut Node) {
    let Value::List(items) = &node.value else { return };
    if !items.iter().all(|item| matches!(item.value, Value::Scalar(_))) {
        return;
    }
    let mut map = Node::new(Value::Map(Vec::new()), &node.spot);
    for item in items {
        let name = item.text().unwrap_or_default();
        map.put(name, &item.spot, Node::new(Value::Null, &item.spot));
    }
    node.value = map.value;
}

fn driver(node: &Node) -> Option<&str> {
    node.get("driver").and_then(Node::text)
}

fn any(path: &[String], patterns: &[&str]) -> bool {
    patterns.iter().any(|pattern| at(path, pattern))
}

/// True where a path is what the pattern means; `*` is any one name.
pub(super) fn at(path: &[String], pattern: &str) -> bool {
    let mut parts = pattern.split('.');
    let fits = path.iter().all(|name| parts.next().is_some_and(|part| part == "*" || part == name));
    fits && parts.next().is_none()
}

pub(super) fn field(path: &[String]) -> String {
    path.iter().map(|name| shown(name, 60)).collect::<Vec<_>>().join(".")
}
