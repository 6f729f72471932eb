//! "It is not there" and "it cannot be looked at" are two things.
//!
//! What is not there needs no protection and is not shown. What fails to be looked at may be there: a
//! plan that took it for missing would leave a control out without a word.

use crate::failure::{Failure, Kind};
use crate::plan::Stage;
use nix::errno::Errno;
use std::io;
use std::path::Path;

/// What was found at the path; `None` where nothing is, or nothing that this user can reach.
pub fn found<T>(path: &Path, result: io::Result<T>) -> Result<Option<T>, Failure> {
    let error = match result {
        Ok(found) => return Ok(Some(found)),
        Err(error) => error,
    };
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES | Errno::EPERM | Errno::ELOOP) => {
            Ok(None)
        }
        _ => {
            Err(Failure::new(Kind::Io, format!("cannot tell whether {} is there", path.display()))
                .at(Stage::Resolve)
                .because(error)
                .hint(
                    "a run is not started where a control could be left out by mistake; run again",
                ))
        }
    }
}

/// Is something there?
pub fn exists(path: &Path) -> Result<bool, Failure> {
    found(path, std::fs::metadata(path)).map(|found| found.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_absence_is_an_absence() {
        let look = |errno: Errno| found(Path::new("/x"), Err::<(), _>(io::Error::from(errno)));
        assert!(matches!(found(Path::new("/x"), Ok(1)), Ok(Some(1))));
        for errno in [Errno::ENOENT, Errno::ENOTDIR, Errno::EACCES, Errno::ELOOP] {
            assert!(matches!(look(errno), Ok(None)), "{errno}");
        }
        for errno in [Errno::EIO, Errno::ENOMEM, Errno::EMFILE, Errno::ENAMETOOLONG] {
            let failure = look(errno).unwrap_err().to_string();
            assert!(failure.contains("/x") && failure.contains("os error"), "{failure}");
        }
    }
}
