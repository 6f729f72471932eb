//! What `env_file` puts into the environment of services. Pure but for the reader that is given.

use super::interpolate::Variables;
use super::node::{Node, Spot, Value};
use super::project::{Reader, Rejection};
use super::{dotenv, paths};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Puts what `env_file` names below `environment`.
pub(super) fn fill(
    root: &mut Node,
    (folder, home): (&Path, Option<&Path>),
    variables: &Variables,
    reader: Reader<'_>,
) -> Result<(), Rejection> {
    let Some(Value::Map(services)) = root.get_mut("services").map(|all| &mut all.value) else {
        return Ok(());
    };
    for service in services {
        let service = &mut service.value;
        let mut below: BTreeMap<String, (String, Spot)> = BTreeMap::new();
        for item in service.get("env_file").map(Node::items).unwrap_or_default() {
            let path = item.text().or_else(|| item.get("path")?.text()).unwrap_or_default();
            let required = item.get("required").and_then(Node::text) != Some("false");
            let path = paths::join(Some(folder), path, home);
            let found = match reader(&path, dotenv::MAX_BYTES) {
                Ok(bytes) => dotenv::read(&path, &bytes, variables)?,
                Err(error) if !required && error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    let what = format!("cannot read {}: {error}", path.display());
                    let hint = "`required: false` beside `path` allows that it is missing";
                    return Err(item.spot.problem("env_file", what).hint(hint).into());
                }
            };
            below.extend(found.into_iter().map(|(k, v)| (k, (v, item.spot.clone()))));
        }
        if below.is_empty() {
            continue;
        }
        let spot = service.spot.clone();
        if service.get("environment").is_none() {
            service.put("environment", &spot, Node::new(Value::Map(Vec::new()), &spot));
        }
        let Some(environment) = service.get_mut("environment") else { continue };
        for (name, (value, spot)) in below {
            if environment.get(&name).is_none() {
                let mut value = Node::scalar(value, &spot);
                if let Value::Scalar(scalar) = &mut value.value {
                    // It does not stand in the compose file.
                    scalar.fallback = Some(String::new());
                }
                environment.put(&name, &spot, value);
            }
        }
    }
    Ok(())
}
