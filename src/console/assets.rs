//! What pages load besides themselves: it is in the binary, and the same for everybody.

use crate::api::App;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;

const STYLE: &str = include_str!("pages/console.css");
const SCRIPT: &str = include_str!("pages/console.js");
const ICON: &str = include_str!("pages/console.svg");

pub(super) fn routes() -> Router<App> {
    let sent = |kind: &'static str, text: &'static str| {
        get(move || async move { ([(CONTENT_TYPE, kind)], text) })
    };
    Router::new()
        .route("/console.css", sent("text/css; charset=utf-8", STYLE))
        .route("/console.js", sent("text/javascript; charset=utf-8", SCRIPT))
        .route("/console.svg", sent("image/svg+xml", ICON))
        .route("/favicon.ico", sent("image/svg+xml", ICON))
}
