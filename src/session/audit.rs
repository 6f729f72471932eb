//! The audit records of one run.

use crate::audit::{
    Applied, Asked, AuditError, Denial, Detail, Digest, Event, Grant, How, Log, Mechanism, Network,
    Probe, RunEnd, RunId, RunStart, StoppedBy, Verdict, path_for,
};
use crate::confine::cgroup::Usage;
use crate::container::verify::Checked;
use crate::failure::{Failure, Kind};
use crate::firewall::Reason;
use crate::host::process;
use crate::plan::{NetworkPlan, Plan, Stage, explain, human};
use crate::planted::{Control, broken};
use crate::policy::Policy;
use crate::policy::load::{Sources, WorkspaceRoot};
use crate::seccomp::refusal::Call;
use crate::supervise::refusals::Refusal;
use crate::supervise::trace::Seen;
use crate::supervise::{self, Ended, EndedBy, Told};
use crate::why::OTHER_CALLS;
use nix::errno::Errno;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where this run is recorded.
pub(super) struct Audit {
    path: Option<PathBuf>,
    workspace: Option<PathBuf>,
}

/// An open log, with the run's name.
pub(super) struct Run {
    log: Log,
    id: RunId,
}

impl Audit {
    pub(super) fn for_sources(sources: &Sources) -> Result<Self, Failure> {
        let root = WorkspaceRoot::find(&sources.cwd)?;
        let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        let workspace = root.map(|root| root.path);
        let path = path_for(workspace.as_deref(), state.as_deref(), sources.home.as_deref());
        Ok(Self { path, workspace })
    }

    /// Opens the log and records the start. A run that cannot be recorded does not take place.
    pub(super) fn start(&self, plan: &Plan) -> Result<Run, Failure> {
        self.start_as(plan, &explain::json(plan))
    }

    /// The same; `shown` is the plan as `jail explain --json` prints it.
    pub(super) fn start_as(&self, plan: &Plan, shown: &serde_json::Value) -> Result<Run, Failure> {
        let digest = Digest::of(shown.to_string().as_bytes());
        let command = plan.exec.program.to_string_lossy();
        let gaps = plan.missing().map(|gap| gap.to_string().as_str().into()).collect();
        let run = self.open(RunId::from(plan.run_id.as_str()))?;
        if broken(Control::AuditGate) {
            return Ok(run);
        }
        let network = match plan.network {
            NetworkPlan::Loopback | NetworkPlan::Barred => Network::None,
            NetworkPlan::Proxied(_) => Network::Proxy,
        };
        let start = run.started(&plan.policy, digest, &command);
        let (network, traced) = (Some(network), plan.exec.traced);
        run.append(&Event::RunStart(RunStart { gaps, network, traced, ..start }))?;
        Ok(run)
    }

    /// The same for a run that is not confined at all.
    pub(super) fn start_unjailed(&self, policy: &Policy, id: RunId) -> Result<Run, Failure> {
        let command = policy.command.value.first().map(|c| c.to_string_lossy()).unwrap_or_default();
        let run = self.open(id)?;
        let gaps = vec!["NOT CONFINED: no control was applied (--sandbox=none)".into()];
        let network = Some(Network::Host);
        let start = run.started(policy, Digest::of(b""), &command);
        run.append(&Event::RunStart(RunStart { gaps, network, ..start }))?;
        Ok(run)
    }

    /// Where it is.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub(super) fn workspace(&self) -> Option<&Path> {
        self.workspace.as_deref()
    }

    /// The same for the proxy alone: whoever reaches its doors is confined by somebody else, or not.
    pub(super) fn start_proxy(&self, policy: &Policy, id: RunId) -> Result<Run, Failure> {
        let run = self.open(id)?;
        let gaps = vec!["the proxy alone: its clients are not confined by jail".into()];
        let network = Some(Network::Proxy);
        let start = run.started(policy, Digest::of(b""), "jail proxy");
        run.append(&Event::RunStart(RunStart { gaps, network, ..start }))?;
        Ok(run)
    }

    /// A log elsewhere.
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path: Some(path), workspace: None }
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
    fn started(&self, policy: &Policy, plan: Digest, command: &str) -> RunStart {
        RunStart {
            run: self.id.clone(),
            connector: policy.name.as_str().into(),
            tool: policy.tool.as_ref().map(|tool| tool.value.as_str().into()),
            backend: policy.sandbox.value.into(),
            plan_sha256: plan,
            jail_version: env!("CARGO_PKG_VERSION").into(),
            kernel: kernel().as_str().into(),
            pid: std::process::id(),
            born: process::born(std::process::id()),
            network: None,
            uid: nix::unistd::getuid().as_raw(),
            command: command.into(),
            gaps: Vec::new(),
            traced: false,
        }
    }

    /// The end of a run that was not confined.
    pub(super) fn end_unjailed(
        &self,
        by: EndedBy,
        wall: Duration,
        last: Option<&supervise::Asked>,
    ) -> Result<(), Failure> {
        let how = match by {
            EndedBy::Exit(code) => How::Exited { code: code.into() },
            EndedBy::Signal(signal) => How::Signal { signal },
            EndedBy::Timeout | EndedBy::Hangup => How::Signal { signal: libc::SIGTERM },
        };
        let (wall_ms, asked) = (millis(wall), last.map(asked));
        self.append_late(&Event::RunEnd(RunEnd { wall_ms, asked, ..self.ended(how) }))
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
            allowed: None,
            denied: None,
            refused_calls: None,
            asked: None,
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
        let applied = Applied::new(self.id.clone(), &stages, proof.collect());
        self.append(&Event::Applied(Applied { hears_seccomp: Some(told.heard), ..applied }))
    }

    /// The same for a container: what was held against the kernel takes the place of the proof.
    pub(super) fn applied_in_container(&self, checked: &[Checked]) -> Result<(), Failure> {
        let proof = checked.iter().map(|it| Probe {
            probe: it.control.into(),
            verdict: if it.unmet.is_none() { Verdict::Held } else { Verdict::Broken },
        });
        let stages: Vec<Stage> = Stage::ALL
            .iter()
            .copied()
            .filter(|stage| ![Stage::Exec, Stage::Pivot, Stage::Landlock].contains(stage))
            .collect();
        let applied = Applied::new(self.id.clone(), &stages, proof.collect());
        self.append(&Event::Applied(Applied { hears_seccomp: Some(false), ..applied }))
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
            detail: Detail {
                door: Some(denial.door.name().into()),
                code: Some(denial.reason.code().into()),
                address: match &denial.reason {
                    Reason::NotPublic { address, .. } => Some(address.to_string().into()),
                    _ => None,
                },
                ..Detail::default()
            },
        }))
    }

    pub(super) fn id(&self) -> RunId {
        self.id.clone()
    }

    /// Something that the owner is asked.
    pub(super) fn asked(&self, asked: Asked) -> Result<(), Failure> {
        self.append_late(&Event::Asked(asked))
    }

    /// System calls that the connector's filter refused.
    pub(super) fn seccomp_refused(
        &self,
        profile: &str,
        refusal: &Refusal,
        fix: Option<String>,
    ) -> Result<(), Failure> {
        let call = refusal.call.as_ref();
        self.append_late(&Event::Denial(Denial {
            run: self.id.clone(),
            mechanism: Mechanism::Seccomp,
            object: call.map_or_else(|| OTHER_CALLS.to_owned(), Call::to_string).into(),
            reason: format!("the profile {profile} answers {:?}", Errno::from_raw(refusal.errno))
                .into(),
            fix: fix.map(Into::into),
            times: u32::try_from(refusal.times).unwrap_or(u32::MAX),
            detail: Detail {
                args: call.map(|call| call.args.clone()).unwrap_or_default(),
                ..Detail::default()
            },
        }))
    }

    /// What a traced run shows.
    pub(super) fn seen(&self, seen: &Seen<'_>) -> Result<(), Failure> {
        let (refusal, times) = match seen {
            Seen::New(refusal) => (refusal, 1),
            Seen::Again(refusal, times) => (refusal, *times),
            Seen::Unsaid(times) => return self.append_late(&Event::Denial(self.unsaid(*times))),
        };
        let grant = refusal.grant.as_ref().map(|grant| Grant {
            path: grant.path.as_os_str().into(),
            write: grant.write,
            doubt: grant.doubt.map(Into::into),
        });
        let errno = format!("{:?}", Errno::from_raw(refusal.errno));
        self.append_late(&Event::Denial(Denial {
            run: self.id.clone(),
            mechanism: refusal.mechanism,
            object: refusal.object.clone(),
            reason: refusal.reason.as_str().into(),
            fix: refusal.fix.as_deref().map(Into::into),
            times: u32::try_from(times).unwrap_or(u32::MAX),
            detail: Detail {
                code: Some(refusal.code.into()),
                limit: refusal.limit,
                call: Some(refusal.call.clone()),
                errno: Some(errno.into()),
                grant,
                ..Detail::default()
            },
        }))
    }

    fn unsaid(&self, times: u64) -> Denial {
        Denial {
            run: self.id.clone(),
            mechanism: Mechanism::Policy,
            object: "other calls".into(),
            reason: "there were too many different ones to record each".into(),
            fix: None,
            times: u32::try_from(times).unwrap_or(u32::MAX),
            detail: Detail { code: Some("unsaid".into()), ..Detail::default() },
        }
    }

    pub(super) fn end(
        &self,
        plan: &Plan,
        ended: &Ended,
        usage: Option<&Usage>,
    ) -> Result<(), Failure> {
        for denial in limits_hit(plan, usage).into_iter().chain(ended_by_limit(plan, ended)) {
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
            allowed: ended.egress.as_ref().map(|counters| counters.allowed),
            denied: ended.egress.as_ref().map(|counters| counters.denied),
            refused_calls: ended.refused.as_ref().map(|refused| refused.total),
            asked: ended.asked.as_ref().map(asked),
            ..self.ended(how)
        }))
    }

    pub(super) fn refused(&self, failure: &Failure) -> Result<(), Failure> {
        let stage = failure.stage.map(|stage| stage.name().into());
        let what = failure.what.as_str().into();
        let hints = failure.hints.iter().map(|hint| hint.as_str().into()).collect();
        self.append(&Event::RunEnd(self.ended(How::Refused { stage, what, hints })))
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

/// What the cgroup refused, as denials.
fn limits_hit(plan: &Plan, usage: Option<&Usage>) -> Vec<Denial> {
    let Some(usage) = usage else { return Vec::new() };
    let (memory, pids) = (&plan.policy.limits.memory, &plan.policy.limits.pids);
    let mut denials = Vec::new();
    if usage.out_of_memory() {
        let size = human(memory.value.0);
        let reason = format!("the memory limit of {size} ({}) was reached", memory.origin);
        let fix = "limits.memory, or --memory";
        let denial = reached(plan, Mechanism::Cgroup, ["memory", &reason, fix], memory.value.0);
        denials.push(denial);
    }
    if let Some(refused) = usage.pids_refused.filter(|refused| *refused > 0) {
        let reason = format!("the limit of {} processes ({}) was reached", pids.value, pids.origin);
        let fix = "limits.pids, or --pids";
        let denial = reached(plan, Mechanism::Cgroup, ["fork", &reason, fix], pids.value.into());
        denials.push(Denial { times: u32::try_from(refused).unwrap_or(u32::MAX), ..denial });
    }
    denials
}

/// A limit that ended the connector, as the way in which it ended shows.
fn ended_by_limit(plan: &Plan, ended: &Ended) -> Option<Denial> {
    let limits = &plan.policy.limits;
    match ended.by {
        EndedBy::Timeout => limits.timeout.as_ref().map(|timeout| {
            let time = humantime::format_duration(timeout.value);
            let reason = format!("the time limit of {time} ({}) was reached", timeout.origin);
            let fix = "limits.timeout, or --timeout";
            reached(plan, Mechanism::Policy, ["time", &reason, fix], millis(timeout.value))
        }),
        EndedBy::Signal(libc::SIGXFSZ) => limits.file_size.as_ref().map(|size| {
            let most = human(size.value.0);
            let reason = format!("the limit of {most} for a file ({}) was reached", size.origin);
            let fix = "limits.file_size";
            reached(plan, Mechanism::Rlimit, ["file size", &reason, fix], size.value.0)
        }),
        _ => None,
    }
}

/// `[object, reason, fix]`.
fn reached(plan: &Plan, mechanism: Mechanism, words: [&str; 3], limit: u64) -> Denial {
    let [object, reason, fix] = words;
    Denial {
        run: RunId::from(plan.run_id.as_str()),
        mechanism,
        object: object.into(),
        reason: reason.into(),
        fix: Some(fix.into()),
        times: 1,
        detail: Detail { limit: Some(limit), ..Detail::default() },
    }
}

fn asked(by: &supervise::Asked) -> StoppedBy {
    StoppedBy { signal: by.name().into(), uid: by.uid, pid: by.pid }
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
