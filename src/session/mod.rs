//! One run from policy to exit code: plan, audit, spawn, supervise, report.

mod asks;
mod audit;
mod contained;
mod egress;
mod entry;
mod folder;
mod leftovers;
pub mod listen;
mod over;
mod ports;
pub mod proxy;
mod quarantine;
mod refusals;
mod report;
pub mod running;
mod streams;
pub mod unjailed;

use self::over::Over;
use crate::confine::cgroup::{self, Leaf, Support};
use crate::failure::{Failure, Kind};
use crate::firewall::Unlisted;
use crate::plan::{self, CgroupPlan, HostView, NetworkPlan, Plan, Proxied, SeccompPlan, Stage};
use crate::planted::{Control, broken};
use crate::policy::load::{Sources, WorkspaceRoot};
use crate::policy::{Backend, Policy, SeccompChoice};
use crate::resolve::{self, Resolved};
use crate::runs::Log;
use crate::spawn::telling::Telling;
use crate::spawn::{Prepared, handover, parent, secrets};
use crate::supervise::trace::Tracer;
use crate::supervise::{Relay, Supervisor};
use crate::sys::exec::CArray;
use nix::fcntl::OFlag;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// What the command line says about a run besides the policy.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub report: bool,
    pub report_file: Option<PathBuf>,
    pub terminal: bool,
    /// Look at its system calls.
    pub trace: bool,
    pub quiet: bool,
    /// Note as a request what is refused and an owner could grant.
    pub asks: bool,
}

/// A planned run.
pub struct Session {
    plan: Plan,
    audit: audit::Audit,
    options: Options,
    home: Option<PathBuf>,
    /// Where the sandbox is a container.
    contained: Option<contained::Contained>,
    /// The listener that it belongs to.
    of: Option<String>,
    root: Option<WorkspaceRoot>,
}

impl Session {
    /// Everything up to the plan. Nothing of the connector is started.
    pub fn prepare(policy: Policy, sources: &Sources, options: &Options) -> Result<Self, Failure> {
        let mut policy = policy;
        let contained = policy.sandbox.value == Backend::Container;
        let resolved = match contained {
            // The image has it, or has not: only inside can that be told.
            true => contained::unresolved(&policy)?,
            false => resolve(&mut policy, sources)?,
        };
        let mut facts = crate::host::facts(
            &policy,
            &resolved,
            sources.home.as_deref(),
            (egress::firewall(sources)?, ports::facts(&policy, sources)?),
        )?;
        let engine = contained.then(|| contained::choose(&policy, &mut facts)).transpose()?;
        let run_id = crate::audit::RunId::fresh().as_str().to_owned();
        let build = |facts: &plan::Facts| {
            let seccomp = seccomp(&policy.seccomp.value, sources)?;
            plan::build(policy.clone(), facts, &resolved, seccomp, run_id.clone())
        };
        let mut plan = match build(&facts) {
            Err(refusal) if options.asks => {
                ports::ask(refusal, &policy, &facts, sources)?;
                facts.ports = ports::facts(&policy, sources)?;
                build(&facts)?
            }
            built => built?,
        };
        let root = WorkspaceRoot::find(&sources.cwd)?;
        if options.asks {
            may_ask(&plan, root.as_ref(), sources)?;
        }
        plan.exec.terminal = options.terminal;
        if options.terminal && contained {
            let what = "--tty works with --sandbox=namespace and landlock alone";
            return Err(Failure::new(Kind::Usage, what));
        }
        if options.trace && (plan.host_view.is_some() || contained) {
            let what = "--trace works with --sandbox=namespace alone";
            return Err(Failure::new(Kind::Usage, what));
        }
        plan.exec.traced = options.trace;
        let contained = engine.map(|engine| contained::plan(&plan, &facts, engine)).transpose()?;
        let (audit, home) = (audit::Audit::for_sources(sources)?, sources.home.clone());
        Ok(Self { plan, audit, options: options.clone(), home, root, contained, of: None })
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What `jail explain` and `--dry-run` print.
    pub fn explained(&self, json: bool) -> String {
        match (&self.contained, json) {
            (Some(contained), true) => format!("{:#}\n", contained.json(&self.plan)),
            (Some(contained), false) => contained.text(&self.plan),
            (None, true) => format!("{:#}\n", plan::explain::json(&self.plan)),
            (None, false) => plan::explain::text(&self.plan),
        }
    }

    /// Runs it; the exit code is the connector's or one of [`crate::exit`].
    pub fn run(self) -> Result<u8, Failure> {
        let entry = self.begin(&self.record());
        match self.recorded(entry.log()) {
            Ok((code, how)) => {
                entry.end(code, &how);
                Ok(code)
            }
            Err(failure) => {
                entry.failed(&failure);
                Err(failure)
            }
        }
    }

    /// The exit code, and how it ended in words.
    fn recorded(&self, stderr: Option<Log>) -> Result<(u8, String), Failure> {
        let place = report::place(&self.options)?;
        let mut log = None;
        let ran = match &self.contained {
            Some(contained) => self.in_container(contained, &mut log, stderr),
            None => self.confined(&mut log, stderr),
        };
        self.forget_rules();
        match ran {
            Ok(over) => self.settle(over, log, place),
            Err(failure) => self.settle_failed(failure, log),
        }
    }

    /// `init`: the pid of the jail's first process.
    fn ear<'a>(&self, log: &'a audit::Run, init: i32) -> egress::Ear<'a> {
        egress::Ear::new(log, &self.plan, init, self.root.clone())
    }

    /// What was answered for this run alone ends with it.
    fn forget_rules(&self) {
        if let Some(folder) = asking(&self.plan).and_then(|asking| asking.firewall.folder.as_ref())
            && let Err(failure) = leftovers::of_run(folder, &self.plan.run_id)
        {
            let what = &failure.what;
            crate::cli::ui::line(&format!(
                "jail: rules that were for this run alone stay in the firewall's files and count for nothing: \
                 {what}"
            ));
        }
    }

    /// init waits at the gate until it is traced, where that was asked for.
    fn tracer(&self, jail: &parent::Jail, gate: &OwnedFd) -> Result<Option<Tracer<'_>>, Failure> {
        if !self.options.trace {
            return Ok(None);
        }
        let tracer = Tracer::seize(&self.plan, self.home.as_deref(), jail.pid)?;
        crate::supervise::open(gate)?;
        Ok(Some(tracer))
    }

    /// The record of the run's start is written while the jail sets itself up; a gate keeps the
    /// connector from starting before it is there.
    fn confined(&self, log: &mut Option<audit::Run>, kept: Option<Log>) -> Result<Over, Failure> {
        let plan = &self.plan;
        if !self.options.terminal {
            streams::check(plan)?;
        }
        report::opening(self);
        let mut env = plan.exec.env.clone();
        if broken(Control::Environment) {
            env.extend(std::env::vars_os());
        }
        let secrets = secrets::read(&plan.policy, &mut env)?;
        let leaf = leaf(plan)?;
        let folder = plan.host_view.as_ref().map(folder::Folder::make).transpose()?;
        let (relay, stderr) = if plan.exec.terminal {
            (None, None)
        } else {
            pipe().map(|(r, w)| (Some(r), Some(w)))?
        };
        let (gate, open_gate) = pipe()?;
        let pty = if plan.exec.terminal { Some(crate::supervise::pty::open()?) } else { None };
        let mask = mask()?;
        let (handed, sockets) = match &plan.network {
            NetworkPlan::Loopback | NetworkPlan::Barred => (None, None),
            NetworkPlan::Proxied(proxied) => {
                let (from, to) = handover::channel()?;
                (Some(from), Some((proxied, to)))
            }
        };
        let (telling, heard) = refusals::listen(plan)?.unzip();
        let (master, slave) = pty.map_or((None, None), |pty| (Some(pty.master), Some(pty.slave)));
        let theirs = Theirs { stderr, gate, egress: handed, terminal: slave, telling };
        let prepared = prepared(plan, secrets, &env, theirs)?;
        let jail = parent::start(&prepared, leaf.as_ref().map(Leaf::dir_fd))?;
        let tracer = self.tracer(&jail, &open_gate)?;
        // The jail has its own copies; ours would keep the relay from ending, and secrets in memory.
        drop(prepared);
        // Starts beside the jail, which hands its sockets over when it has made them.
        let egress = sockets.map(|(proxied, to)| egress::start(plan, proxied, to)).transpose()?;
        let mut supervisor = Supervisor::new(plan, jail, Relay::new(relay, kept), master, &mask)?;
        let log = log.insert(self.audit.start(plan)?);
        if let Some(egress) = egress {
            supervisor.with_egress(egress, self.ear(log, supervisor.init()));
        }
        if let Some(heard) = heard {
            supervisor.with_refusals(heard, refusals::heard(log, plan, self.options.quiet));
        }
        if let Some(tracer) = tracer {
            supervisor.with_tracer(tracer, |seen| log.seen(seen))?;
        }
        supervisor.let_start(open_gate)?;
        supervisor.on_confined(|told| log.applied(plan, told));
        let (ended, jail) =
            supervisor.run().map_err(|failure| report::too_small(plan, leaf.as_ref(), failure))?;
        Ok(over::cleared(ended, jail, leaf, folder))
    }
}

/// The jail's ends of what connects it with the supervisor.
struct Theirs {
    stderr: Option<OwnedFd>,
    gate: OwnedFd,
    egress: Option<OwnedFd>,
    terminal: Option<OwnedFd>,
    telling: Option<Telling>,
}

/// All that must be there before the clone, after which nothing can be allocated.
fn prepared<'a>(
    plan: &'a Plan,
    secrets: Vec<secrets::SecretValue>,
    env: &[(OsString, OsString)],
    theirs: Theirs,
) -> Result<Prepared<'a>, Failure> {
    let Theirs { stderr, gate, egress, terminal, telling } = theirs;
    Ok(Prepared {
        plan,
        secrets,
        program: c_string(plan.exec.program.as_os_str())?,
        argv: c_array(plan.exec.argv.iter().map(OsString::as_os_str))?,
        envp: environment(env)?,
        cwd: c_string(plan.exec.cwd.as_os_str())?,
        init_filter: crate::seccomp::built_in("init").ok_or_else(|| {
            Failure::new(Kind::Refused, "init's seccomp profile is not in this binary")
        })?,
        stderr,
        gate,
        egress,
        terminal,
        supervisor: nix::unistd::getpid().as_raw(),
        beside: plan.host_view.as_ref().map(HostView::beside).unwrap_or_default(),
        telling,
    })
}

/// The network of a run whose owner is asked.
fn asking(plan: &Plan) -> Option<&Proxied> {
    match &plan.network {
        NetworkPlan::Proxied(proxied) if proxied.unlisted.value == Unlisted::Ask => Some(proxied),
        _ => None,
    }
}

/// Is there a place for requests? What killed runs left there is put in order.
fn may_ask(plan: &Plan, root: Option<&WorkspaceRoot>, sources: &Sources) -> Result<(), Failure> {
    let Some(asking) = asking(plan) else { return Ok(()) };
    let (Some(root), Some(folder)) = (root, &asking.firewall.folder) else {
        let origin = &asking.unlisted.origin;
        return Err(Failure::new(
            Kind::Policy,
            "there is nobody to ask about hosts that no rule names",
        )
        .because(format!("`unlisted: ask` ({origin}) needs a workspace, which keeps the requests"))
        .hint("jail init makes one here; or --unlisted deny"));
    };
    leftovers::answers(root, sources.home.as_deref())?;
    leftovers::of_killed(folder, root)
}

/// Finds the command; arguments that name what the jail shows become absolute.
fn resolve(policy: &mut Policy, sources: &Sources) -> Result<Resolved, Failure> {
    let Some((command, args)) = policy.command.value.split_first() else {
        return Err(Failure::new(Kind::Policy, "the command is empty"));
    };
    let path_var =
        std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let covered: Vec<PathBuf> = policy
        .filesystem
        .read
        .iter()
        .chain(&policy.filesystem.write)
        .map(|rule| rule.value.path.clone())
        .collect();
    let request = resolve::Request {
        command,
        args,
        path_var: &path_var,
        cwd: &sources.cwd,
        home: sources.home.as_deref(),
        covered: &covered,
        system: policy.filesystem.system.value,
    };
    let resolved = resolve::resolve(&request)?;
    let args = resolve::absolute_arguments(&request, &resolved);
    policy.command.value.truncate(1);
    policy.command.value.extend(args);
    Ok(resolved)
}

fn seccomp(choice: &SeccompChoice, sources: &Sources) -> Result<SeccompPlan, Failure> {
    match choice {
        SeccompChoice::BuiltIn(name) => match crate::seccomp::built_in(name) {
            Some(program) if crate::seccomp::for_connectors().any(|known| known == name) => {
                let telling = crate::seccomp::built_in_telling(name).map(Into::into);
                Ok(SeccompPlan { name: name.clone(), program: program.into(), telling })
            }
            _ => {
                let names: Vec<_> = crate::seccomp::for_connectors().collect();
                Err(Failure::new(Kind::Policy, format!("there is no seccomp profile `{name}`"))
                    .hint(format!("built in are {}; a path must contain a `/`", names.join(", "))))
            }
        },
        SeccompChoice::File(path) => {
            let cache = std::env::var_os("XDG_CACHE_HOME")
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
                .or_else(|| sources.home.as_ref().map(|home| home.join(".cache")))
                .map(|cache| cache.join("jail/seccomp"));
            let crate::seccomp::Program { name, bpf, telling } =
                crate::seccomp::from_file(path, cache.as_deref())?;
            Ok(SeccompPlan { name, program: bpf, telling })
        }
    }
}

/// The cgroup of this run, with limits written and read back.
fn leaf(plan: &Plan) -> Result<Option<Leaf>, Failure> {
    let CgroupPlan { memory, cpus, pids, io } = &plan.cgroup;
    if plan.cgroup.is_empty() || broken(Control::Cgroup) {
        return Ok(None);
    }
    let mut limits = cgroup::Limits { memory: *memory, cpus: *cpus, pids: *pids, io: Vec::new() };
    if let Some((limit, path)) = io {
        limits.io.push(cgroup::IoMax::for_path("/sys".as_ref(), path, *limit)?);
    }
    let support = Support::probe(&limits.controllers());
    if let Some(parent) = &support.parent {
        cgroup::sweep_stale(parent)?;
    }
    Ok(Some(Leaf::create(&support, &plan.run_id, &limits)?))
}

fn pipe() -> Result<(OwnedFd, OwnedFd), Failure> {
    nix::unistd::pipe2(OFlag::O_CLOEXEC)
        .map_err(|e| Failure::new(Kind::Io, "cannot make a pipe").because(e.desc()))
}

fn mask() -> Result<SigSet, Failure> {
    let mut mask = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, None, Some(&mut mask))
        .map_err(|e| Failure::new(Kind::Io, "cannot read the signal mask").because(e.desc()))?;
    Ok(mask)
}

fn environment(env: &[(OsString, OsString)]) -> Result<CArray, Failure> {
    let entries: Vec<OsString> = env
        .iter()
        .map(|(name, value)| {
            let mut entry = name.clone().into_vec();
            entry.push(b'=');
            entry.extend_from_slice(value.as_bytes());
            OsString::from_vec(entry)
        })
        .collect();
    c_array(entries.iter().map(OsString::as_os_str))
}

fn c_array<'a>(strings: impl Iterator<Item = &'a OsStr>) -> Result<CArray, Failure> {
    Ok(CArray::new(strings.map(c_string).collect::<Result<_, _>>()?))
}

fn c_string(text: &OsStr) -> Result<CString, Failure> {
    CString::new(text.as_bytes()).map_err(|_| {
        Failure::new(Kind::Policy, "a NUL byte in the command, its arguments or its environment")
            .at(Stage::Resolve)
    })
}
