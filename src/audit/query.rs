//! Reading the log for people and programs.

use super::error::AuditError;
use super::event::Event;
use super::lines::{Line, Lines};
use super::record;
use super::text::{RunId, Text, hides};
use serde::Deserialize;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::time::SystemTime;

/// One record, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub seq: u64,
    pub time: SystemTime,
    pub run: RunId,
    /// The connector of the run, where its start is in the log.
    pub connector: Option<Text>,
    /// The event's `kind`, also of one that this version does not know.
    pub kind: Text,
    /// `None` for an event that a later version of `jail` wrote.
    pub event: Option<Event>,
    /// The line as it stands in the file: nothing in it acts on a terminal.
    pub line: String,
}

/// Which records are wanted; all that is `None` is not asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The run's id, or the beginning of it.
    pub run: Option<String>,
    pub connector: Option<String>,
    /// Not before.
    pub since: Option<SystemTime>,
    /// As [`Event::kind`] says it.
    pub kind: Option<String>,
}

impl Filter {
    pub fn wants(&self, entry: &Entry) -> bool {
        let connector = entry.connector.as_ref().map(Text::as_str);
        self.run.as_ref().is_none_or(|run| entry.run.as_str().starts_with(run.as_str()))
            && self.connector.as_ref().is_none_or(|wanted| connector == Some(wanted.as_str()))
            && self.since.is_none_or(|since| entry.time >= since)
            && self.kind.as_ref().is_none_or(|kind| entry.kind.as_str() == kind)
    }
}

/// What every event has.
#[derive(Deserialize)]
struct Common {
    kind: Text,
    run: RunId,
    #[serde(default)]
    connector: Option<Text>,
}

/// The records of a log, in order; memory for those of its runs that have not ended.
pub struct Reader<R> {
    lines: Lines<R>,
    connectors: HashMap<RunId, Text>,
    damaged: u64,
}

impl Reader<BufReader<File>> {
    /// Reads the log at `path`. With `grows`, the end is only the end for now.
    pub fn open(path: &Path, grows: bool) -> Result<Self, AuditError> {
        let file = File::open(path).map_err(|source| AuditError::io("open", path, source))?;
        let input = BufReader::with_capacity(1 << 16, file);
        Ok(Self::new(if grows { Lines::of_growing(input) } else { Lines::new(input) }))
    }

    /// Of an open file that grows.
    #[cfg(test)]
    pub(crate) fn of_file(file: File) -> Self {
        Self::new(Lines::of_growing(BufReader::new(file)))
    }
}

impl<R: BufRead> Reader<R> {
    fn new(lines: Lines<R>) -> Self {
        Self { lines, connectors: HashMap::new(), damaged: 0 }
    }

    /// How many lines were passed over, since they are no records, or changed ones.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// The next record; `None` at the end.
    pub fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        while let Some(line) = self.lines.next()? {
            match entry(line) {
                Some((mut entry, connector)) => {
                    entry.connector = self.connector_of(&entry, connector);
                    return Ok(Some(entry));
                }
                None => self.damaged += 1,
            }
        }
        Ok(None)
    }

    /// The start of a run names its connector; a decision its own.
    fn connector_of(&mut self, entry: &Entry, named: Option<Text>) -> Option<Text> {
        if let Some(Event::Decision(decision)) = &entry.event {
            return Some(decision.connector.clone());
        }
        if let Some(connector) = named {
            self.connectors.insert(entry.run.clone(), connector);
        }
        match entry.event {
            Some(Event::RunEnd(_)) => self.connectors.remove(&entry.run),
            _ => self.connectors.get(&entry.run).cloned(),
        }
    }
}

/// `None` where the line is no record whose hash is right, or no text that `jail` would write.
fn entry(line: Line<'_>) -> Option<(Entry, Option<Text>)> {
    let text = std::str::from_utf8(line.bytes).ok().filter(|text| !text.chars().any(hides))?;
    let record = record::read(line.bytes).ok()?;
    let common: Common = serde_json::from_str(record.event.get()).ok()?;
    let entry = Entry {
        seq: record.seq,
        time: humantime::parse_rfc3339(&record.time).ok()?,
        run: common.run,
        connector: None,
        kind: common.kind,
        event: serde_json::from_str(record.event.get()).ok(),
        line: text.to_owned(),
    };
    Some((entry, common.connector))
}

#[cfg(test)]
mod tests {
    use super::super::Log;
    use super::super::testing::{denial, one_of_each};
    use super::*;
    use std::fs;
    use std::io::Write as _;
    use std::time::Duration;

    fn sample() -> (tempfile::TempDir, Log) {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::open(&folder.path().join("audit.log")).unwrap();
        for event in one_of_each() {
            log.append(&event).unwrap();
        }
        (folder, log)
    }

    fn all(reader: &mut Reader<impl BufRead>) -> Vec<Entry> {
        std::iter::from_fn(|| reader.next_entry().unwrap()).collect()
    }

    #[test]
    fn every_event_comes_back_with_the_connector_of_its_run() {
        let (_folder, log) = sample();
        let entries = all(&mut Reader::open(&log.path(), false).unwrap());
        let events: Vec<_> = entries.iter().map(|entry| entry.event.clone().unwrap()).collect();
        assert_eq!(events, one_of_each());
        // The first end is the end of the run; the others of the sample have no start. A decision names
        // its own.
        let named =
            |entry: &&Entry| entry.connector.as_ref().is_some_and(|c| c.as_str() == "web-search");
        assert_eq!(entries.iter().filter(named).count(), 5);
    }

    #[test]
    fn each_filter_narrows() {
        let (_folder, log) = sample();
        let entries = all(&mut Reader::open(&log.path(), false).unwrap());
        let count = |filter: Filter| entries.iter().filter(|entry| filter.wants(entry)).count();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(count(Filter::default()), 13);
        assert_eq!(count(Filter { run: text("0123"), ..Filter::default() }), 13);
        assert_eq!(count(Filter { run: text("9"), ..Filter::default() }), 0);
        assert_eq!(count(Filter { connector: text("web-search"), ..Filter::default() }), 5);
        assert_eq!(count(Filter { kind: text("denial"), ..Filter::default() }), 1);
        let since = |time| count(Filter { since: Some(time), ..Filter::default() });
        assert_eq!(since(SystemTime::now() - Duration::from_secs(60)), 13);
        assert_eq!(since(SystemTime::now() + Duration::from_secs(60)), 0);
    }

    #[test]
    fn a_kind_of_a_later_version_is_shown_and_foreign_lines_are_counted() {
        let later = r#"{"v":2,"seq":1,"time":"2027-01-01T00:00:00.000Z","prev":"","event":{"kind":"moved","run":"ab"}}"#;
        let later = later.replace("\"prev\":\"\"", &format!("\"prev\":\"{}\"", "0".repeat(64)));
        let hash = super::super::Digest::of(later.as_bytes());
        let later = format!("{},\"hash\":\"{hash}\"}}", &later[..later.len() - 1]);
        let text = format!("{later}\nhello\n{}\n", later.replace("moved", "\u{202e}"));
        let mut reader = Reader::new(Lines::new(text.as_bytes()));
        let entries = all(&mut reader);
        assert_eq!((entries.len(), reader.damaged()), (1, 2));
        assert_eq!((entries[0].kind.as_str(), &entries[0].event), ("moved", &None));
    }

    #[test]
    fn a_growing_log_is_read_by_whole_lines() {
        let (_folder, log) = sample();
        let mut reader = Reader::open(&log.path(), true).unwrap();
        assert_eq!(all(&mut reader).len(), 13);
        let before = fs::metadata(log.path()).unwrap().len();
        log.append(&denial("late.example:443")).unwrap();
        let bytes = fs::read(log.path()).unwrap();
        let (kept, line) = bytes.split_at(usize::try_from(before).unwrap());
        fs::write(log.path(), kept).unwrap();
        let mut file = fs::File::options().append(true).open(log.path()).unwrap();
        for piece in line.chunks(100) {
            assert_eq!(all(&mut reader).len(), 0);
            file.write_all(piece).unwrap();
        }
        assert_eq!(all(&mut reader).len(), 1);
        assert_eq!(reader.damaged(), 0);
    }
}
