//! Paths as a policy names them, made absolute by text alone: no file is looked at.

use super::expect::{Malformed, is_invisible};
use std::path::{Component, Path, PathBuf};

/// What relative paths and `~` stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Anchor<'a> {
    pub(crate) base: &'a Path,
    pub(crate) home: Option<&'a Path>,
}

impl Anchor<'_> {
    /// The absolute path that `text` means, without `.` and doubled slashes.
    pub(super) fn resolve(&self, text: &str) -> Result<PathBuf, Malformed> {
        if text.is_empty() {
            return Err(Malformed::because("the path is empty"));
        }
        if text.chars().any(|c| c.is_control() || is_invisible(c)) {
            return Err(Malformed::new("a path without control or invisible characters", text));
        }
        if text.starts_with('$') {
            let expected = "a path; variables are not expanded, `~/` stands for the home folder";
            return Err(Malformed::new(expected, text));
        }
        self.join(Path::new(text))
    }

    /// As `resolve`, for a path that came from the command line and need not be UTF-8.
    pub(super) fn join(&self, path: &Path) -> Result<PathBuf, Malformed> {
        let shown = path.to_string_lossy();
        // Where a folder before it is a symbolic link, `..` by text alone is another place.
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(Malformed::new("a path without `..`: write it in full", &shown));
        }
        let path = match path.strip_prefix("~") {
            Ok(rest) => match self.home {
                Some(home) => home.join(rest),
                None => return Err(Malformed::because("`~` is used but HOME is not set")),
            },
            Err(_) if shown.starts_with('~') => {
                return Err(Malformed::new("`~/` for the home folder, or a full path", &shown));
            }
            Err(_) => self.base.join(path),
        };
        // `components` drops inner `.`, doubled slashes and the last slash.
        let path: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
        if path.is_absolute() {
            return Ok(path);
        }
        Err(Malformed::new("a full path, as the folder to start from is not one", &shown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<PathBuf, Malformed> {
        Anchor { base: Path::new("/w"), home: Some(Path::new("/home/a")) }.resolve(text)
    }

    #[test]
    fn relative_home_and_full_paths() {
        for (text, path) in [
            (".", "/w"),
            ("./data//x/", "/w/data/x"),
            ("data/./x", "/w/data/x"),
            ("~", "/home/a"),
            ("~/src", "/home/a/src"),
            ("/etc/hosts", "/etc/hosts"),
            ("/", "/"),
            ("a~b", "/w/a~b"),
            ("..data", "/w/..data"),
        ] {
            assert_eq!(resolve(text).unwrap(), Path::new(path), "{text}");
        }
    }

    #[test]
    fn paths_that_could_mean_another_place_are_refused() {
        for text in ["", "..", "../x", "/a/../b", "~root/x", "~x", "$HOME/x", "a\0b", "a\nb"] {
            assert!(resolve(text).is_err(), "{text:?} was accepted");
        }
        let homeless = Anchor { base: Path::new("/w"), home: None };
        assert!(homeless.resolve("~/x").is_err());
    }
}
