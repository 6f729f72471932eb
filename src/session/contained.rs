//! `--sandbox=container`: from policy to exit code, by an engine.

use super::over::Over;
use super::{Session, audit, egress, folder, mask, pipe, report, streams};
use crate::confine::cgroup::Usage;
use crate::container::backend::{self, Image, Started, Streams};
use crate::container::engine::{self, Engine};
use crate::container::explain::Shown;
use crate::container::translate::{self, Places, User};
use crate::container::verify::Checked;
use crate::container::{seccomp, sweep};
use crate::failure::{Failure, Kind};
use crate::plan::{Bind, Facts, NetworkPlan, Plan, Stage};
use crate::policy::{Policy, SecretTarget};
use crate::resolve::Resolved;
use crate::runs::Log;
use crate::spawn::{handover, parent, secrets};
use crate::supervise::{Ended, Relay, Supervisor};
use nix::sys::signal::SigSet;
use serde_json::Value;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// The engine and the image of a run.
pub(super) struct Chosen {
    engine: Engine,
    image: Image,
}

/// A run in a container, decided.
pub(super) struct Contained {
    engine: Engine,
    user: User,
    places: Places,
    args: Vec<OsString>,
    runs: PathBuf,
}

/// The command is the image's: its name as it was given.
pub(super) fn unresolved(policy: &Policy) -> Result<Resolved, Failure> {
    let Some(command) = policy.command.value.first() else {
        return Err(Failure::new(Kind::Policy, "the command is empty"));
    };
    Ok(Resolved { program: command.into(), needs: Vec::new(), path_dirs: Vec::new() })
}

/// Finds the engine, and what it can limit.
pub(super) fn choose(policy: &Policy, facts: &mut Facts) -> Result<Chosen, Failure> {
    let Some(image) = &policy.container.image else {
        return Err(Failure::new(Kind::Policy, "--sandbox=container needs an image")
            .at(Stage::Resolve)
            .because(format!("sandbox: container was set by {}", policy.sandbox.origin))
            .hint("--image NAME, or `container: {image: NAME}` in the manifest; it must be there already"));
    };
    let asked = policy.container.engine.as_ref().map(|engine| engine.value);
    let name = image.value.as_str().to_owned();
    let (engine, about) = engine::choose(asked, &name, &image.origin.to_string())?;
    if !engine.seccomp {
        let what = format!("{} has no seccomp", engine.kind.name());
        return Err(Failure::new(Kind::Refused, what)
            .at(Stage::Seccomp)
            .hint("use an engine that was built with it"));
    }
    facts.cgroup = engine.limits();
    // The doors are on the container's loopback.
    facts.ipv6 = false;
    Ok(Chosen { engine, image: Image::of(name, &about) })
}

/// The command line of the engine for this plan.
pub(super) fn plan(plan: &Plan, facts: &Facts, chosen: Chosen) -> Result<Contained, Failure> {
    let Chosen { engine, image } = chosen;
    let user = User::of(&engine, facts.uid, facts.gid);
    let Some(runs) = facts.runs.clone() else {
        return Err(Failure::new(Kind::Refused, "there is no place for the run's own folder")
            .at(Stage::Resolve)
            .because("neither HOME nor XDG_CACHE_HOME is set"));
    };
    writable(plan, user)?;
    let places = backend::places(plan, &runs, &image)?;
    let args = translate::arguments(plan, &engine, user, &places)?;
    Ok(Contained { engine, user, places, args, runs })
}

/// Where the caller is somebody else inside, what is granted for writing must be writable for that one.
fn writable(plan: &Plan, user: User) -> Result<(), Failure> {
    if user.own {
        return Ok(());
    }
    for bind in translate::writable(plan) {
        let found = std::fs::metadata(&bind.host);
        let theirs = found.is_ok_and(|about| about.uid() == user.uid || about.mode() & 0o002 != 0);
        if !theirs {
            let path = bind.host.display();
            let what = format!("the container's user {} cannot write to {path}", user.uid);
            return Err(Failure::new(Kind::Refused, what)
                .at(Stage::Mounts)
                .because("your own user cannot be the container's here: root is nobody inside")
                .hint(format!("chown -R {}:{} {path}", user.uid, user.gid))
                .hint("or run jail as an ordinary user, with rootless podman"));
        }
    }
    Ok(())
}

impl Contained {
    fn shown<'a>(&'a self, plan: &'a Plan) -> Shown<'a> {
        let Self { engine, user, places, args, .. } = self;
        Shown { plan, engine, user: *user, image: &places.image, args }
    }

    pub(super) fn text(&self, plan: &Plan) -> String {
        self.shown(plan).text()
    }

    pub(super) fn json(&self, plan: &Plan) -> Value {
        self.shown(plan).json()
    }
}

/// Our ends of what connects the container with us.
struct Ours {
    relay: Relay,
    /// Where the sockets of the way out come from.
    sockets: Option<OwnedFd>,
    /// The mask of signals before the run.
    mask: SigSet,
}

impl Session {
    pub(super) fn in_container(
        &self,
        contained: &Contained,
        log: &mut Option<audit::Run>,
        kept: Option<Log>,
    ) -> Result<Over, Failure> {
        let plan = &self.plan;
        streams::check(plan)?;
        report::opening(self);
        let mut env = plan.exec.env.clone();
        let files = secret_files(plan, &mut env)?;
        let Contained { engine, user, places, args, runs } = contained;
        let order = backend::order(plan, &env, files, &places.volumes);
        sweep::sweep(engine)?;
        let folder = folder::Folder::bare(runs, &places.folder)?;
        let filter = seccomp::for_engine(&plan.policy.seccomp.value)?;
        backend::write_files(folder.path(), *user, &filter)?;
        let listener = backend::listen(folder.path())?;
        let (relay, stderr) = pipe()?;
        let (from, sockets) = match &plan.network {
            NetworkPlan::Proxied(_) => {
                handover::channel().map(|(from, to)| (Some(from), Some(to)))?
            }
            _ => (None, None),
        };
        let mask = mask()?;
        unchanged(plan)?;
        let mut started = backend::start(engine, args, listener)?;
        let streams = Streams { stderr: &stderr, sockets: from.as_ref() };
        let sight = started.hand_in(&streams, &order)?;
        // The entry has its own copies; ours would keep the relay from ending, and secrets in memory.
        drop((order, env, stderr, from));
        if let Some(errno) = sight.not_found {
            return Err(not_found(plan, &places.image, errno));
        }
        let checked = started.verify(plan, *user, &places.volumes, &sight)?;
        let ours = Ours { relay: Relay::new(Some(relay), kept), sockets, mask };
        let shown = contained.json(plan);
        let (ended, usage) = self.attend(&started, (&checked, &shown), ours, log)?;
        // From here on the connector has run, and how it ended counts, whatever the engine says.
        let cleaned = started.remove().and(folder.remove());
        Ok(Over { ended, usage: Some(usage), cleaned })
    }

    /// From the record of the start to the end of all in the container.
    fn attend(
        &self,
        started: &Started<'_>,
        (checked, shown): (&[Checked], &Value),
        ours: Ours,
        log: &mut Option<audit::Run>,
    ) -> Result<(Ended, Usage), Failure> {
        let plan = &self.plan;
        let door = OwnedFd::from(started.door.try_clone().map_err(unwatched)?);
        let jail = parent::contained(started.pid, &door)?;
        let egress = match (&plan.network, ours.sockets) {
            (NetworkPlan::Proxied(proxied), Some(to)) => Some(egress::start(plan, proxied, to)?),
            _ => None,
        };
        let mut supervisor = Supervisor::new(plan, jail, ours.relay, None, &ours.mask)?;
        let log = log.insert(self.audit.start_as(plan, shown)?);
        if let Some(egress) = egress {
            supervisor.with_egress(egress, self.ear(log, started.pid));
        }
        supervisor.let_start(door)?;
        supervisor.on_confined(|_| log.applied_in_container(checked));
        let (ended, jail) = supervisor.run()?;
        // The entry waits for us, so that its cgroup is still there.
        let usage = started.cgroup.usage();
        drop(jail);
        Ok((ended, usage))
    }
}

/// Values of secrets: into the environment, or as files by name.
fn secret_files(
    plan: &Plan,
    env: &mut Vec<(OsString, OsString)>,
) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let values = secrets::read(&plan.policy, env)?;
    let named = plan.policy.secrets.iter().zip(values);
    Ok(named
        .filter_map(|(secret, value)| match &secret.value.target {
            SecretTarget::File(name) => Some((name.clone(), value.bytes().to_vec())),
            SecretTarget::Env(_) | SecretTarget::Egress => None,
        })
        .collect())
}

/// The engine opens the paths again, by name. What changed since the plan was made is found here, before it
/// does; what changes between this and its own look is found by the entry (`verify`).
fn unchanged(plan: &Plan) -> Result<(), Failure> {
    for Bind { host, identity: planned, .. } in translate::binds(plan) {
        let now = std::fs::symlink_metadata(host);
        let same = now.is_ok_and(|now| (now.dev(), now.ino()) == (planned.device, planned.inode));
        if !same {
            let what = format!("{} changed since the run was planned", host.display());
            return Err(Failure::new(Kind::Refused, what).at(Stage::Mounts).hint("run again"));
        }
    }
    Ok(())
}

fn not_found(plan: &Plan, image: &str, errno: i32) -> Failure {
    let errno = nix::errno::Errno::from_raw(errno);
    let kind = match errno {
        nix::errno::Errno::ENOENT | nix::errno::Errno::ENOTDIR => Kind::NotFound,
        _ => Kind::CannotStart,
    };
    let program = plan.exec.program.display();
    Failure::new(kind, format!("cannot find {program} in the image {image}"))
        .at(Stage::Exec)
        .because(errno.desc())
        .hint("the command is the image's, not this machine's: give its name or its path there")
}

fn unwatched(error: std::io::Error) -> Failure {
    Failure::new(Kind::Io, "cannot watch the container").because(error)
}
