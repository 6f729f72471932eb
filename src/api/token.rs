//! Who asks: a process of the owner at the unix socket, or a paired device by its token.
//!
//! A device has 256 random bits, of which we keep the SHA-256. A program sends them in `Authorization`, a
//! browser in a cookie that no script can read and no other site can have sent (`HttpOnly`,
//! `SameSite=Strict`). The two are not the same token: what a browser leaks is of no use to a program that
//! has no browser's manners.

use super::conn::Activity;
use super::guard::{self, Connection};
use super::problem::Problem;
use super::{App, devices};
use crate::approvals::Via;
use crate::audit::Text;
use crate::failure::{Failure, Kind};
use axum::extract::{FromRequestParts, OptionalFromRequestParts, Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64URL_NOPAD;
use std::convert::Infallible;
use std::path::Path;

/// Who asks, when that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub who: Who,
    /// For the record.
    pub via: Via,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// The owner, or root, at the unix socket.
    User {
        uid: u32,
        name: Text,
    },
    Device {
        id: String,
        name: Text,
    },
}

impl Caller {
    /// As an answer or a rule names who gave it.
    pub fn by(&self) -> Text {
        match &self.who {
            Who::User { name, .. } => name.clone(),
            Who::Device { id, name } => Text::new(&format!("device {id} ({name})")),
        }
    }
}

/// By what a device shows its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearer {
    Header,
    Cookie,
}

impl Bearer {
    /// Part of the token, so that each is good for its own way only.
    fn prefix(self) -> &'static str {
        match self {
            Self::Header => "jail_",
            Self::Cookie => "jailc_",
        }
    }
}

/// A new token.
pub(super) fn fresh(bearer: Bearer) -> Result<String, getrandom::Error> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits)?;
    Ok(format!("{}{}", bearer.prefix(), BASE64URL_NOPAD.encode(&bits)))
}

/// The cookie's name. A browser sends cookies of one host to all its ports: other workspaces may be there, and
/// this one may be at another port the next time.
fn cookie_name(log: &Path) -> String {
    format!("jail-{}", crate::runs::bucket(log))
}

/// The header that gives a browser its token.
pub fn cookie(app: &App, token: &str) -> Result<HeaderValue, Problem> {
    let name = cookie_name(app.log());
    // A year; when it counts no more is known here. Without TLS there is no `Secure` to ask for.
    let text = format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000");
    HeaderValue::try_from(text).map_err(|error| {
        Failure::new(Kind::Io, "the cookie cannot be written").because(error).into()
    })
}

/// A cookie is for a browser, which comes over TCP and by the one name that nobody else is called by.
pub fn takes_cookies(connection: Connection, headers: &HeaderMap) -> Result<(), Problem> {
    if matches!(connection, Connection::Unix(_)) {
        let what = "a cookie is for a browser, which comes over TCP";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, what));
    }
    let Some(origin) = guard::elsewhere(connection, headers) else { return Ok(()) };
    let what =
        "a browser is not paired by this name: its cookie would go to whatever else is called so";
    Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, what).hint(format!("open {origin}/")))
}

/// Finds out who asks, for the handlers. It refuses nobody but a browser without the manners of one.
pub(super) async fn identify(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let found = match seen(app.log(), &request) {
        Ok(seen) => caller(&app, seen).await,
        Err(problem) => Err(problem),
    };
    match found {
        Ok(Some(caller)) => {
            if let Some(activity) = request.extensions().get::<Activity>() {
                activity.known();
            }
            request.extensions_mut().insert(caller);
        }
        Ok(None) => {}
        Err(problem) => return problem.into_response(),
    }
    next.run(request).await
}

/// What a request shows.
enum Seen {
    User(u32),
    Token(Bearer, String),
    Nothing,
}

fn seen(log: &Path, request: &Request) -> Result<Seen, Problem> {
    match request.extensions().get::<Connection>() {
        Some(Connection::Unix(peer)) => return Ok(Seen::User(peer.uid)),
        Some(Connection::Tcp { .. }) => {}
        None => return Ok(Seen::Nothing),
    }
    let shown = shown(request.headers(), &cookie_name(log));
    let Some((bearer, token)) = shown.filter(|(bearer, it)| it.starts_with(bearer.prefix())) else {
        return Ok(Seen::Nothing);
    };
    if bearer == Bearer::Cookie && !guard::called_by_a_browser(request.headers()) {
        return Ok(Seen::Nothing);
    }
    if bearer == Bearer::Cookie && guard::changes(request.method()) && !own_page(request.headers())
    {
        // The guard has seen that no other page sent it; a browser says which one did.
        let what = "a browser says which page sends what changes something";
        return Err(Problem::new(StatusCode::FORBIDDEN, what));
    }
    Ok(Seen::Token(bearer, token))
}

async fn caller(app: &App, seen: Seen) -> Result<Option<Caller>, Problem> {
    let (bearer, token) = match seen {
        Seen::Nothing => return Ok(None),
        Seen::Token(bearer, token) => (bearer, token),
        Seen::User(uid) => {
            let name = app.work(move |_| Ok::<_, Problem>(user(uid))).await?;
            return Ok(Some(Caller { who: Who::User { uid, name }, via: Via::Api }));
        }
    };
    let known = app.work(move |app| devices::known(&mut app.state()?, &token)).await?;
    let via = if bearer == Bearer::Cookie { Via::Console } else { Via::Api };
    Ok(known.map(|device| Caller { who: Who::Device { id: device.id, name: device.name }, via }))
}

/// The token that a request shows, `Authorization` first.
fn shown(headers: &HeaderMap, cookie: &str) -> Option<(Bearer, String)> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        let bearer = scheme.eq_ignore_ascii_case("bearer");
        return bearer.then(|| (Bearer::Header, token.trim().to_owned()));
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|it| it.split_once('='));
    let (_, token) = pairs.find(|(own, _)| own.trim() == cookie)?;
    Some((Bearer::Cookie, token.trim().to_owned()))
}

fn own_page(headers: &HeaderMap) -> bool {
    let site = headers.get(HeaderName::from_static("sec-fetch-site"));
    headers.contains_key(header::ORIGIN) || site.is_some_and(|site| site == "same-origin")
}

fn user(uid: u32) -> Text {
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)).ok().flatten();
    user.map_or_else(|| format!("uid {uid}").into(), |user| user.name.into())
}

/// Who is not known gets no further.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            let scheme = HeaderValue::from_static("Bearer realm=\"jail\"");
            Problem::new(StatusCode::UNAUTHORIZED, "this device is not paired, or not any more")
                .hint("jail api pair shows a code; POST /v1/pair gives a token for it")
                .with(header::WWW_AUTHENTICATE, scheme)
        })
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_token_is_found_where_it_belongs() {
        let found = |pairs| shown(&headers(pairs), "jail-7777");
        let bearer = |token: &str| Some((Bearer::Header, token.to_owned()));
        assert_eq!(found(&[("authorization", "Bearer jail_x")]), bearer("jail_x"));
        assert_eq!(found(&[("authorization", "bearer  jail_x")]), bearer("jail_x"));
        assert_eq!(found(&[("authorization", "Basic jail_x")]), None);
        let cookie = Some((Bearer::Cookie, "jailc_y".to_owned()));
        assert_eq!(found(&[("cookie", "a=b; jail-7777=jailc_y; jail-1=z")]), cookie);
        assert_eq!(found(&[("cookie", "jail-777=jailc_y")]), None);
        let both = [("authorization", "Basic x"), ("cookie", "jail-7777=jailc_y")];
        assert_eq!(found(&both), None, "what is said to be the token is the token");
    }

    #[test]
    fn tokens_differ_and_have_256_bits() {
        let tokens: std::collections::HashSet<_> =
            (0..100).map(|_| fresh(Bearer::Header).unwrap()).collect();
        assert_eq!(tokens.len(), 100);
        assert!(tokens.iter().all(|token| token.len() == "jail_".len() + 43));
    }

    #[test]
    fn a_cookie_counts_by_the_name_for_browsers_alone() {
        let log = Path::new("/w/.cloned/audit.jsonl");
        let cookie = format!("{}=jailc_y", cookie_name(log));
        let asked = |host: &str| {
            let request = Request::builder().header("host", host).header("cookie", &cookie);
            let mut request = request.body(axum::body::Body::empty()).unwrap();
            let at = "127.0.0.1:7777".parse().unwrap();
            request.extensions_mut().insert(Connection::Tcp { at });
            let by_cookie = matches!(seen(log, &request), Ok(Seen::Token(Bearer::Cookie, _)));
            let connection = Connection::Tcp { at };
            assert_eq!(by_cookie, takes_cookies(connection, request.headers()).is_ok(), "{host}");
            by_cookie
        };
        assert!(asked("jail.localhost:7777") && asked("Jail.Localhost:7777"));
        for host in ["127.0.0.1:7777", "localhost:7777", "[::1]:7777", ""] {
            assert!(!asked(host), "{host}");
        }
    }
}
