//! Who is slow, and who is many.

use super::Case;
use crate::http;
use crate::rig::Rig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io::{Read as _, Write as _};

pub const ALL: &[Case] = &[
    ("limits: a head that never ends", false, slow_head),
    ("limits: a body that never ends", false, slow_body),
    ("limits: a thousand connections that say nothing", false, idle),
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
