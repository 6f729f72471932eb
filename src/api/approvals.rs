//! What waits for its owner's answer, and answers.

use super::devices::now;
use super::input::{Json, Path, Query};
use super::problem::Problem;
use super::record::recorded;
use super::{App, Caller};
use crate::approvals::{
    self as store, Answer, Decision, Filter, Lifetime, Request, RequestId, Scope, Standing, Verdict,
};
use crate::audit::Text;
use crate::calendar::LAST;
use crate::failure::{Failure, Kind};
use crate::policy::text::plain_text;
use axum::Json as Sent;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only those that stand so.
    standing: Option<Standing>,
    /// Only those of this connector.
    connector: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Requests {
    /// Those that were asked for last at the end.
    requests: Vec<Request>,
    /// Grows with every change.
    changes: u64,
}

/// A request, and what was decided about it, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RequestAndDecisions {
    request: Request,
    decisions: Vec<Decision>,
}

/// List what was asked for.
#[utoipa::path(
    get, path = "/v1/approvals", tag = "approvals", params(Which),
    responses((status = 200, description = "The requests.", body = Requests))
)]
pub(super) async fn list(
    State(app): State<App>,
    _: Caller,
    Query(which): Query<Which>,
) -> Result<Sent<Requests>, Problem> {
    let filter = Filter { standing: which.standing, connector: which.connector };
    app.work(move |app| {
        let state = app.state()?;
        // Counted first: a change in between is asked for once more, and not missed.
        let changes = store::changes(&state)?;
        let requests = store::list(&state, &filter)?;
        Ok::<_, Failure>(Sent(Requests { requests, changes }))
    })
    .await
}

/// Show a request.
#[utoipa::path(
    get, path = "/v1/approvals/{id}", tag = "approvals", params(("id" = RequestId, Path)),
    responses((status = 200, description = "The request.", body = RequestAndDecisions))
)]
pub(super) async fn get(
    State(app): State<App>,
    _: Caller,
    Path(id): Path<RequestId>,
) -> Result<Sent<RequestAndDecisions>, Problem> {
    app.work(move |app| {
        let (request, decisions) = find(app, &id)?;
        Ok::<_, Problem>(Sent(RequestAndDecisions { request, decisions }))
    })
    .await
}

fn find(app: &App, id: &RequestId) -> Result<(Request, Vec<Decision>), Problem> {
    store::find(&app.state()?, id)?.ok_or_else(|| {
        Problem::new(StatusCode::NOT_FOUND, format!("there is no request {id}"))
            .hint("GET /v1/approvals lists them")
    })
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Word {
    Approve,
    Deny,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAnswer {
    verdict: Word,
    lifetime: Lifetime,
    scope: Scope,
    /// In the words of who answers.
    #[schema(max_length = 256)]
    why: Option<String>,
}

/// Approve or deny. It takes effect at once.
#[utoipa::path(
    post, path = "/v1/approvals/{id}/answer", tag = "approvals",
    params(("id" = RequestId, Path)), request_body = NewAnswer,
    responses(
        (status = 200, description = "It is in effect.", body = Decision),
        (status = 409, description = "It was answered already.", body = super::problem::Sent),
        (status = 422, description = "The answer makes no sense for this request.",
            body = super::problem::Sent),
    )
)]
pub(super) async fn answer(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<RequestId>,
    Json(new): Json<NewAnswer>,
) -> Result<Sent<Decision>, Problem> {
    let verdict = match new.verdict {
        Word::Approve => Verdict::Approve,
        Word::Deny => Verdict::Deny,
    };
    if let Lifetime::Until { end } = new.lifetime
        && !(now() + 1..=LAST).contains(&end)
    {
        let what = "the answer would end before it began, or after the year 9999";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, what));
    }
    let why = said(new.why)?;
    let answer = Answer { scope: new.scope, ..of(&caller, verdict, new.lifetime, why) };
    decide(app, id, answer).await
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// In the words of who does it.
    #[schema(max_length = 256)]
    why: Option<String>,
}

/// Take back what was answered. Connections that nothing else allows are cut.
#[utoipa::path(
    post, path = "/v1/approvals/{id}/revoke", tag = "approvals",
    params(("id" = RequestId, Path)), request_body = Reason,
    responses(
        (status = 200, description = "It is taken back.", body = Decision),
        (status = 409, description = "There is no answer to take back.", body = super::problem::Sent),
    )
)]
pub(super) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<RequestId>,
    Json(reason): Json<Reason>,
) -> Result<Sent<Decision>, Problem> {
    let why = said(reason.why)?;
    decide(app, id, of(&caller, Verdict::Revoke, Lifetime::Always, why)).await
}

/// Take a request off the list without an answer.
#[utoipa::path(
    post, path = "/v1/approvals/{id}/dismiss", tag = "approvals", params(("id" = RequestId, Path)),
    responses(
        (status = 200, description = "It is off the list.", body = Request),
        (status = 409, description = "It does not wait.", body = super::problem::Sent),
    )
)]
pub(super) async fn dismiss(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<RequestId>,
) -> Result<Sent<Request>, Problem> {
    app.work(move |app| {
        let (request, _) = find(app, &id)?;
        if request.standing != Standing::Pending {
            let what = format!("request {id} does not wait");
            return Err(Problem::new(StatusCode::CONFLICT, what));
        }
        let object = format!("{id} ({})", request.subject);
        let act = ["approvals dismiss", object.as_str()];
        let mut state = app.state()?;
        recorded(app, &caller, act, || store::dismiss(&mut state, &id)).map(Sent)
    })
    .await
}

/// A reason is kept as it was given, or not taken.
fn said(why: Option<String>) -> Result<Option<String>, Problem> {
    let wrong = |error| Failure::new(Kind::Usage, "`why` cannot be kept").because(error);
    let why = why.filter(|why| !why.is_empty());
    why.as_deref().map(plain_text).transpose().map_err(|error| wrong(error).into())
}

/// An answer by whoever asks.
pub fn of(caller: &Caller, verdict: Verdict, lifetime: Lifetime, why: Option<String>) -> Answer {
    let why = why.filter(|why| !why.is_empty()).map(Text::from);
    let (by, via) = (caller.by(), caller.via);
    Answer { verdict, lifetime, scope: Scope::Connector, by, via, why, run: None }
}

async fn decide(app: App, id: RequestId, answer: Answer) -> Result<Sent<Decision>, Problem> {
    let wanted = answer.verdict;
    app.work(move |app| {
        find(app, &id)?;
        let decided = store::decide(&mut app.state()?, app.root(), app.home(), &id, answer);
        decided.map(Sent).map_err(|failure| match wanted {
            Verdict::Revoke => told(app, &id, failure, Standing::Approved),
            Verdict::Approve | Verdict::Deny => told(app, &id, failure, Standing::Pending),
        })
    })
    .await
}

/// What the command line takes for wrong use can be that somebody else was faster.
fn told(app: &App, id: &RequestId, failure: Failure, needed: Standing) -> Problem {
    let answered = |it: Standing| matches!(it, Standing::Approved | Standing::Denied);
    let fits = |it: Standing| it == needed || (answered(needed) && answered(it));
    match find(app, id) {
        Ok((request, _)) if failure.kind == Kind::Usage && !fits(request.standing) => {
            Problem::of(StatusCode::CONFLICT, failure)
        }
        _ => failure.into(),
    }
}
