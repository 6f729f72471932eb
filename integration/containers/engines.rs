//! The engine of the tests: started here, ended by its number.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// An image of busybox and nothing else.
pub const IMAGE: &str = "jail-test-busybox:1";
/// With the demo's connector and its libraries.
pub const NOTES: &str = "jail-test-notes:1";

pub struct World {
    pub jail: PathBuf,
    pub docker: bool,
    folder: TempDir,
    daemon: Option<Child>,
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
        let mut world = Self { jail, docker, folder, daemon: None };
        for name in ["home", "run", "config/containers", "data", "exec"] {
            fs::create_dir_all(world.path(name)).unwrap();
        }
        fs::create_dir_all(world.path("work")).unwrap();
        if docker {
            for program in ["dockerd", "docker", "unshare", "iptables"] {
                which(program)?;
            }
            world.daemon = Some(world.dockerd()?);
        } else {
            for program in ["podman", "newuidmap", "runc"] {
                which(program)?;
            }
            world.podman()?;
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
        command
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
        let output = self.command(self.engine()).args(args).output().unwrap();
        match output.status.success() {
            true => Ok(text(&output.stdout).trim().to_owned()),
            false => Err(format!("{} {args:?}: {}", self.engine(), text(&output.stderr))),
        }
    }

    fn dockerd(&self) -> Result<Child, String> {
        let log = fs::File::create(self.path("dockerd.log")).unwrap();
        let socket = format!("unix://{}", self.path("docker.sock").display());
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--propagation", "private", "sh", "-c"]);
        command.arg("ip link set lo up; exec dockerd \"$@\"").arg("dockerd");
        for (option, place) in
            [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "dockerd.pid")]
        {
            command.arg(option).arg(self.path(place));
        }
        command.args(["--host", &socket]);
        let daemon = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("dockerd: {error}"))?;
        let until = Instant::now() + Duration::from_secs(60);
        while self.ask(&["info", "--format", "{{.ServerVersion}}"]).is_err() {
            if Instant::now() > until {
                let log = fs::read_to_string(self.path("dockerd.log")).unwrap_or_default();
                let end = log.lines().rev().take(3).collect::<Vec<_>>().join(" / ");
                return Err(format!("dockerd does not start here: {end}"));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(daemon)
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
        for applet in
            ["sh", "cat", "id", "sleep", "httpd", "nc", "mount", "dd", "ls", "cp", "head", "printf"]
        {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        for library in libraries(&root.join("bin/busybox")) {
            copy_into(&root, &library);
        }
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
        let packed = Command::new("tar").arg("-C").arg(root).arg("-cf").arg(&tar).arg(".").status();
        if !packed.is_ok_and(|status| status.success()) {
            return Err("tar failed".to_owned());
        }
        self.ask(&["import", &tar.display().to_string(), name]).map(drop)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // By id, and only those of this world's engine.
        let ids = self.ask(&["ps", "--all", "--quiet"]).unwrap_or_default();
        for id in ids.split_whitespace() {
            self.ask(&["rm", "--force", id]).ok();
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
        }
    }
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
    let end = Instant::now() + Duration::from_secs(30);
    while !there() {
        if Instant::now() > end {
            return Err(format!("{what} did not come"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
