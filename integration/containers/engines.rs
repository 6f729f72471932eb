//! The engine of the tests: started here, ended by its number.

use crate::outside::{self, Outside};
use nix::fcntl::{Flock, FlockArg};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// An image of busybox and nothing else.
pub const IMAGE: &str = "jail-test-busybox:1";
/// With the demo's connector and its libraries.
pub const NOTES: &str = "jail-test-notes:1";

/// On the loopback of the daemon's network, where docker asks for no certificate.
pub const REGISTRY: &str = "127.0.0.1:5000";
/// The resolver of the daemon's machine.
pub const RESOLVER: &str = "127.0.0.53";
/// The label that says what an image was made from.
const STAMP: &str = "jail.test.stamp";

pub struct World {
    pub jail: PathBuf,
    pub docker: bool,
    folder: TempDir,
    daemon: Option<Child>,
    outside: Option<Outside>,
    registry: Mutex<Option<Child>>,
    /// Held while this world uses the images of earlier ones.
    store: Option<Flock<fs::File>>,
}

/// Where images are kept between runs, and what tests/containers/install.sh makes; scripts/test.sh says where that
/// is for a user who cannot look into the checkout.
pub fn kept(name: &str) -> PathBuf {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("build/containers");
    std::env::var_os("JAIL_TEST_KEPT").map_or_else(own, PathBuf::from).join(name)
}

/// A reason to skip where something that the scene needs could not be had.
pub fn needs(path: PathBuf, from: &str) -> Result<PathBuf, String> {
    match path.exists() {
        true => Ok(path),
        false => Err(format!("skip: there is no {}; {from}", path.display())),
    }
}

impl World {
    pub fn start() -> Result<Self, String> {
        let jail = std::env::var_os("JAIL").ok_or("JAIL does not say which program to test")?;
        let jail = fs::canonicalize(&jail).map_err(|error| format!("{jail:?}: {error}"))?;
        for program in ["busybox", "tar"] {
            which(program)?;
        }
        let docker = nix::unistd::geteuid().is_root();
        let folder = tempfile::Builder::new().prefix("jail-containers-").tempdir().unwrap();
        // The connector's user inside is another one, and reaches what is granted below.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let registry = Mutex::new(None);
        let mut world =
            Self { jail, docker, folder, daemon: None, outside: None, registry, store: None };
        for name in ["home", "run", "config/containers", "data", "exec"] {
            fs::create_dir_all(world.path(name)).unwrap();
        }
        fs::create_dir_all(world.path("work")).unwrap();
        if docker {
            for program in ["dockerd", "docker", "unshare", "iptables"] {
                which(program)?;
            }
            world.store = store();
            world.daemon = Some(world.dockerd()?);
            world.ready()?;
            world.outside = Some(Outside::join(world.daemon.as_ref().map_or(0, Child::id))?);
            world.emptied()?;
        } else {
            for program in ["podman", "newuidmap", "runc"] {
                which(program)?;
            }
            world.podman()?;
            if let Some(socket) = std::env::var_os("JAIL_TEST_NEIGHBOUR") {
                world.outside = Some(Outside::of_this_space(Path::new(&socket))?);
            }
        }
        world.images()?;
        world.done(&["init"]).map_err(|error| format!("jail init: {error}"))?;
        Ok(world)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn engine(&self) -> &'static str {
        if self.docker { "docker" } else { "podman" }
    }

    /// A program with the environment of this world.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "60"]).arg(program);
        self.at_home(&mut command);
        command
    }

    /// For what takes long on a busy machine: unpacking and packing images, starting services.
    pub fn slow(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "400"]).arg(program);
        self.at_home(&mut command);
        command
    }

    fn at_home(&self, command: &mut Command) {
        command
            .current_dir(self.path("work"))
            .env("HOME", self.path("home"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_STATE_HOME")
            .env_remove("XDG_DATA_HOME")
            .env_remove("DOCKER_HOST")
            .stdin(Stdio::null());
        if self.docker {
            command.env("DOCKER_HOST", format!("unix://{}", self.path("docker.sock").display()));
        }
    }

    /// `jail run --sandbox=container` of a shell line in the plain image.
    pub fn run(&self, options: &[&str], line: &str) -> Command {
        let mut command = self.command(&self.jail);
        command.args(["run", "--sandbox=container", "--quiet", "--engine", self.engine()]);
        command.args(["--image", IMAGE]).args(options).args(["--", "sh", "-c", line]);
        command
    }

    pub fn ran(&self, options: &[&str], line: &str) -> Output {
        self.run(options, line).output().unwrap()
    }

    pub fn jail(&self, args: &[&str]) -> Output {
        self.command(&self.jail).args(args).output().unwrap()
    }

    fn done(&self, args: &[&str]) -> Result<(), String> {
        let output = self.jail(args);
        if output.status.success() { Ok(()) } else { Err(text(&output.stderr)) }
    }

    pub fn ask(&self, args: &[&str]) -> Result<String, String> {
        self.asked(self.command(self.engine()), args)
    }

    pub fn ask_slowly(&self, args: &[&str]) -> Result<String, String> {
        self.asked(self.slow(self.engine()), args)
    }

    fn asked(&self, mut command: Command, args: &[&str]) -> Result<String, String> {
        let output = command.args(args).output().unwrap();
        match output.status.success() {
            true => Ok(text(&output.stdout).trim().to_owned()),
            false => Err(format!("{} {args:?}: {}", self.engine(), text(&output.stderr))),
        }
    }

    /// The other machine, and the network that ports are published in.
    pub fn outside(&self) -> Result<&Outside, String> {
        let why = "skip: a network of the test's own (integration/containers/space.sh) is what root makes";
        self.outside.as_ref().ok_or_else(|| why.to_owned())
    }

    /// Of what is tried with Docker alone.
    pub fn docker_alone(&self) -> Result<(), String> {
        match self.docker {
            true => Ok(()),
            false => Err("skip: it is started with Docker, whose daemon is root's".to_owned()),
        }
    }

    fn dockerd(&self) -> Result<Child, String> {
        // A resolver on loopback, as many machines have one: the daemon asks it for its containers.
        fs::write(self.path("resolv.conf"), format!("nameserver {RESOLVER}\n")).unwrap();
        let data = if self.store.is_some() { kept("docker") } else { self.path("data") };
        let log = fs::File::create(self.path("dockerd.log")).unwrap();
        let socket = format!("unix://{}", self.path("docker.sock").display());
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--propagation", "private", "sh", "-c"]);
        let line = "ip link set lo up; mount --bind \"$0\" /etc/resolv.conf; exec dockerd \"$@\"";
        command.arg(line).arg(self.path("resolv.conf"));
        command.arg("--data-root").arg(data);
        for (option, place) in [("--exec-root", "exec"), ("--pidfile", "dockerd.pid")] {
            command.arg(option).arg(self.path(place));
        }
        command.args(["--host", &socket]);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("dockerd: {error}"))
    }

    fn ready(&self) -> Result<(), String> {
        let until = Instant::now() + Duration::from_secs(60);
        while self.ask(&["info", "--format", "{{.ServerVersion}}"]).is_err() {
            if Instant::now() > until {
                let log = fs::read_to_string(self.path("dockerd.log")).unwrap_or_default();
                let end = log.lines().rev().take(3).collect::<Vec<_>>().join(" / ");
                return Err(format!("dockerd does not start here: {end}"));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// Only images are kept. What an earlier run left that was ended half-way is no part of this one.
    fn emptied(&self) -> Result<(), String> {
        for id in self.ask(&["ps", "--all", "--quiet"])?.split_whitespace() {
            self.ask(&["rm", "--force", "--volumes", id])?;
        }
        self.ask(&["network", "prune", "--force"])?;
        self.ask(&["image", "prune", "--force"]).map(drop)
    }

    fn podman(&self) -> Result<(), String> {
        // crun refuses a mixture of both versions of cgroups; nothing here has a systemd to ask.
        let text = "[engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n";
        fs::write(self.path("config/containers/containers.conf"), text).unwrap();
        self.ask(&["info"]).map(drop).map_err(|why| format!("podman does not work here: {why}"))
    }

    fn images(&self) -> Result<(), String> {
        let root = self.path("image");
        for folder in ["bin", "etc", "tmp", "srv"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
        fs::copy(which("busybox")?, root.join("bin/busybox")).unwrap();
        for applet in [
            "sh", "cat", "id", "sleep", "httpd", "nc", "mount", "dd", "ls", "cp", "head", "printf",
            "grep", "ln",
        ] {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        fs::copy(which("curl")?, root.join("bin/curl")).unwrap();
        for program in ["bin/busybox", "bin/curl"] {
            for library in libraries(&root.join(program)) {
                copy_into(&root, &library);
            }
        }
        fs::write(root.join("etc/nsswitch.conf"), "hosts: files dns\n").unwrap();
        fs::write(root.join("srv/health"), "ok\n").unwrap();
        self.import(&root, IMAGE)?;
        let notes =
            std::env::var_os("DEMO").map(|folder| Path::new(&folder).join("notes-connector"));
        if let Some(notes) = notes.filter(|path| path.exists()) {
            for library in libraries(&notes) {
                copy_into(&root, &library);
            }
            fs::copy(&notes, root.join("bin/notes-connector")).unwrap();
            self.import(&root, NOTES)?;
        }
        Ok(())
    }

    /// An image of all that is in a folder.
    pub fn import(&self, root: &Path, name: &str) -> Result<(), String> {
        let tar = self.path("image.tar");
        let mut pack = Command::new("tar");
        // The same files make the same archive, so that an image that is there is known again.
        pack.args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"]);
        let packed = pack.arg("-C").arg(root).arg("-cf").arg(&tar).arg(".").status();
        if !packed.is_ok_and(|status| status.success()) {
            return Err("tar failed".to_owned());
        }
        // The program: in a debug build the crate takes ten times as long for some hundred megabytes.
        let sum = Command::new("sha256sum").arg(&tar).output().unwrap();
        let sum = text(&sum.stdout);
        let stamp = sum.split(' ').next().filter(|it| it.len() == 64).ok_or("sha256sum failed")?;
        self.unpack(&tar, name, stamp, &[])
    }

    /// An image of an archive, unless it is there already by its stamp.
    pub fn unpack(
        &self,
        tar: &Path,
        name: &str,
        stamp: &str,
        changes: &[&str],
    ) -> Result<(), String> {
        let label = format!("{{{{index .Config.Labels \"{STAMP}\"}}}}");
        let known = self.ask(&["image", "inspect", "--format", &label, name]);
        if known.is_ok_and(|known| known == stamp) {
            return Ok(());
        }
        let label = format!("LABEL {STAMP}={stamp}");
        let mut args = vec!["import", "--change", &label];
        args.extend(changes.iter().flat_map(|change| ["--change", change]));
        let tar = tar.display().to_string();
        args.extend([tar.as_str(), name]);
        self.ask_slowly(&args).map(drop)
    }

    /// The digest of an image, as only a registry can give it one: its name begins with `REGISTRY`.
    pub fn digest(&self, name: &str) -> Result<String, String> {
        if !self.docker {
            return self.ask(&["image", "inspect", "--format", "{{.Digest}}", name]);
        }
        let known = || {
            let all =
                self.ask(&["image", "inspect", "--format", "{{join .RepoDigests \" \"}}", name]);
            let all = all.ok()?;
            let own = all.split(' ').find(|it| it.starts_with(REGISTRY))?;
            own.split_once('@').map(|(_, digest)| digest.to_owned())
        };
        if let Some(digest) = known() {
            return Ok(digest);
        }
        self.registry()?;
        self.ask_slowly(&["push", "--quiet", name])?;
        known().ok_or_else(|| format!("{name} was pushed, and has no digest"))
    }

    /// Debian's registry, on the loopback of the daemon's own network.
    fn registry(&self) -> Result<(), String> {
        let mut running = self.registry.lock().unwrap();
        if running.is_some() {
            return Ok(());
        }
        let program = needs(kept("registry"), "tests/containers/install.sh puts it there")?;
        let daemon = self.outside()?.daemon();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: '{}'}}}}\n\
             http: {{addr: '{REGISTRY}'}}\n",
            self.path("registry").display()
        );
        fs::write(self.path("registry.yml"), config).unwrap();
        let mut command = Command::new("nsenter");
        command.args(["--target", &daemon.to_string(), "--net"]).arg(program).arg("serve");
        let log = fs::File::create(self.path("registry.log")).unwrap();
        let child = command.arg(self.path("registry.yml")).stdin(Stdio::null());
        let child = child.stdout(log.try_clone().unwrap()).stderr(log).spawn();
        *running = Some(child.map_err(|error| format!("nsenter: {error}"))?);
        let at = REGISTRY.parse().map_err(|error| format!("{REGISTRY}: {error}"))?;
        until("the registry", || outside::reaches(daemon, at) == Ok(true))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // By id, and only those of this world's engine.
        let ids = self.ask(&["ps", "--all", "--quiet"]).unwrap_or_default();
        for id in ids.split_whitespace() {
            self.ask(&["rm", "--force", id]).ok();
        }
        if let Some(mut registry) = self.registry.lock().ok().and_then(|mut it| it.take()) {
            registry.kill().ok();
            registry.wait().ok();
        }
        if let Some(mut daemon) = self.daemon.take() {
            let pid = nix::unistd::Pid::from_raw(daemon.id().cast_signed());
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).ok();
            daemon.wait().ok();
            cgroups();
        }
        if !self.docker {
            // Files of other numbers of user can be removed from inside the user namespace alone.
            let folder = self.folder.path().join("home");
            self.command("podman").args(["unshare", "rm", "-rf"]).arg(folder).status().ok();
            // What holds that namespace open between two calls of podman, and would for ever.
            let pause = fs::read_to_string(self.path("run/libpod/tmp/pause.pid")).ok();
            if let Some(pid) = pause.and_then(|pid| pid.trim().parse().ok()) {
                let pid = nix::unistd::Pid::from_raw(pid);
                nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).ok();
            }
        }
    }
}

/// The folder of kept images; none where another run of the tests uses it, or it cannot be written.
fn store() -> Option<Flock<fs::File>> {
    fs::create_dir_all(kept("docker")).ok()?;
    let lock = fs::File::create(kept("docker.lock")).ok()?;
    Flock::lock(lock, FlockArg::LockExclusiveNonblock).ok()
}

/// dockerd leaves its empty folder in each hierarchy of version 1.
fn cgroups() {
    for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        // One that is in use stays: rmdir refuses.
        fs::remove_dir(hierarchy.path().join("docker")).ok();
    }
}

pub fn libraries(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().unwrap();
    let text = text(&output.stdout);
    let words = text.split_whitespace().filter(|word| word.starts_with('/'));
    words
        .map(|word| PathBuf::from(word.trim_end_matches(':')))
        .filter(|path| path.exists())
        .collect()
}

pub fn copy_into(root: &Path, file: &Path) {
    let to = root.join(file.strip_prefix("/").unwrap());
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    if !to.exists() {
        fs::copy(file, to).unwrap();
    }
}

pub fn which(program: &str) -> Result<PathBuf, String> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let found =
        std::env::split_paths(&path).map(|folder| folder.join(program)).find(|it| it.exists());
    found.ok_or_else(|| format!("{program} is not installed (scripts/setup.sh test)"))
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits for something, a long time: an engine on a busy machine is slow.
pub fn until(what: &str, mut there: impl FnMut() -> bool) -> Result<(), String> {
    let end = Instant::now() + Duration::from_secs(120);
    while !there() {
        if Instant::now() > end {
            return Err(format!("{what} did not come"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
