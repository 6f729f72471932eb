//! What tests of the network side share: gates, loopback connections, TLS at both ends.

use jail::egress::gate::{Gate, Grant, Target};
use jail::egress::{Config, Event, Limits};
use jail::firewall::{Denial, Door, Effect, Host, HostPattern, Ports, Rule, Rules, Who};
use jail::policy::Origin;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};

pub(crate) const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// As long as anything may take here before the test is hung; nothing is measured with it.
const HUNG: Duration = Duration::from_secs(60);

pub(crate) fn host(text: &str) -> Host {
    Host::parse(text).unwrap()
}

pub(crate) fn rule(text: &str, port: u16) -> Rule {
    let pattern = HostPattern::Exact(host(text));
    let rule = Rule::new(Effect::Allow, pattern, Ports::One(port), Origin::Flag("--allow"));
    // The servers of the tests are on loopback.
    Rule { private: true, ..rule }
}

pub(crate) fn raw(text: &str, port: u16) -> Rule {
    Rule { raw: true, ..rule(text, port) }
}

/// A gate and what it reports.
pub(crate) struct World {
    pub(crate) gate: Rc<Gate>,
    events: UnboundedReceiver<Event>,
}

impl World {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        Self::limited(rules, Limits::default())
    }

    pub(crate) fn limited(rules: Vec<Rule>, limits: Limits) -> Self {
        let (sender, events) = unbounded_channel();
        let config = Config {
            who: Who { connector: "a".parse().unwrap(), tool: None, run: None },
            fixed: Rules::default(),
            firewall: None,
            limits,
            hold: None,
            upstream: None,
            secrets: std::collections::BTreeMap::new(),
            publish: Vec::new(),
        };
        Self { gate: Gate::new(config, Rules(rules), sender), events }
    }

    /// A connection to an address that these names have.
    pub(crate) fn target(&self, names: &[&str], port: u16) -> Target {
        let door = Door::Transparent;
        let candidate = |name: &&str| -> Grant { self.gate.ask(&host(name), port, door).unwrap() };
        let candidates = names.iter().map(candidate).collect();
        Target { candidates, addresses: vec![LOCALHOST], port, door }
    }

    /// All refusals so far; fails where the counters do not agree.
    pub(crate) fn denials(&mut self) -> Vec<Denial> {
        let mut denials = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            if let Event::Denied { denial, .. } = event {
                denials.push(denial);
            }
        }
        assert_eq!(usize::try_from(self.gate.counters().denied).unwrap(), denials.len());
        denials
    }

    /// The one refusal there was.
    pub(crate) fn denial(&mut self) -> Denial {
        let denials = self.denials();
        assert_eq!(denials.len(), 1, "{denials:?}");
        assert_eq!(self.gate.counters().allowed, 0);
        denials.into_iter().next().unwrap()
    }

    /// Let out once, and nothing refused.
    pub(crate) fn was_allowed(&mut self) {
        assert_eq!(self.denials(), []);
        assert_eq!(self.gate.counters().allowed, 1);
    }
}

/// Runs to the end on one thread, as the product does.
pub(crate) fn block<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(HUNG, future).await.expect("it hangs") })
}

/// A connection: the client's end and the proxy's.
pub(crate) async fn pair() -> (TcpStream, TcpStream) {
    let (listener, port) = listen().await;
    let client = TcpStream::connect((LOCALHOST, port)).await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

pub(crate) async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind((LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// True if nobody has connected: on loopback, a connection is there when connect() has returned.
pub(crate) fn untouched(listener: TcpListener) -> bool {
    let listener = listener.into_std().unwrap();
    listener.accept().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

/// TLS of a server with these names, and of a client that trusts it.
pub(crate) fn tls(names: &[&str]) -> (Arc<ServerConfig>, ClientConfig) {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (Arc::new(server), client)
}

pub(crate) fn server_name(text: &str) -> ServerName<'static> {
    ServerName::try_from(text.to_owned()).unwrap()
}

/// A ClientHello as rustls makes it, in records.
pub(crate) fn hello(name: &str, config: ClientConfig) -> Vec<u8> {
    let mut connection = ClientConnection::new(Arc::new(config), server_name(name)).unwrap();
    let mut bytes = Vec::new();
    while connection.wants_write() {
        connection.write_tls(&mut bytes).unwrap();
    }
    bytes
}

/// A ClientHello in one record, with one more extension.
pub(crate) fn with_extension(hello: &[u8], kind: u16, content: &[u8]) -> Vec<u8> {
    let mut bytes = hello.to_vec();
    bytes.extend(kind.to_be_bytes());
    bytes.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
    bytes.extend(content);
    let more = u16::try_from(4 + content.len()).unwrap();
    let number = |at: usize| u16::from_be_bytes([hello[at], hello[at + 1]]);
    // record, message, version and random; then the session id, suites and compression methods.
    let session = 5 + 4 + 2 + 32;
    let suites = session + 1 + usize::from(hello[session]);
    let compression = suites + 2 + usize::from(number(suites));
    let extensions = compression + 1 + usize::from(hello[compression]);
    for at in [3, 7, extensions] {
        bytes[at..at + 2].copy_from_slice(&(number(at) + more).to_be_bytes());
    }
    bytes
}

/// True where a program is installed; else says that its test is skipped, or fails where it must not be.
pub(crate) fn is_here(program: &str) -> bool {
    let here = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).exists()));
    if !here {
        let must = std::env::var("JAIL_TEST_MUST_RUN").unwrap_or_default();
        assert!(!must.split(',').any(|m| m == program || m == "all"), "{program} must be here");
        // Past the capture of the harness: scripts/test.sh counts these.
        let line = format!("skipped {program}: not on this machine\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    here
}
