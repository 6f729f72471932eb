use super::super::world::{config, private};
use super::*;
use socket2::{Domain, Socket, Type};
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc as channel;
use std::thread::JoinHandle;

/// A server in a thread of its own, as it is in a process of its own.
struct Running {
    thread: JoinHandle<Result<(), Failure>>,
    events: channel::Receiver<Event>,
    rules: mpsc::UnboundedSender<Result<Rules, String>>,
    stop: std::io::PipeWriter,
}

fn start(config: Config, sockets: Sockets) -> Running {
    let (events_in, events) = channel::channel();
    let (rules, mut changes) = mpsc::unbounded_channel();
    let (stop_read, stop) = std::io::pipe().unwrap();
    let thread = std::thread::spawn(move || {
        let tell = move |event: &Event| events_in.send(event.clone()).unwrap();
        let start = Start { config, overlay: Rules::default(), sockets, stop: stop_read.into() };
        run(start, tell, |server| {
            let server = Rc::clone(server);
            tokio::task::spawn_local(async move {
                while let Some(rules) = changes.recv().await {
                    server.rules_changed(rules);
                }
            });
        })
    });
    Running { thread, events, rules, stop }
}

impl Running {
    /// The next event that is no counter.
    fn next(&self) -> Event {
        loop {
            match self.events.recv().unwrap() {
                Event::Counters(_) => {}
                event => return event,
            }
        }
    }

    /// Ends the server; what it still said.
    fn end(self) -> Vec<Event> {
        drop((self.stop, self.rules));
        self.thread.join().unwrap().unwrap();
        self.events.iter().collect()
    }
}

fn spare(domain: Domain) -> OwnedFd {
    let socket = Socket::new(domain, Type::STREAM, None).unwrap();
    if domain == Domain::IPV6 {
        socket.set_only_v6(true).unwrap();
    }
    socket.into()
}

fn refused_after_accept(at: (Ipv4Addr, u16)) -> bool {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.read(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
}

const UNKNOWN: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);

#[test]
fn ready_then_denials_then_the_last_counters() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let sockets = Sockets { listeners: vec![listener.into()], ..Sockets::default() };
    let running = start(config(vec![]), sockets);
    assert_eq!(running.next(), Event::Ready);
    assert!(refused_after_accept((UNKNOWN, port)));
    let Event::Denied { denial, more: 0 } = running.next() else { panic!("no denial") };
    assert_eq!(
        (denial.target(), denial.reason.code()),
        (format!("127.0.0.77:{port}"), "address-not-listed")
    );
    let rest = running.end();
    let Some(Event::Counters(counters)) = rest.last() else { panic!("{rest:?}") };
    assert_eq!(counters.denied, 1);
    assert_eq!(counters.denied_hosts[&format!("127.0.0.77:{port}")], 1);
    assert!(TcpStream::connect((UNKNOWN, port)).is_err(), "all doors are closed");
}

#[test]
fn over_the_limit_is_refused_and_said() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let sockets = Sockets { listeners: vec![listener.into()], ..Sockets::default() };
    let mut config = config(vec![]);
    config.limits.connections = 0;
    let running = start(config, sockets);
    assert_eq!(running.next(), Event::Ready);
    assert!(refused_after_accept((Ipv4Addr::LOCALHOST, port)));
    let Event::Denied { denial, .. } = running.next() else { panic!("no denial") };
    assert_eq!(denial.reason.code(), "limit");
    running.end();
}

#[test]
fn a_later_rule_opens_its_port_and_one_too_many_is_said() {
    let free = || TcpListener::bind("0.0.0.0:0").unwrap();
    let (one, two) = (free(), free());
    let ports = [&one, &two].map(|listener| listener.local_addr().unwrap().port());
    drop((one, two));
    let sockets = Sockets {
        spare_v4: vec![spare(Domain::IPV4)],
        spare_v6: vec![spare(Domain::IPV6)],
        ..Sockets::default()
    };
    let running = start(config(vec![]), sockets);
    assert_eq!(running.next(), Event::Ready);
    running.rules.send(Ok(Rules(vec![private("a.example", ports[0])]))).unwrap();
    assert_eq!(running.next(), Event::Reloaded { rules: 1, cut: 0 });
    assert!(refused_after_accept((UNKNOWN, ports[0])));
    assert!(matches!(running.next(), Event::Denied { .. }));
    running.rules.send(Ok(Rules(vec![private("a.example", ports[1])]))).unwrap();
    assert_eq!(running.next(), Event::Reloaded { rules: 1, cut: 0 });
    assert!(matches!(running.next(), Event::Warning { .. }));
    running.rules.send(Err("line 3".to_owned())).unwrap();
    assert_eq!(running.next(), Event::Unreadable { why: "line 3".to_owned() });
    assert_eq!(running.next(), Event::Reloaded { rules: 0, cut: 0 });
    running.end();
}
