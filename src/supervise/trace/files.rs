//! Why a file was refused, and what would grant it.

use super::Grant;
use super::calls::Access;
use super::doubt::{self, doubt, is_usual};
use super::judge::{Judge, Said};
use super::place::{Located, Place, Shared, locate};
use crate::audit::{Mechanism, Text};
use crate::plan::mounts::is_never_whole;
use crate::plan::{Bind, INSIDE_HOME, INSIDE_WORKSPACE, MountStep, PROTECTED};
use landlock::{AccessFs, BitFlags};
use nix::errno::Errno;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The system's own: granted for reading at most.
const SYSTEM: [&str; 4] = ["/usr", "/etc", "/boot", "/opt"];

impl Judge<'_> {
    /// `path` is absolute, as the connector said it.
    pub(super) fn file(&self, path: &Path, access: Access, errno: Errno) -> Option<Said> {
        if is_usual(path) {
            return None;
        }
        let located = locate(self.plan, path)?;
        match errno {
            Errno::ENOENT => self.absent(path, &located, access),
            Errno::EROFS => self.read_only(path, &located, access),
            Errno::EACCES => Some(self.denied(path, &located, access)),
            Errno::EPERM => Some(self.not_owner(path, &located)),
            _ => None,
        }
    }

    /// A unix socket with a file.
    pub(super) fn socket(&self, path: &Path, bind: bool, errno: Errno) -> Option<Said> {
        let access = if bind { Access::Name } else { Access::Write };
        let said = self.file(path, access, errno)?;
        if bind {
            return Some(said);
        }
        // A mount for reading is enough to connect.
        let grant = said.grant.map(|grant| Grant { write: false, ..grant });
        let fix = grant.as_ref().map(fix).or(said.fix);
        Some(Said { grant, fix, ..said })
    }

    /// Recorded only where the host has what the jail has not.
    fn absent(&self, path: &Path, located: &Located<'_>, access: Access) -> Option<Said> {
        let Place::Own { step } = located.place else { return None };
        let of_kernel = ["/proc", "/sys"].iter().any(|tree| located.inside.starts_with(tree));
        let shown = matches!(
            step,
            Some(
                MountStep::Mask { .. }
                    | MountStep::Proc
                    | MountStep::Devpts
                    | MountStep::File { .. }
            )
        );
        if of_kernel || shown {
            return None;
        }
        if let Ok(rest) = located.inside.strip_prefix(INSIDE_HOME) {
            return self.other_home(path, rest);
        }
        if let Ok(rest) = located.inside.strip_prefix(INSIDE_WORKSPACE) {
            return self.other_workspace(path, rest);
        }
        if is_usual(&located.inside) {
            return None;
        }
        let said = Said::new(Mechanism::Mounts, path.as_os_str(), "not-there")
            .because("it is on the host, and not in the jail");
        self.of_host(said, located.on_host(), access)
    }

    /// An empty workspace, and somebody who expects the folder that jail was started in.
    fn other_workspace(&self, path: &Path, rest: &Path) -> Option<Said> {
        let folder = self.cwd.as_ref()?;
        if rest.as_os_str().is_empty() || fs::symlink_metadata(folder.join(rest)).is_err() {
            return None;
        }
        let said = Said::new(Mechanism::Mounts, path.as_os_str(), "other-workspace").because(
            "it is in the folder that jail was started in, and /workspace is an empty one",
        );
        let folder = folder.display();
        Some(said.fix(format!(
            "--workspace copy:{folder} (or host:, to let it write there), or filesystem.workspace"
        )))
    }

    /// HOME inside is another folder than outside, and a grant would not put anything there.
    fn other_home(&self, path: &Path, rest: &Path) -> Option<Said> {
        let host = self.home.as_ref()?.join(rest);
        if rest.as_os_str().is_empty() || fs::symlink_metadata(&host).is_err() {
            return None;
        }
        let said = Said::new(Mechanism::Mounts, path.as_os_str(), "other-home")
            .because("it is in your home, and the jail's home is an empty one of its own");
        let place = host.display();
        let twice = if doubt::is_secret(&host, self.home.as_deref()) {
            "think twice: keys, passwords or tokens are kept there; "
        } else {
            ""
        };
        Some(said.fix(format!(
            "{twice}--read {place} shows it in that place, and not in the jail's home; tell the connector so"
        )))
    }

    /// With what would grant it, where something on the host is, and may be granted.
    fn of_host(&self, said: Said, host: &Path, access: Access) -> Option<Said> {
        let found = fs::symlink_metadata(host).ok();
        let (path, found) = match (access, found) {
            (Access::Create | Access::Name, None) => {
                let folder = host.parent()?;
                (folder, fs::symlink_metadata(folder).ok()?)
            }
            (Access::Name, Some(_)) => {
                let folder = host.parent()?;
                (folder, fs::symlink_metadata(folder).ok()?)
            }
            (_, found) => (host, found?),
        };
        if path.starts_with("/dev") {
            return Some(Said { code: "device", ..said }.because(
                "a device of the machine; a jail has null, zero, full, random and urandom, and no rule adds to them",
            ));
        }
        let write = matches!(access, Access::Write | Access::Create | Access::Name | Access::Own);
        Some(self.granting(said, path, write, &found))
    }

    fn granting(&self, said: Said, path: &Path, write: bool, found: &Metadata) -> Said {
        if is_never_whole(path, self.home.as_deref()) {
            return Said { code: "too-wide", ..said }
                .fix(format!("grant what it needs below {}", path.display()));
        }
        if write && SYSTEM.iter().any(|tree| path.starts_with(tree)) {
            return Said { code: "system", ..said }
                .because("it is the system's own, which no policy makes writable");
        }
        // The log would not keep it as it is.
        if Text::from(path.as_os_str()).as_str().as_bytes() != path.as_os_str().as_bytes() {
            return Said { code: "name", ..said };
        }
        let doubt = doubt(path, write, found, self.home.as_deref());
        let grant = Grant { path: path.to_path_buf(), write, doubt };
        Said { fix: Some(fix(&grant)), grant: Some(grant), ..said }
    }

    fn read_only(&self, path: &Path, located: &Located<'_>, access: Access) -> Option<Said> {
        let said = Said::new(Mechanism::Mounts, path.as_os_str(), "read-only");
        match &located.place {
            Place::Shared { shared: Shared::Overlay { .. }, .. } => None,
            Place::Shared { shared: Shared::Bind(bind), host, found } => {
                Some(self.read_only_bind(said, bind, (host, found.is_some()), access))
            }
            Place::Own { step: Some(MountStep::Proc | MountStep::Mask { .. }) } => {
                Some(of_kernel(said))
            }
            Place::Own { .. } => {
                let said = said.because("this part of the jail is its own and read-only");
                let advice =
                    "it may write to /workspace, /tmp and HOME, and to what --write grants";
                let own = Said { code: "own-root", ..said }.fix(advice);
                let there = Said::new(Mechanism::Mounts, path.as_os_str(), "not-there")
                    .because("it is on the host, and not in the jail");
                let of_host = self.of_host(there, located.on_host(), access);
                Some(of_host.filter(|said| said.grant.is_some()).unwrap_or(own))
            }
        }
    }

    fn read_only_bind(
        &self,
        said: Said,
        bind: &Bind,
        (host, is_there): (&Path, bool),
        access: Access,
    ) -> Said {
        let protection = self.plan.protections.iter().find(|one| host.starts_with(one.path()));
        if let Some(protection) = protection {
            let name = protection.name;
            let why = PROTECTED.iter().find(|(known, _)| *known == name).map_or("", |(_, why)| why);
            return Said { code: "protected", ..said }
                .because(format!("{name} acts later, outside the jail: {why}"))
                .fix(format!(
                    "filesystem.unprotect: [{name}], if you trust the connector that far"
                ));
        }
        let said = said.because(format!("read-only here ({})", bind.why));
        let whole = match access {
            Access::Create => !is_there,
            access => access == Access::Name,
        };
        let path = if whole { host.parent().unwrap_or(host) } else { host };
        match fs::symlink_metadata(path) {
            Ok(meta) => self.granting(said, path, true, &meta),
            Err(_) => said,
        }
    }

    fn denied(&self, path: &Path, located: &Located<'_>, access: Access) -> Said {
        let said = |mechanism, code| Said::new(mechanism, path.as_os_str(), code);
        if access == Access::Exec && located.place.no_exec() {
            return said(Mechanism::Mounts, "no-exec")
                .because("programs are not run from here (noexec)")
                .fix("put it into /workspace or HOME, or grant the folder that it is in");
        }
        if !self.landlock_grants(located, access) {
            let refused = said(Mechanism::Landlock, "landlock").because(match access {
                Access::Exec => "Landlock lets no program be run here",
                Access::Read | Access::Look => "Landlock lets nothing be read here",
                _ => "Landlock lets nothing be written here",
            });
            let host = match &located.place {
                Place::Shared { host, .. } => host,
                Place::Own { .. } => located.on_host(),
            };
            let again = Said { grant: None, ..said(Mechanism::Landlock, "landlock") };
            let of_host = self.of_host(again.because(refused.reason.clone()), host, access);
            return of_host.filter(|said| said.grant.is_some()).unwrap_or(refused);
        }
        match &located.place {
            Place::Shared { host, .. } => self.by_mode(said, host, access),
            Place::Own { step: Some(MountStep::Proc | MountStep::Mask { .. }) } => {
                of_kernel(said(Mechanism::Mounts, "kernel"))
            }
            Place::Own { .. } => said(Mechanism::Permissions, "own-mode").because(
                "its mode does not allow it; it is the jail's own, and no grant changes that",
            ),
        }
    }

    fn by_mode(
        &self,
        said: impl Fn(Mechanism, &'static str) -> Said,
        host: &Path,
        access: Access,
    ) -> Said {
        let ids = &self.plan.ids;
        let Some((path, meta)) = refusing(host, access, ids.host_uid, ids.host_gid) else {
            return said(Mechanism::Permissions, "denied").because(
                "the kernel refuses it: by an access control list, or a security module of the host",
            );
        };
        let (owner, group, mode) = (meta.uid(), meta.gid(), meta.mode() & 0o7777);
        let reason = format!(
            "{} belongs to user {owner}, group {group}, mode {mode:04o}; to files the jail is user {}, group {}, without any capability",
            path.display(),
            ids.host_uid,
            ids.host_gid
        );
        said(Mechanism::Permissions, "file-mode").because(reason).fix(format!(
            "chmod or chown {}, or run jail as a user that may; no policy overrides modes",
            path.display()
        ))
    }

    fn not_owner(&self, path: &Path, located: &Located<'_>) -> Said {
        let said = Said::new(Mechanism::Permissions, path.as_os_str(), "not-owner");
        let owner = match &located.place {
            Place::Shared { found: Some(meta), .. } => Some(meta.uid()),
            _ => None,
        };
        match owner.filter(|owner| *owner != self.plan.ids.host_uid) {
            Some(owner) => said.because(format!(
                "only its owner (user {owner}) may, and to files the jail is user {}",
                self.plan.ids.host_uid
            )),
            None => said.because("it needs a capability, and there is none in a jail"),
        }
    }

    /// The union of what the rules above it say, as the kernel reads them.
    fn landlock_grants(&self, located: &Located<'_>, access: Access) -> bool {
        let Some(plan) = &self.plan.landlock else { return true };
        let needed: BitFlags<AccessFs> = match access {
            Access::Look | Access::Own => return true,
            Access::Read => match &located.place {
                Place::Shared { found: Some(meta), .. } if meta.is_dir() => {
                    AccessFs::ReadDir.into()
                }
                _ => AccessFs::ReadFile.into(),
            },
            Access::Write => AccessFs::WriteFile.into(),
            Access::Create | Access::Name => AccessFs::MakeReg.into(),
            Access::Exec => AccessFs::Execute.into(),
        };
        let at = match access {
            Access::Create | Access::Name => located.inside.parent().unwrap_or(&located.inside),
            _ => &located.inside,
        };
        let granted = plan
            .paths
            .iter()
            .filter(|rule| at.starts_with(&rule.path))
            .fold(0, |all, rule| all | rule.access);
        let needed = needed.bits() & plan.handled_fs;
        granted & needed == needed
    }
}

fn fix(grant: &Grant) -> String {
    let option = if grant.write { "--write" } else { "--read" };
    format!("{option} {}", grant.path.display())
}

fn of_kernel(said: Said) -> Said {
    Said { code: "kernel", ..said }
        .because("it is the kernel's own, which a jail sees a part of, read-only")
}

/// The first folder on the way, or the file itself, whose mode refuses it.
fn refusing(host: &Path, access: Access, uid: u32, gid: u32) -> Option<(PathBuf, Metadata)> {
    let may = |meta: &Metadata, wanted: u32| {
        let mode = meta.mode();
        let bits = if meta.uid() == uid {
            mode >> 6
        } else if meta.gid() == gid {
            mode >> 3
        } else {
            mode
        };
        bits & wanted == wanted
    };
    let folders: Vec<&Path> = host.ancestors().skip(1).collect();
    for folder in folders.iter().rev() {
        let meta = fs::symlink_metadata(folder).ok()?;
        if !may(&meta, 1) {
            return Some((folder.to_path_buf(), meta));
        }
    }
    let (path, wanted) = match access {
        Access::Look | Access::Own => return None,
        Access::Read => (host, 4),
        Access::Exec => (host, 1),
        Access::Write => (host, 2),
        Access::Create if fs::symlink_metadata(host).is_ok() => (host, 2),
        Access::Create | Access::Name => (host.parent()?, 2),
    };
    let meta = fs::symlink_metadata(path).ok()?;
    (!may(&meta, wanted)).then(|| (path.to_path_buf(), meta))
}
