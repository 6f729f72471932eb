//! Takes connections and serves them, until SIGTERM or SIGINT.
//!
//! One thread for all connections, and some for files. A connection that says nothing costs its memory and a
//! place; where places run out, the one that has been silent for longest makes room. Those at the unix socket
//! have places of their own, so that nobody at the loopback keeps the owner out.

use super::guard::Connection;
use super::listen::Listeners;
use super::peer::{self, Peer};
use super::{AT_ONCE, App};
use crate::cli::ui;
use crate::failure::{Failure, Kind};
use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::{Request, Response};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::sys::signal::{SigmaskHow, sigprocmask};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
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
        .max_blocking_threads(AT_ONCE)
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
    let tcp = listeners.tcp.as_ref().map(TcpListeners::of).transpose()?;
    let served =
        |most| Places { most, router: router.clone(), app: app.clone(), open: Arc::default() };
    let (over_unix, over_tcp) = (served(OVER_UNIX), served(OVER_TCP));
    loop {
        tokio::select! {
            () = any(&mut ends) => break,
            accepted = unix.accept() => match accepted {
                Ok((stream, _)) => {
                    if let Some(peer) = let_in(&stream) {
                        over_unix.serve(TokioIo::new(stream), Connection::Unix(peer));
                    }
                }
                Err(error) => not_accepted(&error).await,
            },
            accepted = accept(tcp.as_ref()) => match accepted {
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

struct TcpListeners(TcpListener);

impl TcpListeners {
    fn of(listener: &std::net::TcpListener) -> io::Result<Self> {
        TcpListener::from_std(listener.try_clone()?).map(Self)
    }
}

/// The next connection over TCP; never one where nobody listens there.
async fn accept(listener: Option<&TcpListeners>) -> io::Result<(TcpStream, Connection)> {
    let Some(TcpListeners(listener)) = listener else { return std::future::pending().await };
    let (stream, _) = listener.accept().await?;
    // Answers are small, and somebody waits for them.
    stream.set_nodelay(true)?;
    let at = stream.local_addr()?;
    Ok((stream, Connection::Tcp { at }))
}

fn let_in(stream: &UnixStream) -> Option<Peer> {
    match peer::vetted(stream) {
        Ok(peer) => Some(peer),
        Err(why) => {
            ui::line(&format!("jail: refused a connection at the unix socket: {why}"));
            None
        }
    }
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
            // All are at work: closing this one is all that can be said.
            return;
        }
        let number = open.next;
        open.next += 1;
        let activity = Activity::new();
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
    /// Closes the connection that has been silent for longest. False where none is.
    fn make_room(&mut self) -> bool {
        let silent = self.all.iter().filter_map(|(number, (_, activity))| {
            activity.silent_since().map(|since| (since, *number))
        });
        let Some((_, number)) = silent.min() else { return false };
        if let Some((task, _)) = self.all.remove(&number) {
            task.abort();
        }
        true
    }
}

async fn one<S>(stream: TokioIo<S>, service: Door, app: &App)
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

/// What one connection does.
#[derive(Clone)]
struct Activity(Arc<Mutex<(usize, Instant)>>);

impl Activity {
    fn new() -> Self {
        Self(Arc::new(Mutex::new((0, Instant::now()))))
    }

    fn begin(&self) -> Busy {
        locked(&self.0).0 += 1;
        Busy(self.clone())
    }

    fn silent_since(&self) -> Option<Instant> {
        let (busy, since) = *locked(&self.0);
        (busy == 0).then_some(since)
    }
}

/// A request is under way, until the last byte of its answer was taken.
struct Busy(Activity);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = locked(&self.0.0);
        state.0 -= 1;
        state.1 = Instant::now();
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
        let mut router = self.router.clone();
        Box::pin(async move {
            let response = router.call(request).await?;
            Ok(response.map(|body| Held { body, _busy: busy }))
        })
    }
}

/// The body of an answer; its connection is at work as long as it is there.
struct Held {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Held {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
