//! Who may bind which port: the registry.

use super::input::{Json, Path};
use super::problem::Problem;
use super::record::recorded;
use super::{App, Caller};
use crate::approvals::{self, Request};
use crate::failure::{Failure, Kind};
use crate::policy::text::plain_text;
use crate::policy::{Malformed, Origin};
use crate::ports::report::{Report, ServiceJson};
use crate::ports::store::{self, Put, decode};
use crate::ports::{Proto, Service, ServiceName, allocate};
use axum::Json as Sent;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::num::NonZeroU16;
use utoipa::ToSchema;

/// List the services, each with its port, and the ranges that are reserved.
#[utoipa::path(
    get, path = "/v1/ports", tag = "ports",
    responses((status = 200, description = "The registry.", body = Report))
)]
pub(super) async fn list(State(app): State<App>, _: Caller) -> Result<Sent<Report>, Problem> {
    app.work(|app| {
        let registry = store::read(app.root())?;
        let pending = approvals::pending_ports(&app.state()?)?.len();
        Ok::<_, Failure>(Sent(Report::of(&registry, pending)))
    })
    .await
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PortRequests {
    pending: Vec<Request>,
}

/// List what was asked for and is not answered; the answers are at `/v1/approvals`.
#[utoipa::path(
    get, path = "/v1/ports/requests", tag = "ports",
    responses((status = 200, description = "The requests, oldest first.", body = PortRequests))
)]
pub(super) async fn pending(
    State(app): State<App>,
    _: Caller,
) -> Result<Sent<PortRequests>, Problem> {
    app.work(|app| {
        let pending = approvals::pending_ports(&app.state()?)?;
        Ok::<_, Failure>(Sent(PortRequests { pending }))
    })
    .await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewService {
    #[schema(value_type = u16, minimum = 1)]
    port: NonZeroU16,
    #[serde(default)]
    proto: Proto,
    /// The address that it listens on; 127.0.0.1 without this.
    #[schema(value_type = Option<String>, example = "127.0.0.1")]
    bind: Option<IpAddr>,
    /// The user, by name or number, that the socket must belong to.
    #[schema(pattern = "^[A-Za-z0-9_][A-Za-z0-9._@$-]{0,63}$")]
    owner: Option<String>,
    /// The connector that may publish it. At most one of this, `container` and `program` is given.
    #[schema(pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    connector: Option<String>,
    /// The container that publishes it.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
    container: Option<String>,
    /// The program that listens: an absolute path, or the last part of one.
    #[schema(min_length = 1, max_length = 256)]
    program: Option<String>,
    /// What it is for.
    #[schema(min_length = 1, max_length = 256)]
    note: Option<String>,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PutService {
    /// False where it was there just so.
    added: bool,
    service: ServiceJson,
    /// The requests that this grants.
    granted: Vec<Request>,
}

/// Register a service.
#[utoipa::path(
    put, path = "/v1/ports/{name}", tag = "ports", request_body = NewService,
    params(("name" = String, Path, pattern = "^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")),
    responses(
        (status = 200, description = "It was there already, just so.", body = PutService),
        (status = 201, description = "It is registered.", body = PutService),
        (status = 409, description = "The name, or the port, is somebody else's.",
            body = super::problem::Sent),
    )
)]
pub(super) async fn put(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Json(new): Json<NewService>,
) -> Result<Response, Problem> {
    app.work(move |app| {
        let service = service(named(&name)?, new).map_err(meaningless)?;
        let object = format!("{name} at {} {}:{}", service.proto, service.bind, service.port);
        let (done, service) = recorded(app, &caller, ["ports add", &object], || {
            store::put(app.root(), |registry| {
                allocate::beyond_loopback(registry, service.bind, false)?;
                Ok(service.clone())
            })
        })?;
        let (root, by) = (app.root(), (&caller.by(), caller.via));
        let granted = approvals::granted_by(&mut app.state()?, root, app.home(), &service, by)?;
        let registry = store::read(app.root())?;
        let sent = PutService {
            added: done == Put::Added,
            service: ServiceJson::of(registry.named(&service.name).unwrap_or(&service)),
            granted,
        };
        let status = if sent.added { StatusCode::CREATED } else { StatusCode::OK };
        Ok::<_, Problem>((status, Sent(sent)).into_response())
    })
    .await
}

fn named(name: &str) -> Result<ServiceName, Problem> {
    ServiceName::new(name).map_err(|why| {
        let failure = Failure::new(Kind::Usage, "this cannot be the name of a service");
        Problem::of(StatusCode::NOT_FOUND, failure.because(why))
    })
}

fn service(name: ServiceName, new: NewService) -> Result<Service, Malformed> {
    let NewService { port, proto, bind, owner, connector, container, program, note } = new;
    if [&connector, &container, &program].iter().filter(|it| it.is_some()).count() > 1 {
        return Err(Malformed::because("at most one of connector, container and program"));
    }
    let read = |text: Option<String>, by: fn(&str) -> Result<String, Malformed>| {
        text.as_deref().map(by).transpose()
    };
    let bind = bind.map(|bind| decode::bind(&bind.to_string())).transpose()?;
    Ok(Service {
        name,
        port,
        proto,
        bind: bind.unwrap_or(Service::DEFAULT_BIND),
        owner: read(owner, decode::owner)?,
        connector: read(connector, decode::connector)?,
        container: read(container, decode::container)?,
        program: read(program, decode::program)?,
        note: read(note, plain_text)?,
        origin: Origin::BuiltIn("API"),
    })
}

fn meaningless(why: Malformed) -> Failure {
    Failure::new(Kind::Usage, "this cannot be registered").because(why)
}

/// Remove a service. Its port is nobody's then.
#[utoipa::path(
    delete, path = "/v1/ports/{name}", tag = "ports",
    params(("name" = String, Path, pattern = "^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")),
    responses(
        (status = 200, description = "It is removed.", body = ServiceJson),
        (status = 404, description = "There is none of this name.", body = super::problem::Sent),
    )
)]
pub(super) async fn remove(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Sent<ServiceJson>, Problem> {
    app.work(move |app| {
        let name = named(&name)?;
        let none = || {
            Problem::new(StatusCode::NOT_FOUND, format!("there is no service `{name}`"))
                .hint("GET /v1/ports lists them")
        };
        if store::read(app.root())?.named(&name).is_none() {
            return Err(none());
        }
        let words = ["ports remove", name.as_str()];
        let gone = recorded(app, &caller, words, || store::remove(app.root(), &name))?;
        gone.map(|service| Sent(ServiceJson::of(&service))).ok_or_else(none)
    })
    .await
}
