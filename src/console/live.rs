//! Tells a page that it would look different now. What is different, the page asks for itself: there is
//! one form of everything, and none of it is sent to who may not see it.

use super::visit::Visit;
use crate::api::token::Who;
use crate::api::{App, devices};
use crate::failure::Failure;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// How often is looked.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn live(visit: Visit) -> Response {
    let Ok(turn) = visit.app.streams().clone().try_acquire_owned() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    // One that is not fetched is enough: it says that there is something new.
    let (tell, told) = mpsc::channel::<Result<Event, Infallible>>(1);
    // The head of the answer goes out with the first bytes of its body.
    drop(tell.try_send(Ok(Event::default().comment("live"))));
    tokio::spawn(async move {
        let mut last = None;
        while let Some(mark) = look(&visit).await {
            if last.is_some_and(|last| last != mark) {
                // Where the page has not fetched the last one yet, this one says the same.
                drop(tell.try_send(Ok(Event::default().event("change").data("now"))));
            }
            last = Some(mark);
            tokio::select! {
                () = tell.closed() => break,
                () = visit.app.closed() => break,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        drop(turn);
    });
    Sse::new(ReceiverStream::new(told)).keep_alive(KeepAlive::default()).into_response()
}

/// `None`: this device is not paired any more.
async fn look(visit: &Visit) -> Option<u64> {
    let device = match &visit.caller.who {
        Who::Device { id, .. } => Some(id.clone()),
        Who::User { .. } => None,
    };
    let console = Arc::clone(&visit.console);
    let act = move |_: &App| -> Result<Option<u64>, Failure> {
        let paired = match device {
            Some(id) => {
                let all = devices::list(&console.desk.state()?)?;
                all.iter().any(|it| it.id == id && it.revoked_at.is_none())
            }
            None => true,
        };
        paired.then(|| console.desk.mark()).transpose()
    };
    // What cannot be read now is said by the page itself: it changes, and so does this.
    visit.app.work(act).await.unwrap_or(Some(0))
}
