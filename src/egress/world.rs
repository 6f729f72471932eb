//! A small world on loopback for tests: a DNS server, rules, a gate and its events.

use super::resolve::Resolver;
use super::{Config, Event, Limits, gate::Gate};
use crate::firewall::{Effect, Host, HostName, HostPattern, Ports, Rule, Rules, Who};
use crate::policy::{ConnectorName, Origin};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, Record, RecordType};
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn name(text: &str) -> HostName {
    HostName::parse(text).unwrap()
}

pub(super) fn host(text: &str) -> Host {
    Host::parse(text).unwrap()
}

/// `*.example`, `name` or an address.
pub(super) fn rule(effect: Effect, pattern: &str, port: u16) -> Rule {
    let host = match pattern.strip_prefix("*.") {
        Some(parent) => HostPattern::Below(name(parent)),
        None => HostPattern::Exact(host(pattern)),
    };
    Rule::new(effect, host, Ports::One(port), Origin::Flag("--test"))
}

pub(super) fn allow(pattern: &str, port: u16) -> Rule {
    rule(Effect::Allow, pattern, port)
}

pub(super) fn private(pattern: &str, port: u16) -> Rule {
    Rule { private: true, ..allow(pattern, port) }
}

pub(super) fn config(rules: Vec<Rule>) -> Config {
    Config {
        who: Who { connector: ConnectorName::of_command("test".as_ref()), tool: None, run: None },
        fixed: Rules(rules),
        firewall: None,
        limits: Limits::default(),
        hold: None,
        upstream: None,
        secrets: Default::default(),
        publish: Vec::new(),
    }
}

pub(super) struct World {
    pub(super) gate: Rc<Gate>,
    pub(super) events: mpsc::UnboundedReceiver<Event>,
    pub(super) zone: Rc<Zone>,
}

/// What the DNS server answers, and what it was asked.
#[derive(Default)]
pub(super) struct Zone {
    asked: RefCell<Vec<(String, RecordType)>>,
    answers: RefCell<Vec<(String, Vec<Vec<IpAddr>>)>>,
    silent: RefCell<Vec<(String, RecordType)>>,
}

impl Zone {
    /// `turns`: the first answer, the second, …; the last one stays.
    pub(super) fn put(&self, name: &str, turns: &[&[&str]]) {
        let turns = turns.iter().map(|turn| turn.iter().map(|text| ip(text)).collect()).collect();
        self.answers.borrow_mut().push((name.to_owned(), turns));
    }

    /// No answer to this question ever comes.
    pub(super) fn silence(&self, name: &str, kind: RecordType) {
        self.silent.borrow_mut().push((name.to_owned(), kind));
    }

    /// How often a name was asked for, with this type.
    pub(super) fn asked(&self, name: &str, kind: RecordType) -> usize {
        self.asked.borrow().iter().filter(|asked| **asked == (name.to_owned(), kind)).count()
    }

    pub(super) fn asked_in_all(&self) -> usize {
        self.asked.borrow().len()
    }

    fn answer(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let question = Message::from_vec(bytes).unwrap();
        let query = question.queries[0].clone();
        let name = query.name().to_ascii().to_lowercase();
        let name = name.trim_end_matches('.').to_owned();
        let turn = self.asked(&name, query.query_type());
        let asked = (name.clone(), query.query_type());
        self.asked.borrow_mut().push(asked.clone());
        if self.silent.borrow().contains(&asked) {
            return None;
        }
        let mut reply = Message::response(question.metadata.id, question.metadata.op_code);
        reply.add_query(query.clone());
        match self.answers.borrow().iter().find(|(own, _)| *own == name) {
            None => reply.metadata.response_code = ResponseCode::NXDomain,
            Some((_, turns)) => {
                let addresses = turns.get(turn).or(turns.last()).unwrap();
                let v6 = query.query_type() == RecordType::AAAA;
                // A TTL of 0: no answer is kept.
                for address in addresses.iter().filter(|address| address.is_ipv6() == v6) {
                    let data = RData::from(*address);
                    reply.add_answer(Record::from_rdata(query.name().clone(), 0, data));
                }
            }
        }
        Some(reply.to_vec().unwrap())
    }
}

impl World {
    pub(super) async fn of(rules: Vec<Rule>) -> Self {
        Self::with(config(rules)).await
    }

    pub(super) async fn with(config: Config) -> Self {
        let zone = Rc::new(Zone::default());
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut server = NameServerConfig::udp(Ipv4Addr::LOCALHOST.into());
        server.connections[0].port = socket.local_addr().unwrap().port();
        let serving = Rc::clone(&zone);
        tokio::task::spawn_local(async move {
            let mut bytes = [0; 2048];
            loop {
                let (length, from) = socket.recv_from(&mut bytes).await.unwrap();
                if let Some(reply) = serving.answer(&bytes[..length]) {
                    socket.send_to(&reply, from).await.unwrap();
                }
            }
        });
        let resolver = Resolver::of(ResolverConfig::from_name_servers(vec![server]));
        let (sender, events) = mpsc::unbounded_channel();
        let gate = Gate::with_resolver(config, Rules::default(), sender, resolver);
        Self { gate, events, zone }
    }

    /// The stable codes of the refusals so far.
    pub(super) fn denials(&mut self) -> Vec<String> {
        let mut codes = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            if let Event::Denied { denial, .. } = event {
                codes.push(format!("{} {}", denial.target(), denial.reason.code()));
            }
        }
        codes
    }
}

/// Runs a test that spawns local tasks.
pub(super) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

pub(super) async fn listener(at: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((at, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Two ends of one connection.
pub(super) async fn pair() -> (TcpStream, TcpStream) {
    let (listener, address) = listener("127.0.0.1").await;
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    (near.unwrap(), far.unwrap().0)
}
