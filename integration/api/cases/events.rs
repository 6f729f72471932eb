//! Live views.

use super::Case;
use crate::http;
use crate::rig::Rig;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read, Write};

pub const ALL: &[Case] = &[
    ("events: what is new is told", false, told),
    ("events: a view goes on where it ended", false, resumed),
    ("events: a revoked device sees no more", false, revoked),
    ("events: so many watch, and no more", false, many),
    ("events: another log is told from its beginning", false, anew),
];

struct View(BufReader<Box<dyn Read>>);

#[derive(Debug, Default, Clone)]
struct Told {
    kind: String,
    id: String,
    data: Value,
}

impl View {
    fn unix(rig: &Rig, last: Option<&str>) -> Self {
        let mut headers = vec![("Host", "localhost")];
        headers.extend(last.map(|last| ("Last-Event-ID", last)));
        let stream = http::unix(&rig.server.unix);
        Self::begin(stream, &http::text("GET /v1/events", &headers, None))
    }

    fn begin(mut stream: impl Read + Write + 'static, text: &[u8]) -> Self {
        stream.write_all(text).unwrap();
        Self(BufReader::new(Box::new(stream)))
    }

    /// The next event; `None` where there is none any more.
    fn next(&mut self) -> Option<Told> {
        let mut told = Told::default();
        let mut line = String::new();
        while self.0.read_line(&mut line).unwrap() > 0 {
            match line.trim_end().split_once(": ") {
                Some(("event", kind)) => told.kind = kind.to_owned(),
                Some(("id", id)) => told.id = id.to_owned(),
                Some(("data", data)) => {
                    told.data = serde_json::from_str(data).unwrap();
                    return Some(told);
                }
                _ => {}
            }
            line.clear();
        }
        None
    }

    /// Of this kind, the next one that fits.
    fn until(&mut self, kind: &str, fits: impl Fn(&Told) -> bool) -> Told {
        loop {
            let told = self.next().unwrap();
            if told.kind == kind && fits(&told) {
                return told;
            }
        }
    }
}

/// The id comes after the data: `event`, `data`, `id` stand in any order.
fn deny(rig: &Rig, host: &str) {
    let body = serde_json::json!({ "effect": "deny", "host": host }).to_string();
    assert!(rig.unix("PUT /v1/firewall/rules", Some(&body)).status < 300);
}

fn object(told: &Told) -> &str {
    told.data["event"]["object"].as_str().unwrap_or("")
}

fn told() {
    let rig = Rig::new();
    deny(&rig, "before.example");
    let mut view = View::unix(&rig, None);
    let first = view.until("approvals", |_| true);
    assert_eq!(first.data["pending"], serde_json::json!([]));
    view.until("runs", |it| it.data == serde_json::json!([]));
    rig.asked("a.example");
    let waiting = view.until("approvals", |_| true);
    assert_eq!(waiting.data["pending"][0]["host"], "a.example");
    deny(&rig, "b.example");
    let record = view.until("audit", |_| true);
    assert_eq!(object(&record), "b.example", "what was before is not new");
}

fn resumed() {
    let rig = Rig::new();
    let mut view = View::unix(&rig, None);
    view.until("runs", |_| true);
    deny(&rig, "one.example");
    let one = view.until("audit", |_| true);
    assert_eq!(object(&one), "one.example");
    drop(view);
    for host in ["two.example", "three.example"] {
        deny(&rig, host);
    }
    let last = format!("{}.0", one.data["seq"]);
    let mut view = View::unix(&rig, Some(&last));
    assert_eq!(object(&view.until("audit", |_| true)), "two.example");
    assert_eq!(object(&view.until("audit", |_| true)), "three.example");
    let wrong = rig.unix("GET /v1/events?last_event_id=odd", None);
    assert_eq!(wrong.status, 422);
}

fn revoked() {
    let rig = Rig::new();
    let (token, id) = rig.device();
    let host = rig.host();
    let bearer = format!("Bearer {token}");
    let headers = [("Host", host.as_str()), ("Authorization", bearer.as_str())];
    let mut view =
        View::begin(http::tcp(rig.server.port), &http::text("GET /v1/events", &headers, None));
    view.until("runs", |_| true);
    assert!(rig.command(&["api", "devices", "revoke", &id]).status.success());
    while view.next().is_some() {}
}

fn many() {
    let rig = Rig::new();
    let mut views: Vec<View> = (0..32).map(|_| View::unix(&rig, None)).collect();
    for view in &mut views {
        view.until("runs", |_| true);
    }
    let one_more = rig.unix("GET /v1/events", None);
    assert_eq!(one_more.status, 503, "{one_more:?}");
    assert!(one_more.header("Retry-After").is_some());
    assert_eq!(rig.unix("GET /v1/runs", None).status, 200);
}

fn anew() {
    let rig = Rig::new();
    for host in ["one.example", "two.example", "three.example"] {
        deny(&rig, host);
    }
    // What the client knows is of a log that was longer.
    let mut view = View::unix(&rig, Some("9.0"));
    assert_eq!(view.until("gap", |_| true).data["anew"], true);
    for host in ["one.example", "two.example", "three.example"] {
        assert_eq!(object(&view.until("audit", |_| true)), host);
    }
    // And while it watches.
    for name in ["audit.log", "audit.head"] {
        drop(std::fs::remove_file(rig.cloned(name)));
    }
    deny(&rig, "four.example");
    assert_eq!(object(&view.until("audit", |_| true)), "four.example");
}
