//! Appending to the log; the only writer of it.

use super::error::AuditError;
use super::event::Event;
use super::files::Folder;
use super::head;
use super::record::{self, Link, MAX_LINE};
use super::tail::{self, End};
use super::text::Digest;
use nix::fcntl::OFlag;
use nix::sys::resource::{Resource, getrlimit};
use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How long an append waits for another one. An append takes less than a millisecond, so who holds
/// the lock for longer was stopped, or holds it on purpose.
const PATIENCE: Duration = Duration::from_secs(10);

/// A log, open for appending. Threads and processes may append at the same time.
///
/// A process that is cloned from this one without exec must not append through it: it would share
/// the lock instead of waiting for it.
#[derive(Debug)]
pub struct Log {
    folder: Folder,
    name: PathBuf,
    head: PathBuf,
    file: Mutex<File>,
}

/// What an append wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The number of the record, from 1.
    pub seq: u64,
    pub hash: Digest,
    /// What was wrong with the log before; the owner should be told.
    pub note: Option<Note>,
}

/// What an append found at the end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// A torn line of this many bytes: a process was killed or the disk was full.
    Torn { bytes: u64 },
    /// The log does not end where its head says: it was changed. `jail audit verify` says where.
    Disagrees,
}

impl Log {
    /// Opens the log at `path`, making it (0600) and its folder (0700) where they are missing.
    ///
    /// Refuses a log or folder that is a symbolic link, belongs to another user, or can be written
    /// by group or others.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        let not_a_file = || AuditError::NotA { path: path.to_owned(), wanted: "file name" };
        let name = PathBuf::from(path.file_name().ok_or_else(not_a_file)?);
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => Folder::open(parent)?,
            _ => Folder::open(Path::new("."))?,
        };
        let head = head::name_for(&name);
        let file = Mutex::new(open_log(&folder, &name)?);
        Ok(Self { folder, name, head, file })
    }

    /// Where the log is.
    pub fn path(&self) -> PathBuf {
        self.folder.path_of(&self.name)
    }

    /// Writes one event. When it fails, the event is not in the log: at most a part of it is, as a
    /// torn line. (A rename of the head that fails leaves it there; the next append tries again.)
    pub fn append(&self, event: &Event) -> Result<Receipt, AuditError> {
        let mut slot = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        self.lock(&mut slot)?;
        let held = Held(&slot);
        let end = tail::find(held.0).map_err(|source| self.io("read", source))?;
        let end =
            end.ok_or_else(|| AuditError::Damaged { path: self.path(), bytes: tail::MAX_WINDOW })?;
        let (after, note) = self.join(&end)?;
        let (link, mut line) =
            record::write(after, SystemTime::now(), end.torn, event).map_err(AuditError::Encode)?;
        if line.len() > MAX_LINE {
            return Err(AuditError::TooLong { bytes: line.len() });
        }
        if !end.closed {
            line.insert(0, b'\n');
        }
        // The head first finds its place on the disk, so that a full one fails before the record.
        head::prepare(&self.folder, &self.head)?;
        self.write(held.0, &line, end.len)?;
        head::put(&self.folder, &self.head, link)?;
        Ok(Receipt { seq: link.seq, hash: link.hash, note })
    }

    /// Where the chain goes on, by the end of the log and its head.
    fn join(&self, end: &End) -> Result<(Link, Option<Note>), AuditError> {
        let head = head::read(&self.folder, &self.head)?;
        let torn = end.torn.map(|torn| Note::Torn { bytes: torn.bytes });
        if head == end.last {
            return Ok((head, torn));
        }
        if end.last != Link::START && head == end.before {
            // Killed between record and head. The head is put right before the next record, so
            // that it is never honestly two behind.
            head::put(&self.folder, &self.head, end.last)?;
            return Ok((end.last, torn));
        }
        Ok((head, Some(Note::Disagrees)))
    }

    /// One write(2): it is whole, or the tail of the file shows that it is not.
    fn write(&self, mut file: &File, line: &[u8], len: u64) -> Result<(), AuditError> {
        // Past RLIMIT_FSIZE the kernel would cut the record short and kill us with SIGXFSZ.
        let (limit, _) = getrlimit(Resource::RLIMIT_FSIZE)
            .map_err(|errno| self.io("learn the size limit of", errno.into()))?;
        if len.saturating_add(line.len() as u64) > limit {
            return Err(AuditError::SizeLimit { path: self.path(), limit });
        }
        loop {
            match file.write(line) {
                Ok(written) if written == line.len() => return Ok(()),
                // The rest would fail with ENOSPC or EDQUOT.
                Ok(_) => return Err(AuditError::Full { path: self.path() }),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.io("write", error)),
            }
        }
    }

    /// Takes the lock of the file that bears the log's name now: it may have been moved away.
    fn lock(&self, slot: &mut File) -> Result<(), AuditError> {
        const ATTEMPTS: u32 = 8;
        for _ in 0..ATTEMPTS {
            self.wait_for_lock(slot)?;
            let held = Held(slot);
            if self.folder.still_names(&self.name, held.0).map_err(|e| self.io("look at", e))? {
                std::mem::forget(held);
                return Ok(());
            }
            drop(held);
            *slot = open_log(&self.folder, &self.name)?;
        }
        Err(AuditError::Replaced { path: self.path() })
    }

    /// A plain flock would wait for ever for a process that was stopped while holding it.
    fn wait_for_lock(&self, file: &File) -> Result<(), AuditError> {
        let start = Instant::now();
        let mut pause = Duration::from_micros(50);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::Error(source)) => return Err(self.io("lock", source)),
                Err(TryLockError::WouldBlock) if start.elapsed() > PATIENCE => {
                    return Err(AuditError::Busy {
                        path: self.path(),
                        seconds: PATIENCE.as_secs(),
                    });
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(pause),
            }
            pause = (pause * 2).min(Duration::from_millis(5));
        }
    }

    fn io(&self, call: &'static str, source: io::Error) -> AuditError {
        AuditError::io(call, &self.path(), source)
    }
}

fn open_log(folder: &Folder, name: &Path) -> Result<File, AuditError> {
    let flags = OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_CREAT;
    folder.file(name, flags)?.ok_or_else(|| {
        AuditError::io("make", &folder.path_of(name), io::ErrorKind::NotFound.into())
    })
}

/// Gives the lock back, also when an append fails.
struct Held<'a>(&'a File);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // The only way to fail is a descriptor that is not open.
        drop(self.0.unlock());
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{denial, log_of};
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn lines(log: &Log) -> Vec<String> {
        let text = fs::read(log.path()).unwrap();
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
    }

    #[test]
    fn records_are_numbered_and_chained_and_the_head_names_the_last() {
        let (folder, log) = log_of(2);
        let receipt = log.append(&denial("x")).unwrap();
        assert_eq!((receipt.seq, receipt.note), (3, None));
        let lines = lines(&log);
        assert!(lines[0].contains(&format!(r#""prev":"{}""#, Digest::ZERO)));
        let second = record::read(lines[1].as_bytes()).unwrap();
        assert_eq!(record::read(lines[2].as_bytes()).unwrap().prev, second.hash);
        let head = fs::read_to_string(folder.path().join("audit.head")).unwrap();
        let wanted = format!("{{\"seq\":3,\"hash\":\"{}\"}}", receipt.hash);
        assert_eq!(head, format!("{wanted:127}\n"));
        for file in ["audit.log", "audit.head"] {
            let mode = folder.path().join(file).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_record_torn_at_any_byte_is_closed_and_vouched_for() {
        let (_folder, log) = log_of(3);
        let bytes = fs::read(log.path()).unwrap();
        let third = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        let torn_at = |cut: usize| {
            let (folder, log) = log_of(0);
            fs::write(log.path(), &bytes[..cut]).unwrap();
            let second = record::read(bytes[..third - 1].rsplit(|b| *b == b'\n').next().unwrap());
            head::prepare(&log.folder, &log.head).unwrap();
            head::put(&log.folder, &log.head, second.unwrap().link()).unwrap();
            let receipt = log.append(&denial("after")).unwrap();
            let last = lines(&log).pop().unwrap();
            let torn = record::read(last.as_bytes()).unwrap().torn;
            let report = super::super::verify(&log.path()).unwrap();
            assert!(report.is_sound(), "cut at {cut}: {report:?}");
            assert_eq!(report.tears, u64::from(torn.is_some()));
            drop(folder);
            (receipt, torn)
        };
        for cut in third + 1..bytes.len() - 1 {
            let (receipt, torn) = torn_at(cut);
            let left = &bytes[third..cut];
            let size = left.len() as u64;
            assert_eq!((receipt.seq, receipt.note), (3, Some(Note::Torn { bytes: size })));
            assert_eq!(torn, Some(super::record::Torn { bytes: size, sha256: Digest::of(left) }));
        }
        // Nothing of the record is there, all but its newline, or all but its head.
        for (cut, seq) in [(third, 3), (bytes.len() - 1, 4), (bytes.len(), 4)] {
            let (receipt, torn) = torn_at(cut);
            assert_eq!((receipt.seq, receipt.note, torn), (seq, None, None));
        }
    }

    #[test]
    fn a_long_torn_end_is_looked_behind_and_an_endless_one_refused() {
        let (_folder, log) = log_of(2);
        let good = fs::read(log.path()).unwrap();
        let with = |size: usize| [good.clone(), vec![0; size]].concat();
        fs::write(log.path(), with(100_000)).unwrap();
        let receipt = log.append(&denial("after")).unwrap();
        assert_eq!((receipt.seq, receipt.note), (3, Some(Note::Torn { bytes: 100_000 })));
        fs::write(log.path(), with(5 << 20)).unwrap();
        let error = log.append(&denial("after")).unwrap_err();
        assert!(matches!(error, AuditError::Damaged { .. }), "{error}");
    }

    #[test]
    fn a_log_that_disagrees_with_its_head_is_continued_from_the_head() {
        let (folder, log) = log_of(5);
        let text = lines(&log)[..3].join("\n") + "\n";
        fs::write(log.path(), text).unwrap();
        let receipt = log.append(&denial("after the cut")).unwrap();
        assert_eq!((receipt.seq, receipt.note), (6, Some(Note::Disagrees)));
        assert_eq!(log.append(&denial("next")).unwrap().note, None);
        fs::remove_file(folder.path().join("audit.head")).unwrap();
        let receipt = log.append(&denial("without head")).unwrap();
        assert_eq!((receipt.seq, receipt.note), (1, Some(Note::Disagrees)));
    }

    #[test]
    fn a_log_that_was_moved_away_is_begun_anew_by_those_who_hold_it_open() {
        let (folder, log) = log_of(2);
        for file in ["audit.log", "audit.head"] {
            fs::rename(folder.path().join(file), folder.path().join(format!("{file}.old")))
                .unwrap();
        }
        let receipt = log.append(&denial("new")).unwrap();
        assert_eq!((receipt.seq, receipt.note, lines(&log).len()), (1, None, 1));
    }

    #[test]
    fn what_others_could_change_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let error = |path: &Path| Log::open(path).unwrap_err();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));

        symlink("/etc/passwd", &path).unwrap();
        assert!(matches!(error(&path), AuditError::Symlink { .. }));
        fs::remove_file(&path).unwrap();

        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(error(&path), AuditError::NotA { .. }));
        fs::remove_file(&path).unwrap();

        fs::write(&path, "").unwrap();
        for bad in [0o622, 0o602] {
            mode(&path, bad).unwrap();
            assert!(matches!(error(&path), AuditError::Writable { mode, .. } if mode == bad));
        }
        mode(&path, 0o600).unwrap();
        mode(folder.path(), 0o757).unwrap();
        assert!(matches!(error(&path), AuditError::Writable { mode: 0o757, .. }));
        mode(folder.path(), 0o700).unwrap();

        let link = folder.path().join("link");
        symlink(folder.path(), &link).unwrap();
        assert!(matches!(error(&link.join("audit.log")), AuditError::Symlink { .. }));
        assert!(matches!(
            error(Path::new("/proc/self/audit.log")),
            AuditError::Io { .. } | AuditError::Symlink { .. }
        ));
        Log::open(&path).unwrap();
    }

    #[test]
    fn a_head_that_is_a_link_fails_the_append() {
        let (folder, log) = log_of(0);
        symlink("/dev/null", folder.path().join("audit.head")).unwrap();
        assert!(matches!(log.append(&denial("x")).unwrap_err(), AuditError::Symlink { .. }));
    }

    #[test]
    fn the_failure_says_what_to_do() {
        let error = AuditError::Writable { path: "/w/.cloned".into(), mode: 0o775 };
        let text = crate::failure::Failure::from(error).to_string();
        assert_eq!(
            text,
            "error: the audit log cannot be used\n\
             caused by: group or others can write /w/.cloned (mode 0775)\n\
             hint: chmod go-w /w/.cloned"
        );
    }
}
