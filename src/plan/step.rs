//! Every kernel-visible act that makes the jail's file system, in order, as plain values.

use crate::sys::fd::Identity;
use std::fmt;
use std::path::PathBuf;

/// What a bind needs to be: decides what is created to mount on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Dir,
    File,
}

/// One act on the new root. Targets are relative to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountStep {
    /// A private, size-capped tmpfs.
    Tmpfs {
        target: PathBuf,
        size: u64,
        mode: u32,
        exec: bool,
    },
    /// A directory in the jail's own root.
    Dir {
        target: PathBuf,
        mode: u32,
    },
    /// A file that jail writes.
    File {
        target: PathBuf,
        contents: Vec<u8>,
        mode: u32,
    },
    /// A secret file; its contents are read after the plan and never part of it.
    SecretFile {
        target: PathBuf,
        secret: usize,
    },
    Symlink {
        target: PathBuf,
        to: PathBuf,
    },
    /// A host file or directory, seen at `target`.
    Bind(Bind),
    /// A throw-away view of a host directory: reads come from it, writes go to memory.
    Overlay {
        host: PathBuf,
        target: PathBuf,
        size: u64,
        identity: Identity,
    },
    /// A device node of the host.
    Device {
        name: &'static str,
    },
    /// New pseudo-terminals, apart from the host's.
    Devpts,
    /// This pid namespace's own /proc, read-only, other processes invisible.
    Proc,
    /// Nothing to see at this path.
    Mask {
        target: PathBuf,
        kind: Kind,
    },
    /// The root itself becomes read-only.
    SealRoot,
}

/// A bind mount. The identity is what the plan was made for; the child refuses anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    pub host: PathBuf,
    pub target: PathBuf,
    pub identity: Identity,
    pub kind: Kind,
    pub write: bool,
    pub exec: bool,
    /// Why the jail sees it; shown by `jail explain`.
    pub why: String,
}

impl MountStep {
    /// Where in the jail it acts.
    pub fn target(&self) -> PathBuf {
        let relative = match self {
            Self::Tmpfs { target, .. }
            | Self::Dir { target, .. }
            | Self::File { target, .. }
            | Self::SecretFile { target, .. }
            | Self::Symlink { target, .. }
            | Self::Overlay { target, .. }
            | Self::Mask { target, .. } => target.clone(),
            Self::Bind(bind) => bind.target.clone(),
            Self::Device { name } => PathBuf::from("dev").join(name),
            Self::Devpts => PathBuf::from("dev/pts"),
            Self::Proc => PathBuf::from("proc"),
            Self::SealRoot => PathBuf::new(),
        };
        PathBuf::from("/").join(relative)
    }
}

impl fmt::Display for MountStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.target();
        let at = at.display();
        match self {
            Self::Tmpfs { size, exec, .. } => {
                let noexec = if *exec { "" } else { ",noexec" };
                write!(f, "mount tmpfs {at} (size {}, nosuid,nodev{noexec})", human(*size))
            }
            Self::Dir { mode, .. } => write!(f, "mkdir {at} ({mode:03o})"),
            Self::File { contents, .. } => write!(f, "write {at} ({} bytes)", contents.len()),
            Self::SecretFile { .. } => write!(f, "write secret {at} (0400)"),
            Self::Symlink { to, .. } => write!(f, "symlink {at} -> {}", to.display()),
            Self::Bind(bind) => {
                let access = if bind.write { "rw" } else { "ro" };
                let noexec = if bind.exec { "" } else { ",noexec" };
                write!(f, "bind {access} {} (nosuid,nodev{noexec})", bind.host.display())?;
                if PathBuf::from("/").join(&bind.target) != bind.host {
                    write!(f, " at {at}")?;
                }
                write!(f, " — {}", bind.why)
            }
            Self::Overlay { host, size, .. } => {
                write!(f, "overlay {} at {at} (writes: {} of memory)", host.display(), human(*size))
            }
            Self::Device { .. } => write!(f, "bind device {at}"),
            Self::Devpts => write!(f, "mount devpts {at} (newinstance)"),
            Self::Proc => write!(f, "mount proc {at} (ro, hidepid=invisible)"),
            Self::Mask { .. } => write!(f, "mask {at}"),
            Self::SealRoot => write!(f, "remount / read-only"),
        }
    }
}

/// `64 MiB`, `1 GiB`, `100 B`: exact where it divides, else one decimal.
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let text = format!("{value:.1}");
    format!("{} {}", text.strip_suffix(".0").unwrap_or(&text), UNITS[unit])
}
