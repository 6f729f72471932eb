//! Which engine there is, and what it can do.

use crate::failure::{Failure, Kind};
use crate::plan::{CgroupFacts, Stage};
use crate::policy::EngineKind;
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// An engine that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    pub kind: EngineKind,
    pub program: PathBuf,
    pub version: String,
    /// Its containers have no right of root over this machine.
    pub rootless: bool,
    /// cgroup version 1 or 2.
    pub cgroup: u8,
    /// Which limits its containers can carry.
    pub memory: bool,
    pub cpus: bool,
    pub pids: bool,
    pub seccomp: bool,
}

impl Engine {
    /// As the plan wants it: a limit that the engine leaves out in silence is refused or becomes a gap.
    pub fn limits(&self) -> CgroupFacts {
        let why = match (self.rootless, self.cgroup) {
            (true, 1) => format!(
                "rootless {} leaves limits out in silence on cgroup version 1",
                self.kind.name()
            ),
            _ => format!(
                "{} says that it cannot limit that here (`{} info`)",
                self.kind.name(),
                self.kind.name()
            ),
        };
        let fix = match self.cgroup {
            1 => "boot with systemd.unified_cgroup_hierarchy=1, or use a rootful engine",
            _ => {
                "let systemd delegate cpu, memory and pids to your user (Delegate= of user@.service)"
            }
        };
        CgroupFacts {
            memory: self.memory,
            cpu: self.cpus,
            pids: self.pids,
            io: false,
            // keep-id makes one for each container.
            own_users: self.kind == EngineKind::Podman && self.rootless,
            why,
            fix: fix.to_owned(),
        }
    }

    /// Runs it; what it prints.
    pub fn output<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Output, Failure> {
        run(&self.program, args).map_err(|error| {
            let what = format!("cannot start {}", self.program.display());
            Failure::new(Kind::Refused, what).at(Stage::Resolve).because(error)
        })
    }

    /// Runs it for what it prints; its own words where it fails.
    pub fn ask<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Vec<u8>, Failure> {
        let output = self.output(args)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let verb = args.first().map(|verb| verb.as_ref().to_string_lossy().into_owned());
        let what = format!("`{} {}` failed", self.kind.name(), verb.unwrap_or_default());
        Err(Failure::new(Kind::Refused, what).because(last_words(&output)))
    }

    /// What `inspect` says of a container or image.
    pub fn inspect(&self, what: &str, name: &str) -> Result<Value, Failure> {
        let text = self.ask(&[what, "inspect", name])?;
        let parsed: Result<Value, _> = serde_json::from_slice(&text);
        let one = parsed.ok().and_then(|list| list.as_array()?.first().cloned());
        one.ok_or_else(|| {
            let what = format!("cannot understand what {} says of {name}", self.kind.name());
            Failure::new(Kind::Refused, what)
        })
    }
}

/// The end of what it wrote to stderr, in one line.
pub fn last_words(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.as_slice() {
        [] => format!("it ended with {}", output.status),
        lines => lines[lines.len().saturating_sub(3)..].join(" / "),
    }
}

/// The engine that a run uses: the one that was asked for, or the first that has the image; rootless before
/// rootful.
pub fn choose(
    asked: Option<EngineKind>,
    image: &str,
    origin: &str,
) -> Result<(Engine, Value), Failure> {
    let Detected { engines, silent } = detect(asked)?;
    let mut tried = Vec::new();
    for engine in engines {
        match engine.inspect("image", image) {
            Ok(found) => return Ok((engine, found)),
            Err(failure) => tried.push((engine, failure)),
        }
    }
    let mut failure = Failure::new(
        Kind::Refused,
        format!("there is no image `{image}` ({origin}), and jail fetches none"),
    )
    .at(Stage::Resolve);
    for (engine, why) in &tried {
        let why = why.causes.first().map(String::as_str).unwrap_or_default();
        failure = failure.because(format!("{}: {why}", engine.kind.name()));
    }
    for silent in silent.iter().filter(|silent| silent.installed) {
        failure = failure.because(silent);
    }
    let kind = tried.first().map_or("podman", |(engine, _)| engine.kind.name());
    Err(failure.hint(format!("{kind} build -t {image} …, or {kind} load < image.tar")))
}

/// What there is of engines.
#[derive(Debug, Default)]
pub struct Detected {
    /// Those that answer, in the order of preference.
    pub engines: Vec<Engine>,
    pub silent: Vec<Silent>,
}

/// An engine that cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silent {
    pub kind: EngineKind,
    pub why: String,
    /// One that is not there has no containers.
    pub installed: bool,
}

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.why)
    }
}

/// Asks them all, or the one that is named.
pub fn survey(asked: Option<EngineKind>) -> Detected {
    let kinds: &[EngineKind] = match asked {
        Some(EngineKind::Docker) => &[EngineKind::Docker],
        Some(EngineKind::Podman) => &[EngineKind::Podman],
        None => EngineKind::ALL,
    };
    let mut found = Detected::default();
    for kind in kinds {
        let Some(program) = which(kind.name()) else {
            let why = "it is not installed".to_owned();
            found.silent.push(Silent { kind: *kind, why, installed: false });
            continue;
        };
        match look(*kind, program) {
            Ok(engine) => found.engines.push(engine),
            Err(why) => found.silent.push(Silent { kind: *kind, why, installed: true }),
        }
    }
    found.engines.sort_by_key(|engine| !engine.rootless);
    found
}

/// The same for who needs one; an error where none answers.
pub fn detect(asked: Option<EngineKind>) -> Result<Detected, Failure> {
    let found = survey(asked);
    if !found.engines.is_empty() {
        return Ok(found);
    }
    let mut failure = Failure::new(Kind::Refused, "no container engine can be used here");
    for silent in &found.silent {
        failure = failure.because(silent);
    }
    Err(failure
        .at(Stage::Resolve)
        .hint("install podman (rootless needs uidmap and /etc/subuid too), or start docker")
        .hint("or --sandbox=namespace, the default, which needs no engine"))
}

fn look(kind: EngineKind, program: PathBuf) -> Result<Engine, String> {
    local(kind, &program)?;
    let format = match kind {
        EngineKind::Docker => "{{json .}}",
        EngineKind::Podman => "json",
    };
    let output = run(&program, &["info", "--format", format]).map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(last_words(&output));
    }
    let info: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    match kind {
        EngineKind::Docker => docker(program, &info),
        EngineKind::Podman => podman(program, &info),
    }
}

/// The door is a socket of this machine, and what is verified are processes of this machine.
fn local(kind: EngineKind, program: &Path) -> Result<(), String> {
    let name = match kind {
        EngineKind::Docker => "DOCKER_HOST",
        EngineKind::Podman => "CONTAINER_HOST",
    };
    let host = std::env::var(name).unwrap_or_default();
    if !host.is_empty() {
        return on_this_machine(name, &host);
    }
    if kind == EngineKind::Podman {
        return Ok(());
    }
    // DOCKER_CONTEXT, or the context that was chosen for good. Clients that do not know the verb have none.
    let format = "{{.Endpoints.docker.Host}}";
    let output = run(program, &["context", "inspect", "--format", format]);
    match output {
        Ok(output) if output.status.success() => {
            on_this_machine("its context", String::from_utf8_lossy(&output.stdout).trim())
        }
        _ => Ok(()),
    }
}

fn on_this_machine(name: &str, host: &str) -> Result<(), String> {
    match host.is_empty() || host.starts_with("unix:") {
        true => Ok(()),
        false => Err(format!("{name} is {host}: an engine on another machine cannot be verified")),
    }
}

/// From `docker info`.
pub fn docker(program: PathBuf, info: &Value) -> Result<Engine, String> {
    let errors = info["ServerErrors"].as_array().and_then(|list| list.first()?.as_str());
    if let Some(error) = errors {
        return Err(error.to_owned());
    }
    let version = info["ServerVersion"].as_str().filter(|version| !version.is_empty());
    let version = version.ok_or("its daemon does not answer")?.to_owned();
    let option = |name: &str| {
        let options = info["SecurityOptions"].as_array().into_iter().flatten();
        options
            .filter_map(Value::as_str)
            .any(|text| text.split(',').any(|part| part.trim_start_matches("name=") == name))
    };
    let is = |field: &str| info[field].as_bool().unwrap_or(false);
    Ok(Engine {
        kind: EngineKind::Docker,
        program,
        version,
        rootless: option("rootless"),
        cgroup: if info["CgroupVersion"].as_str() == Some("2") { 2 } else { 1 },
        memory: is("MemoryLimit"),
        cpus: is("CpuCfsQuota"),
        pids: is("PidsLimit"),
        seccomp: option("seccomp"),
    })
}

/// From `podman info`.
pub fn podman(program: PathBuf, info: &Value) -> Result<Engine, String> {
    let host = &info["host"];
    if host["serviceIsRemote"].as_bool() == Some(true) {
        return Err("its service is on another machine, and cannot be verified".to_owned());
    }
    let version = info["version"]["Version"].as_str().ok_or("it does not tell its version")?;
    let rootless = host["security"]["rootless"].as_bool().unwrap_or(false);
    if rootless && older(version, (4, 3)) {
        return Err(format!(
            "version {version} cannot map your user to another number (--userns=keep-id:uid=…): it takes 4.3"
        ));
    }
    let cgroup = if host["cgroupVersion"].as_str() == Some("v2") { 2 } else { 1 };
    let controllers = host["cgroupControllers"].as_array();
    let has = |name: &str| {
        // Rootful podman on version 1 has all hierarchies and lists none of them.
        (cgroup == 1 && !rootless)
            || controllers.into_iter().flatten().any(|controller| controller == name)
    };
    Ok(Engine {
        kind: EngineKind::Podman,
        program,
        version: version.to_owned(),
        rootless,
        cgroup,
        memory: has("memory"),
        cpus: has("cpu"),
        pids: has("pids"),
        seccomp: host["security"]["seccompEnabled"].as_bool().unwrap_or(false),
    })
}

fn older(version: &str, least: (u32, u32)) -> bool {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < least
}

fn which(name: &str) -> Option<PathBuf> {
    let path =
        std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/local/bin:/usr/bin"));
    let absolute = |folder: &PathBuf| folder.is_absolute();
    std::env::split_paths(&path).filter(absolute).map(|folder| folder.join(name)).find(|program| {
        nix::unistd::access(program, nix::unistd::AccessFlags::X_OK).is_ok() && program.is_file()
    })
}

fn run<S: AsRef<OsStr>>(program: &Path, args: &[S]) -> std::io::Result<Output> {
    Command::new(program).args(args).stdin(Stdio::null()).output()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_engine_of_another_machine_is_none_of_ours() {
        for host in ["", "unix:///var/run/docker.sock"] {
            assert_eq!(on_this_machine("DOCKER_HOST", host), Ok(()));
        }
        for host in ["tcp://10.0.0.1:2376", "ssh://prod", "fd://"] {
            assert!(on_this_machine("its context", host).unwrap_err().contains(host));
        }
        let remote = json!({"host": {"serviceIsRemote": true}, "version": {"Version": "5.0"}});
        assert!(podman("podman".into(), &remote).unwrap_err().contains("another machine"));
    }

    #[test]
    fn docker_says_what_it_is() {
        let info = json!({
            "ServerVersion": "20.10.24", "CgroupVersion": "1", "MemoryLimit": true,
            "CpuCfsQuota": true, "PidsLimit": true,
            "SecurityOptions": ["name=seccomp,profile=default"],
        });
        let engine = docker("docker".into(), &info).unwrap();
        assert!(engine.memory && engine.cpus && engine.pids && engine.seccomp);
        assert!(!engine.rootless);
        let rootless = json!({
            "ServerVersion": "25", "CgroupVersion": "2", "SecurityOptions": ["name=rootless"],
        });
        let engine = docker("docker".into(), &rootless).unwrap();
        assert!(engine.rootless && engine.cgroup == 2 && !engine.memory && !engine.seccomp);
        let dead = json!({"ServerErrors": ["Cannot connect to the Docker daemon"]});
        assert!(docker("docker".into(), &dead).unwrap_err().contains("Cannot connect"));
        assert!(docker("docker".into(), &json!({})).is_err());
    }

    #[test]
    fn rootless_podman_on_cgroup_1_limits_nothing() {
        let info = |rootless: bool, version: &str, cgroup: &str, controllers: &[&str]| {
            json!({
                "host": {
                    "security": {"rootless": rootless, "seccompEnabled": true},
                    "cgroupVersion": cgroup, "cgroupControllers": controllers,
                },
                "version": {"Version": version},
            })
        };
        let of = |info: Value| podman("podman".into(), &info);
        let v1 = of(info(true, "4.3.1", "v1", &[])).unwrap();
        assert!(!v1.memory && !v1.cpus && !v1.pids);
        assert!(v1.limits().why.contains("in silence"));
        let v2 = of(info(true, "4.3.1", "v2", &["cpu", "memory"])).unwrap();
        assert!(v2.memory && v2.cpus && !v2.pids);
        assert!(of(info(false, "3.0.1", "v1", &[])).unwrap().pids);
        assert!(of(info(true, "4.2.0", "v2", &[])).is_err());
        assert!(of(info(true, "5.0.0", "v2", &[])).is_ok());
    }
}
