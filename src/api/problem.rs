//! What went wrong, as RFC 9457 has it, in the words that the command line says it with.

use crate::failure::{Failure, Kind};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// A failure with the status that it has over HTTP.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    failure: Failure,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What is sent of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Sent {
    /// The status, in words.
    title: String,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What happened.
    detail: String,
    /// Why, outermost first.
    causes: Vec<String>,
    /// What can be done, most likely first.
    hints: Vec<String>,
}

impl Problem {
    pub fn new(status: StatusCode, what: impl Into<String>) -> Self {
        Self::of(status, Failure::new(Kind::Usage, what))
    }

    pub fn of(status: StatusCode, failure: Failure) -> Self {
        Self { status, failure, headers: Vec::new() }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.failure = self.failure.hint(hint);
        self
    }

    #[must_use]
    pub fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.failure = self.failure.because(cause);
        self
    }

    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn failure(&self) -> &Failure {
        &self.failure
    }
}

/// What the command line takes for wrong use is a request that makes no sense; files of the workspace that
/// are wrong, and what is refused, are a conflict with how things are.
impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let status = match failure.kind {
            Kind::Usage => StatusCode::UNPROCESSABLE_ENTITY,
            Kind::Policy | Kind::Refused => StatusCode::CONFLICT,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::CannotStart | Kind::Io => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::of(status, failure)
    }
}

impl From<crate::policy::load::Rejection> for Problem {
    fn from(rejection: crate::policy::load::Rejection) -> Self {
        Failure::from(rejection).into()
    }
}

impl From<crate::audit::AuditError> for Problem {
    fn from(error: crate::audit::AuditError) -> Self {
        Failure::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, failure, headers } = self;
        let Failure { what, causes, hints, .. } = failure;
        let title = status.canonical_reason().unwrap_or("failed").to_owned();
        let sent = Sent { title, status: status.as_u16(), detail: what, causes, hints };
        let mut response = (status, axum::Json(sent)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response.headers_mut().extend(headers);
        response
    }
}

pub(super) async fn no_such_path(uri: Uri) -> Problem {
    let what = format!("there is nothing at {}", uri.path());
    Problem::new(StatusCode::NOT_FOUND, what).hint("GET /v1/openapi.json says what there is")
}

/// OPTIONS only asks which methods there are; the router adds `Allow` to either answer.
pub(super) async fn no_such_method(method: Method, uri: Uri) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let what = format!("{} cannot be asked for with {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, what)
        .hint("the header Allow names the methods")
        .into_response()
}
