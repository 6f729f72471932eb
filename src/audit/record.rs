//! One line of the log: how it is written, and how it is known to be whole.

use super::event::{Event, VERSION};
use super::text::Digest;
use crate::planted::{Control, broken};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::time::SystemTime;

/// The longest line that is written or read, in bytes, newline included. Events stay far below;
/// a reader that meets a longer line need not hold it.
pub(super) const MAX_LINE: usize = 256 * 1024;

/// `,"hash":"` + 64 digits + `"}`.
const HASH_FIELD: usize = 75;
const HASH_KEY: &[u8] = br#","hash":""#;

/// A place in the chain: the number and the hash of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) hash: Digest,
}

impl Link {
    /// Where the first record follows.
    pub(super) const START: Self = Self { seq: 0, hash: Digest::ZERO };

    /// True where `next` follows this link.
    pub(super) fn leads_to(self, next: &Record<'_>) -> bool {
        self.seq.checked_add(1) == Some(next.seq) && self.hash == next.prev
    }
}

/// The bytes between the last good record and the newline that closed them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Torn {
    pub(super) bytes: u64,
    pub(super) sha256: Digest,
}

/// A line whose hash is right.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) seq: u64,
    pub(super) time: Cow<'a, str>,
    pub(super) prev: Digest,
    pub(super) torn: Option<Torn>,
    pub(super) event: &'a RawValue,
    pub(super) hash: Digest,
}

impl Record<'_> {
    pub(super) fn link(&self) -> Link {
        Link { seq: self.seq, hash: self.hash }
    }
}

/// Why a line is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    /// It can be what a kill, a full disk or a power cut left of a record.
    Torn,
    /// It is all of record `seq`, but its hash is of other bytes: no accident does that.
    WrongHash { seq: u64 },
    /// No part of a record.
    Foreign,
}

/// The fields in the order in which they are hashed and written.
#[derive(Serialize, Deserialize)]
struct Body<'a, E> {
    v: u32,
    seq: u64,
    #[serde(borrow)]
    time: Cow<'a, str>,
    prev: Digest,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    after_torn: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    torn_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    torn_sha256: Option<Digest>,
    event: E,
}

/// The line (newline included) of the record that follows `after`, and the link to it.
pub(super) fn write(
    after: Link,
    time: SystemTime,
    torn: Option<Torn>,
    event: &Event,
) -> Result<(Link, Vec<u8>), serde_json::Error> {
    let seq = after.seq.saturating_add(1);
    let mut line = serde_json::to_vec(&Body {
        v: VERSION,
        seq,
        time: humantime::format_rfc3339_millis(time).to_string().into(),
        prev: if broken(Control::AuditChain) { Link::START.hash } else { after.hash },
        after_torn: torn.is_some(),
        torn_bytes: torn.map(|torn| torn.bytes),
        torn_sha256: torn.map(|torn| torn.sha256),
        event,
    })?;
    let hash = Digest::of(&line);
    line.pop();
    line.extend_from_slice(HASH_KEY);
    line.extend_from_slice(hash.to_string().as_bytes());
    line.extend_from_slice(b"\"}\n");
    Ok((Link { seq, hash }, line))
}

/// Reads a line (without its newline) and checks its hash.
pub(super) fn read(line: &[u8]) -> Result<Record<'_>, Bad> {
    let bad = || if is_part(line) { Bad::Torn } else { Bad::Foreign };
    let (body, hash) = split(line).ok_or_else(bad)?;
    let fields: Body<'_, &RawValue> = serde_json::from_slice(line).map_err(|_| bad())?;
    // The body ends just before the hash field; its closing brace is hashed with it.
    let mut whole = Sha256::default();
    whole.update(body);
    whole.update(b"}");
    let torn = match (fields.after_torn, fields.torn_bytes, fields.torn_sha256) {
        (true, Some(bytes), Some(sha256)) => Some(Torn { bytes, sha256 }),
        (false, None, None) => None,
        _ => return Err(Bad::Foreign),
    };
    if Digest::of_state(whole) != hash {
        return Err(Bad::WrongHash { seq: fields.seq });
    }
    let Body { seq, time, prev, event, .. } = fields;
    Ok(Record { seq, time, prev, torn, event, hash })
}

/// True where the line begins as a record does. A power cut can leave zeros instead of bytes.
fn is_part(line: &[u8]) -> bool {
    const BEGIN: &[u8] = br#"{"v":"#;
    let zeros = line.iter().rev().take_while(|byte| **byte == 0).count();
    let kept = &line[..line.len() - zeros];
    kept.starts_with(BEGIN) || BEGIN.starts_with(kept)
}

fn split(line: &[u8]) -> Option<(&[u8], Digest)> {
    let (body, field) = line.split_at_checked(line.len().checked_sub(HASH_FIELD)?)?;
    let digits = field.strip_prefix(HASH_KEY)?.strip_suffix(b"\"}")?;
    Some((body, std::str::from_utf8(digits).ok()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{denial, one_of_each};
    use super::*;
    use std::time::Duration;

    /// 2026-11-22T03:04:05.678Z
    const TIME: Duration = Duration::from_millis(1_795_316_645_678);

    // Both were put together with printf and date; their hashes are from sha256sum(1).
    const FIRST: &str = concat!(
        r#"{"v":1,"seq":1,"time":"2026-11-22T03:04:05.678Z""#,
        r#","prev":"0000000000000000000000000000000000000000000000000000000000000000""#,
        r#","event":{"kind":"denial","run":"0123456789ab","mechanism":"proxy""#,
        r#","object":"evil\\u{202e}.example:443""#,
        r#","reason":"not in the allowlist of web-search""#,
        r#","fix":"jail firewall allow web-search evil.example:443","times":1}"#,
        r#","hash":"a39b6ecbc7f8721269266c46089712a905d014e70024585cf8ebf8d50b05f69b"}"#,
        "\n",
    );
    const AFTER_TORN: &str = concat!(
        r#"{"v":1,"seq":7,"time":"2026-11-22T03:04:05.678Z""#,
        r#","prev":"6db7d803e74f1ffa7d8f5adc0bf95b3e15bf4c8373fffadf546227cc6c6742cb""#,
        r#","after_torn":true,"torn_bytes":57"#,
        r#","torn_sha256":"00cc10cc5ab0a89fbf4d84a229bf234e739ba6294a832d2c042ce8d9a1949cf7""#,
        r#","event":{"kind":"denial","run":"0123456789ab","mechanism":"proxy""#,
        r#","object":"evil\\u{202e}.example:443""#,
        r#","reason":"not in the allowlist of web-search""#,
        r#","fix":"jail firewall allow web-search evil.example:443","times":1}"#,
        r#","hash":"ebbb0f47c4b725d300830411cf2db3c29677bf941229bc8853e0d49716a4b200"}"#,
        "\n",
    );

    #[test]
    fn the_canonical_form_is_these_bytes() {
        let time = SystemTime::UNIX_EPOCH + TIME;
        let seventh = Link { seq: 6, hash: Digest::of(b"before") };
        let tear = Torn { bytes: 57, sha256: Digest::of(b"torn") };
        for (after, torn, golden) in [(Link::START, None, FIRST), (seventh, Some(tear), AFTER_TORN)]
        {
            let event = denial("evil\u{202e}.example:443");
            let (link, line) = write(after, time, torn, &event).unwrap();
            assert_eq!(String::from_utf8_lossy(&line), golden);
            let record = read(golden.trim_end().as_bytes()).unwrap();
            assert_eq!((record.link(), record.prev, record.torn), (link, after.hash, torn));
            assert!(after.leads_to(&record));
        }
    }

    #[test]
    fn every_event_reads_back_as_it_was_written() {
        for event in one_of_each() {
            let (_, line) = write(Link::START, SystemTime::now(), None, &event).unwrap();
            let record = read(line.trim_ascii_end()).unwrap();
            assert_eq!(serde_json::from_str::<Event>(record.event.get()).unwrap(), event);
            let named = format!(r#"{{"kind":"{}","run":"{}""#, event.kind(), event.run());
            assert!(record.event.get().starts_with(&named));
        }
    }

    #[test]
    fn a_changed_byte_anywhere_is_found() {
        let line = AFTER_TORN.trim_end().as_bytes();
        for at in 0..line.len() {
            for bit in [1, 0x20] {
                let mut changed = line.to_vec();
                changed[at] ^= bit;
                assert!(read(&changed).is_err(), "byte {at}");
            }
            assert!(read(&line[..at]).is_err(), "cut at {at}");
        }
    }
}
