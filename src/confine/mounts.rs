//! Builds the new root, one [`MountStep`] at a time.
//!
//! Every host path is opened once, without following symbolic links, and compared with what the plan
//! was made for; from then on only the descriptor is used. A mount gets its attributes while it is
//! detached, so that it is never visible with weaker ones.

use crate::plan::{Bind, Kind, MountStep, Stage};
use crate::planted::{Control, broken};
use crate::spawn::secrets::SecretValue;
use crate::spawn::wire::{At, Fault};
use crate::sys::fd::{
    self, Identity, RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, openat2,
};
use crate::sys::mount::{
    FsContext, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, attach,
    clone_tree, set_attributes,
};
use crate::sys::{Call, Sys, SysError, SysResult};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd;
use std::ffi::CStr;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Where the new root is attached until the pivot; nothing is ever bound from below it.
const STAGING: &CStr = c"/sys";
const ROOT_SIZE: u64 = 64 << 20;
const QUIET: u64 = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

/// Executes the steps; gives the descriptor of the finished root.
pub fn build(steps: &[MountStep], secrets: &[SecretValue]) -> Result<OwnedFd, Fault> {
    // The plan's modes are exact; the caller's umask is the connector's business.
    let umask = nix::sys::stat::umask(Mode::empty());
    let root = stage_root().at(Stage::Mounts, 0)?;
    for (index, step) in steps.iter().enumerate() {
        execute(root.as_fd(), step, secrets).at(Stage::Mounts, index)?;
    }
    nix::sys::stat::umask(umask);
    Ok(root)
}

fn stage_root() -> SysResult<OwnedFd> {
    let none: Option<&CStr> = None;
    mount(none, c"/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).sys(Call::Mount)?;
    let root = tmpfs(ROOT_SIZE, 0o755, QUIET | MOUNT_ATTR_NOEXEC)?;
    let staging = openat2(libc::AT_FDCWD, STAGING, libc::O_PATH | libc::O_DIRECTORY, 0)?;
    attach(root.as_fd(), staging.as_fd())?;
    Ok(root)
}

fn execute(root: BorrowedFd<'_>, step: &MountStep, secrets: &[SecretValue]) -> SysResult<()> {
    match step {
        MountStep::Tmpfs { target, size, mode, exec } => {
            let noexec = if *exec { 0 } else { MOUNT_ATTR_NOEXEC };
            let mount = tmpfs(*size, *mode, QUIET | noexec)?;
            place(root, target, Kind::Dir)?;
            put(root, target, mount.as_fd())
        }
        MountStep::Dir { target, mode } => directory(root, target, *mode),
        MountStep::File { target, contents, mode } => file(root, target, contents, *mode),
        MountStep::SecretFile { target, secret } => {
            let value = secrets.get(*secret).map_or(&[][..], SecretValue::bytes);
            file(root, target, value, 0o400)
        }
        MountStep::Symlink { target, to } => {
            unistd::symlinkat(to.as_path(), root, target.as_path()).sys(Call::Symlinkat)
        }
        MountStep::Bind(step) => bind(root, step),
        MountStep::Overlay { host, target, size, identity } => {
            overlay(root, host, target, *size, *identity)
        }
        MountStep::Device { name } => device(root, name),
        MountStep::Devpts => {
            let context = FsContext::open(c"devpts")?;
            context.set(c"mode", c"620")?;
            context.set(c"ptmxmode", c"666")?;
            let mount = context.mount(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)?;
            place(root, Path::new("dev/pts"), Kind::Dir)?;
            put(root, Path::new("dev/pts"), mount.as_fd())
        }
        MountStep::Proc => {
            let context = FsContext::open(c"proc")?;
            if !broken(Control::Hidepid) {
                context.set(c"hidepid", c"invisible")?;
            }
            let read_only = if broken(Control::ProcReadOnly) { 0 } else { MOUNT_ATTR_RDONLY };
            let mount = context.mount(QUIET | MOUNT_ATTR_NOEXEC | read_only)?;
            place(root, Path::new("proc"), Kind::Dir)?;
            put(root, Path::new("proc"), mount.as_fd())
        }
        MountStep::Mask { target, kind } => mask(root, target, *kind),
        MountStep::SealRoot if broken(Control::RootSeal) => Ok(()),
        MountStep::SealRoot => set_attributes(root, MOUNT_ATTR_RDONLY, false),
    }
}

fn tmpfs(size: u64, mode: u32, attributes: u64) -> SysResult<OwnedFd> {
    let context = FsContext::open(c"tmpfs")?;
    context.set(c"size", number(size, 10, &mut [0; 24])?)?;
    context.set(c"mode", number(mode.into(), 8, &mut [0; 24])?)?;
    context.set(c"nr_inodes", number(crate::plan::mounts::inodes(size), 10, &mut [0; 24])?)?;
    context.mount(attributes)
}

/// A number as a C string, without the heap.
fn number(value: u64, radix: u32, buffer: &mut [u8; 24]) -> SysResult<&CStr> {
    let mut rest = &mut buffer[..23];
    let written = if radix == 8 { write!(rest, "{value:o}") } else { write!(rest, "{value}") };
    written.map_err(|_| SysError::unverified())?;
    CStr::from_bytes_until_nul(buffer).map_err(|_| SysError::unverified())
}

/// Opens a host path as the plan saw it.
fn source(host: &Path, expected: Option<Identity>) -> SysResult<OwnedFd> {
    let links = if broken(Control::Links) { 0 } else { RESOLVE_NO_SYMLINKS };
    let file = openat2(libc::AT_FDCWD, host, libc::O_PATH, links)?;
    match expected {
        Some(identity) if fd::identity(file.as_fd())? != identity && !broken(Control::Identity) => {
            Err(SysError::new(Call::Openat2, Errno::ESTALE))
        }
        _ => Ok(file),
    }
}

fn bind(root: BorrowedFd<'_>, step: &Bind) -> SysResult<()> {
    let from = source(&step.host, Some(step.identity))?;
    let tree = clone_tree(from.as_fd())?;
    let mut attributes = QUIET;
    if broken(Control::Nosuid) {
        attributes &= !MOUNT_ATTR_NOSUID;
    }
    if broken(Control::Nodev) {
        attributes &= !MOUNT_ATTR_NODEV;
    }
    if !step.write && !broken(Control::ReadOnly) {
        attributes |= MOUNT_ATTR_RDONLY;
    }
    if !step.exec {
        attributes |= MOUNT_ATTR_NOEXEC;
    }
    set_attributes(tree.as_fd(), attributes, true)?;
    place(root, &step.target, step.kind)?;
    put(root, &step.target, tree.as_fd())
}

fn device(root: BorrowedFd<'_>, name: &str) -> SysResult<()> {
    let dev = openat2(libc::AT_FDCWD, c"/dev", libc::O_PATH | libc::O_DIRECTORY, 0)?;
    let node = openat2(dev.as_raw_fd(), name, libc::O_PATH, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)?;
    if fd::identity(node.as_fd())?.kind != libc::S_IFCHR {
        return Err(SysError::new(Call::Openat2, Errno::ENODEV));
    }
    let tree = clone_tree(node.as_fd())?;
    // Read-only says nothing about the device; it keeps the node's mode, which is the host's, as it is.
    let attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY;
    set_attributes(tree.as_fd(), attributes, false)?;
    let dev =
        openat2(root.as_raw_fd(), c"dev", libc::O_PATH, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)?;
    empty_file(dev.as_fd(), Path::new(name))?;
    put(dev.as_fd(), Path::new(name), tree.as_fd())
}

fn mask(root: BorrowedFd<'_>, target: &Path, kind: Kind) -> SysResult<()> {
    let cover = match kind {
        Kind::Dir => tmpfs(4096, 0o555, QUIET | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY)?,
        Kind::File => {
            let null = openat2(libc::AT_FDCWD, c"/dev/null", libc::O_PATH, RESOLVE_NO_SYMLINKS)?;
            let tree = clone_tree(null.as_fd())?;
            set_attributes(tree.as_fd(), QUIET | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY, false)?;
            tree
        }
    };
    put(root, target, cover.as_fd())
}

/// Reads come from the host folder, writes stay in memory. man: overlayfs (kernel docs)
fn overlay(
    root: BorrowedFd<'_>,
    host: &Path,
    target: &Path,
    size: u64,
    identity: Identity,
) -> SysResult<()> {
    let lower = source(host, Some(identity))?;
    let scratch = tmpfs(size, 0o755, QUIET)?;
    mkdirat(&scratch, c"upper", Mode::from_bits_truncate(0o755)).sys(Call::Mkdirat)?;
    mkdirat(&scratch, c"work", Mode::from_bits_truncate(0o755)).sys(Call::Mkdirat)?;
    // overlayfs looks its layers up by path, which a detached mount does not have; the scratch is
    // attached at the target and ends up below the overlay.
    place(root, target, Kind::Dir)?;
    put(root, target, scratch.as_fd())?;
    let context = FsContext::open(c"overlay")?;
    context.set(c"lowerdir", descriptor_path(lower.as_fd(), "", &mut [0; 64])?)?;
    context.set(c"upperdir", descriptor_path(scratch.as_fd(), "/upper", &mut [0; 64])?)?;
    context.set(c"workdir", descriptor_path(scratch.as_fd(), "/work", &mut [0; 64])?)?;
    context.flag(c"userxattr")?;
    let mount = context.mount(QUIET)?;
    put(root, target, mount.as_fd())
}

fn descriptor_path<'a>(
    file: BorrowedFd<'_>,
    below: &str,
    buffer: &'a mut [u8; 64],
) -> SysResult<&'a CStr> {
    let mut rest = &mut buffer[..63];
    write!(rest, "/proc/self/fd/{}{below}", file.as_raw_fd())
        .map_err(|_| SysError::unverified())?;
    CStr::from_bytes_until_nul(buffer).map_err(|_| SysError::unverified())
}

/// Makes what a mount needs to sit on, where it does not exist yet.
fn place(root: BorrowedFd<'_>, target: &Path, kind: Kind) -> SysResult<()> {
    match kind {
        Kind::Dir => directory(root, target, 0o755),
        Kind::File => empty_file(root, target),
    }
}

fn directory(root: BorrowedFd<'_>, target: &Path, mode: u32) -> SysResult<()> {
    match mkdirat(root, target, Mode::from_bits_truncate(mode)) {
        // Read-only trees of the host have the place already; put() checks that it is one.
        Ok(()) | Err(Errno::EEXIST | Errno::EROFS) => Ok(()),
        Err(errno) => Err(SysError::new(Call::Mkdirat, errno)),
    }
}

fn empty_file(root: BorrowedFd<'_>, target: &Path) -> SysResult<()> {
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    match openat(root, target, flags, Mode::from_bits_truncate(0o444)) {
        Ok(_) | Err(Errno::EEXIST | Errno::EROFS) => Ok(()),
        Err(errno) => Err(SysError::new(Call::Open, errno)),
    }
}

fn file(root: BorrowedFd<'_>, target: &Path, contents: &[u8], mode: u32) -> SysResult<()> {
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let file = openat(root, target, flags, Mode::from_bits_truncate(mode)).sys(Call::Open)?;
    let mut rest = contents;
    while !rest.is_empty() {
        let written = unistd::write(&file, rest).sys(Call::Write)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// Attaches a mount at a path below the root, following no link on the way.
fn put(root: BorrowedFd<'_>, target: &Path, mount: BorrowedFd<'_>) -> SysResult<()> {
    let resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    let onto = openat2(root.as_raw_fd(), target, libc::O_PATH, resolve)?;
    attach(mount, onto.as_fd())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_another_file_now_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        std::fs::write(&one, "").unwrap();
        std::fs::write(&other, "").unwrap();
        let planned = fd::identity(source(&one, None).unwrap().as_fd()).unwrap();
        assert!(source(&one, Some(planned)).is_ok());
        std::fs::rename(&other, &one).unwrap();
        assert_eq!(source(&one, Some(planned)).unwrap_err().errno(), Errno::ESTALE);
    }

    #[test]
    fn a_path_that_leads_over_a_link_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/etc", &link).unwrap();
        for path in [link.clone(), link.join("passwd")] {
            assert_eq!(source(&path, None).unwrap_err().errno(), Errno::ELOOP);
        }
    }
}
