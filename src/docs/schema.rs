//! `docs/schema/`: the same bytes that `jail schema` prints.

use super::Document;

pub(super) fn files() -> std::io::Result<Vec<Document>> {
    [
        ("schema/connector.json", crate::policy::schema()),
        ("schema/ports.json", crate::ports::store::schema()),
    ]
    .into_iter()
    .map(|(path, schema)| {
        let mut text = serde_json::to_string_pretty(&schema)?;
        text.push('\n');
        Ok(Document::new(path, text))
    })
    .collect()
}
