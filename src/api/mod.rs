//! `jail api`: what the command line does, over HTTP.
//!
//! ```text
//!   unix socket (0600, same user) ─┐
//!                                  ├─ serve ─ guard ─ token ─┬─ /v1/…   one file per resource
//!   127.0.0.1, a paired device ────┘                         └─ pages   (the console)
//! ```
//!
//! `listen` says who may connect at all, `guard` what a request has to look like, `token` who asks. All of
//! it is before the first handler. A handler reads and writes what the command line does, with the same
//! functions; what it changes is its owner's act, and recorded as such (`record`).

pub mod approvals;
mod audit;
mod conn;
pub mod devices;
mod events;
pub(crate) mod firewall;
pub(crate) mod follow;
mod guard;
mod input;
pub mod listen;
mod openapi;
mod paired;
pub mod pairing;
mod peer;
mod ports;
mod problem;
pub(crate) mod record;
mod refused;
pub mod runs;
mod schema;
mod serve;
pub mod token;

pub use guard::{Connection, elsewhere, for_browsers};
pub use openapi::document;
pub use problem::Problem;
pub use serve::serve;
pub use token::Caller;

use self::follow::Follow;
use crate::failure::{Failure, Kind};
use crate::policy::load::{Sources, WorkspaceRoot};
use crate::state::{PATIENCE, State};
use axum::Router;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, watch};

/// Reads and writes of files that go on at once; more wait.
const AT_ONCE: usize = 8;
/// Runs that are waited for until they end, beside those.
const STOPS: usize = 16;
/// Live views that go on at once.
const STREAMS: usize = 32;

/// The workspace that is served, and what all connections share.
#[derive(Clone)]
pub struct App(Arc<Shared>);

struct Shared {
    root: WorkspaceRoot,
    sources: Sources,
    log: PathBuf,
    work: Arc<Semaphore>,
    stops: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    attempts: pairing::Attempts,
    follow: Mutex<Follow>,
    watched: Mutex<Option<runs::Watched>>,
    closing: watch::Sender<bool>,
}

impl App {
    /// Of the workspace of the current folder.
    pub fn new(sources: Sources, root: WorkspaceRoot) -> Result<Self, Failure> {
        let log = crate::audit::path_for(Some(&root.path), None, None)
            .ok_or_else(|| Failure::new(Kind::Io, "cannot tell where the audit log is"))?;
        let follow = Mutex::new(Follow::new(log.clone()));
        Ok(Self(Arc::new(Shared {
            root,
            sources,
            log,
            work: Arc::new(Semaphore::new(AT_ONCE)),
            stops: Arc::new(Semaphore::new(STOPS)),
            streams: Arc::new(Semaphore::new(STREAMS)),
            attempts: pairing::Attempts::default(),
            follow,
            watched: Mutex::new(None),
            closing: watch::Sender::new(false),
        })))
    }

    pub fn root(&self) -> &WorkspaceRoot {
        &self.0.root
    }

    pub fn sources(&self) -> &Sources {
        &self.0.sources
    }

    pub fn home(&self) -> Option<&Path> {
        self.0.sources.home.as_deref()
    }

    /// The audit log of the workspace; it need not exist.
    pub fn log(&self) -> &Path {
        &self.0.log
    }

    /// The audit log as it is now; for [`App::work`] alone.
    pub(crate) fn follow(&self) -> Result<MutexGuard<'_, Follow>, Failure> {
        // What a panic left is read anew where it is not whole: a follower knows what it has read.
        let mut follow = self.0.follow.lock().unwrap_or_else(PoisonError::into_inner);
        follow.catch_up()?;
        Ok(follow)
    }

    pub(crate) fn attempts(&self) -> &pairing::Attempts {
        &self.0.attempts
    }

    pub(crate) fn streams(&self) -> &Arc<Semaphore> {
        &self.0.streams
    }

    /// Live views end, and each connection after the request that is under way.
    fn close(&self) {
        self.0.closing.send_replace(true);
    }

    /// Waits for that.
    pub(crate) async fn closed(&self) {
        // The sender is here: an error there cannot be.
        drop(self.0.closing.subscribe().wait_for(|closing| *closing).await);
    }

    /// The database of the workspace; for [`App::work`] alone.
    pub fn state(&self) -> Result<State, Failure> {
        State::open(self.root(), PATIENCE)
    }

    /// Does what waits for files, beside the connections.
    pub async fn work<T, E>(
        &self,
        act: impl FnOnce(&Self) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        E: Into<Problem> + Send + 'static,
    {
        self.take_turn(&self.0.work, act).await
    }

    /// The same for what waits until a run has ended: that takes seconds, which nobody else is to wait.
    pub async fn wait<T, E>(
        &self,
        act: impl FnOnce(&Self) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        E: Into<Problem> + Send + 'static,
    {
        self.take_turn(&self.0.stops, act).await
    }

    async fn take_turn<T, E>(
        &self,
        turns: &Arc<Semaphore>,
        act: impl FnOnce(&Self) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        E: Into<Problem> + Send + 'static,
    {
        let gone = |what: &str| Problem::from(Failure::new(Kind::Io, what));
        let turn = turns.clone().acquire_owned().await;
        let turn = turn.map_err(|_| gone("the API is ending"))?;
        let app = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let result = act(&app);
            drop(turn);
            result
        });
        match done.await {
            Ok(result) => result.map_err(Into::into),
            Err(_) => Err(gone("what was asked for ended in a fault of jail's own")),
        }
    }
}

/// The API alone.
pub fn router(app: App) -> Router {
    with_pages(app, Router::new())
}

/// The API, and pages under the same guard. A page is shown to whoever gets past the guard: what only its
/// owner and paired devices may see asks for a [`Caller`], or for an `Option<Caller>`.
pub fn with_pages(app: App, pages: Router<App>) -> Router {
    let (api, document) = openapi::routes();
    let known = axum::middleware::from_fn_with_state(app.clone(), token::identify);
    let guarded = axum::middleware::from_fn(guard::guard);
    api.merge(openapi::served(document))
        .merge(pages)
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(known)
        .layer(axum::extract::DefaultBodyLimit::max(guard::MOST_BODY))
        .layer(guarded)
        .with_state(app)
}
