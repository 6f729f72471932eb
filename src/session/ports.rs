//! What a run is told of the registry of ports, and what is asked of its owner.

use crate::failure::Failure;
use crate::plan::{Facts, PortFacts, Stage, publish};
use crate::policy::Policy;
use crate::policy::load::{Sources, WorkspaceRoot};
use crate::ports::requests::{self, Request};
use crate::ports::{Proto, ServiceName, store};

/// The workspace's registry as it is now. Only a run that publishes depends on it.
pub(super) fn facts(policy: &Policy, sources: &Sources) -> Result<PortFacts, Failure> {
    if policy.ports.iter().all(|port| port.value.publish.is_none()) {
        return Ok(PortFacts::default());
    }
    let registry = match WorkspaceRoot::find(&sources.cwd)? {
        Some(root) => store::read(&root)?,
        None => crate::ports::Registry::default(),
    };
    Ok(PortFacts { registry, user: crate::host::user::name() })
}

/// Makes requests of the ports that were refused, and says so in the refusal.
pub(super) fn ask(refusal: Failure, policy: &Policy, facts: &Facts, sources: &Sources) -> Failure {
    let asked = publish::asked(policy, facts);
    let (Some(Stage::Network), false) = (refusal.stage, asked.is_empty()) else { return refusal };
    let root = match WorkspaceRoot::find(&sources.cwd) {
        Ok(Some(root)) => root,
        Ok(None) => return refusal,
        Err(failure) => {
            return refusal.because(format!("no request could be noted: {}", failure.what));
        }
    };
    let mut recorded = Ok(());
    for port in asked {
        let name = port.entry.as_deref().and_then(|name| ServiceName::new(name).ok());
        let request = name.and_then(|name| Request::new(&name, Proto::Tcp, port.at));
        if let Some(mut request) = request {
            request.connector = port.connector;
            request.reason = Some(format!("jail run {}", policy.name.as_str()));
            recorded = recorded.and(requests::record(&root, &request).map(drop));
        }
    }
    match recorded {
        Ok(()) => refusal.hint("it is noted as a request: jail ports list --pending"),
        Err(failure) => refusal.because(format!("no request could be noted: {}", failure.what)),
    }
}
