//! The devices that may use the API over TCP.

use super::devices::{self, Device};
use super::input::Path;
use super::problem::Problem;
use super::record::recorded;
use super::{App, Caller};
use crate::failure::Failure;
use axum::Json as Sent;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Devices {
    /// Those that were paired first at the beginning.
    devices: Vec<Device>,
}

/// List the devices that were paired.
#[utoipa::path(
    get, path = "/v1/devices", tag = "devices",
    responses((status = 200, description = "The devices.", body = Devices))
)]
pub(super) async fn list(State(app): State<App>, _: Caller) -> Result<Sent<Devices>, Problem> {
    app.work(|app| {
        let devices = devices::list(&app.state()?)?;
        Ok::<_, Failure>(Sent(Devices { devices }))
    })
    .await
}

/// Take a device's token no more. What it watches ends.
#[utoipa::path(
    delete, path = "/v1/devices/{id}", tag = "devices",
    params(("id" = String, Path, pattern = "^[0-9a-f]{12}$")),
    responses(
        (status = 200, description = "It is revoked.", body = Device),
        (status = 404, description = "There is no such device.", body = super::problem::Sent),
    )
)]
pub(super) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Sent<Device>, Problem> {
    app.work(move |app| {
        let mut state = app.state()?;
        let known = devices::list(&state)?.into_iter().find(|device| device.id == id);
        let none = || {
            let what = "there is no such device";
            Problem::new(StatusCode::NOT_FOUND, what).hint("GET /v1/devices lists them")
        };
        let Some(device) = known else { return Err(none()) };
        let object = device.title();
        let act = ["api devices revoke", object.as_str()];
        let gone = recorded(app, &caller, act, || devices::revoke(&mut state, &id))?;
        gone.map(Sent).ok_or_else(none)
    })
    .await
}
