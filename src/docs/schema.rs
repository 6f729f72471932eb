//! `docs/schema/connector.json`: the same bytes that `jail schema connector` prints.

use super::Document;

pub(super) fn file() -> std::io::Result<Document> {
    let mut text = serde_json::to_string_pretty(&crate::policy::schema())?;
    text.push('\n');
    Ok(Document::new("schema/connector.json", text))
}
