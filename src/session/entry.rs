//! The entry of a run in the folder of runs: what `jail ps`, `stop` and `logs` know of it.

use super::{Session, audit};
use crate::audit::{Network, Sandbox};
use crate::cli::ui;
use crate::failure::Failure;
use crate::plan::{NetworkPlan, Plan, explain};
use crate::policy::Policy;
use crate::runs::{Confinement, End, Held, Kind, Log, Record};
use crate::supervise::{Ended, EndedBy};
use std::path::Path;

/// The entry, where there could be one. What is said is kept in its log until it ends.
pub(super) struct Entry(Option<Held>);

impl Entry {
    /// A run does not need it: where it cannot be made, that is said, and the run goes on.
    pub(super) fn begin(record: &Record, audit: &audit::Audit, quiet: bool) -> Self {
        // Without a place for the log the run is refused, and with it all reason for an entry.
        let Some(path) = audit.path() else { return Self(None) };
        match Held::begin(record, path) {
            Ok(held) => {
                ui::keep(Some(held.log().clone()));
                Self(Some(held))
            }
            Err(failure) => {
                if !quiet {
                    let why = failure.causes.join(": ");
                    ui::line(&format!("jail: {}: {why}", failure.what));
                }
                Self(None)
            }
        }
    }

    pub(super) fn log(&self) -> Option<Log> {
        self.0.as_ref().map(|held| held.log().clone())
    }

    /// The run is over, and `jail run` ends with this code.
    pub(super) fn end(self, code: u8, how: &str) {
        ui::keep(None);
        if let Some(held) = self.0 {
            held.end(&End { code, how: how.into() });
        }
    }

    /// It came to nothing.
    pub(super) fn failed(self, failure: &Failure) {
        if let Some(held) = &self.0 {
            // What cannot be kept is still shown.
            drop(held.log().jail(&failure.to_string()));
        }
        self.end(failure.run_code(), "refused");
    }
}

/// How it ended, in words.
pub(super) fn words(by: EndedBy) -> String {
    match by {
        EndedBy::Exit(code) => format!("exited {code}"),
        EndedBy::Signal(signal) => format!("ended by signal {signal}"),
        EndedBy::Timeout => "ended by its time limit".to_owned(),
        EndedBy::Hangup => "ended, since its client had gone".to_owned(),
    }
}

pub(super) fn over(ended: &Ended) -> String {
    let mut words = words(ended.by);
    if let Some(asked) = ended.asked {
        words += &format!(", asked to by {} of user {}", asked.name(), asked.uid);
    }
    words
}

impl Session {
    pub(super) fn record(&self) -> Record {
        let plan = &self.plan;
        let command = plan.exec.program.as_os_str().into();
        let record = of_policy(&plan.policy, &plan.run_id, &self.audit);
        let of = self.of.as_deref().map(Into::into);
        let network = Some(match plan.network {
            NetworkPlan::Loopback | NetworkPlan::Barred => Network::None,
            NetworkPlan::Proxied(_) => Network::Proxy,
        });
        Record { command, network, of, confinement: confinement(plan), ..record }
    }

    /// Of a process that starts such a session for each connection.
    pub(super) fn listener(&self, id: &str, path: &Path) -> Record {
        let listen = Some(format!("unix:{}", path.display()).into());
        Record { run: id.into(), kind: Kind::Listener, listen, ..self.record() }
    }

    /// This run belongs to that listener.
    pub(super) fn belongs_to(&mut self, listener: &str) {
        self.of = Some(listener.to_owned());
    }

    pub(super) fn begin(&self, record: &Record) -> Entry {
        Entry::begin(record, &self.audit, self.options.quiet)
    }
}

/// A run without confinement has no more than this.
pub(super) fn of_policy(policy: &Policy, run: &str, audit: &audit::Audit) -> Record {
    let sandbox = Sandbox::from(policy.sandbox.value);
    let command = policy.command.value.first().map(|program| program.as_os_str().into());
    Record {
        tool: policy.tool.as_ref().map(|tool| tool.value.as_str().into()),
        workspace: audit.workspace().map(|path| path.as_os_str().into()),
        command: command.unwrap_or_else(|| "".into()),
        network: Some(Network::Host),
        ..Record::of_this_process(run, policy.name.as_str(), sandbox)
    }
}

fn confinement(plan: &Plan) -> Confinement {
    let namespaces = explain::namespaces(plan.namespaces);
    Confinement {
        namespaces: namespaces.into_iter().map(Into::into).collect(),
        landlock_abi: plan.landlock.as_ref().map(|landlock| landlock.abi),
        seccomp: Some(plan.seccomp.name.as_str().into()),
        cgroup: !plan.cgroup.is_empty(),
        gaps: plan.missing().map(|gap| gap.to_string().into()).collect(),
    }
}
