//! Browsers and programs that may use the API over TCP, in the database.

use super::token::Bearer;
use crate::audit::{Digest, Text};
use crate::failure::{Failure, Kind};
use crate::state::{State, cannot};
use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use serde::Serialize;
use std::time::SystemTime;
use utoipa::ToSchema;

/// Devices that are paired at one time.
pub const MOST: usize = 32;
/// That a device was seen is written down once in so many seconds.
const SEEN_EVERY: u64 = 60;
/// A browser that was not seen for so many seconds, a fortnight, has to be paired again.
pub const UNSEEN: u64 = 14 * 24 * 60 * 60;
const COLUMNS: &str = "id, name, created_at, seen_at, revoked_at, cookie";

/// A device that was paired; its token is not among what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Device {
    pub id: String,
    /// As it called itself.
    #[schema(value_type = String)]
    pub name: Text,
    /// Seconds since 1970.
    pub created_at: u64,
    pub seen_at: u64,
    /// From then on its token is not taken any more: it was revoked, or it is a browser that was not seen for a
    /// fortnight.
    pub revoked_at: Option<u64>,
}

impl Device {
    /// As records name it.
    pub fn title(&self) -> String {
        format!("{} ({})", self.id, self.name)
    }
}

/// All devices, those that were paired first at the beginning.
pub fn list(state: &State) -> Result<Vec<Device>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM devices ORDER BY created_at, rowid");
    state.read(|it| it.prepare(&sql)?.query_map([], device)?.collect())
}

/// The token of this device is not taken any more. `None`: there is no such device. One that was revoked
/// stays so since then.
pub fn revoke(state: &mut State, id: &str) -> Result<Option<Device>, Failure> {
    let path = state.path().to_owned();
    state.change(|change| {
        let failed = |error: rusqlite::Error| cannot("write", &path, &error);
        let sql = format!(
            "UPDATE devices SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1 RETURNING {COLUMNS}"
        );
        change.query_row(&sql, params![id, now()], device).optional().map_err(failed)
    })
}

/// The device whose token this is, while it is not revoked.
pub(super) fn known(state: &mut State, token: &str) -> Result<Option<Device>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM devices WHERE token_sha256 = ?1");
    // Looked up by its digest: how long that takes says nothing about the token.
    let digest = Digest::of(token.as_bytes()).to_string();
    let found = state.read(|it| it.query_row(&sql, [digest], device).optional())?;
    let found = found.filter(|device| device.revoked_at.is_none());
    if let Some(device) = &found
        && device.seen_at.saturating_add(SEEN_EVERY) <= now()
    {
        let path = state.path().to_owned();
        state.change(|change| {
            let sql = "UPDATE devices SET seen_at = ?2 WHERE id = ?1";
            let done = change.execute(sql, params![device.id, now()]);
            done.map(drop).map_err(|error| cannot("write", &path, &error))
        })?;
    }
    Ok(found)
}

/// Is this device still paired?
pub(super) fn is_paired(state: &State, id: &str) -> Result<bool, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM devices WHERE id = ?1");
    let found = state.read(|it| it.query_row(&sql, [id], device).optional())?;
    Ok(found.is_some_and(|device| device.revoked_at.is_none()))
}

/// A new device that has this token. Of those that were revoked the oldest make room.
pub(super) fn add(
    change: &Transaction<'_>,
    name: &Text,
    token: &str,
    bearer: Bearer,
) -> rusqlite::Result<Option<Device>> {
    let unseen = "UPDATE devices SET revoked_at = seen_at + ?1 \
                  WHERE revoked_at IS NULL AND cookie = 1 AND seen_at + ?1 <= ?2";
    change.execute(unseen, params![UNSEEN, now()])?;
    let paired = "SELECT count(*) FROM devices WHERE revoked_at IS NULL";
    let paired: usize = change.query_row(paired, [], |row| row.get(0))?;
    if paired >= MOST {
        return Ok(None);
    }
    let old = "DELETE FROM devices WHERE revoked_at IS NOT NULL AND id NOT IN \
               (SELECT id FROM devices WHERE revoked_at IS NOT NULL \
                ORDER BY revoked_at DESC, rowid DESC LIMIT ?1)";
    change.execute(old, [MOST])?;
    let digest = Digest::of(token.as_bytes()).to_string();
    // Known to all who look, so nothing of the token itself.
    let id = crate::audit::RunId::fresh().to_string();
    let sql = format!(
        "INSERT INTO devices (id, name, token_sha256, created_at, seen_at, cookie) \
         VALUES (?1, ?2, ?3, ?4, ?4, ?5) RETURNING {COLUMNS}"
    );
    let row = params![id, name.as_str(), digest, now(), bearer == Bearer::Cookie];
    change.query_row(&sql, row, device).map(Some)
}

/// Why there is none more.
pub(super) fn too_many() -> Failure {
    Failure::new(Kind::Refused, format!("{MOST} devices are paired already"))
        .hint("jail api devices revoke ID takes one out")
}

fn device(row: &Row<'_>) -> rusqlite::Result<Device> {
    let (name, seen_at, cookie): (String, u64, bool) = (row.get(1)?, row.get(3)?, row.get(5)?);
    let until = seen_at.saturating_add(UNSEEN);
    let revoked_at: Option<u64> = row.get(4)?;
    Ok(Device {
        id: row.get(0)?,
        name: name.into(),
        created_at: row.get(2)?,
        seen_at,
        revoked_at: revoked_at.or((cookie && until <= now()).then_some(until)),
    })
}

pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map(|since| since.as_secs()).unwrap_or_default()
}
