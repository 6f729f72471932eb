//! Values of other modules, as the description of the API has them.

use crate::approvals::RequestId;
use crate::audit::{Digest, RunId, Text};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

impl PartialSchema for Text {
    fn schema() -> RefOr<Schema> {
        let what = "Text without characters that a terminal obeys or nobody sees.";
        text(what).max_length(Some(Self::MAX)).into()
    }
}

impl ToSchema for Text {}

impl PartialSchema for RunId {
    fn schema() -> RefOr<Schema> {
        text("The id of a run: twelve hex digits.").max_length(Some(Text::MAX)).into()
    }
}

impl ToSchema for RunId {}

impl PartialSchema for RequestId {
    fn schema() -> RefOr<Schema> {
        text("The id of a request.").pattern(Some("^[a-z2-7]{10}$")).into()
    }
}

impl ToSchema for RequestId {}

impl PartialSchema for Digest {
    fn schema() -> RefOr<Schema> {
        text("A SHA-256.").pattern(Some("^[0-9a-f]{64}$")).into()
    }
}

impl ToSchema for Digest {}
