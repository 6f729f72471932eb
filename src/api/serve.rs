//! Takes connections and serves them, until SIGTERM or SIGINT.
//!
//! One thread for all connections, and some for files. A connection that says nothing costs its memory and a
//! place; where places run out, the oldest of those makes room of which nobody knows who asks, whatever it is
//! doing, and else the one that has been silent for longest. Those at the unix socket have places of their own,
//! so that nobody at the loopback keeps the owner out.

use super::conn::{Activity, Held, Patient};
use super::guard::Connection;
use super::listen::Listeners;
use super::peer;
use super::refused::Refusals;
use super::{AT_ONCE, App, STOPS};
use crate::cli::ui;
use crate::failure::{Failure, Kind};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::sys::signal::{SigmaskHow, sigprocmask};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::AbortHandle;
use tower_service::Service as _;

/// Connections over TCP at one time.
const OVER_TCP: usize = 256;
/// And at the unix socket.
const OVER_UNIX: usize = 128;
/// For the head of a request; also how long a connection may wait for the next one.
const HEAD: Duration = Duration::from_secs(10);
const MOST_HEADERS: usize = 64;
const MOST_HEAD: usize = 16 << 10;
/// At the end, for what is under way.
const LAST: Duration = Duration::from_secs(2);
/// After an error of accept(2), such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until it is told to end. The socket in the file system is gone then.
pub fn serve(app: &App, router: Router, listeners: Listeners) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::new(Kind::Io, "cannot serve").because(error);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(AT_ONCE + STOPS)
        .build()
        .map_err(failed)?;
    let result = runtime.block_on(run(app, router, &listeners)).map_err(failed);
    // What still reads or writes a file is all or nothing in itself.
    runtime.shutdown_timeout(LAST);
    result
}

async fn run(app: &App, router: Router, listeners: &Listeners) -> io::Result<()> {
    let mut ends = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
    sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&super::listen::ends()), None)?;
    let unix = UnixListener::from_std(listeners.unix.try_clone()?)?;
    let tcp: Vec<TcpListener> = listeners.tcp.iter().map(taken).collect::<io::Result<_>>()?;
    let served =
        |most| Places { most, router: router.clone(), app: app.clone(), open: Arc::default() };
    let refusals = Refusals::default();
    let (over_unix, over_tcp) = (served(OVER_UNIX), served(OVER_TCP));
    loop {
        tokio::select! {
            () = any(&mut ends) => break,
            accepted = unix.accept() => match accepted {
                Ok((stream, _)) => match peer::vetted(&stream) {
                    Ok(peer) => over_unix.serve(TokioIo::new(stream), Connection::Unix(peer)),
                    Err(why) => refusals.tell(stream, why),
                },
                Err(error) => not_accepted(&error).await,
            },
            accepted = accept(&tcp) => match accepted {
                Ok((stream, connection)) => over_tcp.serve(TokioIo::new(stream), connection),
                Err(error) => not_accepted(&error).await,
            },
        }
    }
    drop((unix, tcp));
    app.close();
    let until = tokio::time::Instant::now() + LAST;
    while !(over_unix.is_empty() && over_tcp.is_empty()) && tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

async fn any(signals: &mut [Signal; 2]) {
    let [one, two] = signals;
    tokio::select! {
        _ = one.recv() => {}
        _ = two.recv() => {}
    }
}

fn taken(listener: &std::net::TcpListener) -> io::Result<TcpListener> {
    TcpListener::from_std(listener.try_clone()?)
}

/// The next connection over TCP, at whichever address; never one where nobody listens there.
async fn accept(listeners: &[TcpListener]) -> io::Result<(TcpStream, Connection)> {
    let next = |context: &mut Context<'_>| {
        let mut all = listeners.iter().map(|listener| listener.poll_accept(context));
        all.find(Poll::is_ready).unwrap_or(Poll::Pending)
    };
    let (stream, _) = std::future::poll_fn(next).await?;
    // Answers are small, and somebody waits for them.
    stream.set_nodelay(true)?;
    let at = stream.local_addr()?;
    Ok((stream, Connection::Tcp { at }))
}

async fn not_accepted(error: &io::Error) {
    // One that its client has given up meanwhile is nobody's loss.
    if error.kind() != io::ErrorKind::ConnectionAborted {
        ui::line(&format!("jail: cannot take a connection: {error}"));
        tokio::time::sleep(PAUSE).await;
    }
}

/// The connections by one way.
struct Places {
    most: usize,
    router: Router,
    app: App,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    next: u64,
    all: BTreeMap<u64, (AbortHandle, Activity)>,
}

impl Places {
    fn serve<S>(&self, stream: TokioIo<S>, connection: Connection)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut open = locked(&self.open);
        if open.all.len() >= self.most && !open.make_room() {
            // All are at work for somebody known: closing this one is all that can be said.
            return;
        }
        let number = open.next;
        open.next += 1;
        let activity = Activity::new(matches!(connection, Connection::Unix(_)));
        let stream = Patient::new(stream, activity.clone());
        let router = self.router.clone();
        let service = Door { router, connection, activity: activity.clone() };
        let (all, app) = (self.open.clone(), self.app.clone());
        let task = tokio::spawn(async move {
            one(stream, service, &app).await;
            locked(&all).all.remove(&number);
        });
        open.all.insert(number, (task.abort_handle(), activity));
    }

    fn is_empty(&self) -> bool {
        locked(&self.open).all.is_empty()
    }
}

impl Open {
    /// Closes the oldest connection of which nobody knows who asks, else the one that has been silent for
    /// longest. False where there is neither.
    fn make_room(&mut self) -> bool {
        let silent = || {
            let all = self.all.iter().filter_map(|(number, (_, activity))| {
                activity.silent_since().map(|since| (since, *number))
            });
            all.min().map(|(_, number)| number)
        };
        let mut unknown = self.all.iter().filter(|(_, (_, activity))| !activity.is_known());
        let first = unknown.next().map(|(number, _)| *number);
        let Some(number) = first.or_else(silent) else { return false };
        if let Some((task, _)) = self.all.remove(&number) {
            task.abort();
        }
        true
    }
}

async fn one<S>(stream: Patient<TokioIo<S>>, service: Door, app: &App)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_headers(MOST_HEADERS)
        .max_buf_size(MOST_HEAD)
        .serve_connection(stream, service);
    let mut connection = pin!(connection);
    // How a connection ends is its client's affair: there is nobody else to tell.
    tokio::select! {
        ended = connection.as_mut() => drop(ended),
        () = app.closed() => {
            connection.as_mut().graceful_shutdown();
            drop(tokio::time::timeout(LAST, connection).await);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is one step: what is in it is right whatever happened to who had it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The router, as one connection sees it.
struct Door {
    router: Router,
    connection: Connection,
    activity: Activity,
}

impl hyper::service::Service<Request<Incoming>> for Door {
    type Response = Response<Held>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let busy = self.activity.begin();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.connection);
        request.extensions_mut().insert(self.activity.clone());
        let (mut router, activity) = (self.router.clone(), self.activity.clone());
        Box::pin(async move {
            let response = router.call(request).await?;
            let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
            activity.watches(kind == Some(b"text/event-stream"));
            Ok(response.map(|body| Held { body, _busy: busy }))
        })
    }
}
