//! The folder of this user's for what lives no longer than processes do: runs, and the sockets of the API.
//! Nobody else can enter it, or put something else in its place.

use nix::unistd::geteuid;
use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A folder that exists for all, and the name of ours in it.
struct Candidate {
    base: PathBuf,
    name: String,
}

impl Candidate {
    fn folder(&self) -> PathBuf {
        self.base.join(&self.name).join("jail")
    }
}

/// Best first. A client may have started `jail run` without XDG_RUNTIME_DIR, so that who looks for what is
/// in it looks in each.
fn candidates() -> Vec<Candidate> {
    let uid = geteuid();
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|p| p.is_absolute());
    let usual = PathBuf::from(format!("/run/user/{uid}"));
    let mut bases: Vec<PathBuf> = own.into_iter().collect();
    if !bases.contains(&usual) {
        bases.push(usual);
    }
    let named = bases.into_iter().map(|base| Candidate { base, name: "cloned".to_owned() });
    let last = Candidate { base: "/tmp".into(), name: format!("cloned-{uid}") };
    named.chain([last]).collect()
}

/// The places that no grant may hold, whether they are there or not.
pub fn hidden() -> Vec<PathBuf> {
    // By its name as well: where links cannot be followed, that is what is left to compare.
    let both = |candidate: Candidate| {
        let real = fs::canonicalize(&candidate.base).ok().map(|base| base.join(&candidate.name));
        let named = candidate.base.join(&candidate.name);
        real.filter(|real| *real != named).into_iter().chain([named])
    };
    candidates().into_iter().flat_map(both).collect()
}

/// Those that are there and ours, with all of `parts` in them.
pub fn existing(parts: &[&str]) -> Vec<PathBuf> {
    let ours =
        |candidate: &Candidate| sound(candidate).is_ok() && checked(candidate, parts).is_ok();
    candidates().into_iter().filter(ours).map(|candidate| candidate.folder()).collect()
}

/// The first that can be used, with the folders `parts` in it, made where they are missing; or why there is
/// none.
pub fn usable(parts: &[&str]) -> Result<PathBuf, Vec<String>> {
    let mut why = Vec::new();
    for candidate in candidates() {
        let folder = candidate.folder();
        // The usual case: it is there, with its parts.
        let found = sound(&candidate).and_then(|()| match checked(&candidate, parts) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make(&candidate, parts).and_then(|()| checked(&candidate, parts))
            }
            other => other,
        });
        match found {
            Ok(()) => return Ok(folder),
            Err(error) => why.push(format!("{}: {error}", folder.display())),
        }
    }
    Err(why)
}

/// Nobody else can put something else in the place of what is ours in this folder.
fn sound(candidate: &Candidate) -> io::Result<()> {
    let base = fs::metadata(&candidate.base)?;
    let owner = base.uid() == geteuid().as_raw() || base.uid() == 0;
    // In a folder with the sticky bit nobody removes or renames what is another one's.
    let kept = base.mode() & 0o022 == 0 || base.mode() & libc::S_ISVTX != 0;
    if base.is_dir() && owner && kept {
        Ok(())
    } else {
        Err(io::Error::other(format!("others can change {}", candidate.base.display())))
    }
}

fn checked(candidate: &Candidate, parts: &[&str]) -> io::Result<()> {
    let folder = candidate.folder();
    private(&candidate.base.join(&candidate.name), 0o022)?;
    private(&folder, 0o077)?;
    parts.iter().try_for_each(|part| private(&folder.join(part), 0o077))
}

/// It is a folder of ours, and others have none of these rights.
fn private(path: &Path, rights: u32) -> io::Result<()> {
    let found: Metadata = fs::symlink_metadata(path)?;
    if found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & rights == 0 {
        return Ok(());
    }
    let what = format!("{} is not a folder of yours that only you can use", path.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, what))
}

fn make(candidate: &Candidate, parts: &[&str]) -> io::Result<()> {
    let folder = candidate.folder();
    for path in [candidate.base.join(&candidate.name), folder.clone()]
        .into_iter()
        .chain(parts.iter().map(|part| folder.join(part)))
    {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const PARTS: [&str; 2] = ["runs", "ended"];

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_place_is_made_once_and_is_private() {
        let base = tempfile::tempdir().unwrap();
        let candidate = Candidate { base: base.path().into(), name: "cloned".into() };
        assert_eq!(checked(&candidate, &PARTS).unwrap_err().kind(), io::ErrorKind::NotFound);
        make(&candidate, &PARTS).unwrap();
        make(&candidate, &PARTS).unwrap();
        checked(&candidate, &PARTS).unwrap();
        let mode = fs::metadata(candidate.folder()).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o700);
    }

    #[test]
    fn what_others_can_enter_or_replace_is_no_place() {
        let base = tempfile::tempdir().unwrap();
        let candidate = Candidate { base: base.path().into(), name: "cloned".into() };
        make(&candidate, &PARTS).unwrap();
        for below in ["jail", "jail/runs", "jail/ended"] {
            let path = base.path().join("cloned").join(below);
            set(&path, 0o750);
            assert!(checked(&candidate, &PARTS).is_err(), "{below}");
            set(&path, 0o700);
        }
        set(base.path(), 0o777);
        assert!(sound(&candidate).is_err());
        set(base.path(), 0o1777);
        sound(&candidate).unwrap();
    }

    #[test]
    fn a_link_in_its_place_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        symlink(elsewhere.path(), base.path().join("cloned")).unwrap();
        let candidate = Candidate { base: base.path().into(), name: "cloned".into() };
        make(&candidate, &PARTS).unwrap();
        assert!(checked(&candidate, &PARTS).is_err());
    }
}
