//! A compose file may come from a repository of a stranger's: any bytes make a verdict or problems. The file
//! may extend and include itself, and be its own file of variables.
#![no_main]

use jail::compose::check::check;
use jail::compose::project::{Rejection, Request};
use jail::policy::Origin;
use libfuzzer_sys::fuzz_target;
use std::path::{Path, PathBuf};

fuzz_target!(|bytes: &[u8]| {
    let reader = |path: &Path, most: usize| match path.extension() {
        Some(_) => Ok(bytes.iter().copied().take(most + 1).collect()),
        None => Err(std::io::ErrorKind::NotFound.into()),
    };
    let request = Request { files: vec![PathBuf::from("/p/compose.yaml")], ..Request::default() };
    match check(&request, &[], &reader) {
        Ok(checked) => {
            let lines = 1 + bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() as u32;
            for judged in checked.found {
                assert!((1..=lines).contains(&judged.spot.line));
                assert!(!judged.finding.subject.contains(char::is_control));
                assert!(!judged.finding.evidence.contains(char::is_control));
                assert!(!judged.finding.fix.contains(char::is_control));
            }
        }
        Err(Rejection::Unreadable(_)) => {}
        Err(Rejection::Wrong(problems)) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(!problem.to_string().contains(char::is_control));
                assert!(matches!(problem.origin, Origin::File { line: 1.., column: 1.., .. }));
            }
        }
    }
});
