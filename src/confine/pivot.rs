//! The new root becomes the root; the host's disappears. man: pivot_root(2)

use crate::plan::{MountStep, Stage};
use crate::planted::{Control, broken};
use crate::spawn::wire::{At, Fault};
use crate::sys::{Call, Sys, SysError, SysResult, mount};
use nix::mount::{MntFlags, umount2};
use nix::unistd;
use std::os::fd::OwnedFd;
use std::path::Path;

/// Witness: the host's root is gone and every mount shows the flags of the plan.
pub struct Enforced(());

pub const STEPS: [&str; 3] = [
    "pivot_root into the new root",
    "detach the host's root",
    "read the flags of every mount back",
];

/// Pivots, detaches, verifies.
pub fn apply(root: OwnedFd, steps: &[MountStep]) -> Result<Enforced, Fault> {
    unistd::fchdir(&root).sys(Call::Fchdir).at(Stage::Pivot, 0)?;
    drop(root);
    // Both names "." stack the old root on top of the new one, from where it is detached: no
    // directory for it is needed in the jail.
    unistd::pivot_root(c".", c".").sys(Call::PivotRoot).at(Stage::Pivot, 0)?;
    if !broken(Control::OldRoot) {
        umount2(c".", MntFlags::MNT_DETACH).sys(Call::Umount).at(Stage::Pivot, 1)?;
    }
    unistd::chdir(c"/").sys(Call::Chdir).at(Stage::Pivot, 1)?;
    verify(steps).at(Stage::Pivot, 2)?;
    Ok(Enforced(()))
}

fn verify(steps: &[MountStep]) -> SysResult<()> {
    expect(Path::new("/"), libc::ST_RDONLY | libc::ST_NOSUID | libc::ST_NODEV | libc::ST_NOEXEC)?;
    for step in steps {
        let (target, flags) = match step {
            MountStep::Bind(bind) => {
                let read_only = if bind.write { 0 } else { libc::ST_RDONLY };
                (bind.target.as_path(), libc::ST_NOSUID | libc::ST_NODEV | read_only)
            }
            MountStep::Tmpfs { target, exec, .. } => {
                let no_exec = if *exec { 0 } else { libc::ST_NOEXEC };
                (target.as_path(), libc::ST_NOSUID | libc::ST_NODEV | no_exec)
            }
            MountStep::Proc => (Path::new("proc"), libc::ST_RDONLY | libc::ST_NOEXEC),
            _ => continue,
        };
        // The working directory is the root: the relative target is the absolute one.
        expect(target, flags)?;
    }
    Ok(())
}

fn expect(path: &Path, flags: libc::c_ulong) -> SysResult<()> {
    let left_out = [Control::ReadOnly, Control::Nosuid, Control::Nodev, Control::RootSeal];
    let shown = mount::flags_at(path)?;
    if left_out.into_iter().any(broken) {
        return Ok(());
    }
    if shown & flags == flags { Ok(()) } else { Err(SysError::unverified()) }
}
