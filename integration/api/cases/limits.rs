//! Who is slow, and who is many.

use super::Case;
use crate::http;
use crate::rig::Rig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io::{ErrorKind, Read as _, Write as _};

pub const ALL: &[Case] = &[
    ("limits: a head that never ends", false, slow_head),
    ("limits: a body that never ends", false, slow_body),
    ("limits: a thousand connections that say nothing", false, idle),
    ("limits: as many as may that never end their body", false, endless),
    ("limits: answers that nobody takes", false, untaken),
];

fn slow_head() {
    let rig = Rig::new();
    let mut slow = http::tcp(rig.server.port);
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: 127").unwrap();
    assert_eq!(rig.tcp("GET /healthz", &[], None).status, 200);
    // The other side closes it; who waited for longer than it should would see an error.
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).unwrap();
    let text = String::from_utf8_lossy(&rest);
    assert!(text.is_empty() || text.contains("408"), "{text}");
}

fn slow_body() {
    let rig = Rig::new();
    let mut slow = http::tcp(rig.server.port);
    let host = rig.host();
    let head = format!(
        "POST /v1/pair HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{{"
    );
    slow.write_all(head.as_bytes()).unwrap();
    assert_eq!(rig.tcp("GET /healthz", &[], None).status, 200);
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).unwrap();
    assert!(String::from_utf8_lossy(&rest).starts_with("HTTP/1.1 408"));
}

fn idle() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most.min(4096), most).unwrap();
    let rig = Rig::new();
    let (token, _) = rig.device();
    let held: Vec<_> = (0..1000).map(|_| http::tcp(rig.server.port)).collect();
    assert_eq!(rig.unix("GET /v1/runs", None).status, 200, "the owner has places of its own");
    for _ in 0..20 {
        assert_eq!(rig.with(&token, "GET /v1/runs", None).status, 200);
    }
    drop(held);
}

/// Nobody knows who these are, and all of them are at work.
fn endless() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most.min(4096), most).unwrap();
    let rig = Rig::new();
    let (token, _) = rig.device();
    let head = format!(
        "POST /v1/pair HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nContent-Length: 100\r\n\r\n",
        rig.host()
    );
    let mut held: Vec<_> = (0..256).map(|_| http::tcp(rig.server.port)).collect();
    for stream in &mut held {
        stream.write_all(head.as_bytes()).unwrap();
        // Its handler waits for the body when it says so.
        let mut said = [0; 12];
        stream.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"HTTP/1.1 100");
    }
    for _ in 0..20 {
        assert_eq!(rig.with(&token, "GET /v1/runs", None).status, 200);
    }
    drop(held);
}

/// A device asks on and on and reads nothing: its connection is cut, and not kept for ever.
fn untaken() {
    let rig = Rig::new();
    let (token, _) = rig.device();
    let mut stream = http::tcp(rig.server.port);
    let host = rig.host();
    let one = format!(
        "GET /v1/openapi.json HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    let many = one.repeat(100);
    let error = (0..10_000).find_map(|_| stream.write_all(many.as_bytes()).err());
    let kind = error.expect("it takes a million requests without an answer that was taken").kind();
    // One that waits for longer than it may would see WouldBlock.
    assert!(matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{kind}");
}
