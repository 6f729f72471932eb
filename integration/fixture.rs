//! The host side of one run: a folder, a secret, neighbours, listeners.

use crate::harness::Attack;
use std::any::Any;
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

type Hook = Box<dyn Fn(&mut Command) + Send + Sync>;

pub struct Fixture {
    dir: tempfile::TempDir,
    pub jailed: bool,
    /// The jailed run is traced, which must not matter.
    pub traced: bool,
    pub secret: String,
    pub values: BTreeMap<String, String>,
    /// Changes the command that is started: descriptors, limits, folder. The same for both runs.
    pub hooks: Vec<Hook>,
    /// Started around the command.
    pub wrapper: Vec<String>,
    /// Where the output is read from, instead of a pipe.
    pub terminal: Option<OwnedFd>,
    pub output_file: Option<PathBuf>,
    /// The binary of the payload, instead of this one.
    pub payload: Option<PathBuf>,
    pub keep: Vec<Box<dyn Any + Send + Sync>>,
    children: Vec<Child>,
}

impl Fixture {
    pub fn new(attack: &Attack, jailed: bool) -> Self {
        let dir =
            tempfile::Builder::new().prefix("jail-escapes-").tempdir().expect("a temp folder");
        let unique = dir.path().file_name().expect("a name").to_string_lossy().into_owned();
        let mut fixture = Self {
            secret: format!("SECRET-{unique}"),
            dir,
            jailed,
            traced: std::env::var_os("JAIL_TEST_TRACE").is_some(),
            values: BTreeMap::new(),
            hooks: Vec::new(),
            wrapper: Vec::new(),
            terminal: None,
            output_file: None,
            payload: None,
            keep: Vec::new(),
            children: Vec::new(),
        };
        for folder in ["home/.ssh", "cwd", "run", "state", "outside"] {
            fs::create_dir_all(fixture.at(folder)).expect("a folder");
        }
        // As XDG_RUNTIME_DIR has to be, whatever the umask.
        let private = fs::Permissions::from_mode(0o700);
        fs::set_permissions(fixture.at("run"), private).expect("a mode");
        fixture.write("home/.ssh/id_rsa", &fixture.secret.clone());
        fixture.set("jailed", if jailed { "1" } else { "0" });
        // The secret itself is not told to the jail; this part of it is enough to know it by.
        fixture.set("marker", &unique);
        (attack.setup)(&mut fixture);
        if let Some(user) = fixture.owner() {
            give(fixture.dir.path(), user);
        }
        fixture
    }

    /// Whose its files are, where that is not whoever runs the suite.
    fn owner(&self) -> Option<u32> {
        crate::tier::other_user().filter(|_| self.jailed)
    }

    /// A path of the fixture on the host.
    pub fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(&path, text).expect("a file");
        if let Some(user) = self.owner() {
            give(&path, user);
        }
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_default()
    }

    /// A value that the attack gets and that `{name}` stands for in the options.
    pub fn set(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), value.to_owned());
    }

    /// The host path of a fixture path, as a value.
    pub fn set_path(&mut self, name: &str, path: &str) {
        let path = self.at(path).display().to_string();
        self.set(name, &path);
    }

    /// A workspace of the host: `{host_ws}` for the options, `ws` for the attack.
    pub fn workspace(&mut self) -> PathBuf {
        fs::create_dir_all(self.at("ws")).expect("a workspace");
        self.set_path("host_ws", "ws");
        let own = self.jailed && !crate::tier::chosen();
        let ws = if own { "/workspace".into() } else { self.at("ws").display().to_string() };
        self.set("ws", &ws);
        self.at("ws")
    }

    /// Starts a neighbour that lives as long as the fixture.
    pub fn neighbour(&mut self, command: &mut Command) -> u32 {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = child.spawn().expect("a neighbour");
        let pid = child.id();
        self.children.push(child);
        pid
    }

    pub fn hook(&mut self, hook: impl Fn(&mut Command) + Send + Sync + 'static) {
        self.hooks.push(Box::new(hook));
    }

    /// A copy of this binary. Made by cp(1): a copy that is open for writing here would still be so in
    /// a child that another test forks at that moment, and could not be started.
    pub fn copy_of_me(&self, name: &str) -> PathBuf {
        let copy = self.at(name);
        let me = std::env::current_exe().expect("my path");
        assert!(Command::new("cp").arg(me).arg(&copy).status().expect("cp").success());
        copy
    }
}

/// What jail itself keeps must be its user's, or it refuses to run.
const OWN: [&str; 4] = ["state", "run/cloned", "home/.cache", "root/.cloned"];

/// Gives a file, or a folder with all that is in it, to another user.
fn give(path: &Path, user: u32) {
    if OWN.iter().any(|own| path.ends_with(own)) {
        return;
    }
    std::os::unix::fs::lchown(path, Some(user), Some(user)).expect("chown");
    if path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
        for entry in fs::read_dir(path).expect("a folder").flatten() {
            give(&entry.path(), user);
        }
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        // The orphan of a control may still write there; it ends when its folder is gone.
        for _ in 0..50 {
            if fs::remove_dir_all(self.dir.path()).is_ok() || !self.dir.path().exists() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}
