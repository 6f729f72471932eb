//! What a file includes beside what it says itself. Pure.

use super::node::{Node, Value};
use crate::policy::Problem;
use crate::policy::expect::quoted;

/// What is included must not be there already, unless it is the same.
pub(super) fn import(document: &mut Node, included: Node, field: &str) -> Result<(), Problem> {
    let Value::Map(sections) = included.value else { return Ok(()) };
    for section in sections {
        if !matches!(section.value.value, Value::Map(_)) {
            continue;
        }
        let Value::Map(entries) = section.value.value else { continue };
        if document.get(&section.key).is_none_or(Node::is_null) {
            let empty = Node::new(Value::Map(Vec::new()), &section.at);
            document.put(&section.key, &section.at, empty);
        }
        let Some(into) = document.get_mut(&section.key) else { continue };
        for entry in entries {
            match into.get(&entry.key) {
                None => into.put(&entry.key, &entry.at, entry.value),
                Some(known) if known.says_as(&entry.value) => {}
                Some(known) => {
                    let what = format!(
                        "{} is in the file that includes and, otherwise, at {}",
                        quoted(&format!("{}.{}", section.key, entry.key)),
                        entry.at.origin()
                    );
                    return Err(known.spot.problem(field, what));
                }
            }
        }
    }
    Ok(())
}
