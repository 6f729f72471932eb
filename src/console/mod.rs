//! The console: pages for a browser, on the listener of the API.
//!
//! ```text
//!   browser ── api (guard, token) ── routes ─┬─ desk: reads and changes the workspace
//!                                            ├─ view: what was read, as what is shown   (pure)
//!                                            └─ pages: templates
//! ```
//!
//! Everything is made on this side and works without a script; the one script keeps pages up to date and
//! gives them keys. Nothing is loaded from elsewhere, and a page says so to the browser. What comes from a
//! connector is made visible ([`show::text`]) and escaped (askama). A form counts with the cookie of a
//! paired device, from a page of this very address, with a token that is on no other page.

mod assets;
mod desk;
mod forms;
mod limits;
mod live;
mod pages;
mod routes;
mod show;
mod view;
mod visit;
mod warn;

use crate::api::App;
use crate::failure::{Failure, Kind};
use axum::Router;
use std::net::SocketAddr;

/// Where the process that serves this workspace says over its unix socket how a browser gets there.
pub const ADDRESS: &str = routes::WHERE;

/// The pages of a workspace. `at` is where browsers find them.
pub fn routes(app: &App, at: Option<SocketAddr>) -> Result<Router<App>, Failure> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)
        .map_err(|error| Failure::new(Kind::Io, "no random numbers").because(error))?;
    let desk = desk::Desk::new(app.clone());
    Ok(routes::routes(visit::Console { desk, at, secret }))
}
