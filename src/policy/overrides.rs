//! What a person sets on the command line, over all files.

use super::expect::Malformed;
use super::layer::{Layer, WORKSPACE_SIZE};
use super::network;
use super::parse::{self, FILES, NICE, PIDS};
use super::path::Anchor;
use super::{
    Backend, Bytes, Control, Cpus, EngineKind, EnvEntry, EnvValue, EofGrace, ImageName,
    NetworkMode, Origin, PathRule, Period, PortGrant, Problem, SeccompChoice, Setting, SystemTree,
    Workspace,
};
use crate::firewall::{Effect, Endpoint, Rule, Unlisted};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The options of `jail run` and `jail explain` that change a policy. Lists add to the manifest's.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Policy")]
pub struct Overrides {
    /// Let it read this path.
    #[arg(long, value_name = "PATH")]
    pub read: Vec<PathBuf>,
    /// Let it read and write this path.
    #[arg(long, value_name = "PATH")]
    pub write: Vec<PathBuf>,
    /// Set a variable; without a value it is the one of your own environment.
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub env: Vec<EnvEntry>,
    /// Let it reach this host, or all below it (*.example.com); the port is 443 unless given.
    #[arg(long, value_name = "HOST[:PORT]", value_parser = parse::endpoint)]
    pub allow: Vec<Endpoint>,
    /// Never let it reach this host, whatever else allows it; at all ports unless one is given.
    #[arg(long, value_name = "HOST[:PORT]", value_parser = parse::endpoint)]
    pub deny: Vec<Endpoint>,
    /// The way out: proxy (what rules allow) or none.
    #[arg(long, value_name = "MODE")]
    pub network: Option<NetworkMode>,
    /// What happens to hosts that no rule names: deny, or ask (`jail approvals`).
    #[arg(long, value_name = "WHAT")]
    pub unlisted: Option<Unlisted>,
    /// Offer a port of it on this machine's loopback: 3000, 8080:3000 or 127.0.0.1:8080:3000.
    #[arg(long, value_name = "[[ADDRESS:]PORT:]PORT")]
    pub publish: Vec<PortGrant>,
    /// Memory: 512M, 1G.
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Bytes>,
    /// Processors: 1, 0.5.
    #[arg(long, value_name = "NUMBER")]
    pub cpus: Option<Cpus>,
    /// Processes and threads.
    #[arg(long, value_name = "NUMBER", value_parser = pids)]
    pub pids: Option<u32>,
    /// Open files per process.
    #[arg(long, value_name = "NUMBER", value_parser = files)]
    pub files: Option<u32>,
    /// Politeness, 0 to 19.
    #[arg(long, value_name = "NUMBER", value_parser = nice)]
    pub nice: Option<u32>,
    /// End it after this time: 30s, 2m.
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<Period>,
    /// How long it may live on after its standard input ended: a time, or `never`.
    #[arg(long, value_name = "TIME")]
    pub eof_grace: Option<EofGrace>,
    /// System calls: a built-in profile, or the path of one.
    #[arg(long, value_name = "NAME|PATH")]
    pub seccomp: Option<SeccompChoice>,
    /// What confines it: namespace; landlock (weaker, for hosts that forbid user namespaces); container; none.
    #[arg(long, value_name = "BACKEND")]
    pub sandbox: Option<Backend>,
    /// With --sandbox=container: the image that it runs in. It must be there; none is fetched.
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<ImageName>,
    /// With --sandbox=container: podman or docker; without it the one that is there, rootless before rootful.
    #[arg(long, value_name = "ENGINE")]
    pub engine: Option<EngineKind>,
    /// What /workspace is: tmpfs[:SIZE], host:PATH or copy:PATH.
    #[arg(long, value_name = "WORKSPACE")]
    pub workspace: Option<WorkspaceArg>,
    /// The system's programs that it sees: usr or minimal.
    #[arg(long, value_name = "TREE")]
    pub system: Option<SystemTree>,
    /// Size of its /tmp and of its HOME.
    #[arg(long, value_name = "SIZE")]
    pub scratch: Option<Bytes>,
    /// Run although these cannot be applied here: memory, cpus, pids, io, landlock; with
    /// --sandbox=landlock also signals and user.
    #[arg(long, value_name = "CONTROL", value_delimiter = ',')]
    pub allow_missing: Vec<Control>,
}

/// `--workspace` as typed; its path may be relative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceArg(Workspace);

impl FromStr for WorkspaceArg {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed =
            || Malformed::new("`tmpfs`, `tmpfs:SIZE`, `host:PATH` or `copy:PATH`", text);
        let workspace = match text.split_once(':') {
            None if text == "tmpfs" => Workspace::Tmpfs { size: WORKSPACE_SIZE },
            Some(("tmpfs", size)) => Workspace::Tmpfs { size: size.parse()? },
            Some(("host", path)) if !path.is_empty() => Workspace::Host { path: path.into() },
            Some(("copy", path)) if !path.is_empty() => {
                Workspace::Copy { path: path.into(), size: WORKSPACE_SIZE }
            }
            _ => return Err(malformed()),
        };
        Ok(Self(workspace))
    }
}

impl FromStr for EnvEntry {
    type Err = Malformed;

    /// `NAME=VALUE`, or `NAME` for the host's value.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, EnvValue::Literal(value.to_owned())),
            None => (text, EnvValue::FromHost),
        };
        Ok(Self { name: parse::env_name(name)?, value })
    }
}

fn pids(text: &str) -> Result<u32, Malformed> {
    parse::count(text, &PIDS)
}

fn files(text: &str) -> Result<u32, Malformed> {
    parse::count(text, &FILES)
}

fn nice(text: &str) -> Result<u32, Malformed> {
    parse::count(text, &NICE)
}

impl Overrides {
    /// The options as the uppermost layer. Relative paths start at `cwd`, as for any program.
    pub(super) fn layer(&self, cwd: &Path, home: Option<&Path>) -> Result<Layer, Vec<Problem>> {
        // Destructured without `..`: an option that is forgotten here does not compile.
        let Self {
            read,
            write,
            env,
            allow,
            deny,
            network,
            unlisted,
            publish,
            memory,
            cpus,
            pids,
            files,
            nice,
            timeout,
            eof_grace,
            seccomp,
            sandbox,
            image,
            engine,
            workspace,
            system,
            scratch,
            allow_missing,
        } = self;
        let mut paths = Paths { anchor: Anchor { base: cwd, home }, problems: Vec::new() };
        let layer = Layer {
            read: paths.rules("--read", read),
            write: paths.rules("--write", write),
            env: env.iter().map(|entry| flag("--env", entry)).collect(),
            unlisted: unlisted.as_ref().map(|what| flag("--unlisted", what)),
            mode: network.as_ref().map(|mode| flag("--network", mode)),
            rules: rules("--allow", Effect::Allow, allow)
                .chain(rules("--deny", Effect::Deny, deny))
                .collect(),
            ports: publish.iter().map(|port| flag("--publish", port)).collect(),
            memory: memory.as_ref().map(|value| flag("--memory", value)),
            cpus: cpus.as_ref().map(|value| flag("--cpus", value)),
            pids: pids.as_ref().map(|value| flag("--pids", value)),
            files: files.as_ref().map(|value| flag("--files", value)),
            nice: nice.and_then(|nice| u8::try_from(nice).ok()).map(|nice| flag("--nice", &nice)),
            timeout: timeout.map(|timeout| flag("--timeout", &timeout.0)),
            eof_grace: eof_grace.as_ref().map(|value| flag("--eof-grace", value)),
            seccomp: seccomp.as_ref().and_then(|choice| paths.seccomp(choice)),
            sandbox: sandbox.as_ref().map(|value| flag("--sandbox", value)),
            image: image.as_ref().map(|value| flag("--image", value)),
            engine: engine.as_ref().map(|value| flag("--engine", value)),
            workspace: workspace.as_ref().and_then(|arg| paths.workspace(arg)),
            system: system.as_ref().map(|value| flag("--system", value)),
            scratch: scratch.as_ref().map(|value| flag("--scratch", value)),
            allow_missing: allow_missing.iter().map(|it| flag("--allow-missing", it)).collect(),
            ..Layer::default()
        };
        if paths.problems.is_empty() { Ok(layer) } else { Err(paths.problems) }
    }
}

fn flag<T: Clone>(name: &'static str, value: &T) -> Setting<T> {
    Setting::new(value.clone(), Origin::Flag(name))
}

fn rules(name: &'static str, effect: Effect, endpoints: &[Endpoint]) -> impl Iterator<Item = Rule> {
    endpoints.iter().map(move |endpoint| network::rule(effect, &flag(name, endpoint)))
}

/// Resolves the paths among the options.
struct Paths<'a> {
    anchor: Anchor<'a>,
    problems: Vec<Problem>,
}

impl Paths<'_> {
    fn rules(&mut self, name: &'static str, paths: &[PathBuf]) -> Vec<Setting<PathRule>> {
        let rules = paths.iter().filter_map(|path| self.path(name, path));
        rules.map(|path| flag(name, &PathRule { path })).collect()
    }

    fn workspace(&mut self, arg: &WorkspaceArg) -> Option<Setting<Workspace>> {
        const NAME: &str = "--workspace";
        let workspace = match arg.0.clone() {
            tmpfs @ Workspace::Tmpfs { .. } => tmpfs,
            Workspace::Host { path } => Workspace::Host { path: self.path(NAME, &path)? },
            Workspace::Copy { path, size } => {
                Workspace::Copy { path: self.path(NAME, &path)?, size }
            }
        };
        Some(flag(NAME, &workspace))
    }

    fn seccomp(&mut self, choice: &SeccompChoice) -> Option<Setting<SeccompChoice>> {
        const NAME: &str = "--seccomp";
        let choice = match choice {
            SeccompChoice::File(path) => SeccompChoice::File(self.path(NAME, path)?),
            named @ SeccompChoice::BuiltIn(_) => named.clone(),
        };
        Some(flag(NAME, &choice))
    }

    fn path(&mut self, name: &'static str, path: &Path) -> Option<PathBuf> {
        match self.anchor.join(path) {
            Ok(path) => Some(path),
            Err(error) => {
                self.problems.push(Problem::malformed(&Origin::Flag(name), "", &error));
                None
            }
        }
    }
}
