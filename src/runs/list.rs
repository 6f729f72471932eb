//! What runs, and what has run.

use super::clean::{clean_all, names};
use super::entry::is_over;
use super::frame::{Frame, Source};
use super::log::Reader;
use super::{ENDED, PARTS, RUNS};
use super::{End, Record};
use crate::host::runtime;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// A record is some hundred bytes.
const MOST: u64 = 256 << 10;

/// One run that has an entry.
#[derive(Debug)]
pub struct Run {
    pub record: Record,
    pub bucket: String,
    place: PathBuf,
    name: String,
}

/// All that live, of every workspace of this user, oldest first.
pub fn living() -> Vec<Run> {
    all(RUNS)
}

/// Those that have ended and are kept, oldest first.
pub fn ended() -> Vec<Run> {
    all(ENDED)
}

fn all(part: &str) -> Vec<Run> {
    let mut runs = Vec::new();
    for place in runtime::existing(&PARTS) {
        clean_all(&place);
        let folder = place.join(part);
        let found = names(&folder).into_iter().filter(|name| !name.starts_with('.'));
        runs.extend(found.filter_map(|name| read(&place, part, name)));
    }
    runs.sort_by(|a, b| {
        (&a.record.started, &a.record.run).cmp(&(&b.record.started, &b.record.run))
    });
    runs
}

fn read(place: &Path, part: &str, name: String) -> Option<Run> {
    let (over, file) = is_over(&place.join(part).join(&name))?;
    if part == RUNS && over {
        return None;
    }
    let mut text = Vec::new();
    file.take(MOST).read_to_end(&mut text).ok()?;
    let record: Record = serde_json::from_slice(&text).ok()?;
    let (run, bucket) = name.split_once('-')?;
    let bucket = bucket.to_owned();
    (run == record.run.as_str()).then_some(Run { record, bucket, place: place.into(), name })
}

impl Run {
    /// Does its supervisor live?
    pub fn lives(&self) -> bool {
        is_over(&self.place.join(RUNS).join(&self.name)).is_some_and(|(over, _)| !over)
    }

    /// Its log, wherever it is by now.
    pub fn log(&self) -> io::Result<Kept> {
        let open = |part: &str| Reader::open(&self.place.join(part).join(&self.name));
        // Between these it can have moved, in one direction.
        let reader = open(RUNS).or_else(|_| open(ENDED))?;
        Ok(Kept { reader, next: None })
    }
}

/// A log that is read as it grows.
#[derive(Debug)]
pub struct Kept {
    reader: Reader,
    /// Where the next piece begins.
    next: Option<u64>,
}

/// What came since the last look.
#[derive(Debug, Default)]
pub struct New {
    /// So many bytes were dropped before the first of these.
    pub dropped: u64,
    pub frames: Vec<Frame>,
    /// And when that was, in milliseconds since 1970.
    pub end: Option<(u64, End)>,
}

impl Kept {
    pub fn read(&mut self) -> io::Result<New> {
        let mut frames = self.reader.frames()?;
        let next = self.next.unwrap_or(0);
        // A piece without bytes there is none.
        frames.retain(|frame| frame.at >= next);
        let dropped = frames.first().map_or(0, |frame| frame.at.saturating_sub(next));
        self.next = Some(frames.last().map_or(next, Frame::end));
        let end = frames.iter().find(|frame| frame.source == Source::End);
        let end =
            end.and_then(|frame| Some((frame.time, serde_json::from_slice(&frame.bytes).ok()?)));
        frames.retain(|frame| frame.source != Source::End);
        Ok(New { dropped, frames, end })
    }
}
