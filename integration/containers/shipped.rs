//! The files of `docker/`, as they are shipped, started by docker compose in the daemon of the tests, or by
//! podman-compose with rootless podman.

use crate::engines::{World, kept, needs, text};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

pub struct Shipped<'a> {
    pub world: &'a World,
    /// The one that is looked at, and what rootless podman needs besides.
    file: PathBuf,
    more: Option<PathBuf>,
    compose: PathBuf,
}

/// The shipped files; scripts/test.sh says where they are for a user who cannot look into the checkout.
fn folder() -> PathBuf {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("docker");
    std::env::var_os("JAIL_TEST_SHIPPED").map_or_else(own, PathBuf::from)
}

impl<'a> Shipped<'a> {
    /// A copy of `docker/` beside the workspace's `.cloned`, as in a checkout of this repository.
    pub fn lay(world: &'a World, file: &str) -> Result<Self, String> {
        world.outside()?;
        let compose = if world.docker {
            let how = "tests/compose/install.sh unpacks it";
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            needs(kept("registry"), "tests/containers/install.sh puts it there")?;
            needs(root.join("build/compose/docker-compose"), how)?
        } else {
            needs(PathBuf::from("/dev/net/tun"), "rootless podman has no networks without it")?;
            needs(kept("podman-compose"), "tests/containers/install.sh puts it there")?
        };
        let folder = world.path("work/docker");
        fs::remove_dir_all(&folder).ok();
        let mut copy = Command::new("cp");
        copy.arg("-rT").arg(self::folder()).arg(&folder);
        if !copy.status().is_ok_and(|status| status.success()) {
            return Err("docker/ could not be copied".to_owned());
        }
        // Whoever works here may have one, with a key in it.
        fs::remove_file(folder.join(".env")).ok();
        let more = folder.join(file.replace(".yaml", ".podman.yaml"));
        let more = Some(more).filter(|_| !world.docker);
        Ok(Self { world, file: folder.join(file), more, compose })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.file.with_file_name(name)
    }

    /// docker/.env: what a user says about this machine, and nothing about what is confined.
    pub fn say(&self, lines: &str) {
        fs::write(self.path(".env"), lines).unwrap();
    }

    /// The file with something in the place of something that is there.
    pub fn loosen(&self, changes: &[(&str, &str)]) -> Result<(), String> {
        let name = self.file.file_name().unwrap();
        let mut changed = fs::read_to_string(folder().join(name)).unwrap();
        for (from, to) in changes {
            if changed.matches(from).count() != 1 {
                return Err(format!("`{from}` is not in {} once", name.display()));
            }
            changed = changed.replace(from, to);
        }
        fs::write(&self.file, changed).unwrap();
        Ok(())
    }

    pub fn compose(&self, args: &[&str]) -> Result<(), String> {
        let mut command = if self.world.docker {
            self.world.slow(&self.compose)
        } else {
            let mut command = self.world.slow("/usr/bin/python3");
            command.env("PYTHONPATH", &self.compose).args(["-m", "podman_compose"]);
            command
        };
        // podman-compose hands the name of the seccomp profile on, which podman looks for where it is started.
        command.current_dir(self.path("."));
        for file in [Some(&self.file), self.more.as_ref()].into_iter().flatten() {
            command.arg("-f").arg(file);
        }
        let output = command.args(args).output().unwrap();
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("compose {args:?}: {}", text(&output.stderr))),
        }
    }

    /// Rootless podman without what it needs besides.
    pub fn alone(&mut self) {
        self.more = None;
    }

    /// Waits for the health check of the file, as long as that may take.
    pub fn healthy(&self, container: &str) -> Result<(), String> {
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            if !self.world.docker {
                // podman has systemd do it, and there may be none. What it finds is in the state.
                self.world.ask(&["healthcheck", "run", container]).ok();
            }
            let format = "{{.State.Status}} {{.State.Health.Status}}";
            let state = self.world.ask(&["inspect", "--format", format, container])?;
            if state == "running healthy" {
                return Ok(());
            }
            if Instant::now() > end || state.starts_with("exited") {
                let output =
                    self.world.command(self.world.engine()).args(["logs", container]).output();
                let said = output.map(|it| text(&it.stdout) + &text(&it.stderr));
                let health = ["inspect", "--format", "{{json .State.Health}}", container];
                let health = self.world.ask(&health)?;
                let said = said.unwrap_or_default();
                return Err(format!("{container} is {state}: {said}\n{health}"));
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// A program in a container of the file.
    pub fn inside(&self, container: &str, line: &str) -> (bool, String) {
        let mut command = self.world.command(self.world.engine());
        let output = command.args(["exec", container, "sh", "-c", line]).output().unwrap();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    }

    /// What `jail doctor containers` finds of it.
    pub fn doctor(&self, container: &str) -> Result<Vec<String>, String> {
        let engine = self.world.engine();
        let args = ["doctor", "containers", container, "--engine", engine, "--user", "65532"];
        let output = self.world.jail(&[&args[..], &["--json"]].concat());
        let json: serde_json::Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("{error}: {}", text(&output.stderr)))?;
        let findings = json["findings"].as_array().ok_or("no findings in its JSON")?;
        let id = |it: &serde_json::Value| it["rule"].as_str().map(str::to_owned);
        Ok(findings.iter().filter_map(id).collect())
    }
}

impl Drop for Shipped<'_> {
    fn drop(&mut self) {
        // By the shipped file: a changed one may know fewer networks.
        self.loosen(&[]).ok();
        // podman-compose knows no profile `*`, and the one file that it is for has none.
        let all: &[&str] = if self.world.docker { &["--profile", "*"] } else { &[] };
        self.compose(&[all, &["down", "--timeout", "1", "--remove-orphans"]].concat()).ok();
    }
}
