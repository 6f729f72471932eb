//! The newest counters of a run, for `jail ps` to read while it goes on.
//!
//! They are a memory file without a name, held open by the supervisor and found through
//! `/proc/PID/fd`. The kernel lets only those read it who may look into the supervisor anyway: its user
//! and root. It needs no socket, no answer and no time at a start, is out of every jail's reach, and
//! is gone with the supervisor, however that ends.

use crate::egress::Counters;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Counters are some kilobytes.
const MOST: u64 = 1 << 20;
/// A file can be replaced by a newer one while it is looked for.
const TRIES: usize = 5;

#[derive(Debug)]
pub(super) struct Gauge {
    name: String,
    held: Option<File>,
}

impl Gauge {
    pub(super) fn new(run: &str) -> Self {
        Self { name: name(run), held: None }
    }

    /// Replaces what is shown. The file is complete before anybody believes it: only sealed ones are read.
    pub(super) fn show(&mut self, counters: &Counters) -> io::Result<()> {
        let mut file = memory_file(&self.name)?;
        file.write_all(&serde_json::to_vec(counters)?)?;
        fcntl(&file, FcntlArg::F_ADD_SEALS(sealed()))?;
        self.held = Some(file);
        Ok(())
    }
}

fn name(run: &str) -> String {
    format!("jail-{run}")
}

fn sealed() -> SealFlag {
    SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL
}

fn memory_file(name: &str) -> nix::Result<File> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // Some machines allow no other kind; Linux before 6.3 does not know it.
    let plain = MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL);
    match memfd_create(name, flags | plain) {
        Err(Errno::EINVAL) => memfd_create(name, flags),
        other => other,
    }
    .map(File::from)
}

/// What the supervisor with this pid shows of this run. `None`: nothing was ever counted.
pub fn read(supervisor: u32, run: &str) -> io::Result<Option<Counters>> {
    let folder = Path::new("/proc").join(supervisor.to_string()).join("fd");
    let wanted = PathBuf::from(format!("/memfd:{} (deleted)", name(run)));
    let mut gone = None;
    for _ in 0..TRIES {
        let mut seen = false;
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            // A descriptor that was closed meanwhile is none of ours.
            if fs::read_link(&path).is_ok_and(|link| link == wanted) {
                seen = true;
                match counters(&path) {
                    Ok(Some(counters)) => return Ok(Some(counters)),
                    Ok(None) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => gone = Some(error),
                    Err(error) => return Err(error),
                }
            }
        }
        if !seen {
            return Ok(None);
        }
    }
    Err(gone.unwrap_or_else(|| io::Error::other("its counters change too fast to be read")))
}

/// `None` for one that is still being written, or whose number means another file by now.
fn counters(path: &Path) -> io::Result<Option<Counters>> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let seals = fcntl(&file, FcntlArg::F_GET_SEALS).map(SealFlag::from_bits_retain);
    if !seals.is_ok_and(|seals| seals.contains(sealed())) {
        return Ok(None);
    }
    let mut text = Vec::new();
    file.take(MOST).read_to_end(&mut text)?;
    Ok(Some(serde_json::from_slice(&text)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt as _;

    fn of(allowed: u64) -> Counters {
        let denied_hosts = [("a.example".to_owned(), 7)].into();
        Counters { allowed, denied: 7, denied_hosts, ..Counters::default() }
    }

    #[test]
    fn the_newest_are_read_and_nothing_is_left() {
        let (own, run) = (std::process::id(), "gauge-newest");
        assert_eq!(read(own, run).unwrap(), None);
        let mut gauge = Gauge::new(run);
        for allowed in 0..3 {
            gauge.show(&of(allowed)).unwrap();
            assert_eq!(read(own, run).unwrap(), Some(of(allowed)));
            assert_eq!(read(own, "gauge-newes").unwrap(), None, "of another run");
        }
        drop(gauge);
        assert_eq!(read(own, run).unwrap(), None);
    }

    #[test]
    fn what_is_not_sealed_is_not_believed_and_what_is_cannot_change() {
        let (own, run) = (std::process::id(), "gauge-unsealed");
        let mut half = memory_file(&name(run)).unwrap();
        half.write_all(br#"{"allowed":1"#).unwrap();
        assert!(read(own, run).is_err());
        let mut gauge = Gauge::new(run);
        gauge.show(&of(5)).unwrap();
        assert_eq!(read(own, run).unwrap(), Some(of(5)));
        let held = gauge.held.as_ref().unwrap();
        assert!(held.write_at(b"x", 0).is_err() && held.set_len(0).is_err());
    }

    #[test]
    fn a_reader_beside_a_writer_sees_whole_counters_only() {
        let (own, run) = (std::process::id(), "gauge-beside");
        let writer = std::thread::spawn(move || {
            let mut gauge = Gauge::new(run);
            (1..=2000).for_each(|allowed| gauge.show(&of(allowed)).unwrap());
        });
        let mut last = 0;
        while !writer.is_finished() {
            // Too fast to be read is said as such; never is anything else seen.
            if let Ok(Some(seen)) = read(own, run) {
                assert_eq!(seen, of(seen.allowed));
                last = seen.allowed;
            }
        }
        writer.join().unwrap();
        assert!(last <= 2000);
    }
}
