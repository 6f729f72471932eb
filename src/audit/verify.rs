//! Checking a whole log against itself and its head.

use super::chain::Chain;
use super::error::AuditError;
use super::head;
use super::lines::Lines;
use super::record::Link;
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// What was found; `jail audit verify --json` prints it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = AuditReport)]
pub struct Report {
    /// How many records have a right hash.
    pub records: u64,
    /// How many torn places a later record vouches for.
    pub tears: u64,
    /// The log ends in a torn line that the next append will close.
    pub open_tear: bool,
    /// Signs of tampering or loss, by line; the first [`Report::MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// How many more findings there are.
    pub more: u64,
}

impl Report {
    /// The most findings that are listed.
    pub const MAX_FINDINGS: usize = 1000;

    /// True where nothing was found. Honest tears are no finding.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty() && self.more == 0
    }
}

/// One sign of tampering or loss.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Finding {
    /// Where, from 1. For what is missing: the line before which it is missing; for a missing end
    /// one more than the lines there are.
    pub line: u64,
    pub what: What,
    /// For people.
    pub text: String,
}

/// What was done to the log, as far as it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A record was changed in its place.
    Edited,
    /// The head is missing, or names a record that the log does not end with.
    Head,
    /// A line stands where none was.
    Inserted,
    /// Records are missing before a line.
    Removed,
    /// Records are all there, in another order.
    Reordered,
    /// The chain begins again: log or head was taken away while the other stayed.
    Restarted,
    /// Records are missing at the end.
    Truncated,
}

/// Checks the log at `path` and the head beside it. A log that is being appended to is checked up
/// to where it ended at the call.
///
/// Fails where the log cannot be read, also where neither log nor head exists.
pub fn verify(path: &Path) -> Result<Report, AuditError> {
    let fail = |call| move |source| AuditError::io(call, path, source);
    let head_path = head::name_for(path);
    let file = match File::open(path) {
        Ok(file) => file,
        // A head without its log: the log was taken away.
        Err(error) if error.kind() == ErrorKind::NotFound && head_path.exists() => {
            return check(io::empty(), read_head(&head_path)?).map_err(fail("read"));
        }
        Err(error) => return Err(fail("open")(error)),
    };
    if !file.metadata().map_err(fail("look at"))?.is_file() {
        return Err(AuditError::NotA { path: path.to_owned(), wanted: "regular file" });
    }
    let (len, head) = snapshot(&file, path, &head_path)?;
    check(BufReader::with_capacity(1 << 16, file.take(len)), head).map_err(fail("read"))
}

/// Length and head of one moment: the writer changes both under the lock.
fn snapshot(file: &File, path: &Path, head: &Path) -> Result<(u64, Link), AuditError> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let start = Instant::now();
    while let Err(error) = file.try_lock_shared() {
        match error {
            std::fs::TryLockError::Error(source) => {
                return Err(AuditError::io("lock", path, source));
            }
            std::fs::TryLockError::WouldBlock if start.elapsed() > PATIENCE => {
                let seconds = PATIENCE.as_secs();
                return Err(AuditError::Busy { path: path.to_owned(), seconds });
            }
            std::fs::TryLockError::WouldBlock => std::thread::sleep(Duration::from_micros(200)),
        }
    }
    let len = file.metadata().map_err(|source| AuditError::io("look at", path, source));
    let head = read_head(head);
    file.unlock().map_err(|source| AuditError::io("unlock", path, source))?;
    Ok((len?.len(), head?))
}

fn read_head(path: &Path) -> Result<Link, AuditError> {
    match File::open(path) {
        Ok(file) => head::parse(file).map_err(|source| AuditError::io("read", path, source)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(head::NONE),
        Err(error) => Err(AuditError::io("open", path, error)),
    }
}

/// Checks what `log` reads against `head`; one pass, bounded memory.
fn check(log: impl BufRead, head: Link) -> io::Result<Report> {
    let mut chain = Chain::default();
    let mut lines = Lines::new(log);
    while let Some(line) = lines.next()? {
        chain.line(line);
    }
    Ok(chain.finish(head))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{denial, log_of};
    use super::super::{Digest, Note};
    use super::*;
    use std::fs;

    /// What `verify` says of a log of ten records after `tamper` had its lines.
    fn after(tamper: impl FnOnce(&mut Vec<String>)) -> Vec<(u64, What)> {
        let (folder, log) = log_of(10);
        let mut lines: Vec<String> =
            fs::read_to_string(log.path()).unwrap().lines().map(str::to_owned).collect();
        tamper(&mut lines);
        fs::write(log.path(), lines.join("\n") + "\n").unwrap();
        let report = verify(&log.path()).unwrap();
        drop(folder);
        assert_eq!(report.is_sound(), report.findings.is_empty());
        report.findings.iter().map(|finding| (finding.line, finding.what)).collect()
    }

    /// The same line with another event and the hash made anew.
    fn forged(line: &str) -> String {
        let body = line.replace("example", "forged!");
        let body = format!("{}}}", &body[..body.len() - 75]);
        let hash = Digest::of(body.as_bytes());
        format!("{},\"hash\":\"{hash}\"}}", &body[..body.len() - 1])
    }

    #[test]
    fn an_untouched_log_is_sound() {
        assert_eq!(after(|_| ()), []);
        let (_folder, log) = log_of(10);
        let sound = Report { records: 10, ..Report::default() };
        assert_eq!(verify(&log.path()).unwrap(), sound);
    }

    #[test]
    fn an_edited_record_is_named() {
        let edit = |at: usize| after(|lines| lines[at] = lines[at].replace("example", "exempla"));
        for at in 0..10 {
            assert_eq!(edit(at), [(at as u64 + 1, What::Edited)]);
        }
        assert_eq!(after(|lines| lines[4] = "{}".into()), [(5, What::Edited)]);
        assert_eq!(after(|lines| lines[4].truncate(40)), [(5, What::Edited)]);
    }

    #[test]
    fn a_record_with_its_hash_made_anew_is_named() {
        for at in 0..9 {
            let forge = |lines: &mut Vec<String>| lines[at] = forged(&lines[at]);
            assert_eq!(after(forge), [(at as u64 + 1, What::Edited)]);
        }
        // The last has no follower; its head knows.
        assert_eq!(after(|lines| lines[9] = forged(&lines[9])), [(11, What::Head)]);
    }

    #[test]
    fn removed_records_are_named() {
        for (range, line) in [(0..1, 1), (0..5, 1), (4..5, 5), (4..7, 5), (8..9, 9)] {
            let cut = |lines: &mut Vec<String>| drop(lines.drain(range));
            assert_eq!(after(cut), [(line, What::Removed)]);
        }
        let twice = |lines: &mut Vec<String>| {
            lines.remove(7);
            lines.remove(2);
        };
        assert_eq!(after(twice), [(3, What::Removed), (7, What::Removed)]);
    }

    #[test]
    fn inserted_lines_are_named() {
        let insert = |at: usize, text: &str| {
            after(|lines| {
                let line = if text.is_empty() { lines[2].clone() } else { text.into() };
                lines.insert(at, line);
            })
        };
        assert_eq!(insert(6, ""), [(7, What::Inserted)]);
        assert_eq!(insert(10, ""), [(11, What::Inserted)]);
        for at in [0, 5, 10] {
            assert_eq!(insert(at, "hello"), [(at as u64 + 1, What::Inserted)]);
        }
        assert_eq!(insert(5, r#"{"v":1,"seq":6,"#), [(6, What::Inserted)]);
        // A forged record that follows the one before it.
        let twin = |lines: &mut Vec<String>| lines.insert(5, forged(&lines[5]));
        assert_eq!(after(twin), [(7, What::Inserted)]);
    }

    #[test]
    fn reordered_records_are_named() {
        for at in [0, 2, 8] {
            assert_eq!(after(|lines| lines.swap(at, at + 1)), [(at as u64 + 1, What::Reordered)]);
        }
        assert_eq!(after(|lines| lines.swap(1, 4)), [(2, What::Reordered)]);
        assert_eq!(after(|lines| lines[3..8].reverse()), [(4, What::Reordered)]);
    }

    #[test]
    fn a_cut_end_is_seen_by_the_head() {
        for left in 0..10 {
            let cut = |lines: &mut Vec<String>| lines.truncate(left);
            let expect = left.max(1) as u64 + 1;
            let found = after(cut);
            // Without any record what is left is one empty line.
            assert_eq!(found, [(expect, What::Truncated)], "{left} records left");
        }
        let (_folder, log) = log_of(3);
        fs::remove_file(log.path()).unwrap();
        let report = verify(&log.path()).unwrap();
        assert_eq!(
            report.findings[0].text,
            "records 1 to 3 are missing at the end (cut off, or lost in a power cut)"
        );
    }

    #[test]
    fn a_cut_inside_a_record_is_seen_by_the_head() {
        let (_folder, log) = log_of(3);
        let bytes = fs::read(log.path()).unwrap();
        // Without its newline the last record is still whole.
        for cut in 0..bytes.len() - 1 {
            fs::write(log.path(), &bytes[..cut]).unwrap();
            let report = verify(&log.path()).unwrap();
            assert_eq!(report.findings.last().unwrap().what, What::Truncated, "cut at {cut}");
        }
        fs::write(log.path(), &bytes[..bytes.len() - 1]).unwrap();
        assert!(verify(&log.path()).unwrap().is_sound());
    }

    #[test]
    fn what_was_cut_off_stays_visible_when_the_log_goes_on() {
        let (_folder, log) = log_of(5);
        let text = fs::read_to_string(log.path()).unwrap();
        let kept: Vec<&str> = text.lines().take(3).collect();
        fs::write(log.path(), kept.join("\n") + "\n").unwrap();
        assert_eq!(log.append(&denial("x")).unwrap().note, Some(Note::Disagrees));
        log.append(&denial("y")).unwrap();
        let report = verify(&log.path()).unwrap();
        let found: Vec<_> = report.findings.iter().map(|f| (f.line, f.what)).collect();
        assert_eq!(found, [(4, What::Removed)]);
    }

    #[test]
    fn an_edit_of_the_last_record_is_not_taken_for_a_tear() {
        let (_folder, log) = log_of(5);
        let text = fs::read_to_string(log.path()).unwrap();
        fs::write(log.path(), text.replace("host-4", "host-5")).unwrap();
        log.append(&denial("x")).unwrap();
        log.append(&denial("y")).unwrap();
        let report = verify(&log.path()).unwrap();
        assert_eq!(
            (report.tears, report.findings[0].line, report.findings[0].what),
            (0, 5, What::Edited)
        );
    }

    #[test]
    fn a_missing_or_foreign_head_is_named() {
        let (folder, log) = log_of(5);
        let head = folder.path().join("audit.head");
        let found = || {
            let report = verify(&log.path()).unwrap();
            report.findings.iter().map(|f| (f.line, f.what)).collect::<Vec<_>>()
        };
        let good = fs::read_to_string(&head).unwrap();
        fs::write(&head, good.replace(":5,", ":3,")).unwrap();
        assert_eq!(found(), [(6, What::Head)]);
        fs::write(&head, "gibberish").unwrap();
        assert_eq!(found(), [(6, What::Head)]);
        fs::remove_file(&head).unwrap();
        assert_eq!(found(), [(6, What::Head)]);
        log.append(&denial("x")).unwrap();
        assert_eq!(found(), [(6, What::Restarted)]);
        log.append(&denial("y")).unwrap();
        assert_eq!(found(), [(6, What::Restarted)]);
    }

    #[test]
    fn a_tear_that_was_changed_is_named() {
        let (_folder, log) = log_of(2);
        let torn = |text: &str| {
            let whole = fs::read_to_string(log.path()).unwrap();
            fs::write(log.path(), whole + text).unwrap();
        };
        torn(r#"{"v":1,"seq":3,"ti"#);
        assert!(verify(&log.path()).unwrap().open_tear);
        log.append(&denial("x")).unwrap();
        let report = verify(&log.path()).unwrap();
        assert_eq!((report.tears, report.open_tear, report.is_sound()), (1, false, true));
        let whole = fs::read_to_string(log.path()).unwrap();
        let found = |text: String| {
            fs::write(log.path(), text).unwrap();
            let report = verify(&log.path()).unwrap();
            report.findings.iter().map(|f| (f.line, f.what)).collect::<Vec<_>>()
        };
        assert_eq!(
            found(whole.replace(r#""ti{"#, r#""to{"#).replace("\"ti\n", "\"to\n")),
            [(3, What::Inserted), (4, What::Edited)]
        );
        assert_eq!(found(whole.replace("{\"v\":1,\"seq\":3,\"ti\n", "")), [(3, What::Edited)]);
    }

    #[test]
    fn a_long_line_is_not_held() {
        let (_folder, log) = log_of(2);
        let whole = fs::read_to_string(log.path()).unwrap();
        let long = "x".repeat(9 << 20);
        let (first, second) = whole.split_once('\n').unwrap();
        fs::write(log.path(), format!("{first}\n{long}\n{second}")).unwrap();
        let report = verify(&log.path()).unwrap();
        assert_eq!(report.findings.len(), 1);
        assert_eq!((report.findings[0].line, report.findings[0].what), (2, What::Inserted));
    }

    #[test]
    fn neither_log_nor_head_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(verify(&folder.path().join("audit.log")).is_err());
        assert!(verify(folder.path()).is_err());
    }
}
