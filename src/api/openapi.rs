//! All that can be asked for, and its description (OpenAPI 3.1), made from the handlers.

use super::{App, approvals, audit, events, firewall, paired, pairing, ports, problem, runs};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use std::sync::Arc;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, OpenApi as Document, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What a failure is sent as.
const PROBLEM: &str = "application/problem+json";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "jail",
        description = "What `jail` does on the command line, for programs: the same acts, by the same rules.\n\n\
            At the unix socket the caller is known by its process. Over TCP it shows the token of a paired \
            device.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    security(("device" = [])),
    components(schemas(problem::Sent)),
    modifiers(&Common),
)]
struct Description;

/// What is the same everywhere.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_default();
        let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("device", token);
    }
}

/// The routes and their description.
pub(super) fn routes() -> (Router<App>, Document) {
    let (router, mut document) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(health))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::get))
        .routes(routes!(approvals::answer))
        .routes(routes!(approvals::revoke))
        .routes(routes!(approvals::dismiss))
        .routes(routes!(runs::list))
        .routes(routes!(runs::get))
        .routes(routes!(runs::stop))
        .routes(routes!(firewall::list))
        .routes(routes!(firewall::put, firewall::remove))
        .routes(routes!(firewall::check))
        .routes(routes!(firewall::unlisted))
        .routes(routes!(ports::list))
        .routes(routes!(ports::put, ports::remove))
        .routes(routes!(ports::pending))
        .routes(routes!(audit::list))
        .routes(routes!(audit::verify))
        .routes(routes!(events::watch))
        .routes(routes!(paired::list))
        .routes(routes!(paired::revoke))
        .routes(routes!(pairing::pair))
        .split_for_parts();
    refusals(&mut document);
    (router, document)
}

/// Every operation can be refused, and says so in one form.
fn refusals(document: &mut Document) {
    let problem = Content::new(Some(Ref::from_schema_name("Problem")));
    let refused = ResponseBuilder::new()
        .description("It was refused, or did not work.")
        .content(PROBLEM, problem)
        .build();
    for item in document.paths.paths.values_mut() {
        let all = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
        for operation in all.into_iter().flatten() {
            for (status, response) in &mut operation.responses.responses {
                if let (true, RefOr::T(response)) = (status.starts_with(['4', '5']), response) {
                    let content = std::mem::take(&mut response.content).into_iter();
                    let content = content.map(|(_, what)| (PROBLEM.to_owned(), what));
                    response.content = content.collect();
                }
            }
            operation.responses.responses.insert("default".to_owned(), refused.clone().into());
        }
    }
}

/// The description, as `docs/openapi.json` has it.
pub fn document() -> serde_json::Result<String> {
    let (_, document) = routes();
    // Sorted, so that it is the same each time that it is made.
    Ok(serde_json::to_string_pretty(&serde_json::to_value(document)?)? + "\n")
}

/// The description, where it is asked for. It holds nothing of this workspace.
pub(super) fn served(document: Document) -> Router<App> {
    let text: Arc<str> = document.to_json().unwrap_or_default().into();
    let answer = move |_: State<App>| {
        let text = text.clone();
        async move { described(&text) }
    };
    Router::new().route("/v1/openapi.json", get(answer))
}

fn described(text: &str) -> Response {
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], text.to_owned()).into_response()
}

/// It serves.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    status: &'static str,
    version: &'static str,
}

/// Say that it serves.
#[utoipa::path(
    get, path = "/healthz", tag = "api", security(()),
    responses((status = 200, description = "It serves.", body = Health))
)]
async fn health() -> axum::Json<Health> {
    axum::Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}
