//! What a tunnel carries: the one place that judges it, whichever door the connection came by.
//!
//! A tunnel is TLS for the name that was asked for, or plain HTTP, or anything where a rule says `raw`.
//! The judgement is about the client's first bytes; after a ClientHello the rest is opaque.

use super::gate::{Gate, Grant, Target};
use super::hold::Client;
use super::tls::alert::Alert;
use super::tls::client_hello::{self, ClientHello, Hello};
use super::{ending, http, relay};
use crate::firewall::{Denial, Host, Reason};
use crate::planted::{Control, broken};
use std::rc::Rc;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Where nothing but TLS is spoken: plain HTTP there is a mistake, or somebody who hides in it.
/// https, smtps, nntps, ldaps, domain-s, ftps (both), telnets, imaps, ircs, pop3s, docker over TLS,
/// ldaps (global catalogue), sips, amqps, winrm over TLS, Kubernetes, syslog-tls, ircs (in use), https
/// (other), mqtts.
const TLS_PORTS: [u16; 21] = [
    443, 465, 563, 636, 853, 989, 990, 992, 993, 994, 995, 2376, 3269, 5061, 5671, 5986, 6443,
    6514, 6697, 8443, 8883,
];
const HTTP_PORT: u16 = 80;
/// The longest method that is registered has 17 letters.
const LONGEST_METHOD: usize = 20;
const READ_AT_ONCE: usize = 4 << 10;

/// What the first bytes of a client say.
#[derive(Debug, PartialEq, Eq)]
enum Opening {
    Incomplete,
    Tls(ClientHello),
    Http,
    Malformed(&'static str),
    Other,
}

/// What is to be done with a connection.
enum Verdict {
    Relay(Box<Grant>),
    Http,
    /// The client has gone without having asked for anything.
    Gone,
}

/// A refusal and what the client is told.
struct Refusal {
    denial: Denial,
    alert: Option<Alert>,
}

/// Judges a connection and serves it to its end. `head`: what was read from the client already.
pub async fn serve(gate: Rc<Gate>, client: TcpStream, head: Vec<u8>, target: Target) {
    Tunnel { gate, client, head, target, server: None }.serve().await;
}

/// The same where the server has been dialled, so that the client could be told of success. The target
/// has one candidate.
pub async fn serve_dialled(
    gate: Rc<Gate>,
    client: TcpStream,
    head: Vec<u8>,
    target: Target,
    server: TcpStream,
) {
    Tunnel { gate, client, head, target, server: Some(server) }.serve().await;
}

/// True where [`serve`] will look for HTTP only, which dials for itself.
pub(super) fn is_plain_http(port: u16) -> bool {
    port == HTTP_PORT
}

struct Tunnel {
    gate: Rc<Gate>,
    client: TcpStream,
    head: Vec<u8>,
    target: Target,
    server: Option<TcpStream>,
}

impl Tunnel {
    async fn serve(mut self) {
        let verdict = match self.judge().await {
            Ok(Verdict::Relay(grant)) => self.connect(*grant).await,
            Ok(Verdict::Http) => {
                return http::serve_origin(self.gate, self.client, self.head, self.target).await;
            }
            Ok(Verdict::Gone) => return,
            Err(refusal) => Err(refusal),
        };
        match verdict {
            Ok((grant, server)) => {
                self.gate.count_allowed();
                relay::relay(&self.gate, &grant, self.client, server, &self.head).await;
            }
            Err(Refusal { denial, alert }) => {
                self.gate.denied(&denial);
                match alert {
                    Some(alert) => ending::say(self.client, &alert.record()).await,
                    None => ending::reset(self.client),
                }
            }
        }
    }

    async fn judge(&mut self) -> Result<Verdict, Refusal> {
        if let Some(grant) = any_bytes(&self.target) {
            return Ok(Verdict::Relay(Box::new(grant.clone())));
        }
        let Some(opening) = self.opening().await? else { return Ok(Verdict::Gone) };
        match opening {
            Opening::Tls(hello) => match choose(&self.target, &hello) {
                Ok(grant) => Ok(Verdict::Relay(Box::new(grant.clone()))),
                Err(reason) => {
                    let alert = match reason {
                        Reason::NoSni | Reason::SniMismatch { .. } => Alert::UnrecognizedName,
                        _ => Alert::AccessDenied,
                    };
                    Err(Refusal { alert: Some(alert), ..self.refuse(reason) })
                }
            },
            Opening::Http if !TLS_PORTS.contains(&self.target.port) => Ok(Verdict::Http),
            Opening::Malformed(why) => {
                let reason = Reason::Malformed { why: why.to_owned() };
                Err(Refusal { alert: Some(Alert::DecodeError), ..self.refuse(reason) })
            }
            Opening::Http | Opening::Other | Opening::Incomplete => {
                Err(self.refuse(neither(&self.target)))
            }
        }
    }

    /// Reads until the client has said what it speaks; `None`: it left without a byte. All that is read
    /// is kept for the server.
    async fn opening(&mut self) -> Result<Option<Opening>, Refusal> {
        let deadline = tokio::time::sleep(self.gate.config.limits.handshake);
        tokio::pin!(deadline);
        loop {
            match opening(&self.head) {
                Opening::Incomplete => {}
                decided => return Ok(Some(decided)),
            }
            self.head.reserve(READ_AT_ONCE);
            tokio::select! {
                read = self.client.read_buf(&mut self.head) => match read {
                    Ok(0) | Err(_) if self.head.is_empty() => return Ok(None),
                    Ok(0) | Err(_) => return Err(self.refuse(neither(&self.target))),
                    Ok(_) => {}
                },
                ended = first_of_server(self.server.as_ref()) => {
                    return Err(self.refuse(match ended {
                        Some(why) => Reason::Unreachable { why },
                        // A server that speaks first speaks neither TLS nor HTTP.
                        None => neither(&self.target),
                    }));
                }
                () = &mut deadline => return Err(self.refuse(self.too_slow())),
            }
        }
    }

    /// Why a client that has not said enough is refused: where the server would have to speak first, a
    /// silent client is one of another protocol; elsewhere it is slow.
    fn too_slow(&self) -> Reason {
        let port = self.target.port;
        if self.head.is_empty() && port != HTTP_PORT && !TLS_PORTS.contains(&port) {
            return neither(&self.target);
        }
        let limit = self.gate.config.limits.handshake;
        let what = format!("no complete ClientHello or request within {} s", limit.as_secs_f32());
        Reason::Limit { what }
    }

    /// Dials, unless the rule has gone or changed while the client was listened to.
    async fn connect(&mut self, grant: Grant) -> Result<(Grant, TcpStream), Refusal> {
        let plain = |denial| Refusal { denial, alert: None };
        let client = Client::Stream(&self.client);
        let now = self.gate.let_out(&grant, client).await.map_err(plain)?;
        if (now.rule.raw, now.rule.ech) != (grant.rule.raw, grant.rule.ech) {
            return Err(self.refuse_of(&grant.host, Reason::Revoked));
        }
        let server = match self.server.take() {
            Some(server) => server,
            None => self.gate.dial(&now, &self.target.addresses).await.map_err(plain)?,
        };
        Ok((now, server))
    }

    fn refuse(&self, reason: Reason) -> Refusal {
        match self.target.candidates.first() {
            Some(grant) => self.refuse_of(&grant.host, reason),
            None => Refusal { denial: self.denial_without_candidate(reason), alert: None },
        }
    }

    fn refuse_of(&self, host: &Host, reason: Reason) -> Refusal {
        let Target { port, door, .. } = self.target;
        Refusal {
            denial: Denial::new(&self.gate.config.who, host, port, door, reason),
            alert: None,
        }
    }

    /// A target has a candidate; should it have none, nothing is let out and the record says so.
    fn denial_without_candidate(&self, reason: Reason) -> Denial {
        let host = self.target.addresses.first().map(ToString::to_string).unwrap_or_default();
        let Target { port, door, .. } = self.target;
        Denial::of_text(&self.gate.config.who, &host, port, door, reason)
    }
}

/// The candidate for which no byte is judged: the only one, or the very address that was dialled.
fn any_bytes(target: &Target) -> Option<&Grant> {
    let is_address = |grant: &&Grant| matches!(grant.host, Host::Address(_));
    match target.candidates.as_slice() {
        [only] => Some(only),
        several => several.iter().find(is_address),
    }
    .filter(|grant| grant.rule.raw)
}

/// Why bytes are refused that are neither TLS nor HTTP.
fn neither(target: &Target) -> Reason {
    if target.candidates.iter().any(|grant| grant.rule.raw) {
        return Reason::Ambiguous { names: names(target) };
    }
    Reason::NotTls
}

fn names(target: &Target) -> Vec<String> {
    target.candidates.iter().map(|grant| grant.host.to_string()).collect()
}

/// The candidate that a ClientHello means.
fn choose<'a>(target: &'a Target, hello: &ClientHello) -> Result<&'a Grant, Reason> {
    if broken(Control::Sni)
        && let Some(any) = target.candidates.first()
    {
        return Ok(any);
    }
    let find = |host: &dyn Fn(&Host) -> bool| target.candidates.iter().find(|g| host(&g.host));
    let grant = match &hello.sni {
        Some(Ok(name)) => find(&|host| matches!(host, Host::Name(own) if own == name))
            .ok_or_else(|| Reason::SniMismatch { sni: name.to_string() })?,
        Some(Err(why)) => {
            return Err(Reason::Malformed { why: format!("the TLS server name: {why}") });
        }
        // Clients send no name where they were given an address.
        None => match find(&|host| matches!(host, Host::Address(_))) {
            Some(grant) => grant,
            None if target.candidates.len() > 1 && neither(target) != Reason::NotTls => {
                return Err(neither(target));
            }
            None => return Err(Reason::NoSni),
        },
    };
    if hello.ech && !grant.rule.ech && !broken(Control::Ech) {
        return Err(Reason::Ech);
    }
    Ok(grant)
}

fn opening(head: &[u8]) -> Opening {
    match client_hello::read(head) {
        Hello::Incomplete => Opening::Incomplete,
        Hello::Complete(hello) => Opening::Tls(hello),
        Hello::Malformed(why) => Opening::Malformed(why),
        Hello::NotTls => http_opening(head),
    }
}

/// A method, as all that are registered are spelt, and a space. Not `PRI`, which begins HTTP/2.
fn http_opening(head: &[u8]) -> Opening {
    let method = head.split(|byte| *byte == b' ').next().unwrap_or_default();
    let spelt = method.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'-');
    if !spelt || method.is_empty() || method.len() > LONGEST_METHOD || method == b"PRI" {
        return Opening::Other;
    }
    if method.len() == head.len() { Opening::Incomplete } else { Opening::Http }
}

/// Comes back when the server speaks or ends before the client has; `Some`: why it ended.
async fn first_of_server(server: Option<&TcpStream>) -> Option<String> {
    let Some(server) = server else { return std::future::pending().await };
    match server.peek(&mut [0]).await {
        Ok(0) => Some("the host closed the connection before a byte was sent".to_owned()),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}
