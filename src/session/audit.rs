//! The audit records of one run.

use crate::audit::{
    Applied, AuditError, Denial, Digest, Event, How, Log, Mechanism, Probe, RunEnd, RunId,
    RunStart, Text, Verdict, path_for,
};
use crate::confine::cgroup::Usage;
use crate::failure::{Failure, Kind};
use crate::plan::{Plan, Stage, explain};
use crate::policy::Policy;
use crate::policy::load::{Sources, WorkspaceRoot};
use crate::supervise::{Ended, EndedBy, Told};
use std::path::PathBuf;
use std::time::Duration;

/// Where this run is recorded.
pub(super) struct Audit {
    path: Option<PathBuf>,
}

/// An open log, with the run's name.
pub(super) struct Run {
    log: Log,
    id: RunId,
}

impl Audit {
    pub(super) fn for_sources(sources: &Sources) -> Self {
        let root = WorkspaceRoot::find(&sources.cwd);
        let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        let root = root.as_ref().map(|root| root.path.as_path());
        Self { path: path_for(root, state.as_deref(), sources.home.as_deref()) }
    }

    /// Opens the log and records the start. A run that cannot be recorded does not take place.
    pub(super) fn start(&self, plan: &Plan) -> Result<Run, Failure> {
        let digest = Digest::of(explain::json(plan).to_string().as_bytes());
        let command = plan.exec.program.to_string_lossy();
        let gaps = plan.gaps.iter().map(|gap| gap.to_string().as_str().into()).collect();
        let run = self.open(RunId::from(plan.run_id.as_str()))?;
        run.append(&run.started(&plan.policy, digest, &command, gaps))?;
        Ok(run)
    }

    /// The same for a run that is not confined at all.
    pub(super) fn start_unjailed(&self, policy: &Policy, id: RunId) -> Result<Run, Failure> {
        let command = policy.command.value.first().map(|c| c.to_string_lossy()).unwrap_or_default();
        let run = self.open(id)?;
        let gaps = vec!["NOT CONFINED: no control was applied (--sandbox=none)".into()];
        run.append(&run.started(policy, Digest::of(b""), &command, gaps))?;
        Ok(run)
    }

    fn open(&self, id: RunId) -> Result<Run, Failure> {
        let Some(path) = &self.path else {
            return Err(Failure::new(Kind::Refused, "there is no place for the audit log")
                .because("there is no .cloned folder here or above, and neither HOME nor XDG_STATE_HOME is set")
                .hint("jail init makes a .cloned folder"));
        };
        let log = Log::open(path).map_err(unlogged)?;
        Ok(Run { log, id })
    }
}

impl Run {
    fn started(&self, policy: &Policy, plan: Digest, command: &str, gaps: Vec<Text>) -> Event {
        Event::RunStart(RunStart {
            run: self.id.clone(),
            connector: policy.name.as_str().into(),
            tool: policy.tool.as_ref().map(|tool| tool.value.as_str().into()),
            backend: policy.sandbox.value.into(),
            plan_sha256: plan,
            jail_version: env!("CARGO_PKG_VERSION").into(),
            kernel: kernel().as_str().into(),
            pid: std::process::id(),
            uid: nix::unistd::getuid().as_raw(),
            command: command.into(),
            gaps,
        })
    }

    /// The end of a run that was not confined.
    pub(super) fn end_unjailed(
        &self,
        code: Option<i32>,
        signal: Option<i32>,
        wall: Duration,
    ) -> Result<(), Failure> {
        let how = match (code, signal) {
            (Some(code), _) => How::Exited { code },
            (None, signal) => How::Signal { signal: signal.unwrap_or(libc::SIGKILL) },
        };
        self.append(&Event::RunEnd(RunEnd { wall_ms: millis(wall), ..self.ended(how) }))
    }

    fn ended(&self, how: How) -> RunEnd {
        RunEnd {
            run: self.id.clone(),
            how,
            wall_ms: 0,
            cpu_ms: 0,
            peak_memory: None,
            peak_pids: None,
            bytes_in: None,
            bytes_out: None,
        }
    }

    /// The jail stands and its proof is complete; the connector starts after this.
    pub(super) fn applied(&self, plan: &Plan, told: &Told) -> Result<(), Failure> {
        let proof = plan.probes.iter().map(|probe| Probe {
            probe: probe.name().into(),
            verdict: if told.held.iter().any(|(held, _)| held == probe) {
                Verdict::Held
            } else {
                Verdict::Skipped
            },
        });
        let stages: Vec<Stage> = Stage::ALL.iter().copied().filter(|s| *s != Stage::Exec).collect();
        self.append(&Event::Applied(Applied::new(self.id.clone(), &stages, proof.collect())))
    }

    /// Something that the proxy refused.
    pub(super) fn egress_denied(
        &self,
        denial: &crate::firewall::Denial,
        more: u64,
    ) -> Result<(), Failure> {
        self.append_late(&Event::Denial(Denial {
            run: self.id.clone(),
            mechanism: Mechanism::Proxy,
            object: denial.target().as_str().into(),
            reason: format!("{}: {}", denial.reason.code(), denial.reason).as_str().into(),
            fix: denial.fix().as_deref().map(Into::into),
            times: u32::try_from(more.saturating_add(1)).unwrap_or(u32::MAX),
        }))
    }

    pub(super) fn end(
        &self,
        plan: &Plan,
        ended: &Ended,
        usage: Option<&Usage>,
    ) -> Result<(), Failure> {
        for denial in limits_hit(plan, usage) {
            self.append_late(&Event::Denial(Denial { run: self.id.clone(), ..denial }))?;
        }
        let oom = usage.is_some_and(Usage::out_of_memory);
        let how = match ended.by {
            EndedBy::Signal(_) if oom => How::Oom,
            EndedBy::Exit(code) => How::Exited { code: code.into() },
            EndedBy::Signal(signal) => How::Signal { signal },
            EndedBy::Timeout => How::Timeout,
            EndedBy::Hangup => How::Signal { signal: libc::SIGTERM },
        };
        self.append_late(&Event::RunEnd(RunEnd {
            wall_ms: millis(ended.wall),
            cpu_ms: millis(ended.cpu),
            peak_memory: usage.and_then(|usage| usage.memory_peak),
            peak_pids: usage.and_then(|usage| usage.pids_peak),
            bytes_in: ended.egress.as_ref().map(|counters| counters.bytes_in),
            bytes_out: ended.egress.as_ref().map(|counters| counters.bytes_out),
            ..self.ended(how)
        }))
    }

    pub(super) fn refused(&self, failure: &Failure) -> Result<(), Failure> {
        let stage = failure.stage.map(|stage| stage.name().into());
        let what = failure.what.as_str().into();
        self.append(&Event::RunEnd(self.ended(How::Refused { stage, what })))
    }

    /// For what is to be recorded when the connector has run already.
    fn append_late(&self, event: &Event) -> Result<(), Failure> {
        let what = "the connector ran, but its end cannot be recorded";
        self.log.append(event).map(drop).map_err(|error| unwritten(what, error))
    }

    fn append(&self, event: &Event) -> Result<(), Failure> {
        self.log.append(event).map(drop).map_err(unlogged)
    }
}

/// What the cgroup refused, as denials; the caller fills in the run.
fn limits_hit(plan: &Plan, usage: Option<&Usage>) -> Vec<Denial> {
    let Some(usage) = usage else { return Vec::new() };
    let denial = |object: &str, reason: String, fix: &str, times: u64| Denial {
        run: RunId::from(plan.run_id.as_str()),
        mechanism: Mechanism::Cgroup,
        object: object.into(),
        reason: reason.as_str().into(),
        fix: Some(fix.into()),
        times: u32::try_from(times).unwrap_or(u32::MAX),
    };
    let mut denials = Vec::new();
    if usage.out_of_memory() {
        let reason = format!("the memory limit ({}) was reached", plan.policy.limits.memory.origin);
        denials.push(denial("memory", reason, "limits.memory, or --memory", 1));
    }
    if let Some(refused) = usage.pids_refused.filter(|refused| *refused > 0) {
        let reason = format!("the process limit ({}) was reached", plan.policy.limits.pids.origin);
        denials.push(denial("fork", reason, "limits.pids, or --pids", refused));
    }
    denials
}

fn unlogged(error: AuditError) -> Failure {
    unwritten("the audit log cannot be written, and a run is not started unrecorded", error)
}

/// With the log's own reasons and remedies.
fn unwritten(what: &str, error: AuditError) -> Failure {
    let reason = Failure::from(error);
    Failure { kind: Kind::Refused, what: what.to_owned(), ..reason }
}

fn kernel() -> String {
    nix::sys::utsname::uname()
        .map_or_else(|_| "unknown".to_owned(), |name| name.release().to_string_lossy().into_owned())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
