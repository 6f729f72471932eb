//! The files of `docker/`, as they are shipped, started by docker compose in the daemon of the tests.

use crate::engines::{World, kept, needs, text};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

pub struct Shipped<'a> {
    pub world: &'a World,
    file: PathBuf,
    compose: PathBuf,
}

impl<'a> Shipped<'a> {
    /// A copy of `docker/` beside the workspace's `.cloned`, as in a checkout of this repository.
    pub fn lay(world: &'a World, file: &str) -> Result<Self, String> {
        world.outside()?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let how = "tests/compose/install.sh unpacks it";
        let compose = needs(root.join("build/compose/docker-compose"), how)?;
        needs(kept("registry"), "tests/containers/install.sh puts it there")?;
        let folder = world.path("work/docker");
        fs::remove_dir_all(&folder).ok();
        let mut copy = Command::new("cp");
        copy.arg("-rT").arg(root.join("docker")).arg(&folder);
        if !copy.status().is_ok_and(|status| status.success()) {
            return Err("docker/ could not be copied".to_owned());
        }
        // Whoever works here may have one, with a key in it.
        fs::remove_file(folder.join(".env")).ok();
        Ok(Self { world, file: folder.join(file), compose })
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
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("docker").join(name);
        let mut changed = fs::read_to_string(shipped).unwrap();
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
        let mut command = self.world.slow(&self.compose);
        let output = command.arg("-f").arg(&self.file).args(args).output().unwrap();
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("docker compose {args:?}: {}", text(&output.stderr))),
        }
    }

    /// Waits for the health check of the file, as long as that may take.
    pub fn healthy(&self, container: &str) -> Result<(), String> {
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            let format = "{{.State.Status}} {{.State.Health.Status}}";
            let state = self.world.ask(&["inspect", "--format", format, container])?;
            if state == "running healthy" {
                return Ok(());
            }
            if Instant::now() > end || state.starts_with("exited") {
                let output = self.world.command("docker").args(["logs", container]).output();
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
        let mut command = self.world.command("docker");
        let output = command.args(["exec", container, "sh", "-c", line]).output().unwrap();
        (output.status.success(), text(&output.stdout) + &text(&output.stderr))
    }

    /// What `jail doctor containers` finds of it.
    pub fn doctor(&self, container: &str) -> Result<Vec<String>, String> {
        let args = ["doctor", "containers", container, "--engine", "docker", "--user", "65532"];
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
        self.compose(&["--profile", "*", "down", "--timeout", "1", "--remove-orphans"]).ok();
    }
}
