//! File systems in a user namespace: what the new root of a jail is built from.

use super::super::host::Check;
use super::namespaces::{MOUNT, PID, make_private};
use super::{Attempt, Primitive, Probes};
use crate::sys::probe::{Fail, Outcome, calls};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;

const ATTEMPTS: [Attempt; 4] = [
    Attempt {
        what: Primitive {
            id: "mounts.tmpfs",
            title: "tmpfs",
            cost: "no private root, /tmp or HOME",
        },
        flags: MOUNT,
        body: try_tmpfs,
        needed: true,
    },
    Attempt {
        what: Primitive {
            id: "mounts.new-api",
            title: "new mount calls",
            cost: "no read-only tree could be made in one step (fsopen, open_tree, mount_setattr)",
        },
        flags: MOUNT,
        body: try_new_api,
        needed: true,
    },
    Attempt {
        what: Primitive {
            id: "mounts.proc",
            title: "own /proc",
            cost: "a connector would have no /proc of its own; most runtimes need one",
        },
        flags: MOUNT | PID,
        body: try_proc,
        needed: true,
    },
    Attempt {
        what: Primitive {
            id: "mounts.overlay",
            title: "overlay",
            cost: "a throw-away workspace is a full copy of the folder",
        },
        flags: MOUNT,
        body: try_overlay,
        needed: false,
    },
];

pub(super) fn checks(probes: &Probes) -> Vec<Check> {
    ATTEMPTS.iter().map(|attempt| attempt.inside(probes)).collect()
}

/// An empty tmpfs that is our working directory. Any folder will do as its place: the mount is seen
/// only here.
fn scratch() -> Result<&'static str, Fail> {
    make_private()?;
    let places = ["/tmp", "/run", "/mnt", "/usr", "/etc", "/"];
    let place = places.into_iter().find(|p| Path::new(p).is_dir()).unwrap_or("/");
    mount(Some("tmpfs"), place, Some("tmpfs"), MsFlags::empty(), Some("size=1m"))
        .map_err(|e| Fail::errno("mount(tmpfs)", e))?;
    std::env::set_current_dir(place).map_err(Fail::io("chdir"))?;
    Ok(place)
}

fn mkdir(name: &str) -> Result<(), Fail> {
    fs::create_dir(name).map_err(Fail::io(format!("mkdir({name})")))
}

fn try_tmpfs() -> Outcome {
    scratch()?;
    fs::write("file", "x").map_err(Fail::io("write(file on tmpfs)"))?;
    Ok("mounted and written".into())
}

fn try_new_api() -> Outcome {
    let fail = |call: &'static str| move |errno: Errno| Fail::errno(call, errno);
    let place = scratch()?;
    mkdir("a")?;
    mkdir("b")?;
    let path = |name: &str| {
        CString::new(format!("{place}/{name}")).map_err(|e| Fail::note("path", e.to_string()))
    };
    let context = calls::fsopen(c"tmpfs").map_err(fail("fsopen(tmpfs)"))?;
    calls::fsconfig_create(context.as_fd()).map_err(fail("fsconfig"))?;
    let fresh = calls::fsmount(context.as_fd()).map_err(fail("fsmount"))?;
    calls::move_mount(fresh.as_fd(), &path("a")?).map_err(fail("move_mount"))?;
    File::create("a/file").map_err(Fail::io("open(file on the new mount)"))?;
    let copy = calls::open_tree(&path("a")?).map_err(fail("open_tree"))?;
    calls::mount_read_only(copy.as_fd()).map_err(fail("mount_setattr"))?;
    calls::move_mount(copy.as_fd(), &path("b")?).map_err(fail("move_mount"))?;
    match File::create("b/file").map_err(|e| e.raw_os_error().map(Errno::from_raw)) {
        Err(Some(Errno::EROFS)) => Ok("fsopen, open_tree, mount_setattr; read-only holds".into()),
        Err(other) => Err(Fail::note("mount_setattr", format!("a write gave {other:?}"))),
        Ok(_) => Err(Fail::note("mount_setattr", "the read-only mount could be written")),
    }
}

fn try_proc() -> Outcome {
    scratch()?;
    mkdir("proc")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "proc", Some("proc"), flags, None::<&str>)
        .map_err(|e| Fail::errno("mount(proc)", e))?;
    let me = fs::read_link("proc/self").map_err(Fail::io("readlink(proc/self)"))?;
    Ok(format!("mounted; self is {}", me.display()))
}

fn try_overlay() -> Outcome {
    scratch()?;
    for name in ["lower", "upper", "work", "merged"] {
        mkdir(name)?;
    }
    fs::write("lower/file", "below").map_err(Fail::io("write(lower/file)"))?;
    let options = "lowerdir=lower,upperdir=upper,workdir=work,userxattr";
    mount(Some("overlay"), "merged", Some("overlay"), MsFlags::empty(), Some(options))
        .map_err(|e| Fail::errno("mount(overlay)", e))?;
    fs::write("merged/file", "above").map_err(Fail::io("write(merged/file)"))?;
    let below = fs::read_to_string("lower/file").map_err(Fail::io("read(lower/file)"))?;
    if below == "below" {
        Ok("mounted; the lower folder stays as it was".into())
    } else {
        Err(Fail::note("mount(overlay)", "a write reached the lower folder"))
    }
}
