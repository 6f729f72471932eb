//! The two ways in: the proxy door, and plain HTTP of a connection whose target is known.

use super::forward::Session;
use super::head::RequestHead;
use super::refuse::{Place, Refusal};
use super::target::{Authority, Target as RequestTarget};
use crate::egress::gate::{Gate, Grant, Target};
use crate::egress::tunnel;
use crate::firewall::{Door, Host, Reason};
use crate::planted::{Control, broken};
use std::rc::Rc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";
/// Where nothing but TLS is expected.
const TLS_PORT: u16 = 443;

/// The proxy door: requests in absolute form, and CONNECT.
pub async fn serve_proxy(gate: Rc<Gate>, client: TcpStream) {
    let place = Place { host: None, port: 0, door: Door::Http };
    let mut session = Session::new(gate, client, Vec::new(), Vec::new());
    loop {
        let request = match session.next(&place).await {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(refusal) => return session.refuse(refusal, false).await,
        };
        let judged = match &request.target {
            RequestTarget::Authority(target) => return connect(session, target.clone()).await,
            RequestTarget::Absolute(target, _) => plain(&session, target).await,
            RequestTarget::Origin(_) | RequestTarget::Asterisk => {
                Err(place.malformed(&session.gate, "a proxy is asked with http://host/path"))
            }
        };
        match carry_on(session, &request, judged).await {
            Some(next) => session = next,
            None => return,
        }
    }
}

/// Plain HTTP that came transparently, or inside CONNECT or SOCKS5; `head` are bytes of it that have
/// been read already. Every request must be for one and the same of the target's candidates.
pub async fn serve_origin(gate: Rc<Gate>, client: TcpStream, head: Vec<u8>, target: Target) {
    let host = target.candidates.first().map(|grant| grant.host.clone());
    let place = Place { host, port: target.port, door: target.door };
    let mut session = Session::new(gate, client, head, target.addresses.clone());
    let mut chosen: Option<Host> = None;
    loop {
        let request = match session.next(&place).await {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(refusal) => return session.refuse(refusal, false).await,
        };
        let judged = meant(&session, &place, &target, chosen.as_ref(), &request).await;
        if let Ok(grant) = &judged {
            chosen = Some(grant.host.clone());
        }
        match carry_on(session, &request, judged).await {
            Some(next) => session = next,
            None => return,
        }
    }
}

async fn carry_on(
    session: Session,
    request: &RequestHead,
    judged: Result<Grant, Refusal>,
) -> Option<Session> {
    match judged {
        Ok(grant) => session.forward(request, &grant).await,
        Err(refusal) => {
            session.refuse(refusal, request.method == "HEAD").await;
            None
        }
    }
}

/// May a plain request go there?
async fn plain(session: &Session, target: &Authority) -> Result<Grant, Refusal> {
    let gate = &session.gate;
    let port = target.port.unwrap_or(80);
    let grant = gate.ask_owner(&target.host, port, Door::Http, session.client()).await?;
    if grant.port == TLS_PORT && !grant.rule.raw {
        return Err(Place::from(&grant).denial(gate, Reason::NotTls).into());
    }
    Ok(grant)
}

/// Which of the target's candidates a request is for, if it still may.
async fn meant(
    session: &Session,
    place: &Place,
    target: &Target,
    chosen: Option<&Host>,
    request: &RequestHead,
) -> Result<Grant, Refusal> {
    let gate = &session.gate;
    let asked = match (&request.target, &request.host) {
        (RequestTarget::Authority(_), _) => {
            return Err(place.malformed(gate, "CONNECT inside a connection to a host"));
        }
        (RequestTarget::Absolute(named, _), _) => {
            Authority { port: named.port.or(Some(80)), ..named.clone() }
        }
        (_, Some(host)) => host.clone(),
        (_, None) => return Err(place.malformed(gate, "no Host field")),
    };
    let same_port = asked.port.is_none_or(|port| port == target.port);
    let same_host = chosen.is_none_or(|chosen| *chosen == asked.host);
    let any = broken(Control::HostMeant);
    let candidate = target.candidates.iter().find(|grant| any || grant.host == asked.host);
    match candidate.filter(|_| same_port && same_host) {
        // All requests of one tunnel go out by the one rule that let it out.
        Some(grant) => Ok(match session.let_out.as_ref().filter(|own| own.host == grant.host) {
            Some(own) => gate.again(own)?,
            None => {
                let (host, port, door) = (&grant.host, target.port, target.door);
                gate.ask_owner(host, port, door, session.client()).await?
            }
        }),
        None => {
            let reason = Reason::HostMismatch { host: asked.to_string() };
            Err(place.denial(gate, reason).into())
        }
    }
}

async fn connect(session: Session, target: Authority) {
    let gate = Rc::clone(&session.gate);
    let port = target.port.unwrap_or(TLS_PORT);
    let asked = gate.ask_owner(&target.host, port, Door::Connect, session.client()).await;
    let grant = match asked {
        Ok(grant) => grant,
        Err(denial) => return session.refuse(denial.into(), false).await,
    };
    // After the 200 nothing can be said any more: what will be refused is refused now.
    let addresses = match gate.resolved_once(&grant).await {
        Ok(addresses) => addresses,
        Err(denial) => return session.refuse(denial.into(), false).await,
    };
    let (gate, mut client, rest) = session.into_parts();
    if client.write_all(ESTABLISHED).await.is_err() {
        // The client is gone.
        return;
    }
    let target = Target { candidates: vec![grant], addresses, port, door: Door::Connect };
    tunnel::serve(gate, client, rest, target).await;
}
