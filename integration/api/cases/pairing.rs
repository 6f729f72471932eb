//! Codes, tokens and devices.

use super::Case;
use crate::rig::Rig;

pub const ALL: &[Case] = &[
    ("pairing: a code works once", false, once),
    ("pairing: a code is too old after two minutes", false, expired),
    ("pairing: ten wrong codes", false, ten),
    ("pairing: a revoked device", false, revoked),
    ("pairing: a token of another workspace", false, elsewhere),
    ("pairing: a browser's cookie", false, cookie),
    ("pairing: a browser's cookie at another port", false, port),
    ("pairing: a browser is sent to its own name", false, name),
];

fn once() {
    let rig = Rig::new();
    let code = rig.code();
    let answer = rig.pair(&code.to_lowercase());
    assert_eq!(answer.status, 201, "{answer:?}");
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(rig.with(&token, "GET /v1/runs", None).status, 200);
    let again = rig.pair(&code);
    assert_eq!(again.status, 403, "{again:?}");
    // What the workspace keeps is not the token.
    let kept = std::fs::read(rig.cloned("state.db")).unwrap();
    let wal = std::fs::read(rig.cloned("state.db-wal")).unwrap_or_default();
    let found = |bytes: &[u8]| bytes.windows(token.len()).any(|it| it == token.as_bytes());
    assert!(!found(&kept) && !found(&wal));
}

fn expired() {
    let rig = Rig::new();
    let code = rig.code();
    let sql = "UPDATE pairings SET expires_at = expires_at - 120";
    rig.state().change(|it| Ok(it.execute(sql, []).unwrap())).unwrap();
    assert_eq!(rig.pair(&code).status, 403);
}

fn ten() {
    let rig = Rig::new();
    let (token, _) = rig.device();
    let code = rig.code();
    for _ in 0..9 {
        assert_eq!(rig.pair("AAAA-AAAA").status, 403);
    }
    let tenth = rig.pair("AAAA-AAAA");
    assert_eq!(tenth.status, 429);
    let wait: u64 = tenth.header("Retry-After").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let right = rig.pair(&code);
    assert_eq!(right.status, 429, "the code is void, and none is taken");
    assert!(right.header("Retry-After").is_some());
    let left = rig
        .state()
        .read(|it| it.query_row("SELECT count(*) FROM pairings", [], |row| row.get::<_, u64>(0)));
    assert_eq!(left.unwrap(), 0);
    assert_eq!(rig.with(&token, "GET /v1/runs", None).status, 200, "who is paired is not kept out");
    assert_eq!(rig.unix("GET /v1/runs", None).status, 200);
}

fn revoked() {
    let rig = Rig::new();
    let ((one, first), (two, second)) = (rig.device(), rig.device());
    let done = rig.command(&["api", "devices", "revoke", &first]);
    assert!(done.status.success(), "{done:?}");
    assert_eq!(rig.with(&one, "GET /v1/runs", None).status, 401);
    assert_eq!(rig.with(&two, "GET /v1/runs", None).status, 200);
    assert_eq!(rig.unix(&format!("DELETE /v1/devices/{second}"), None).status, 200);
    assert_eq!(rig.with(&two, "GET /v1/runs", None).status, 401);
    assert_eq!(rig.unix("DELETE /v1/devices/000000000000", None).status, 404);
    let list = rig.command(&["api", "devices", "list", "--json"]);
    let list: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    let devices = list["devices"].as_array().unwrap();
    assert!(devices.len() == 2 && devices.iter().all(|it| it["revoked_at"].is_u64()), "{list}");
    assert_eq!(rig.unix("GET /v1/devices", None).json(), list);
    // All of it is on record.
    let log = rig.text("audit.log");
    let acts: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["event"].clone())
        .map(|event| serde_json::json!([event["act"], event["via"]]))
        .collect();
    let (pair, revoke) = ("api devices pair", "api devices revoke");
    let all = serde_json::json!([[pair, "api"], [pair, "api"], [revoke, "cli"], [revoke, "api"]]);
    assert_eq!(serde_json::Value::from(acts), all, "{log}");
}

fn elsewhere() {
    let (rig, other) = (Rig::new(), Rig::new());
    let (token, _) = other.device();
    assert_eq!(other.with(&token, "GET /v1/runs", None).status, 200);
    assert_eq!(rig.with(&token, "GET /v1/runs", None).status, 401);
    assert_eq!(rig.pair(&other.code()).status, 403);
}

fn cookie() {
    let rig = Rig::new();
    let body = serde_json::json!({ "code": rig.code(), "name": "browser", "cookie": true });
    let body = body.to_string();
    // By a name that other services have, too, there is none, and the code is not used up.
    let elsewhere = rig.tcp("POST /v1/pair", &[], Some(&body));
    assert_eq!((elsewhere.status, elsewhere.header("Set-Cookie")), (421, None), "{elsewhere:?}");
    assert_eq!(rig.unix("POST /v1/pair", Some(&body)).status, 422);
    let answer = rig.browser("POST /v1/pair", &[], Some(&body));
    assert_eq!(answer.status, 201, "{answer:?}");
    assert!(answer.json().get("token").is_none());
    let set = answer.header("Set-Cookie").unwrap().to_owned();
    assert!(set.contains("; HttpOnly; SameSite=Strict") && !set.contains("Domain"), "{set}");
    let pair = set.split(';').next().unwrap();
    let own = format!("http://{}", rig.browsers_host());
    assert_eq!(rig.browser("GET /v1/runs", &[("Cookie", pair)], None).status, 200);
    assert_eq!(rig.tcp("GET /v1/runs", &[("Cookie", pair)], None).status, 401, "by another name");
    let token = pair.split_once('=').unwrap().1;
    assert_eq!(rig.with(token, "GET /v1/runs", None).status, 401, "it is for a cookie alone");
    let mode = Some(r#"{"unlisted":"ask"}"#);
    let put =
        |headers: &[(&str, &str)]| rig.browser("PUT /v1/firewall/unlisted", headers, mode).status;
    assert_eq!(put(&[("Cookie", pair)]), 403, "a browser says which page asks");
    assert_eq!(put(&[("Cookie", pair), ("Origin", "http://127.0.0.1:1")]), 403);
    assert_eq!(put(&[("Cookie", pair), ("Origin", &own)]), 200);
    let (bearer, _) = rig.device();
    let as_cookie = format!("{}={bearer}", pair.split_once('=').unwrap().0);
    assert_eq!(rig.browser("GET /v1/runs", &[("Cookie", &as_cookie)], None).status, 401);
}

/// Another port is no other console: the browser that was paired is known there.
fn port() {
    let mut rig = Rig::new();
    let body = serde_json::json!({ "code": rig.code(), "name": "browser", "cookie": true });
    let answer = rig.browser("POST /v1/pair", &[], Some(&body.to_string()));
    let set = answer.header("Set-Cookie").unwrap().to_owned();
    let pair = set.split(';').next().unwrap();
    let before = rig.server.port;
    rig.server.child.kill().unwrap();
    rig.server.child.wait().unwrap();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", before)).unwrap();
    rig.restart();
    assert_ne!(rig.server.port, before);
    assert_eq!(rig.browser("GET /v1/runs", &[("Cookie", pair)], None).status, 200);
}

fn name() {
    let rig = Rig::new();
    for path in ["/", "/pair", "/runs"] {
        let answer = rig.tcp(&format!("GET {path}"), &[], None);
        let there = format!("http://{}{path}", rig.browsers_host());
        assert_eq!((answer.status, answer.header("Location")), (307, Some(there.as_str())));
    }
    assert_eq!(rig.browser("GET /pair", &[], None).status, 200);
    assert_eq!(rig.browser("GET /", &[], None).status, 401);
}
