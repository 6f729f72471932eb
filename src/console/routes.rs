//! Which page is where, and which form leads to what.

use super::desk::{Case, Desk, Wanted};
use super::forms::{Act, ActForm, AnswerForm, AuditForm, PairForm};
use super::pages::{self, DeviceView};
use super::show::{self, When};
use super::view;
use super::visit::{Acts, Console, Visit, trouble, unpaired};
use super::{assets, live};
use crate::api::token::Bearer;
use crate::api::{App, Caller, Connection, Problem, devices, elsewhere, pairing, token};
use crate::approvals::{RequestId, Verdict};
use crate::failure::{Failure, Kind};
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Form, Router};
use std::sync::Arc;
use std::time::SystemTime;

/// Where the pages are, for the owner's own processes.
pub(super) const WHERE: &str = "/console/address";
/// Rows of a page; older ones are for `jail audit`.
const ROWS: usize = 200;
/// Requests that were answered, on their page.
const ANSWERED: usize = 30;
const KINDS: [&str; 8] =
    ["run-start", "applied", "denial", "asked", "decision", "act", "run-end", "firewall"];

/// All pages, for [`crate::api::with_pages`].
pub(super) fn routes(console: Console) -> Router<App> {
    Router::new()
        .route("/", get(requests))
        .route("/requests/{id}", post(answer))
        .route("/runs", get(runs))
        .route("/runs/{run}/stop", post(stop))
        .route("/egress", get(egress))
        .route("/rules", get(rules).post(remove))
        .route("/ports", get(ports))
        .route("/audit", get(audit).post(verify))
        .route("/devices", get(devices_page))
        .route("/devices/{id}", post(revoke))
        .route("/pair", get(pairing_page).post(pair))
        .route("/live", get(live::live))
        .route(WHERE, get(whereabouts))
        .merge(assets::routes())
        .layer(Extension(Arc::new(console)))
}

type Filled<T> = Result<Form<T>, FormRejection>;

// === pages

async fn requests(visit: Visit) -> Response {
    let make = |desk: &Desk, frame| {
        let now = SystemTime::now();
        let (pending, answered) = desk.asked(ANSWERED)?;
        let view = |it: &Case| view::request(&it.request, &it.answers, &it.doubts, it.lives, now);
        let pending = pending.iter().map(view).collect();
        let answered = answered.iter().map(view).collect();
        let asks = Desk::asks(&desk.overlay()?);
        Ok(pages::Requests { frame, pending, answered, asks })
    };
    visit.page("/", make).await
}

async fn runs(visit: Visit) -> Response {
    let make = |desk: &Desk, frame| {
        let now = SystemTime::now();
        let runs = desk.runs()?.iter().map(|run| view::run(run, now)).collect();
        Ok(pages::Runs { frame, runs })
    };
    visit.page("/runs", make).await
}

async fn egress(visit: Visit) -> Response {
    let make = |desk: &Desk, frame| {
        let now = SystemTime::now();
        let runs = desk.runs()?.iter().map(|run| view::run(run, now)).collect();
        Ok(pages::Egress { frame, runs, rows: desk.egress(ROWS)? })
    };
    visit.page("/egress", make).await
}

async fn rules(visit: Visit) -> Response {
    let make = |desk: &Desk, frame| {
        let now = SystemTime::now();
        let overlay = desk.overlay()?;
        let rules = overlay.entries.iter().map(|it| view::rule(it, desk.root(), now)).collect();
        let unlisted = if Desk::asks(&overlay) { "asked about" } else { "refused" };
        let upstream = overlay.upstream.as_ref().map(|it| show::text(&it.value.url()));
        Ok(pages::Rules { frame, rules, unlisted, upstream })
    };
    visit.page("/rules", make).await
}

async fn ports(visit: Visit) -> Response {
    let make = |desk: &Desk, frame| {
        let now = SystemTime::now();
        let registry = desk.ports()?;
        let pending = desk.pending()?;
        let asked = pending.iter().map(|it| view::request(it, &[], &[], false, now));
        Ok(pages::Ports {
            frame,
            ports: registry.services.iter().map(view::port).collect(),
            ranges: registry.reserved.iter().map(view::range).collect(),
            asked: asked.filter(|it| it.is_port).collect(),
        })
    };
    visit.page("/ports", make).await
}

async fn audit(visit: Visit, query: Result<Query<AuditForm>, QueryRejection>) -> Response {
    let form = query.map(|Query(form)| form).unwrap_or_default();
    let make = |desk: &Desk, frame| {
        let wanted = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let AuditForm { kind, connector, run } = form;
        let filter =
            Wanted { kind: wanted(&kind), connector: wanted(&connector), run: wanted(&run) };
        Ok(pages::Audit {
            frame,
            rows: desk.audit(&filter, ROWS)?,
            verified: desk.verified(false)?,
            log: show::text(&desk.log().to_string_lossy()),
            kinds: &KINDS,
            kind,
            connector: show::text(&connector),
            run: show::text(&run),
        })
    };
    visit.page("/audit", make).await
}

async fn devices_page(visit: Visit) -> Response {
    let own = visit.device().to_owned();
    let make = move |desk: &Desk, frame| {
        let now = SystemTime::now();
        let all = devices::list(&desk.state()?)?.into_iter();
        let paired = all.filter(|device| device.revoked_at.is_none()).map(|device| DeviceView {
            own: device.id == own,
            id: device.id,
            name: show::text(device.name.as_str()),
            paired: When::of_seconds(device.created_at, now),
            seen: When::of_seconds(device.seen_at, now),
        });
        Ok(pages::Devices { frame, devices: paired.collect() })
    };
    visit.page("/devices", make).await
}

// === forms

/// A form that is not one of ours.
fn unread<T>(form: Filled<T>) -> Result<T, Box<Response>> {
    let wrong = |error: FormRejection| {
        let failure =
            Failure::new(Kind::Usage, "the form cannot be read").because(error.body_text());
        Box::new(trouble(&Problem::of(error.status(), failure), "/"))
    };
    form.map(|Form(form)| form).map_err(wrong)
}

async fn answer(visit: Visit, Path(id): Path<String>, form: Filled<AnswerForm>) -> Response {
    let form = match unread(form) {
        Ok(form) => form,
        Err(response) => return *response,
    };
    let by = visit.by();
    let token = form.token.clone();
    let act = move |desk: &Desk, acts: &Acts<'_>| {
        let id: RequestId = id.parse().map_err(|why| Failure::new(Kind::NotFound, why))?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let act = form.read(by, desk.runs_still(&id)?, now.as_secs())?;
        match act {
            Act::Dismiss => {
                acts.record("approvals dismiss", id.as_str(), || desk.dismiss(&id))?;
                Ok("dismissed")
            }
            Act::Answer(answer) => {
                let done = match answer.verdict {
                    Verdict::Approve => "approved",
                    Verdict::Deny => "denied",
                    Verdict::Revoke => "revoked",
                };
                desk.decide(&id, *answer)?;
                Ok(done)
            }
        }
    };
    visit.act(&token, "/", act).await
}

async fn remove(visit: Visit, form: Filled<ActForm>) -> Response {
    let form = match unread(form) {
        Ok(form) => form,
        Err(response) => return *response,
    };
    let token = form.token.clone();
    let act = move |desk: &Desk, acts: &Acts<'_>| {
        acts.take_out(&desk.rule(&form.key)?)?;
        Ok("removed")
    };
    visit.act(&token, "/rules", act).await
}

async fn stop(visit: Visit, Path(run): Path<String>, form: Filled<ActForm>) -> Response {
    let form = match unread(form) {
        Ok(form) => form,
        Err(response) => return *response,
    };
    visit.stop(&form.token, run).await
}

async fn verify(visit: Visit, form: Filled<ActForm>) -> Response {
    let form = match unread(form) {
        Ok(form) => form,
        Err(response) => return *response,
    };
    let act = |desk: &Desk, _: &Acts<'_>| {
        desk.verified(true)?;
        Ok("checked")
    };
    visit.act(&form.token, "/audit", act).await
}

async fn revoke(visit: Visit, Path(id): Path<String>, form: Filled<ActForm>) -> Response {
    let form = match unread(form) {
        Ok(form) => form,
        Err(response) => return *response,
    };
    let act = move |desk: &Desk, acts: &Acts<'_>| {
        let mut state = desk.state()?;
        let all = devices::list(&state)?;
        let device = all.into_iter().find(|device| device.id == id);
        let device =
            device.ok_or_else(|| Failure::new(Kind::NotFound, "there is no such device"))?;
        let object = device.title();
        acts.record("api devices revoke", &object, || devices::revoke(&mut state, &device.id))?;
        Ok("device")
    };
    visit.act(&form.token, "/devices", act).await
}

/// Over the unix socket alone: `jail console` asks the process that serves already.
async fn whereabouts(
    Extension(connection): Extension<Connection>,
    Extension(console): Extension<Arc<Console>>,
) -> Response {
    match (connection, console.at) {
        (Connection::Unix(_), Some(at)) => at.to_string().into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

// === pairing

async fn pairing_page(
    caller: Option<Caller>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
) -> Response {
    if let Some(origin) = elsewhere(connection, &headers) {
        return Redirect::temporary(&format!("{origin}/pair")).into_response();
    }
    match caller {
        Some(_) => Redirect::to("/").into_response(),
        None => {
            let mut response = unpaired(&headers, None);
            *response.status_mut() = StatusCode::OK;
            response
        }
    }
}

async fn pair(
    State(app): State<App>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    form: Filled<PairForm>,
) -> Response {
    let form = match unread(form) {
        Ok(form) => form,
        Err(response) => return *response,
    };
    if let Err(problem) = token::takes_cookies(connection, &headers) {
        return trouble(&problem, "/pair");
    }
    let exchange =
        move |app: &App| pairing::exchange(app, &form.code, &form.device, Bearer::Cookie);
    let paired = match app.work(exchange).await {
        Ok(paired) => paired,
        Err(problem) => return unpaired(&headers, Some(&problem)),
    };
    match token::cookie(&app, &paired.token) {
        Ok(cookie) => {
            ([(header::SET_COOKIE, cookie)], Redirect::to("/?done=paired")).into_response()
        }
        Err(problem) => trouble(&problem, "/pair"),
    }
}
