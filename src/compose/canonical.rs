//! Short forms as the long ones that they stand for, and of two entries for the same thing the later one.

use super::merge;
use super::node::{Entry, Node, Spot, Tag, Value};
use super::{paths, ports};
use crate::policy::Problem;
use crate::policy::expect::quoted;
use std::collections::HashMap;

/// Brings a whole project into its long forms.
pub(super) fn canonical(root: &mut Node) -> Result<(), Problem> {
    align(root, &mut Vec::new());
    let Some(Value::Map(services)) = root.get_mut("services").map(|all| &mut all.value) else {
        return Ok(());
    };
    for entry in services {
        let field = format!("services.{}", entry.key);
        service(&mut entry.value, &field)?;
    }
    Ok(())
}

/// The forms that a merge needs, everywhere.
pub(super) fn align(node: &mut Node, path: &mut Vec<String>) {
    merge::align(node, path);
    if let Value::Map(entries) = &mut node.value {
        for entry in entries {
            path.push(entry.key.clone());
            align(&mut entry.value, path);
            path.pop();
        }
    }
}

fn service(service: &mut Node, field: &str) -> Result<(), Problem> {
    for (name, long) in [
        ("ports", ports::long as fn(&Node, &str) -> Result<Node, Problem>),
        ("volumes", volume),
        ("devices", device),
        ("secrets", file_like),
        ("configs", file_like),
    ] {
        let Some(Node { value: Value::List(items), .. }) = service.get_mut(name) else { continue };
        for (number, item) in items.iter_mut().enumerate() {
            *item = long(item, &format!("{field}.{name}[{number}]"))?;
        }
    }
    if let Some(test) = service.get_mut("healthcheck").and_then(|it| it.get_mut("test"))
        && let Value::Scalar(_) = test.value
    {
        let shell = Node::scalar("CMD-SHELL", &test.spot);
        test.value = Value::List(vec![shell, Node { tag: Tag::None, ..test.clone() }]);
    }
    unique_all(service);
    Ok(())
}

// === one entry for one thing ===

fn unique_all(service: &mut Node) {
    let word = |node: &Node| node.text().map(|text| before(text, '=').to_owned());
    let named = |node: &Node| {
        let name = node.get("target").or_else(|| node.get("source"))?.text()?;
        Some(name.rsplit('/').next().unwrap_or(name).to_owned())
    };
    let target = |node: &Node| node.get("target")?.text().map(str::to_owned);
    for name in ["cap_add", "cap_drop", "dns", "dns_opt", "dns_search", "tmpfs", "profiles"] {
        unique(service.get_mut(name), word);
    }
    unique(service.get_mut("ports"), |node| Some(ports::identity(node)));
    unique(service.get_mut("volumes"), target);
    unique(service.get_mut("devices"), target);
    unique(service.get_mut("secrets"), named);
    unique(service.get_mut("configs"), named);
}

/// The later one takes the place of the earlier one.
fn unique(list: Option<&mut Node>, key: impl Fn(&Node) -> Option<String>) {
    let Some(Node { value: Value::List(items), .. }) = list else { return };
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<Node> = Vec::new();
    for item in std::mem::take(items) {
        match key(&item) {
            Some(key) => match known.get(&key) {
                Some(&at) => kept[at] = item,
                None => {
                    known.insert(key, kept.len());
                    kept.push(item);
                }
            },
            None => kept.push(item),
        }
    }
    *items = kept;
}

fn before(text: &str, mark: char) -> &str {
    text.split(mark).next().unwrap_or(text)
}

// === long forms ===

/// A mapping of these fields, each where the short form stood.
pub(super) fn mapping(spot: &Spot, fields: Vec<(&str, Node)>) -> Node {
    let entry = |(key, value): (&str, Node)| Entry { key: key.to_owned(), at: spot.clone(), value };
    Node::new(Value::Map(fields.into_iter().map(entry).collect()), spot)
}

const PROPAGATION: &[&str] = &["private", "rprivate", "shared", "rshared", "slave", "rslave"];

fn volume(node: &Node, field: &str) -> Result<Node, Problem> {
    let Some(text) = node.text() else { return Ok(node.clone()) };
    let spot = &node.spot;
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts[..] {
        [target] => (None, target, ""),
        [source, target] => (Some(source), target, ""),
        [source, target, options] => (Some(source), target, options),
        _ => {
            let what = format!("expected SOURCE:TARGET:OPTIONS, found {}", quoted(text));
            return Err(spot.problem(field, what));
        }
    };
    if target.is_empty() || source == Some("") {
        let what = format!("expected SOURCE:TARGET:OPTIONS, found {}", quoted(text));
        return Err(spot.problem(field, what));
    }
    let bind = source.is_some_and(paths::is_path);
    let kind = if bind { "bind" } else { "volume" };
    let mut fields = vec![("type", Node::scalar(kind, spot)), ("target", node.part(target))];
    fields.extend(source.map(|source| ("source", node.part(source))));
    let mut inner = Vec::new();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => fields.push(("read_only", Node::plain("true", spot))),
            "nocopy" => inner.push(("nocopy", Node::plain("true", spot))),
            "z" | "Z" => inner.push(("selinux", node.part(option))),
            option if PROPAGATION.contains(&option) => {
                inner.push(("propagation", node.part(option)));
            }
            // What other options say is for the engine.
            _ => {}
        }
    }
    if !inner.is_empty() {
        fields.push((kind, mapping(spot, inner)));
    }
    Ok(mapping(spot, fields))
}

fn device(node: &Node, field: &str) -> Result<Node, Problem> {
    let Some(text) = node.text() else { return Ok(node.clone()) };
    let spot = &node.spot;
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, permissions) = match parts[..] {
        [source] => (source, source, "rwm"),
        [source, target] => (source, target, "rwm"),
        [source, target, permissions] => (source, target, permissions),
        _ => {
            let what = format!("expected SOURCE:TARGET:PERMISSIONS, found {}", quoted(text));
            return Err(spot.problem(field, what));
        }
    };
    let fields = [("source", source), ("target", target), ("permissions", permissions)];
    Ok(mapping(spot, fields.map(|(key, text)| (key, node.part(text))).to_vec()))
}

fn file_like(node: &Node, _field: &str) -> Result<Node, Problem> {
    let Some(text) = node.text() else { return Ok(node.clone()) };
    Ok(mapping(&node.spot, vec![("source", node.part(text))]))
}
