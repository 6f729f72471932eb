//! A visit of a paired browser: who it is, and how a page is made for it.

use super::desk::{self, Desk};
use super::forms;
use super::pages::{Frame, Notice, PLACES, Pair, Trouble};
use super::show;
use crate::api::record::recorded;
use crate::api::token::Who;
use crate::api::{App, Caller, Connection, Problem, elsewhere, firewall, runs};
use crate::audit::Text;
use crate::failure::{Failure, Kind};
use crate::firewall::store::Entry;
use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::header::{self, HeaderName};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long a connector may take to end by itself, as with `jail stop`; a request of a browser does not wait
/// much longer.
const ENDING: Duration = Duration::from_secs(10);

/// What all visits share.
pub(super) struct Console {
    pub(super) desk: Desk,
    /// Where browsers find it.
    pub(super) at: Option<SocketAddr>,
    /// Forms of this start are known by it.
    pub(super) secret: [u8; 32],
}

/// A request of somebody who may see and do everything here.
pub(super) struct Visit {
    pub(super) app: App,
    pub(super) console: Arc<Console>,
    pub(super) caller: Caller,
    notice: Option<Notice>,
}

/// What is changed otherwise than by an answer, which is on record by itself.
pub(super) struct Acts<'a> {
    app: &'a App,
    caller: &'a Caller,
}

impl Acts<'_> {
    /// Does it after it was recorded, as the API does. `act` is as the command line calls it.
    pub(super) fn record<T>(
        &self,
        act: &str,
        object: &str,
        what: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Problem> {
        recorded(self.app, self.caller, [act, object], what)
    }

    /// Takes a rule out, as the API does.
    pub(super) fn take_out(&self, entry: &Entry) -> Result<(), Problem> {
        firewall::take_out(self.app, self.caller, entry).map(drop)
    }
}

impl FromRequestParts<App> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let Some(caller) = parts.extensions.get::<Caller>().cloned() else {
            let connection = parts.extensions.get::<Connection>();
            let there = connection.and_then(|it| elsewhere(*it, &parts.headers));
            return Err(match there.filter(|_| parts.method == Method::GET) {
                // By this name no browser is ever paired.
                Some(origin) => {
                    let there = format!("{origin}{}", parts.uri.path());
                    Redirect::temporary(&there).into_response()
                }
                None => unpaired(&parts.headers, None),
            });
        };
        let console = parts.extensions.get::<Arc<Console>>().cloned().ok_or_else(|| {
            let failure = Failure::new(Kind::Io, "the console is not set up");
            trouble(&Problem::from(failure), "/")
        })?;
        let done = parts.uri.query().unwrap_or_default().strip_prefix("done=");
        let notice = done.and_then(notice);
        Ok(Self { app: app.clone(), console, caller, notice })
    }
}

/// What came of an act, by the word in the address of the page after it. Other words say nothing: an
/// address can be anybody's.
fn notice(done: &str) -> Option<Notice> {
    let (class, text) = match done {
        "approved" => ("good", "Approved: it counts from now on."),
        "denied" => ("plain", "Denied."),
        "revoked" => {
            ("plain", "The answer was taken back; connections that only it allowed are cut.")
        }
        "dismissed" => ("plain", "Dismissed: taken off the list, without an answer."),
        "removed" => ("plain", "The rule was removed; connections that only it allowed are cut."),
        "checked" => ("plain", "The whole log was checked."),
        "device" => ("plain", "The device was revoked."),
        "paired" => ("good", "This browser is paired."),
        "stopped" => ("plain", "The run was ended."),
        _ => return None,
    };
    Some(Notice { class, text: text.to_owned() })
}

impl Visit {
    /// The device, or the user at the unix socket.
    pub(super) fn device(&self) -> &str {
        match &self.caller.who {
            Who::Device { id, .. } => id,
            Who::User { .. } => "user",
        }
    }

    pub(super) fn by(&self) -> Text {
        self.caller.by()
    }

    fn token(&self) -> String {
        forms::token(&self.console.secret, self.device())
    }

    /// A form is of a page that this device got since the start.
    pub(super) fn check(&self, token: &str) -> Result<(), Problem> {
        if self.token() == token {
            return Ok(());
        }
        let what = "this form is not of a page that this console made for this browser";
        Err(Problem::new(StatusCode::FORBIDDEN, what)
            .hint("load the page again: the console was started anew since"))
    }

    /// Makes a page of what the workspace says.
    pub(super) async fn page<T: Template + Send + 'static>(
        self,
        here: &'static str,
        make: impl FnOnce(&Desk, Frame) -> Result<T, Failure> + Send + 'static,
    ) -> Response {
        let token = self.token();
        let Self { app, console, notice, .. } = self;
        let made = app.work(move |_| -> Result<String, Failure> {
            let desk = &console.desk;
            let frame = Frame {
                here,
                places: &PLACES,
                workspace: desk::name(desk.root()),
                folder: show::text(&desk.root().to_string_lossy()),
                waiting: desk.pending()?.len(),
                token,
                notice,
            };
            let page = make(desk, frame)?;
            page.render()
                .map_err(|error| Failure::new(Kind::Io, "the page cannot be made").because(error))
        });
        match made.await {
            Ok(text) => html(StatusCode::OK, text),
            Err(problem) => trouble(&problem, "/"),
        }
    }

    /// Changes something, and goes on to the page that shows it.
    pub(super) async fn act(
        self,
        token: &str,
        back: &'static str,
        act: impl FnOnce(&Desk, &Acts<'_>) -> Result<&'static str, Problem> + Send + 'static,
    ) -> Response {
        if let Err(problem) = self.check(token) {
            return trouble(&problem, back);
        }
        let Self { app, console, caller, .. } = self;
        let act = move |app: &App| act(&console.desk, &Acts { app, caller: &caller });
        done(app.work(act).await, back)
    }

    /// Ends a run, as `jail stop` does, and goes on to what runs then.
    pub(super) async fn stop(self, token: &str, run: String) -> Response {
        if let Err(problem) = self.check(token) {
            return trouble(&problem, "/runs");
        }
        let Self { app, caller, .. } = self;
        let act = move |app: &App| runs::end(app, &caller, &run, ENDING, false);
        done(app.wait(act).await.map(|_| "stopped"), "/runs")
    }
}

fn done(result: Result<&'static str, Problem>, back: &'static str) -> Response {
    match result {
        Ok(done) => Redirect::to(&format!("{back}?done={done}")).into_response(),
        Err(problem) => trouble(&problem, back),
    }
}

/// A page, with what a browser may do with it.
pub(super) fn html(status: StatusCode, text: String) -> Response {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                          img-src 'self'; connect-src 'self'; form-action 'self'; \
                          base-uri 'none'; frame-ancestors 'none'";
    const FEATURES: &str = "camera=(), clipboard-read=(), display-capture=(), geolocation=(), hid=(), \
                            microphone=(), payment=(), publickey-credentials-get=(), serial=(), usb=()";
    let headers = [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (HeaderName::from_static("permissions-policy"), HeaderValue::from_static(FEATURES)),
    ];
    (status, headers, axum::response::Html(text)).into_response()
}

/// What somebody sees who is not paired: nothing but this.
pub(super) fn unpaired(headers: &HeaderMap, refused: Option<&Problem>) -> Response {
    let device = device_name(headers);
    let status = refused.map_or(StatusCode::UNAUTHORIZED, Problem::status);
    let wrong = refused.map(|problem| show::text(&sentence(&problem.failure().what)));
    let mut response = match (Pair { wrong, device }).render() {
        Ok(text) => html(status, text),
        Err(_) => status.into_response(),
    };
    if let Some(problem) = refused {
        let own = problem.clone().into_response();
        let wait = own.headers().get(header::RETRY_AFTER).cloned();
        response.headers_mut().extend(wait.map(|wait| (header::RETRY_AFTER, wait)));
    }
    response
}

pub(super) fn trouble(problem: &Problem, back: &'static str) -> Response {
    let Failure { what, causes, hints, .. } = problem.failure();
    let all = |texts: &[String]| texts.iter().map(|text| show::text(text)).collect();
    let title = match problem.status() {
        StatusCode::INTERNAL_SERVER_ERROR => "Something of jail’s own failed",
        StatusCode::NOT_FOUND => "There is nothing here",
        _ => "That was not done",
    };
    let what = show::text(&sentence(what));
    let page = Trouble { title, what, causes: all(causes), hints: all(hints), back };
    match page.render() {
        Ok(text) => html(problem.status(), text),
        Err(_) => problem.status().into_response(),
    }
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return String::new() };
    format!("{}{}.", first.to_uppercase(), chars.as_str())
}

/// A first guess, for the person to change: `Firefox on Android`.
fn device_name(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).and_then(|it| it.to_str().ok()).unwrap_or("");
    let first = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| agent.contains(mark)).map(|(_, name)| *name)
    };
    let browsers =
        [("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrom", "Chromium"), ("Safari/", "Safari")];
    let systems = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ];
    match (first(&browsers), first(&systems)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        _ => "browser".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_cannot_say_what_it_likes() {
        assert!(notice("approved").is_some());
        for text in ["", "approved&x", "<b>", "anything"] {
            assert!(notice(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_device_is_called_what_it_probably_is() {
        let named = |agent: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
            device_name(&headers)
        };
        let chrome =
            "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/150.0 Safari/537.36";
        assert_eq!(named(chrome), "Chromium on Android");
        assert_eq!(named("curl/8"), "browser");
    }
}
