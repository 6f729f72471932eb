//! What every request has to look like, before anything is done for it.
//!
//! A browser sends requests for whatever page is open in it. So that no other page can act here: the host
//! has to be ours by name (a name of somebody else that leads to our address is not), the page that asks has
//! to be ours (`Origin`, `Sec-Fetch-Site`), no header ever allows another one (no CORS), and what changes
//! something has to be JSON, which no form of another page can send unasked.

use super::peer::Peer;
use super::problem::Problem;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::SocketAddr;
use std::time::Duration;

/// The most bytes of a body.
pub(super) const MOST_BODY: usize = 64 << 10;
/// From the end of the head to the begin of the answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The name for browsers. No port is part of a cookie's place, but a name is: a cookie of 127.0.0.1 would go to
/// whatever else listens there.
const FOR_BROWSERS: &str = "jail.localhost";
/// By these names somebody on this machine calls it.
const NAMES: [&str; 4] = ["127.0.0.1", "[::1]", "localhost", FOR_BROWSERS];

/// By which way a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    Unix(Peer),
    /// `at` is our own address.
    Tcp {
        at: SocketAddr,
    },
}

/// Where a browser finds what is served at this address: an origin, without a slash at its end.
pub fn for_browsers(at: SocketAddr) -> String {
    format!("http://{FOR_BROWSERS}:{}", at.port())
}

/// Was it called by the name for browsers? The guard has let it through already.
pub(super) fn called_by_a_browser(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.split(':').next().unwrap_or_default();
    name.eq_ignore_ascii_case(FOR_BROWSERS)
}

/// Where a browser has to go first, that came by another name.
pub fn elsewhere(connection: Connection, headers: &HeaderMap) -> Option<String> {
    match connection {
        Connection::Tcp { at } if !called_by_a_browser(headers) => Some(for_browsers(at)),
        _ => None,
    }
}

/// Lets through what may come in, and sees to what goes out.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let mut response = match check(&request) {
        Err(problem) => problem.into_response(),
        Ok(()) => match tokio::time::timeout(PATIENCE, next.run(request)).await {
            Ok(response) => response,
            Err(_) => {
                let what = format!("it took longer than {} s", PATIENCE.as_secs());
                Problem::new(StatusCode::REQUEST_TIMEOUT, what).into_response()
            }
        },
    };
    close(&mut response);
    response
}

fn check(request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    let connection = request.extensions().get::<Connection>().copied();
    let connection = connection.ok_or_else(|| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "nobody said by which way this came")
    })?;
    let host = host(headers, request.uri(), connection)?;
    let own = own_origin(headers, &host, connection)?;
    if changes(request.method()) {
        body(headers, own)?;
    }
    Ok(())
}

pub(super) fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The host that is meant, where it is us.
fn host(headers: &HeaderMap, uri: &Uri, connection: Connection) -> Result<String, Problem> {
    let bad = |what: &str| Problem::new(StatusCode::BAD_REQUEST, what);
    let host = match only(headers, &header::HOST)? {
        Some(host) => host.to_ascii_lowercase(),
        None => return Err(bad("the header Host is missing")),
    };
    if uri.authority().is_some_and(|named| !named.as_str().eq_ignore_ascii_case(&host)) {
        return Err(bad("the request line names another host than the header Host"));
    }
    let known = NAMES.iter().any(|name| match (host.strip_prefix(name), connection) {
        // Who connects to the socket by its path does not get there by a name.
        (Some(rest), Connection::Unix(_)) => rest.is_empty() || rest.starts_with(':'),
        (Some(rest), Connection::Tcp { at }) => {
            rest == format!(":{}", at.port()) || (rest.is_empty() && at.port() == 80)
        }
        (None, _) => false,
    });
    if known {
        return Ok(host);
    }
    let what = "the header Host names somebody else: a page of that host may have sent this";
    let hint = match connection {
        Connection::Unix(_) => "call it localhost".to_owned(),
        Connection::Tcp { at } => format!("call it 127.0.0.1:{0} or localhost:{0}", at.port()),
    };
    Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, what).hint(hint))
}

/// True where a page of ours sent it, false where no page did.
fn own_origin(headers: &HeaderMap, host: &str, connection: Connection) -> Result<bool, Problem> {
    let foreign = |what: String| {
        Problem::new(StatusCode::FORBIDDEN, what).hint("only pages of this very address may ask")
    };
    let origin = only(headers, &header::ORIGIN)?;
    if let Some(origin) = origin {
        let tcp = matches!(connection, Connection::Tcp { .. });
        if !tcp || origin.strip_prefix("http://") != Some(host) {
            return Err(foreign("a page of another origin sent this".to_owned()));
        }
    }
    let site = only(headers, &HeaderName::from_static("sec-fetch-site"))?;
    match site {
        None => Ok(origin.is_some()),
        Some("same-origin") => Ok(true),
        Some("none") => Ok(origin.is_some()),
        Some(_) => Err(foreign("a page of another site sent this".to_owned())),
    }
}

/// JSON; of a page of ours also a form.
fn body(headers: &HeaderMap, own: bool) -> Result<(), Problem> {
    let length = only(headers, &header::CONTENT_LENGTH)?;
    let length = length.map(str::parse::<u64>).transpose().map_err(|_| {
        Problem::new(StatusCode::BAD_REQUEST, "the header Content-Length is no number")
    })?;
    if length.is_some_and(|length| length > MOST_BODY as u64) {
        return Err(too_large());
    }
    let some =
        length.is_some_and(|length| length > 0) || headers.contains_key(header::TRANSFER_ENCODING);
    let kind = only(headers, &header::CONTENT_TYPE)?;
    let essence = kind.map(|kind| kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase());
    match essence.as_deref() {
        Some("application/json") => Ok(()),
        Some("application/x-www-form-urlencoded") if own => Ok(()),
        None if !some => Ok(()),
        _ => Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is not called JSON")
            .hint("Content-Type: application/json")),
    }
}

pub(super) fn too_large() -> Problem {
    let what = format!("the body is larger than {MOST_BODY} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, what)
}

/// A header that may be there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let bad =
        |what: &str| Problem::new(StatusCode::BAD_REQUEST, format!("the header {name} {what}"));
    let mut all = headers.get_all(name).iter();
    let Some(first) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(bad("is there twice"));
    }
    first.to_str().map(Some).map_err(|_| bad("is no text"))
}

/// What every answer says, so that nobody keeps it, frames it, guesses what it is or reads it elsewhere. A
/// page may say itself what it loads.
pub(super) fn close(response: &mut Response<Body>) {
    const ALWAYS: [(HeaderName, &str); 6] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    const NOTHING: &str =
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let nothing = HeaderValue::from_static(NOTHING);
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(nothing);
}

#[cfg(test)]
mod tests;
