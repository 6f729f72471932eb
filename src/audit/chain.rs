//! The state machine behind `verify`: which record follows which.
//!
//! A record fits when it follows the last one that fitted. One that does not is a finding, and is
//! remembered as a stray: a later record that follows a stray carries the chain on from there. So
//! one change gives one finding, not one for every line after it.

use super::head;
use super::lines::Line;
use super::record::{self, Bad, Link, Record, Torn};
use super::text::Digest;
use super::verify::{Finding, Report, What};
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;

/// How many strays and gaps are remembered: enough to name what a person did by hand, bounded
/// against a log that is made to be long to check.
const MEMORY: usize = 256;

/// A record in its place.
#[derive(Debug, Clone, Copy)]
struct Placed {
    link: Link,
    prev: Digest,
    line: u64,
}

impl Placed {
    fn new(line: u64, record: &Record<'_>) -> Self {
        Self { link: record.link(), prev: record.prev, line }
    }
}

/// Records `from..=to` are missing before `line`.
#[derive(Debug)]
struct Gap {
    line: u64,
    from: u64,
    to: u64,
    /// How many of them are there as broken lines.
    broken: u64,
    /// How many came later.
    seen: u64,
    seen_at: u64,
}

/// Lines that are no records, since the last one.
#[derive(Debug, Default)]
struct BadLines {
    listed: Vec<(u64, Bad)>,
    count: u64,
    bytes: u64,
    hash: Sha256,
    cut: bool,
}

impl BadLines {
    fn push(&mut self, line: Line<'_>, bad: Bad) {
        if self.count > 0 {
            self.hash.update(b"\n");
            self.bytes += 1;
        }
        self.hash.update(line.bytes);
        self.bytes += line.bytes.len() as u64;
        self.count += 1;
        self.cut |= line.cut;
        if self.listed.len() < MEMORY {
            self.listed.push((line.number, bad));
        }
    }

    /// True where these are the bytes that a record vouches for.
    fn are(&self, torn: Torn) -> bool {
        let sha256 = Digest::of_state(self.hash.clone());
        self.count > 0 && !self.cut && torn == Torn { bytes: self.bytes, sha256 }
    }

    /// True where no accident made one of them.
    fn are_suspect(&self) -> bool {
        self.cut || self.listed.iter().any(|(_, bad)| *bad != Bad::Torn)
    }
}

/// What is known of the chain so far.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// The last record that fitted.
    last: Option<Placed>,
    strays: VecDeque<Placed>,
    gaps: Vec<Gap>,
    bad: BadLines,
    lines: u64,
    report: Report,
}

impl Chain {
    pub(super) fn line(&mut self, line: Line<'_>) {
        self.lines = line.number;
        match record::read(line.bytes) {
            Ok(record) if !line.cut => self.record(line.number, &record),
            Ok(_) => self.bad.push(line, Bad::Foreign),
            Err(bad) => self.bad.push(line, bad),
        }
    }

    fn record(&mut self, line: u64, record: &Record<'_>) {
        self.report.records += 1;
        let bad = std::mem::take(&mut self.bad);
        let honest = self.is_honest_tear(line, &bad, record);
        if self.advance(line, record) {
            if !honest {
                self.bad_lines(&bad, What::Inserted);
            }
            return;
        }
        if !honest {
            self.bad_lines(&bad, What::Edited);
        }
        self.misfit(line, record, if honest { 0 } else { bad.count });
        if self.strays.len() == MEMORY {
            self.strays.pop_front();
        }
        self.strays.push_back(Placed::new(line, record));
    }

    /// True where nothing broken stands before the record, or what does is vouched for.
    fn is_honest_tear(&mut self, line: u64, bad: &BadLines, record: &Record<'_>) -> bool {
        match record.torn {
            None => bad.count == 0,
            Some(torn) if bad.are(torn) => {
                self.report.tears += u64::from(!bad.are_suspect());
                !bad.are_suspect()
            }
            Some(_) => {
                let state = if bad.count == 0 { "is gone" } else { "was changed" };
                let text = format!("the torn line before record {} {state}", record.seq);
                self.find(line, What::Edited, text);
                bad.count == 0
            }
        }
    }

    /// Takes the record into the chain where it follows the last one, or a stray.
    fn advance(&mut self, line: u64, record: &Record<'_>) -> bool {
        if !self.end().leads_to(record) {
            let Some(stray) = self.strays.iter().position(|stray| stray.link.leads_to(record))
            else {
                return false;
            };
            self.strays.remove(stray);
        }
        self.fill_gap(line, record.seq);
        self.last = Some(Placed::new(line, record));
        true
    }

    fn end(&self) -> Link {
        self.last.map_or(Link::START, |last| last.link)
    }

    /// Notes that a record that was missed came later.
    fn fill_gap(&mut self, line: u64, seq: u64) -> bool {
        let Some(gap) = self.gaps.iter_mut().find(|gap| (gap.from..=gap.to).contains(&seq)) else {
            return false;
        };
        gap.seen += 1;
        gap.seen_at = line;
        true
    }

    /// Says why a record does not fit; `broken` lines that are no records stand before it.
    fn misfit(&mut self, line: u64, record: &Record<'_>, broken: u64) {
        let end = self.end();
        let seq = record.seq;
        if self.fill_gap(line, seq) {
            return;
        }
        if seq > end.seq.saturating_add(1) {
            let gap = Gap { line, from: end.seq + 1, to: seq - 1, broken, seen: 0, seen_at: 0 };
            if gap.to - gap.from < broken {
                return;
            }
            if self.gaps.len() < MEMORY {
                self.gaps.push(gap);
            } else {
                self.missing(&gap);
            }
            return;
        }
        if seq == end.seq + 1 {
            if broken == 0 {
                self.replaced(line, seq);
            }
            return;
        }
        let (what, text) = match self.last {
            _ if seq == 1 && record.prev == Digest::ZERO && end.seq > 1 => (
                What::Restarted,
                "the chain begins again: the head was removed or damaged before".to_owned(),
            ),
            Some(last) if last.link.seq == seq && last.prev == record.prev => (
                What::Inserted,
                format!("lines {} and {line} both claim to be record {seq}", last.line),
            ),
            _ => (What::Inserted, format!("record {seq} does not belong here")),
        };
        self.find(line, what, text);
    }

    /// The number is right, the hash is not: the record before is another than was written.
    fn replaced(&mut self, line: u64, seq: u64) {
        let (at, text) = match self.last {
            Some(last) => (
                last.line,
                format!("record {} is not the one that line {line} follows", last.link.seq),
            ),
            None => (line, format!("record {seq} follows another log")),
        };
        self.find(at, What::Edited, text);
    }

    fn bad_lines(&mut self, bad: &BadLines, what: What) {
        for (line, bad) in &bad.listed {
            let (what, text) = match bad {
                Bad::WrongHash { seq } => {
                    (what, format!("record {seq} was changed: its hash is of other bytes"))
                }
                Bad::Torn => (what, "a broken line that no record vouches for".to_owned()),
                Bad::Foreign => (what, "no record".to_owned()),
            };
            self.find(*line, what, text);
        }
        self.report.more += bad.count - bad.listed.len() as u64;
    }

    fn missing(&mut self, gap: &Gap) {
        let Gap { line, from, to, broken, seen, seen_at } = *gap;
        let all = to - from + 1;
        let (what, text) = if seen + broken >= all {
            (
                What::Reordered,
                format!("{} missing here, but found by line {seen_at}", span(from, to)),
            )
        } else if seen + broken > 0 {
            let left = all - seen - broken;
            (What::Removed, format!("{left} of records {from} to {to} are missing"))
        } else {
            (What::Removed, format!("{} missing (removed, or lost in a power cut)", span(from, to)))
        };
        self.find(line, what, text);
    }

    /// Compares the end with the head and gives the report.
    pub(super) fn finish(mut self, head: Link) -> Report {
        for gap in std::mem::take(&mut self.gaps) {
            self.missing(&gap);
        }
        let bad = std::mem::take(&mut self.bad);
        let agrees = self.agrees(head);
        let changed =
            bad.listed.iter().filter(|(_, bad)| matches!(bad, Bad::WrongHash { .. })).count();
        if bad.are_suspect() {
            self.bad_lines(&bad, if agrees { What::Inserted } else { What::Edited });
        } else if bad.count > 0 {
            self.report.open_tear = true;
        }
        if !agrees {
            self.disagreement(head, changed as u64);
        }
        self.report.findings.sort_by_key(|finding| (finding.line, finding.what));
        self.report
    }

    /// True where the head names the last record or, after a kill, the one before it.
    fn agrees(&self, head: Link) -> bool {
        let one_behind =
            |last: Placed| head == Link { seq: last.link.seq.saturating_sub(1), hash: last.prev };
        head == self.end()
            || self.last.is_some_and(one_behind)
            || self.strays.iter().any(|stray| stray.link == head)
    }

    fn disagreement(&mut self, head: Link, changed: u64) {
        let stray = self.strays.back().map_or(0, |stray| stray.link.seq);
        let end = self.end().seq.max(stray);
        let after = self.lines + 1;
        if head == head::NONE {
            let text = "the head is missing or damaged: a cut-off end would not be seen".to_owned();
            self.find(after, What::Head, text);
        } else if head.seq > end {
            // An edited last line is the missing record.
            if head.seq - end > changed {
                let span = span(end + 1, head.seq);
                let text = format!("{span} missing at the end (cut off, or lost in a power cut)");
                self.find(after, What::Truncated, text);
            }
        } else {
            let text = format!("the head names another record {} than the log holds", head.seq);
            self.find(after, What::Head, text);
        }
    }

    fn find(&mut self, line: u64, what: What, text: String) {
        if self.report.findings.len() < Report::MAX_FINDINGS {
            self.report.findings.push(Finding { line, what, text });
        } else {
            self.report.more += 1;
        }
    }
}

/// `record 4 is`, `records 4 to 6 are`.
fn span(from: u64, to: u64) -> String {
    if from == to { format!("record {from} is") } else { format!("records {from} to {to} are") }
}
