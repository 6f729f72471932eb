//! After the connector: what it left is put aside and told, and its true end recorded, whatever else fails.

use super::folder::Folder;
use super::{Session, audit, egress, entry, quarantine, refusals, report};
use crate::cli::ui;
use crate::confine::cgroup::{Leaf, Usage};
use crate::failure::{Failure, Kind};
use crate::spawn::parent::Jail;
use crate::supervise::Ended;
use std::time::Duration;

/// A run that took place.
pub(super) struct Over {
    pub ended: Ended,
    pub usage: Option<Usage>,
    /// Whether all that was made for it is gone: that it is not says nothing about how the connector ended.
    pub cleaned: Result<(), Failure>,
}

/// Takes away what a jail of namespaces had.
pub(super) fn cleared(ended: Ended, jail: Jail, leaf: Option<Leaf>, own: Option<Folder>) -> Over {
    let folder = |own: Option<Folder>| own.map_or(Ok(()), Folder::remove);
    let Some(leaf) = leaf else {
        jail.let_go();
        return Over { ended, usage: None, cleaned: folder(own) };
    };
    let mut ended = ended;
    let usage = leaf.usage();
    // rusage has nothing of those who died with init, unwaited for: all that used the processor
    // before the OOM killer, a deadline or a kill from outside ended it.
    if let Some(usec) = usage.cpu_usec {
        ended.cpu = Duration::from_micros(usec);
    }
    // A cgroup can be removed only when init is gone too, which dropping the jail waits for.
    drop(jail);
    let removed = leaf.kill().and_then(|()| leaf.remove()).map_err(Failure::from);
    Over { ended, usage: Some(usage), cleaned: removed.and(folder(own)) }
}

impl Session {
    /// The exit code, and how it ended in words.
    pub(super) fn settle(
        &self,
        over: Over,
        log: Option<audit::Run>,
        place: report::Place,
    ) -> Result<(u8, String), Failure> {
        let Over { ended, usage, cleaned } = over;
        let usage = usage.as_ref();
        let quarantined = quarantine::after(&self.plan);
        let recorded = log.map_or(Ok(()), |log| log.end(&self.plan, &ended, usage));
        let reported = report::write(self, place, &ended, usage, &quarantined);
        report::quarantined(&quarantined);
        report::summary(self, &ended, usage);
        report::replaced(&quarantine::replaced(&self.plan));
        if !self.options.quiet {
            self.refusals(&ended);
        }
        if let Err(failure) = cleaned {
            ui::failure(&left(failure));
        }
        recorded.and(reported)?;
        Ok((ended.code(), entry::over(&ended)))
    }

    /// What was refused, in a line for each of those who refuse.
    fn refusals(&self, ended: &Ended) {
        let run = &self.plan.run_id;
        let network = ended.egress.as_ref().and_then(|counters| egress::summary(counters, run));
        let calls = ended.refused.as_ref().and_then(|refused| refusals::summary(refused, run));
        for text in network.into_iter().chain(calls) {
            ui::line(&text);
        }
        if let Some(refused) = ended.traced {
            report::traced(refused, run);
        }
    }

    /// It failed. With a log the gate may have been open: the connector may have run, and left something.
    pub(super) fn settle_failed(
        &self,
        failure: Failure,
        log: Option<audit::Run>,
    ) -> Result<(u8, String), Failure> {
        let log = match log {
            Some(log) => {
                report::quarantined(&quarantine::after(&self.plan));
                report::replaced(&quarantine::replaced(&self.plan));
                log
            }
            None => self.audit.start(&self.plan)?,
        };
        log.refused(&failure)?;
        Err(failure)
    }
}

/// The connector's exit code stands.
fn left(failure: Failure) -> Failure {
    let what = "the connector ran and has ended, but something of its run is left here";
    let mut told = Failure::new(Kind::Io, what).because(&failure.what);
    told.causes.extend(failure.causes);
    told.hints = failure.hints;
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_with_its_cause_and_remedy() {
        let failure = Failure::new(Kind::Io, "cannot remove x").because("no daemon").hint("rm x");
        let told = left(failure);
        assert_eq!(told.causes, ["cannot remove x", "no daemon"]);
        assert_eq!(told.hints, ["rm x"]);
    }
}
