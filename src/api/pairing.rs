//! How a device is paired: its owner reads a code on a terminal and gives it to the device, which gets a
//! token for it.
//!
//! A code has 40 bits, lives two minutes and works once. Ten wrong ones make all codes void, and for a minute
//! none is taken: whoever guesses has 10 of 2^40 chances each time that the owner asks for a code.

use super::App;
use super::devices::{self, Device, now};
use super::guard::Connection;
use super::input::Json;
use super::problem::Problem;
use super::record::{act_of, not_done, note};
use super::token::{self, Bearer};
use crate::approvals::Via;
use crate::audit::{Digest, Text};
use crate::failure::{Failure, Kind};
use crate::policy::text::plain_text;
use crate::state::{State, cannot};
use axum::Extension;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rusqlite::params;
use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;

/// For so long a code works.
pub const LIFE: Duration = Duration::from_secs(120);
/// Wrong codes, until none is taken.
pub const TRIES: u32 = 10;
/// For so long none is taken then.
pub const REST: Duration = Duration::from_secs(60);
/// Codes that wait at one time; an older one makes room.
const WAITING: usize = 4;
const LENGTH: usize = 8;
/// Nothing that looks like something else.
const LETTERS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// A code for one device: `ABCD-2345`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code(String);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (one, two) = self.0.split_at(LENGTH / 2);
        write!(f, "{one}-{two}")
    }
}

impl Code {
    fn fresh() -> Result<Self, Failure> {
        let mut bits = [0; LENGTH];
        getrandom::fill(&mut bits)
            .map_err(|error| Failure::new(Kind::Io, "no random numbers").because(error))?;
        let letter = |byte: &u8| char::from(LETTERS[usize::from(byte & 31)]);
        Ok(Self(bits.iter().map(letter).collect()))
    }

    /// As a person types it.
    fn read(text: &str) -> Option<Self> {
        let typed = text.chars().filter(|c| *c != '-' && *c != ' ');
        let code: String = typed.map(|c| c.to_ascii_uppercase()).collect();
        let fits = code.len() == LENGTH && code.bytes().all(|byte| LETTERS.contains(&byte));
        fits.then_some(Self(code))
    }

    fn digest(&self) -> String {
        Digest::of(self.0.as_bytes()).to_string()
    }
}

/// A new code, for its owner's eyes. It works with whatever process serves this workspace.
pub fn offer(state: &mut State) -> Result<Code, Failure> {
    let code = Code::fresh()?;
    let path = state.path().to_owned();
    state.change(|change| {
        let failed = |error: rusqlite::Error| cannot("write", &path, &error);
        forget(change).map_err(failed)?;
        let room = "DELETE FROM pairings WHERE code_sha256 NOT IN \
                    (SELECT code_sha256 FROM pairings ORDER BY created_at DESC, rowid DESC LIMIT ?1)";
        change.execute(room, [WAITING - 1]).map_err(failed)?;
        let sql = "INSERT INTO pairings (code_sha256, created_at, expires_at) VALUES (?1, ?2, ?3)";
        let row = params![code.digest(), now(), now() + LIFE.as_secs()];
        change.execute(sql, row).map(drop).map_err(failed)
    })?;
    Ok(code)
}

fn forget(change: &rusqlite::Transaction<'_>) -> rusqlite::Result<()> {
    change.execute("DELETE FROM pairings WHERE expires_at <= ?1", [now()]).map(drop)
}

/// Wrong codes, counted over all connections: on the loopback one is like the other.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    wrong: u32,
    until: Option<Instant>,
}

impl Attempts {
    /// How long none is taken, where that is so.
    fn rest(&self) -> Option<Duration> {
        let mut counted = self.lock();
        let left = counted.until?.saturating_duration_since(Instant::now());
        if left.is_zero() {
            *counted = Counted::default();
            return None;
        }
        Some(left)
    }

    /// True where it was one too many.
    fn wrong(&self) -> bool {
        let mut counted = self.lock();
        counted.wrong += 1;
        if counted.wrong < TRIES {
            return false;
        }
        counted.until = Some(Instant::now() + REST);
        true
    }

    fn right(&self) {
        *self.lock() = Counted::default();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counted> {
        // Two numbers are right whatever happened to who had them.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What a device gets.
#[derive(Debug, Clone)]
pub struct Paired {
    pub device: Device,
    pub token: String,
}

/// Gives a token for a code, once.
pub fn exchange(app: &App, code: &str, name: &str, bearer: Bearer) -> Result<Paired, Problem> {
    if let Some(left) = app.attempts().rest() {
        return Err(too_often(left));
    }
    let name = plain_text(name).map_err(|why| {
        Failure::new(Kind::Usage, "the device's name cannot be used").because(why)
    })?;
    let name = Text::new(&name);
    let no_bits = |error| Failure::new(Kind::Io, "no random numbers").because(error);
    let token = token::fresh(bearer).map_err(no_bits)?;
    let mut state = app.state()?;
    let device = match Code::read(code) {
        Some(code) => redeem(app, &mut state, &code, &name, (&token, bearer))?,
        None => None,
    };
    if let Some(device) = device {
        app.attempts().right();
        return Ok(Paired { device, token });
    }
    if app.attempts().wrong() {
        void(&mut state)?;
        return Err(too_often(REST));
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "this code is wrong, or used, or older than two minutes",
    )
    .hint("jail api pair shows a new one"))
}

/// The device that this code makes; the code is gone then. It is on record before it counts.
fn redeem(
    app: &App,
    state: &mut State,
    code: &Code,
    name: &Text,
    (token, bearer): (&str, Bearer),
) -> Result<Option<Device>, Failure> {
    let path = state.path().to_owned();
    let via = if bearer == Bearer::Cookie { Via::Console } else { Via::Api };
    let mut noted = None;
    let made = state.change(|change| {
        let failed = |error: rusqlite::Error| cannot("write", &path, &error);
        forget(change).map_err(failed)?;
        let mut all = change.prepare("SELECT code_sha256 FROM pairings").map_err(failed)?;
        let all = all.query_map([], |row| row.get::<_, String>(0)).map_err(failed)?;
        let digest = code.digest();
        let mut found = false;
        for known in all {
            found |= bool::from(known.map_err(failed)?.as_bytes().ct_eq(digest.as_bytes()));
        }
        if !found {
            return Ok(None);
        }
        let device = devices::add(change, name, token, bearer).map_err(failed)?;
        let device = device.ok_or_else(devices::too_many)?;
        let sql = "DELETE FROM pairings WHERE code_sha256 = ?1";
        change.execute(sql, [digest]).map_err(failed)?;
        let title = device.title();
        let by = Text::new(&format!("device {title}"));
        let act = act_of(["api devices pair", &title], by, via);
        note(app.log(), act.clone())?;
        noted = Some(act);
        Ok(Some(device))
    });
    made.map_err(|failure| match noted {
        Some(act) => not_done(app.log(), act, failure),
        None => failure,
    })
}

/// No code works any more.
fn void(state: &mut State) -> Result<(), Failure> {
    let path = state.path().to_owned();
    state.change(|change| {
        let done = change.execute("DELETE FROM pairings", []);
        done.map(drop).map_err(|error| cannot("write", &path, &error))
    })
}

fn too_often(left: Duration) -> Problem {
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    let what = format!("{TRIES} codes were wrong: none is taken for {seconds} s, and all are void");
    Problem::new(StatusCode::TOO_MANY_REQUESTS, what)
        .hint("jail api pair shows a new one, after that")
        .with(header::RETRY_AFTER, HeaderValue::from(seconds))
}

/// A device that would like to be paired.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pairing {
    /// As the terminal shows it.
    #[schema(min_length = 1, max_length = 64)]
    code: String,
    /// What its owner shall call it.
    #[schema(min_length = 1, max_length = 256)]
    name: String,
    /// The token comes as a cookie, for a browser, and is not in the answer. Only by the name jail.localhost.
    #[serde(default)]
    cookie: bool,
}

/// A device that is paired now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NewDevice {
    device: Device,
    /// For `Authorization: Bearer`. It is shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// Pair a device: a code of its owner's terminal for a token.
#[utoipa::path(
    post, path = "/v1/pair", tag = "devices", security(()),
    request_body = Pairing,
    responses(
        (status = 201, description = "It is paired.", body = NewDevice),
        (status = 403, description = "The code is wrong, used or too old.", body = super::problem::Sent),
        (status = 421, description = "A cookie is for a browser that calls it jail.localhost.",
            body = super::problem::Sent),
        (status = 429, description = "Ten codes were wrong.", body = super::problem::Sent,
            headers(("Retry-After" = u64, description = "Seconds"))),
    )
)]
pub(super) async fn pair(
    Shared(app): Shared<App>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    Json(asked): Json<Pairing>,
) -> Result<Response, Problem> {
    if asked.cookie {
        token::takes_cookies(connection, &headers)?;
    }
    let bearer = if asked.cookie { Bearer::Cookie } else { Bearer::Header };
    let act = move |app: &App| exchange(app, &asked.code, &asked.name, bearer);
    let Paired { device, token } = app.work(act).await?;
    if bearer == Bearer::Header {
        let sent = NewDevice { device, token: Some(token) };
        return Ok((StatusCode::CREATED, axum::Json(sent)).into_response());
    }
    let cookie = token::cookie(&app, &token)?;
    let sent = axum::Json(NewDevice { device, token: None });
    Ok((StatusCode::CREATED, [(header::SET_COOKIE, cookie)], sent).into_response())
}

#[cfg(test)]
mod tests;
