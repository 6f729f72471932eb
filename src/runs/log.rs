//! The log of a run: what its connector wrote to stderr, and what jail said. Two files of bounded size; the
//! older is dropped when the newer is full.

use super::End;
use super::frame::{self, Frame, Source};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// The most that is in one file. There are two of them.
pub const PART: u64 = 128 << 10;

/// A flood can replace a file while it is read.
const TRIES: u32 = 50;

pub(super) const NEWER: &str = "stderr.log";
pub(super) const OLDER: &str = "stderr.log.1";

/// A log that is written. Copies of it write to the same.
#[derive(Debug, Clone)]
pub struct Log(Arc<Mutex<Writer>>);

#[derive(Debug)]
struct Writer {
    folder: PathBuf,
    file: File,
    length: u64,
    at: u64,
    /// It could not be written once; nothing is written after that.
    broken: bool,
    /// A child that was cloned from us has this in memory and is not to use it: the number of the
    /// descriptor can mean something else there.
    owner: u32,
}

impl Log {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let (file, folder) = (create(&folder.join(NEWER))?, folder.to_owned());
        let owner = std::process::id();
        let writer = Writer { folder, file, length: 0, at: 0, broken: false, owner };
        Ok(Self(Arc::new(Mutex::new(writer))))
    }

    /// Adds what the connector said. The first time that this fails, it gives what is to be told.
    pub fn connector(&self, bytes: &[u8]) -> Option<String> {
        self.append(Source::Connector, bytes)
    }

    /// Adds a line of ours.
    pub fn jail(&self, line: &str) -> Option<String> {
        self.append(Source::Jail, line.as_bytes())
    }

    pub(super) fn end(&self, end: &End) -> Option<String> {
        match serde_json::to_vec(end) {
            Ok(text) => self.append(Source::End, &text),
            Err(error) => Some(error.to_string()),
        }
    }

    /// The folder has another name now.
    pub(super) fn moved(&self, folder: &Path) {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        folder.clone_into(&mut writer.folder);
    }

    fn append(&self, source: Source, bytes: &[u8]) -> Option<String> {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = writer.owner == std::process::id();
        // A piece has bytes: a reader knows by them what it has seen.
        if writer.broken || !ours || bytes.is_empty() {
            return None;
        }
        let error = writer.write(source, bytes).err()?;
        writer.broken = true;
        Some(format!("jail: the log of this run cannot be written, and ends here: {error}"))
    }
}

impl Writer {
    fn write(&mut self, source: Source, bytes: &[u8]) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let frame = frame::write(source, time, self.at, bytes);
        if self.length + frame.len() as u64 > PART {
            let newer = self.folder.join(NEWER);
            fs::rename(&newer, self.folder.join(OLDER))?;
            self.file = create(&newer)?;
            self.length = 0;
        }
        self.file.write_all(&frame)?;
        self.length += frame.len() as u64;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
}

/// A log that is read, wherever its folder is moved meanwhile.
#[derive(Debug)]
pub(super) struct Reader(File);

impl Reader {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
        File::options().read(true).custom_flags(flags).open(folder).map(Self)
    }

    /// All pieces that are kept, in order.
    pub(super) fn frames(&self) -> io::Result<Vec<Frame>> {
        let mut left = TRIES;
        loop {
            left -= 1;
            // The newer first: what it is when the older has been read tells whether they belong together.
            let newer = self.file(NEWER)?;
            let older = self.file(OLDER)?;
            let (mut first, mut second) = (Vec::new(), Vec::new());
            if let Some(file) = older {
                file.take(2 * PART).read_to_end(&mut first)?;
            }
            let Some(newer) = newer else { return Ok(frame::read(&first)) };
            (&newer).take(2 * PART).read_to_end(&mut second)?;
            let place = |file: &File| file.metadata().map(|meta| (meta.dev(), meta.ino())).ok();
            let now = self.file(NEWER)?;
            if now.is_some_and(|now| place(&now) == place(&newer)) {
                let mut frames = frame::read(&first);
                frames.extend(frame::read(&second));
                return Ok(frames);
            }
            if left == 0 {
                // Faster than we read: what is missing shows in the offsets.
                return Ok(frame::read(&second));
            }
        }
    }

    fn file(&self, name: &str) -> io::Result<Option<File>> {
        use nix::fcntl::{OFlag, openat};
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        match openat(self.0.as_fd(), name, flags, nix::sys::stat::Mode::empty()) {
            Ok(file) => Ok(Some(File::from(file))),
            Err(nix::errno::Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_stays_bounded_and_its_newest_part_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::create(folder.path()).unwrap();
        let piece = [b'x'; 4096];
        for _ in 0..500 {
            assert_eq!(log.connector(&piece), None);
        }
        let size: u64 = fs::read_dir(folder.path())
            .unwrap()
            .map(|f| f.unwrap().metadata().unwrap().len())
            .sum();
        assert!(size <= 2 * PART, "{size}");
        let frames = Reader::open(folder.path()).unwrap().frames().unwrap();
        assert!(frames.len() as u64 > PART / 5000);
        assert!(frames.windows(2).all(|pair| pair[0].end() == pair[1].at), "a hole");
        assert_eq!(frames.last().unwrap().end(), 500 * 4096);
    }

    #[test]
    fn a_reader_follows_its_folder_and_sees_whole_pieces_beside_a_writer() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("a");
        fs::create_dir(&folder).unwrap();
        let log = Log::create(&folder).unwrap();
        let reader = Reader::open(&folder).unwrap();
        let writer = std::thread::spawn(move || {
            for number in 0u32..20_000 {
                assert_eq!(log.jail(&format!("{number:08}")), None);
            }
            log
        });
        let mut last = 0;
        while !writer.is_finished() {
            let frames = reader.frames().unwrap();
            assert!(frames.windows(2).all(|pair| pair[0].end() == pair[1].at), "a hole");
            for frame in &frames {
                assert_eq!(frame.bytes, format!("{:08}", frame.at / 8).into_bytes());
            }
            let end = frames.last().map_or(0, Frame::end);
            assert!(end >= last);
            last = end;
        }
        let log = writer.join().unwrap();
        fs::rename(&folder, base.path().join("b")).unwrap();
        log.moved(&base.path().join("b"));
        log.jail("the last");
        assert_eq!(reader.frames().unwrap().last().unwrap().bytes, b"the last");
    }

    #[test]
    fn a_log_that_cannot_be_written_says_so_once() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::create(folder.path()).unwrap();
        fs::remove_dir_all(folder.path()).unwrap();
        let told: Vec<String> = (0..200).filter_map(|_| log.connector(&[b'x'; 4096])).collect();
        assert!(told.len() == 1 && told[0].contains("cannot be written"), "{told:?}");
    }
}
