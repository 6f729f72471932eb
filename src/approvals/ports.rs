//! Requests for ports of this machine.

use super::answer::{Answer, Lifetime, Scope, Verdict, Via};
use super::request::{Asker, Request, Standing, Subject};
use super::store::{self, Filter};
use super::{apply, decide};
use crate::audit::Text;
use crate::failure::Failure;
use crate::policy::ConnectorName;
use crate::policy::load::WorkspaceRoot;
use crate::ports::{Proto, Service, ServiceName};
use crate::state::State;
use std::net::SocketAddr;
use std::path::Path;

/// What is asked for and by whom. Without a connector the entry is to name none: it is for a service outside
/// of a jail, or for a command that a person types.
pub fn port(
    connector: Option<&ConnectorName>,
    service: &ServiceName,
    proto: Proto,
    at: SocketAddr,
) -> (Asker, Subject) {
    let own = || ConnectorName::of_command(service.as_str().as_ref());
    let asker = Asker::connector(connector.cloned().unwrap_or_else(own), None);
    let open = connector.is_none();
    (asker, Subject::Port { service: service.clone(), proto, at, open })
}

/// The requests for ports that wait for an answer, those that were asked for last at the end.
pub fn pending_ports(state: &State) -> Result<Vec<Request>, Failure> {
    let filter = Filter { standing: Some(Standing::Pending), connector: None };
    let mut pending = store::list(state, &filter)?;
    pending.retain(|request| matches!(request.subject, Subject::Port { .. }));
    Ok(pending)
}

/// Answers the requests that this entry of the registry grants, and gives them.
pub fn granted_by(
    state: &mut State,
    root: &WorkspaceRoot,
    home: Option<&Path>,
    service: &Service,
    (by, via): (&Text, Via),
) -> Result<Vec<Request>, Failure> {
    let mut granted = pending_ports(state)?;
    granted.retain(|request| apply::grants(service, request));
    for request in &granted {
        let answer = Answer {
            verdict: Verdict::Approve,
            lifetime: Lifetime::Always,
            scope: Scope::Connector,
            by: by.clone(),
            via,
            why: None,
            run: None,
        };
        decide::decide(state, root, home, &request.id, answer)?;
    }
    Ok(granted)
}
