//! What a request says, or a problem that says what is wrong with it.

use super::problem::Problem;
use crate::failure::{Failure, Kind};
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// A body of JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(wrong_body(&rejection)),
        }
    }
}

fn wrong_body(rejection: &JsonRejection) -> Problem {
    let status = rejection.status();
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return super::guard::too_large();
    }
    let what = match rejection {
        JsonRejection::JsonDataError(_) => "the body is not what is asked for",
        JsonRejection::JsonSyntaxError(_) => "the body is not JSON",
        JsonRejection::MissingJsonContentType(_) => "the body is not called JSON",
        _ => "the body cannot be read",
    };
    Problem::of(status, Failure::new(Kind::Usage, what).because(cause(rejection)))
}

/// The parameters after the question mark.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(wrong_query(&rejection)),
        }
    }
}

fn wrong_query(rejection: &QueryRejection) -> Problem {
    let failure = Failure::new(Kind::Usage, "the parameters are not what is asked for");
    Problem::of(StatusCode::UNPROCESSABLE_ENTITY, failure.because(cause(rejection)))
}

/// A part of the path. One that cannot be the name of anything names nothing.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(wrong_path(&rejection)),
        }
    }
}

fn wrong_path(rejection: &PathRejection) -> Problem {
    let failure = Failure::new(Kind::Usage, "there is nothing of this name");
    Problem::of(StatusCode::NOT_FOUND, failure.because(cause(rejection)))
}

/// The innermost reason; those around it say what we say ourselves.
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
