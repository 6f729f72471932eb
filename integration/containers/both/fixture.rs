//! The files that the attacks are made at.

use crate::Outcome;
use crate::engines::{World, copy_into, libraries};
use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

pub const IMAGE: &str = "jail-test-attacker:1";

pub struct Fixture {
    root: PathBuf,
    /// In the home folder of the world's user.
    pub ssh: PathBuf,
    /// This program.
    pub program: PathBuf,
    /// In every file that must not be read.
    pub secret: String,
}

/// A process of the host; ended with this.
pub struct Neighbour(pub Child);

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// What an effect looks at.
pub struct Seen<'a> {
    pub fixture: &'a Fixture,
    pub neighbour: u32,
}

impl Fixture {
    pub fn new(world: &World) -> Self {
        let secret = format!("SECRET-{}", std::process::id());
        let ssh = world.path("home/.ssh/id_test");
        fs::create_dir_all(ssh.parent().unwrap()).unwrap();
        fs::write(&ssh, &secret).unwrap();
        let program = std::env::current_exe().unwrap();
        Self { root: world.path("attacked"), ssh, program, secret }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub fn workspace(&self) -> PathBuf {
        self.at("ws")
    }

    /// As new. `nobody`: the connector's user is 65532, who must own what it is to write to.
    pub fn renew(&self, nobody: bool) {
        if self.root.exists() {
            fs::remove_dir_all(&self.root).unwrap();
        }
        for folder in ["ws/.git/hooks", "ws/.cloned/policy", "granted", "outside"] {
            fs::create_dir_all(self.at(folder)).unwrap();
        }
        for (name, text) in [
            ("ws/.git/config", "[core]\n"),
            ("ws/.mcp.json", "{}\n"),
            ("ws/program", "x"),
            ("granted/file", "granted\n"),
            ("outside/victim", "as it was\n"),
            ("outside/secret", self.secret.as_str()),
        ] {
            fs::write(self.at(name), text).unwrap();
        }
        symlink(self.at("outside/secret"), self.at("ws/to-secret")).unwrap();
        symlink(self.at("outside/victim"), self.at("ws/to-victim")).unwrap();
        let set_uid = self.at("granted/set-uid");
        fs::copy(&self.program, &set_uid).unwrap();
        fs::set_permissions(&set_uid, fs::Permissions::from_mode(0o4755)).unwrap();
        if nobody {
            own(&self.workspace());
        }
    }

    pub fn seen(&self, neighbour: &Neighbour) -> Seen<'_> {
        Seen { fixture: self, neighbour: neighbour.0.id() }
    }

    /// Its name in /proc is the secret's.
    pub fn neighbour(&self) -> Result<Neighbour, String> {
        let mut command = Command::new("sleep");
        command.arg0(format!("neighbour-{}", self.secret)).arg("1000");
        command.spawn().map(Neighbour).map_err(|error| format!("sleep: {error}"))
    }

    /// What an attack may have left on the host outside of the fixture.
    pub fn clean(&self) {
        for path in [self.planted("/etc"), self.planted("/usr/bin")] {
            fs::remove_file(path).ok();
        }
    }

    pub fn planted(&self, folder: &str) -> PathBuf {
        Path::new(folder).join(format!("jail-test-{}", self.secret))
    }

    /// An image with the libraries of this program and nothing to run.
    pub fn image(&self, world: &World) -> Outcome {
        let root = world.path("attacker-image");
        for folder in ["etc", "usr/bin", "tmp"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        // Some runtimes give what is mounted on it the mode of the image's folder.
        fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
        for library in libraries(&self.program) {
            copy_into(&root, &library);
        }
        world.import(&root, IMAGE)
    }
}

fn own(path: &Path) {
    lchown(path, Some(65532), Some(65532)).unwrap();
    if fs::symlink_metadata(path).unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            own(&entry.unwrap().path());
        }
    }
}
