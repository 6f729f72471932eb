//! From a plan to the command line of an engine. Pure.
//!
//! Every option is said, also where an engine has it as a default: defaults differ between engines, versions
//! and configuration files.

use super::engine::Engine;
use super::own::{FOLDER, Own, PRELOAD};
use super::sweep::Labels;
use crate::failure::{Failure, Kind};
use crate::plan::{Bind, INSIDE_HOME, INSIDE_ID, INSIDE_USER, MountStep, Plan, Stage, mounts};
use crate::policy::EngineKind;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The user inside, where the caller's own cannot be used: the one of many images without a user.
pub const NOBODY: u32 = 65532;
/// The door, inside.
pub const DOOR: &str = "/.jail/door";
/// A file of the run's folder that has nothing in it.
pub const EMPTY: &str = "empty";
/// The hidden verb that the entry is.
pub const ENTRY: &str = "container-entry";
/// Name of the label that says that a container is jail's.
pub const LABEL: &str = "jail.run";
/// Whose it is: user, user namespace, pid namespace.
pub const OWNER: &str = "jail.owner";
/// Its supervisor: pid, boot and birth.
pub const SUPERVISOR: &str = "jail.supervisor";

/// What is empty, and stays so.
const HIDDEN: &str = "ro,noexec,nosuid,nodev,size=4096,mode=0555";

/// Who the connector is, to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// Inside the container.
    pub uid: u32,
    pub gid: u32,
    /// The caller's own user, mapped to it: its files are the connector's as the policy says.
    pub own: bool,
}

impl User {
    /// Rootless podman maps the caller to the jail's usual number; a rootful engine takes an ordinary caller's
    /// own. Root is nobody inside, and so is the caller of a rootless docker, which maps it to root alone.
    pub fn of(engine: &Engine, uid: u32, gid: u32) -> Self {
        match (engine.kind, engine.rootless) {
            (EngineKind::Podman, true) => Self { uid: INSIDE_ID, gid: INSIDE_ID, own: true },
            (_, false) if uid != 0 => Self { uid, gid, own: true },
            _ => Self { uid: NOBODY, gid: NOBODY, own: false },
        }
    }
}

/// What is not in the plan: where the run's own files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The run's folder: `door`, `passwd`, `group`, `seccomp.json`, `empty`.
    pub folder: PathBuf,
    pub own: Own,
    /// Folders that the image declares as volumes, which an engine would make writable.
    pub volumes: Vec<String>,
    pub image: String,
    /// Variables of the image that jail's own loader would obey.
    pub emptied: Vec<String>,
    /// Who runs it.
    pub labels: Labels,
}

/// The arguments of the engine.
pub fn arguments(
    plan: &Plan,
    engine: &Engine,
    user: User,
    places: &Places,
) -> Result<Vec<OsString>, Failure> {
    let mut args = Args(Vec::new());
    let podman = engine.kind == EngineKind::Podman;
    args.words(&[
        "run",
        "--detach",
        "--rm",
        "--pull=never",
        "--log-driver=none",
        "--no-healthcheck",
    ]);
    args.text("--name=", &name(plan));
    args.text("--label=", &format!("{LABEL}={}", plan.run_id));
    args.text("--label=", &format!("{OWNER}={}", places.labels.owner));
    args.text("--label=", &format!("{SUPERVISOR}={}", places.labels.supervisor));
    args.text("--hostname=", &mounts::hostname(&plan.policy));
    // No cable, no bridge, no port: a way out is what the entry hands out.
    args.words(&["--network=none", "--ipc=private"]);
    if engine.cgroup == 2 {
        args.words(&["--cgroupns=private"]);
    }
    if podman && engine.rootless {
        args.text("--userns=", &format!("keep-id:uid={INSIDE_ID},gid={INSIDE_ID}"));
    }
    args.text("--user=", &format!("{}:{}", user.uid, user.gid));
    args.words(&["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]);
    if podman {
        args.words(&["--read-only-tmpfs=false", "--image-volume=ignore"]);
        // Its tmpfs there would leave the cgroups in sight.
        args.words(&["--security-opt=mask=/sys"]);
    }
    let seccomp = path_text(&places.folder.join("seccomp.json"))?;
    args.text("--security-opt=", &format!("seccomp={seccomp}"));
    limits(plan, &mut args);
    mount_options(plan, places, (user, podman), &mut args)?;
    if places.own.has_loader() {
        for name in &places.emptied {
            args.text("--env=", &format!("{name}="));
        }
    }
    // An engine makes the folder in the image, and its mode then counts for what is mounted there. The entry
    // changes to the real one.
    args.words(&["--workdir=/"]);
    args.text("--entrypoint=", &places.own.entrypoint);
    args.text("", &places.image);
    args.0.extend(places.own.args.iter().cloned());
    args.words(&[ENTRY]);
    Ok(args.0)
}

/// `jail-NAME-` and the beginning of the run's id: unique, and readable in `docker ps`.
pub fn name(plan: &Plan) -> String {
    let connector: String = plan.policy.name.as_str().chars().take(40).collect();
    format!("jail-{connector}-{}", plan.run_id)
}

/// Is it the name that a run with this id gives?
pub fn is_name(name: &str, run: &str) -> bool {
    name.starts_with("jail-") && name.strip_suffix(run).is_some_and(|rest| rest.ends_with('-'))
}

fn limits(plan: &Plan, args: &mut Args) {
    let limits = &plan.cgroup;
    if let Some(memory) = limits.memory {
        // As much again of swap would be the default.
        args.text("--memory=", &format!("{}b", memory.0));
        args.text("--memory-swap=", &format!("{}b", memory.0));
    }
    if let Some(cpus) = limits.cpus {
        args.text("--cpus=", &format!("{}.{:03}", cpus.0 / 1000, cpus.0 % 1000));
    }
    if let Some(pids) = limits.pids {
        // One more for the entry, which is in the same cgroup.
        args.text("--pids-limit=", &(u64::from(pids) + 1).to_string());
    }
    args.text("--oom-score-adj=", &plan.process.oom_score_adj.to_string());
}

fn mount_options(
    plan: &Plan,
    places: &Places,
    (user, podman): (User, bool),
    args: &mut Args,
) -> Result<(), Failure> {
    let scratch = plan.policy.filesystem.scratch.value.0;
    args.text("--shm-size=", &format!("{scratch}b"));
    let mut tmpfs = |target: &Path, options: &str| -> Result<(), Failure> {
        let target = path_text(target)?;
        // podman would copy what the image has there.
        let own = if podman { ",notmpcopyup" } else { "" };
        args.text("--tmpfs=", &format!("{target}:{options}{own}"));
        Ok(())
    };
    // With the owner as well: some runtimes give a tmpfs the mode that the image's folder has.
    // And with a number of inodes, which podman does not take.
    let sized = |size: u64, exec: bool| {
        let exec = if exec { "exec" } else { "noexec" };
        let inodes = mounts::inodes(size);
        let owner = match podman {
            true => String::new(),
            false => format!(",uid={},gid={},nr_inodes={inodes}", user.uid, user.gid),
        };
        format!("rw,{exec},nosuid,nodev,size={size},mode=1777{owner}")
    };
    let shown: Vec<PathBuf> = plan.mounts.iter().map(MountStep::target).collect();
    for volume in
        places.volumes.iter().map(Path::new).filter(|path| !shown.iter().any(|s| s == path))
    {
        tmpfs(volume, &sized(scratch, false))?;
    }
    // Over what the image has there: a loader looks for libraries in folders below, too (glibc-hwcaps).
    tmpfs(Path::new(FOLDER), "ro,noexec,nosuid,nodev,size=65536,mode=0755")?;
    // A jail has no /sys, which tells about the machine; podman masks it.
    if !podman {
        tmpfs(Path::new("/sys"), HIDDEN)?;
    }
    let mut secrets = false;
    for step in &plan.mounts {
        match step {
            MountStep::Tmpfs { size, exec, .. } => tmpfs(&step.target(), &sized(*size, *exec))?,
            MountStep::Mask { .. } => {
                tmpfs(&step.target(), HIDDEN)?;
            }
            MountStep::SecretFile { .. } if !secrets => {
                secrets = true;
                tmpfs(Path::new("/run/secrets"), &sized(1 << 20, false))?;
            }
            _ => {}
        }
    }
    for (index, step) in plan.mounts.iter().enumerate() {
        match step {
            // Podman takes one mount for each place.
            MountStep::Bind(_) if covered(plan, index) => {}
            MountStep::Bind(bind) => args.bind(&bind.host, &step.target(), bind.write)?,
            MountStep::Overlay { host, .. } => {
                let what =
                    format!("a throw-away copy of {} needs --sandbox=namespace", host.display());
                return Err(Failure::new(Kind::Refused, what)
                    .at(Stage::Mounts)
                    .hint("copy it yourself and give the copy: --workspace host:PATH"));
            }
            _ => {}
        }
    }
    for (host, inside) in &places.own.files {
        args.bind(host, Path::new(inside), false)?;
    }
    args.bind(&places.folder.join("door"), Path::new(DOOR), false)?;
    for file in ["passwd", "group"] {
        args.bind(&places.folder.join(file), &Path::new("/etc").join(file), false)?;
    }
    // Where the host's own /etc is shown, it is the host's list, which jail itself was started with.
    let hosts = plan.mounts.iter().any(|step| step.target() == Path::new("/etc"));
    if places.own.has_loader() && !hosts {
        args.bind(&places.folder.join(EMPTY), Path::new(PRELOAD), false)?;
    }
    Ok(())
}

/// `/etc/passwd` and `/etc/group` inside: programs ask who they are.
pub fn accounts(user: User) -> [(&'static str, String); 2] {
    let User { uid, gid, .. } = user;
    let passwd = format!(
        "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n\
         {INSIDE_USER}:x:{uid}:{gid}:{INSIDE_USER}:{INSIDE_HOME}:/bin/sh\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    );
    let group = format!("root:x:0:\n{INSIDE_USER}:x:{gid}:\nnogroup:x:65534:\n");
    [("passwd", passwd), ("group", group)]
}

/// Host folders that the connector is to write to.
pub fn writable(plan: &Plan) -> impl Iterator<Item = &Bind> {
    binds(plan).filter(|bind| bind.write)
}

/// Where the connector must be able to write, inside.
pub fn places_to_write(plan: &Plan) -> Vec<PathBuf> {
    let writable = plan.mounts.iter().filter(|step| match step {
        MountStep::Tmpfs { .. } => true,
        MountStep::Bind(bind) => {
            bind.write && bind.kind == crate::plan::Kind::Dir && !mounts::is_pin(step)
        }
        _ => false,
    });
    writable.map(MountStep::target).collect()
}

/// What of the host is shown: what is hidden at the same place is not even mounted.
pub fn binds(plan: &Plan) -> impl Iterator<Item = &Bind> {
    plan.mounts.iter().enumerate().filter_map(|(index, step)| match step {
        MountStep::Bind(bind) if !covered(plan, index) => Some(bind),
        _ => None,
    })
}

/// Where inside.
pub fn target(bind: &Bind) -> PathBuf {
    Path::new("/").join(&bind.target)
}

/// Does a later step lie over this one?
pub fn covered(plan: &Plan, index: usize) -> bool {
    let mut steps = plan.mounts.iter().skip(index).map(MountStep::target);
    steps.next().is_some_and(|target| steps.any(|later| later == target))
}

/// True for a place that is jail's own, not the policy's.
pub fn is_own(target: &Path) -> bool {
    target.starts_with(FOLDER)
}

struct Args(Vec<OsString>);

impl Args {
    fn words(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(OsString::from));
    }

    fn text(&mut self, option: &str, value: &str) {
        self.0.push(format!("{option}{value}").into());
    }

    fn bind(&mut self, host: &Path, inside: &Path, write: bool) -> Result<(), Failure> {
        let (from, to) = (path_text(host)?, path_text(inside)?);
        // Podman's default would let mounts of the host appear inside later.
        let access = if write { "" } else { ",readonly" };
        self.text(
            "--mount=",
            &format!("type=bind,source={from},target={to}{access},bind-propagation=rprivate"),
        );
        Ok(())
    }
}

/// A path that an engine's comma-separated options can carry.
fn path_text(path: &Path) -> Result<String, Failure> {
    let refused = |why: &str| {
        let what = format!("{} cannot be shown to a container", path.display());
        Err(Failure::new(Kind::Refused, what)
            .at(Stage::Mounts)
            .because(why)
            .hint("rename it, or use --sandbox=namespace"))
    };
    match path.to_str() {
        None => refused("its name is not UTF-8"),
        Some(text) if text.contains([',', '"', ':', '\n', '\r']) => refused(
            "a comma, colon, quotation mark or line break has a meaning in an engine's options",
        ),
        Some(text) => Ok(text.to_owned()),
    }
}

/// The command as a person would type it.
pub fn shell(program: &Path, args: &[OsString]) -> String {
    let plain = |text: &str| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_./=:,@+%".contains(&b);
        !text.is_empty() && text.bytes().all(fits)
    };
    let mut out = program.display().to_string();
    for arg in args {
        let text = arg.to_string_lossy();
        out += " \\\n    ";
        if plain(&text) {
            out += &text;
        } else {
            out += &format!("'{}'", text.replace('\'', "'\\''"));
        }
    }
    out
}

#[cfg(test)]
#[path = "translate_tests.rs"]
mod tests;
