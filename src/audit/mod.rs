//! The audit log: what ran, what was applied, what was refused, how it ended.
//!
//! # A record
//!
//! A record is one line of JSON, its fields in this order and without blanks between them:
//!
//! ```text
//! {"v":1,"seq":7,"time":"2026-11-22T03:04:05.678Z","prev":"<64 hex>",
//!  "after_torn":true,"torn_bytes":57,"torn_sha256":"<64 hex>",      (only after a torn line)
//!  "event":{"kind":"denial",…},"hash":"<64 hex>"}⏎
//! ```
//!
//! `hash` is the SHA-256 of the bytes of the line as they stand in the file, without the newline
//! and without the 74 bytes `,"hash":"<64 hex>"` before the last brace. So anyone can check one:
//!
//! ```text
//! sed -n 7p audit.log | sed -E 's/,"hash":"[0-9a-f]{64}"\}$/}/' | tr -d '\n' | sha256sum
//! ```
//!
//! `prev` is the `hash` of the record before, 64 zeros in the first; `seq` counts from 1. `v` counts
//! the vocabulary of events; the rest of the line is the same in every version.
//!
//! # Torn lines
//!
//! A record is written by one write(2). A kill or a full disk can still leave a part of one. It is
//! never deleted: the next append closes it with a newline and its record says `after_torn`, with
//! the number and the SHA-256 of the bytes between the last good record and that newline. A broken
//! line that no later record vouches for is therefore no accident.
//!
//! # The head
//!
//! `audit.head` beside the log holds `seq` and `hash` of the last record and is overwritten
//! under the same lock, after the record is written. It may be one record behind (killed in between); the
//! next append puts that right. In any other disagreement the next record continues from the
//! *head*, not from what the log ends with: the chain then has a gap that no later append closes,
//! so an end that was cut off stays visible. Move both files away together to begin a new log.
//!
//! # What this is worth
//!
//! A connector reaches neither file. Whoever can write only one of them is found out, with one
//! exception: a forged record *after* the last one looks like a record whose writer was killed
//! before it wrote the head; `verify` shows what was, not who wrote it. Whoever can write both, that is the user and root, can compute a new chain from any record on and a head to
//! match, and no check of these files alone can tell. To hold against them, copy `audit.head` (one
//! line) to another machine from time to time, or print it in a CI log: a chain that no longer
//! contains that hash was rewritten.
//!
//! # Durability
//!
//! Nothing is fsynced. The page cache outlives every crash of ours; only a power cut or a kernel
//! crash loses the last seconds, in which the runs die too. An fsync costs milliseconds, per
//! denial, to narrow that window. Afterwards log and head may disagree, and `verify` says so; it
//! cannot tell a power cut from a person there.
//!
//! # Full disk
//!
//! There is no rotation. When a record or the head cannot be written, [`Log::append`] fails, and a
//! run whose `run-start` cannot be written is refused: an unlogged run is a control that failed
//! quietly. Nothing written before is harmed, and the log goes on when there is space.

mod act;
mod asked;
mod chain;
mod error;
mod event;
mod files;
mod head;
mod lines;
mod place;
mod query;
mod record;
mod tail;
mod text;
mod verify;
mod writer;

#[cfg(test)]
mod testing;

pub use act::Act;
pub use asked::{Asked, Decided};
pub use error::AuditError;
pub use event::{
    Applied, Born, Change, Denial, Detail, Event, Firewall, Grant, How, Mechanism, Network, Probe,
    RunEnd, RunStart, Sandbox, StoppedBy, VERSION, Verdict,
};
pub use place::path_for;
pub use query::{Entry, Filter, Reader};
pub(crate) use text::hides;
pub use text::{BadDigest, Digest, RunId, Text};
pub use verify::{Finding, Report, What, verify};
pub use writer::{Log, Note, Receipt};
