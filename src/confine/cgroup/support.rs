//! Whether, where and how this process can make a cgroup with limits. Reads only.

use super::parse::{self, Controller, Controllers};
use super::{files, scope};
use crate::sys::xattr;
use nix::unistd::{AccessFlags, eaccess};
use std::fs;
use std::path::{Path, PathBuf};

/// The name of our own group under the root of the hierarchy, and the prefix of everything of ours.
pub(super) const PREFIX: &str = "jail";

/// How a leaf comes to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// Under `jail` at the root of the hierarchy: we are root on the host.
    Root,
    /// Under a cgroup that was delegated to us.
    OwnDelegated,
    /// Under a scope that systemd's user manager makes for this run.
    UserManagerScope,
    /// Not at all.
    NoneBecause { reason: String, fix: String },
}

/// What [`Support::probe`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Support {
    /// Where the version 2 hierarchy is mounted.
    pub mount: Option<PathBuf>,
    /// Our own cgroup's directory.
    pub own_cgroup: Option<PathBuf>,
    /// Where the leaf goes; not known before the user manager made its scope.
    pub parent: Option<PathBuf>,
    /// The controllers that a leaf can have.
    pub controllers: Controllers,
    pub how: How,
}

/// What the decision looks at, so that tests can show it another machine.
#[derive(Debug, Clone)]
pub struct View {
    /// `/proc`.
    pub proc: PathBuf,
    pub pid: u32,
    pub uid: u32,
    /// The socket of the user's message bus, if there is one.
    pub bus: Option<scope::BusAddress>,
    /// Trust this directory to be delegated to us: it is the scope that we asked for.
    pub trusted_scope: Option<String>,
}

impl View {
    /// This machine, this process.
    pub fn here() -> Self {
        let uid = nix::unistd::geteuid().as_raw();
        let env = |name: &str| std::env::var(name).ok();
        let bus = scope::bus_address(uid, env("DBUS_SESSION_BUS_ADDRESS"), env("XDG_RUNTIME_DIR"));
        let proc = PathBuf::from("/proc");
        Self { proc, pid: std::process::id(), uid, bus, trusted_scope: None }
    }
}

/// Reason and fix of a "no".
type No = (String, String);

impl Support {
    /// Looks at this machine. `needs` are the controllers that the wanted limits need.
    pub fn probe(needs: &Controllers) -> Self {
        Self::probe_in(&View::here(), needs)
    }

    /// The same for any view.
    pub fn probe_in(view: &View, needs: &Controllers) -> Self {
        let mut support = Self {
            mount: None,
            own_cgroup: None,
            parent: None,
            controllers: Controllers::new(),
            how: How::Root,
        };
        if let Err((reason, fix)) = support.decide(view, needs) {
            support.how = How::NoneBecause { reason, fix };
        }
        support
    }

    /// True where a leaf with these controllers can be made.
    pub fn offers(&self, needs: &Controllers) -> bool {
        !matches!(self.how, How::NoneBecause { .. }) && needs.is_subset(&self.controllers)
    }

    fn decide(&mut self, view: &View, needs: &Controllers) -> Result<(), No> {
        let place = Place::find(view, needs)?;
        self.mount = Some(place.mount.clone());
        self.own_cgroup.clone_from(&place.own);
        let offered = files::available(&place.mount);
        if let Some(no) = bound_to_v1(&offered, &place.on_v1, needs) {
            return Err(no);
        }
        if let Some(parent) = place.delegated(view, needs) {
            (self.controllers, self.parent, self.how) =
                (files::available(&parent), Some(parent), How::OwnDelegated);
            return Ok(());
        }
        if view.uid == 0 && place.is_host_root() && writable(&place.mount) {
            (self.controllers, self.parent, self.how) =
                (offered, Some(place.mount.join(PREFIX)), How::Root);
            return self.must_offer(needs, "give the kernel option that enables it at boot");
        }
        if view.bus.is_some() && view.trusted_scope.is_none() && view.uid != 0 {
            self.controllers = place.given_to_user_manager(view.uid).unwrap_or(offered);
            self.how = How::UserManagerScope;
            return self.must_offer(
                needs,
                "sudo systemctl edit user@.service, add the lines [Service] and \
                 Delegate=cpu cpuset io memory pids, then log out and in",
            );
        }
        Err(place.refusal(view))
    }

    fn must_offer(&self, needs: &Controllers, fix: &str) -> Result<(), No> {
        let missing = needs - &self.controllers;
        if missing.is_empty() {
            return Ok(());
        }
        let reason = format!("no {} controller is offered here", parse::listed(&missing));
        Err((reason, fix.to_owned()))
    }
}

/// "Bound to version 1" is the one state that no privilege helps against.
fn bound_to_v1(offered: &Controllers, on_v1: &Controllers, needs: &Controllers) -> Option<No> {
    let wanted =
        if needs.is_empty() { Controller::ALL.iter().copied().collect() } else { needs.clone() };
    let bound: Controllers = (&wanted - offered).intersection(on_v1).copied().collect();
    if bound.is_empty() {
        return None;
    }
    let names = parse::listed(&bound);
    Some((
        format!("controllers bound to cgroup v1: {names}"),
        "boot with systemd.unified_cgroup_hierarchy=1 (without systemd: cgroup_no_v1=all) on the \
         kernel command line"
            .to_owned(),
    ))
}

/// Where we are in the hierarchy.
struct Place {
    mount: PathBuf,
    /// Our own cgroup, where the mount shows it.
    own: Option<PathBuf>,
    on_v1: Controllers,
}

impl Place {
    fn find(view: &View, needs: &Controllers) -> Result<Self, No> {
        let read = |name: &str| {
            let path = view.proc.join("self").join(name);
            fs::read_to_string(&path).map_err(|e| {
                let reason = format!("{} cannot be read: {e}", path.display());
                (reason, "mount /proc".to_owned())
            })
        };
        let member = parse::membership(&read("cgroup")?);
        let Some(mount) = parse::cgroup2_mount(&read("mountinfo")?) else {
            if let Some(no) = bound_to_v1(&Controllers::new(), &member.on_v1, needs) {
                return Err(no);
            }
            let (reason, fix) =
                ("no cgroup v2 file system is mounted", "mount -t cgroup2 none /sys/fs/cgroup");
            return Err((reason.into(), fix.into()));
        };
        let own = member.v2.and_then(|path| below(&mount, &path));
        Ok(Self { mount: mount.point, own, on_v1: member.on_v1 })
    }

    /// The nearest cgroup from ours upwards that is ours to use and can have children with `needs`:
    /// an empty one, or else one that holds only us (who must then step aside).
    fn delegated(&self, view: &View, needs: &Controllers) -> Option<PathBuf> {
        let own = self.own.as_deref()?;
        let limit = self.delegation_boundary(view, own)?;
        let usable: Vec<&Path> = own
            .ancestors()
            .take_while(|dir| dir.starts_with(&limit) && writable(dir))
            .filter(|dir| !(*dir == self.mount && self.is_host_root()))
            .filter(|dir| needs.is_subset(&files::available(dir)) && is_domain(dir))
            .collect();
        let held_by_at_most = |allowed: &[u32]| usable.iter().find(|dir| only_holds(dir, allowed));
        held_by_at_most(&[]).or_else(|| held_by_at_most(&[view.pid])).map(|dir| dir.to_path_buf())
    }

    /// The topmost directory that may be ours. systemd owns its tree (its rule is one writer per
    /// cgroup) but for the units that it marked as delegated; file ownership does not say so, since
    /// everything under a user manager belongs to the user.
    fn delegation_boundary(&self, view: &View, own: &Path) -> Option<PathBuf> {
        let name = |dir: &Path| dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is = |dir: &Path, suffix: &str| name(dir).ends_with(suffix);
        let inside = || own.ancestors().take_while(|dir| dir.starts_with(&self.mount));
        if !inside().any(|d| is(d, ".scope") || is(d, ".service") || is(d, ".slice")) {
            return Some(self.mount.clone());
        }
        let unit = inside().find(|d| is(d, ".scope") || is(d, ".service"))?;
        let trusted = view.trusted_scope.as_deref() == Some(name(unit).as_str());
        let manager = name(unit).starts_with("user@");
        let marked = || {
            ["user.delegate", "trusted.delegate"]
                .iter()
                .any(|key| xattr::read(unit, key).is_some_and(|value| value.starts_with(b"1")))
        };
        (trusted || (!manager && marked())).then(|| unit.to_path_buf())
    }

    /// The true root has no `cgroup.type`; the root of a cgroup namespace has one.
    fn is_host_root(&self) -> bool {
        self.mount.join("cgroup.controllers").exists() && !self.mount.join("cgroup.type").exists()
    }

    fn given_to_user_manager(&self, uid: u32) -> Option<Controllers> {
        let dir = format!("user.slice/user-{uid}.slice/user@{uid}.service/cgroup.controllers");
        let text = fs::read_to_string(self.mount.join(dir)).ok()?;
        Some(parse::controllers(&text))
    }

    /// Why there is no place for a leaf, with the fix that comes nearest.
    fn refusal(&self, view: &View) -> No {
        let Some(own) = &self.own else {
            let reason = "our own cgroup is not visible in the mounted cgroup file system";
            return (reason.into(), "mount cgroup2 again inside this container".into());
        };
        let at = own.display();
        if nix::sys::statvfs::statvfs(&self.mount)
            .is_ok_and(|s| s.flags().contains(nix::sys::statvfs::FsFlags::ST_RDONLY))
        {
            return (
                "the cgroup file system is mounted read-only (a container)".into(),
                "give the container a writable cgroup namespace: podman run --cgroupns=private \
                 --security-opt unmask=/sys/fs/cgroup …, or docker run --cgroupns=private \
                 --privileged …"
                    .into(),
            );
        }
        // Under a user manager the user owns units that are not delegated, too.
        if writable(own) && self.delegation_boundary(view, own).is_some() {
            return (
                format!(
                    "other processes sit in {at} beside us, so it can have no leaf with limits"
                ),
                format!(
                    "mkdir {at}/main && for p in $(cat {at}/cgroup.procs); do echo $p > {at}/main/cgroup.procs; done"
                ),
            );
        }
        (
            format!(
                "{at} is not delegated to this user, and no user manager of systemd can be reached"
            ),
            "sudo loginctl enable-linger $USER, then log in again (sets XDG_RUNTIME_DIR); without \
             systemd: as root mkdir a cgroup and chown it with its cgroup.procs, \
             cgroup.subtree_control and cgroup.threads to this user"
                .into(),
        )
    }
}

/// The directory of the cgroup `path` under `mount`, where the mount shows it.
fn below(mount: &parse::Mount, path: &str) -> Option<PathBuf> {
    // `/..` at the start: outside our cgroup namespace's root.
    let relative = Path::new(path).strip_prefix(&mount.root).ok()?;
    if relative.components().any(|c| c == std::path::Component::ParentDir) {
        return None;
    }
    Some(mount.point.join(relative)).map(|p| p.components().collect())
}

/// May we make children here, hand them controllers, and start processes below it?
/// (`CLONE_INTO_CGROUP` asks for `cgroup.procs` of the common ancestor as a move would.)
fn writable(dir: &Path) -> bool {
    ["", "cgroup.procs", "cgroup.subtree_control"]
        .iter()
        .all(|file| eaccess(&dir.join(file), AccessFlags::W_OK).is_ok())
}

/// True where no process but these sits in the cgroup itself.
fn only_holds(dir: &Path, allowed: &[u32]) -> bool {
    fs::read_to_string(dir.join("cgroup.procs")).is_ok_and(|text| {
        text.lines().all(|line| line.trim().parse().is_ok_and(|pid| allowed.contains(&pid)))
    })
}

/// True unless the cgroup is threaded, and so cannot have the controllers that count per process.
fn is_domain(dir: &Path) -> bool {
    fs::read_to_string(dir.join("cgroup.type")).is_ok_and(|text| text.trim() == "domain")
}
