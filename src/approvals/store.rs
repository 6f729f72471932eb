//! Requests and decisions in the database.

use super::answer::{Answer, Decision, Lifetime, Scope, Verdict};
use super::request::{self, Asker, Occurrence, Request, RequestId, Standing, Subject};
use super::{MOST, MOST_OF_ONE};
use crate::calendar::LAST;
use crate::failure::{Failure, Kind};
use crate::state::{State, cannot};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It waits for an answer now.
    New(RequestId),
    /// It waited already.
    Again(RequestId),
    /// Too many wait: it was not written down.
    Full,
}

/// Which requests.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub standing: Option<Standing>,
    pub connector: Option<String>,
}

/// Writes a request down, or counts it where it waits already. One that was answered waits again: what
/// still counts would not be asked for.
pub fn record(
    state: &mut State,
    asker: &Asker,
    subject: &Subject,
    latest: &Occurrence,
    times: u64,
) -> Result<Recorded, Failure> {
    let id = RequestId::of(asker, subject);
    let key = request::key(asker, subject);
    let path = state.path().to_owned();
    state.change(|change| {
        let failed = |error: rusqlite::Error| cannot("write", &path, &error);
        let known: Option<(String, String)> = change
            .query_row("SELECT key, state FROM requests WHERE id = ?1", [id.as_str()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()
            .map_err(failed)?;
        let text = serde_json::to_string(latest).map_err(|error| cannot("write", &path, &error))?;
        let row = params![id.as_str(), latest.at, times, text, key];
        match known {
            // Somebody looked for two requests with one id: the first keeps it.
            Some((other, _)) if other != key => return Ok(Recorded::Full),
            Some((_, standing)) if standing == Standing::Pending.name() => {
                let sql = "UPDATE requests SET last_at = ?2, times = times + ?3, latest = ?4 \
                           WHERE id = ?1 AND key = ?5";
                change.execute(sql, row).map_err(failed)?;
                count(change).map_err(failed)?;
                return Ok(Recorded::Again(id));
            }
            Some(_) if came_late(change, &id, subject, latest).map_err(failed)? => {
                return Ok(Recorded::Again(id));
            }
            _ if is_full(change, asker).map_err(failed)? => return Ok(Recorded::Full),
            Some(_) => {
                let sql = "UPDATE requests SET state = 'pending', first_at = ?2, last_at = ?2, \
                           times = ?3, latest = ?4 WHERE id = ?1 AND key = ?5";
                change.execute(sql, row).map_err(failed)?;
            }
            None => {
                let sql = "INSERT INTO requests (id, state, first_at, last_at, times, latest, key) \
                           VALUES (?1, 'pending', ?2, ?2, ?3, ?4, ?5)";
                change.execute(sql, row).map_err(failed)?;
            }
        }
        count(change).map_err(failed)?;
        Ok(Recorded::New(id))
    })
}

/// How long after an answer a run may still report what it asked for before, in seconds. An agent that asks
/// again means it.
const LATE: u64 = 2;

/// Was this asked for before the answer that counts for it, and comes only now? It needs no other one.
fn came_late(
    change: &Connection,
    id: &RequestId,
    subject: &Subject,
    latest: &Occurrence,
) -> rusqlite::Result<bool> {
    let Some(Decision { at, answer, .. }) = last_decision(change, id)? else { return Ok(false) };
    let counts = match (answer.verdict, answer.lifetime) {
        (Verdict::Revoke, _) | (_, Lifetime::Once) => false,
        (_, Lifetime::Session) => answer.run == latest.run,
        (_, Lifetime::Until { end }) => latest.at < end,
        (_, Lifetime::Always) => true,
    };
    let late = latest.at <= at.saturating_add(LATE);
    Ok(match subject {
        Subject::Port { .. } => false,
        // No rule says it: what was denied stands here alone.
        Subject::Egress { private: true, .. } if answer.verdict == Verdict::Deny => counts,
        Subject::Egress { .. } => latest.run.is_some() && counts && late,
    })
}

/// Agents have places of their own: they cannot keep a connector from asking.
fn is_full(change: &Transaction<'_>, asker: &Asker) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*), count(*) FILTER (WHERE json_extract(key, '$.connector') = ?1) \
               FROM requests WHERE state = 'pending' \
               AND coalesce(json_extract(key, '$.agent'), 0) = ?2";
    let (all, own): (usize, usize) =
        change.query_row(sql, params![asker.connector.as_str(), asker.agent], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    Ok(all >= MOST || own >= MOST_OF_ONE)
}

fn count(change: &Transaction<'_>) -> rusqlite::Result<()> {
    change.execute("UPDATE changes SET count = count + 1", []).map(drop)
}

/// A number that grows with every change of a request.
pub fn changes(state: &State) -> Result<u64, Failure> {
    state.read(|it| it.query_row("SELECT count FROM changes", [], |row| row.get(0)))
}

/// The requests, those that were asked for last at the end.
pub fn list(state: &State, filter: &Filter) -> Result<Vec<Request>, Failure> {
    let sql = "SELECT id, key, state, first_at, last_at, times, latest FROM requests \
               WHERE (?1 IS NULL OR state = ?1) \
               AND (?2 IS NULL OR json_extract(key, '$.connector') = ?2) ORDER BY last_at, id";
    state.read(|it| {
        let mut found = it.prepare_cached(sql)?;
        let standing = filter.standing.map(Standing::name);
        found.query_map(params![standing, filter.connector], one)?.collect()
    })
}

/// The request with this id, and what was decided about it, oldest first.
pub fn find(state: &State, id: &RequestId) -> Result<Option<(Request, Vec<Decision>)>, Failure> {
    state.read(|it| {
        let Some(request) = get(it, id)? else { return Ok(None) };
        let sql = "SELECT number, request, at, answer, applied, failed FROM decisions \
                   WHERE request = ?1 ORDER BY number";
        let mut found = it.prepare_cached(sql)?;
        let decisions = found.query_map([id.as_str()], decision)?;
        Ok(Some((request, decisions.collect::<rusqlite::Result<_>>()?)))
    })
}

fn get(connection: &Connection, id: &RequestId) -> rusqlite::Result<Option<Request>> {
    let sql = "SELECT id, key, state, first_at, last_at, times, latest FROM requests WHERE id = ?1";
    connection.query_row(sql, [id.as_str()], one).optional()
}

fn last_decision(connection: &Connection, id: &RequestId) -> rusqlite::Result<Option<Decision>> {
    let sql = "SELECT number, request, at, answer, applied, failed FROM decisions \
               WHERE request = ?1 ORDER BY number DESC LIMIT 1";
    connection.query_row(sql, [id.as_str()], decision).optional()
}

/// Writes the answer down; [`super::apply`] has to follow. An error where the request does not wait, so that
/// of two who answer one is told.
pub fn answer(state: &mut State, id: &RequestId, answer: Answer) -> Result<Decision, Failure> {
    let path = state.path().to_owned();
    state.change(|change| {
        let failed = |error: rusqlite::Error| cannot("write", &path, &error);
        let request = get(change, id).map_err(failed)?.ok_or_else(|| unknown(id))?;
        if request.standing != Standing::Pending {
            return Err(not_pending(&request));
        }
        let answer = checked(&request, answer)?;
        let standing = match answer.verdict {
            Verdict::Approve => Standing::Approved,
            Verdict::Deny => Standing::Denied,
            Verdict::Revoke => return Err(not_answered(&request)),
        };
        write(change, id, answer, standing).map_err(failed)
    })
}

/// Completes the answer, or says why it cannot be given.
fn checked(request: &Request, mut answer: Answer) -> Result<Answer, Failure> {
    let wrong = |what: &str| Failure::new(Kind::Usage, what);
    if !request.asker.scopes().contains(&answer.scope) {
        return Err(match answer.scope {
            Scope::Tool => wrong("the connector that asks stands behind no tool")
                .hint("--scope connector is for the connector"),
            _ => wrong(
                "an agent asks for all of the workspace: there is no connector to grant it to",
            )
            .hint("--scope global"),
        });
    }
    if matches!(answer.lifetime, Lifetime::Until { end } if end > LAST) {
        return Err(wrong("that is later than the year 9999").hint("--always"));
    }
    let of_run = matches!(answer.lifetime, Lifetime::Once | Lifetime::Session);
    match (&request.subject, of_run) {
        (Subject::Port { .. }, _) if answer.scope == Scope::Global => {
            return Err(wrong("a port is for the connector that asks for it, not for all")
                .hint("--scope connector"));
        }
        (Subject::Port { .. }, _) if answer.lifetime != Lifetime::Always => {
            return Err(wrong("a port is registered for good, or not at all").hint("--always"));
        }
        (Subject::Egress { .. }, true) => {
            answer.run = request.latest.run.clone();
            if answer.run.is_none() {
                return Err(wrong("no run asked for it, so that the answer cannot be for one")
                    .hint("--until 2h or --always"));
            }
        }
        _ => answer.run = None,
    }
    Ok(answer)
}

/// Takes a request off the list without an answer.
pub fn dismiss(state: &mut State, id: &RequestId) -> Result<Request, Failure> {
    let path = state.path().to_owned();
    state.change(|change| {
        let failed = |error: rusqlite::Error| cannot("write", &path, &error);
        let request = get(change, id).map_err(failed)?.ok_or_else(|| unknown(id))?;
        if request.standing != Standing::Pending {
            return Err(not_pending(&request));
        }
        stand(change, id, Standing::Dismissed).map_err(failed)?;
        Ok(Request { standing: Standing::Dismissed, ..request })
    })
}

/// Takes back what was answered; [`super::apply`] takes the rules away.
pub fn revoke(state: &mut State, id: &RequestId, answer: Answer) -> Result<Decision, Failure> {
    let path = state.path().to_owned();
    state.change(|change| {
        let request = get(change, id).map_err(|e| cannot("read", &path, &e))?;
        let request = request.ok_or_else(|| unknown(id))?;
        // One that is asked for again still has the answer before: another run's, perhaps.
        let last = last_decision(change, id).map_err(|e| cannot("read", &path, &e))?;
        if last.is_none_or(|last| last.answer.verdict == Verdict::Revoke) {
            return Err(not_answered(&request));
        }
        let answer =
            Answer { verdict: Verdict::Revoke, lifetime: Lifetime::Always, run: None, ..answer };
        // What waits again has no answer yet, and goes on waiting.
        let standing = match request.standing {
            Standing::Pending => Standing::Pending,
            _ => Standing::Revoked,
        };
        write(change, id, answer, standing).map_err(|e| cannot("write", &path, &e))
    })
}

/// A decision and what the request is from now on.
fn write(
    change: &Transaction<'_>,
    id: &RequestId,
    answer: Answer,
    standing: Standing,
) -> rusqlite::Result<Decision> {
    // No two answers to one request have the same time: the files tell them apart by it.
    let last: Option<u64> = change.query_row(
        "SELECT max(at) FROM decisions WHERE request = ?1",
        [id.as_str()],
        |row| row.get(0),
    )?;
    let at = request::now().max(last.map_or(0, |last| last + 1));
    let text = serde_json::to_string(&answer)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let sql = "INSERT INTO decisions (request, at, answer, applied) VALUES (?1, ?2, ?3, 0)";
    change.execute(sql, params![id.as_str(), at, text])?;
    let number = u64::try_from(change.last_insert_rowid()).unwrap_or_default();
    stand(change, id, standing)?;
    Ok(Decision { number, request: id.clone(), at, answer, applied: false, failed: None })
}

fn stand(change: &Transaction<'_>, id: &RequestId, standing: Standing) -> rusqlite::Result<()> {
    let sql = "UPDATE requests SET state = ?2 WHERE id = ?1";
    change.execute(sql, params![id.as_str(), standing.name()])?;
    count(change)
}

/// What [`apply_next`] does with a decision.
pub(super) trait Act {
    /// Puts it on record.
    fn record(&mut self, decision: &Decision, request: &Request) -> Result<(), Failure>;
    /// Makes the files say it.
    fn act(&mut self, decision: &Decision, request: &Request) -> Result<(), Failure>;
}

/// The number of a decision, and what came of it.
pub(super) type Done = (u64, Result<(), Failure>);

/// Records the next decision after this number that no file says yet, has it acted upon, and notes what came
/// of it. Nobody else writes meanwhile, so that decisions are applied in their order. `None`: there is no
/// more.
pub(super) fn apply_next(
    state: &mut State,
    after: u64,
    by: &mut impl Act,
) -> Result<Option<Done>, Failure> {
    let path = state.path().to_owned();
    state.change(|change| {
        let failed = |error: rusqlite::Error| cannot("write", &path, &error);
        let sql = "SELECT number, request, at, answer, applied, failed, recorded FROM decisions \
                   WHERE applied = 0 AND number > ?1 ORDER BY number LIMIT 1";
        let both = |row: &Row<'_>| Ok((decision(row)?, row.get(6)?));
        let next = change.query_row(sql, [after], both).optional().map_err(failed)?;
        let Some((decision, recorded)) = next else { return Ok(None) };
        let id = &decision.request;
        let request = get(change, id).map_err(failed)?.ok_or_else(|| unknown(id))?;
        let recorded = if recorded { Ok(()) } else { by.record(&decision, &request) };
        let on_record = recorded.is_ok();
        let sql = "SELECT EXISTS (SELECT 1 FROM decisions WHERE request = ?1 AND number > ?2 \
                   AND json_extract(answer, '$.verdict') = 'revoke')";
        let row = params![id.as_str(), decision.number];
        let revoked: bool = change.query_row(sql, row, |row| row.get(0)).map_err(failed)?;
        // What was taken back before it was in effect never comes into effect.
        let result = match revoked {
            true => recorded,
            false => recorded.and_then(|()| by.act(&decision, &request)),
        };
        let why = result.as_ref().err().map(|failure| failure.what.clone());
        let sql = "UPDATE decisions SET recorded = ?2, applied = ?3, failed = ?4 WHERE number = ?1";
        let row = params![decision.number, on_record, why.is_none(), why];
        change.execute(sql, row).map_err(failed)?;
        count(change).map_err(failed)?;
        Ok(Some((decision.number, result)))
    })
}

/// A request that was denied, or its approval taken back, where no file says so yet.
pub fn kept_from_denying(state: &State) -> Result<Option<RequestId>, Failure> {
    let sql = "SELECT number, request, at, answer, applied, failed FROM decisions \
               WHERE applied = 0 AND json_extract(answer, '$.verdict') <> 'approve' \
               ORDER BY number LIMIT 1";
    let found = state.read(|it| it.query_row(sql, [], decision).optional())?;
    Ok(found.map(|decision| decision.request))
}

fn unknown(id: &RequestId) -> Failure {
    Failure::new(Kind::Usage, format!("there is no request {id}"))
        .hint("jail approvals list --all shows them")
}

fn not_pending(request: &Request) -> Failure {
    let Request { id, standing, .. } = request;
    Failure::new(Kind::Usage, format!("request {id} is {} already", standing.name()))
        .hint(format!("jail approvals show {id} shows by whom"))
}

fn not_answered(request: &Request) -> Failure {
    let Request { id, standing, .. } = request;
    let what = format!("request {id} is {}: there is no answer to take back", standing.name());
    Failure::new(Kind::Usage, what)
}

#[derive(Deserialize)]
struct Key {
    #[serde(flatten)]
    asker: Asker,
    subject: Subject,
}

fn one(row: &Row<'_>) -> rusqlite::Result<Request> {
    let Key { asker, subject } = json(row, 1)?;
    let text = |column: usize, error: String| {
        let kind = rusqlite::types::Type::Text;
        rusqlite::Error::FromSqlConversionFailure(column, kind, error.into())
    };
    let id: String = row.get(0)?;
    let standing: String = row.get(2)?;
    Ok(Request {
        id: id.parse().map_err(|error: &str| text(0, error.to_owned()))?,
        asker,
        subject,
        standing: standing.parse().map_err(|error| text(2, error))?,
        first_at: row.get(3)?,
        last_at: row.get(4)?,
        times: row.get(5)?,
        latest: json(row, 6)?,
    })
}

fn decision(row: &Row<'_>) -> rusqlite::Result<Decision> {
    let request: String = row.get(1)?;
    let kind = rusqlite::types::Type::Text;
    let wrong = |error: &str| rusqlite::Error::FromSqlConversionFailure(1, kind, error.into());
    Ok(Decision {
        number: row.get(0)?,
        request: request.parse().map_err(wrong)?,
        at: row.get(2)?,
        answer: json(row, 3)?,
        applied: row.get(4)?,
        failed: row.get(5)?,
    })
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    let kind = rusqlite::types::Type::Text;
    serde_json::from_str(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, kind, error.into()))
}
