//! Hosts, origins, headers, methods and bodies.

use super::Case;
use crate::http::{self, exchange, text};
use crate::rig::Rig;

pub const ALL: &[Case] = &[
    ("manners: a name of somebody else for our address", false, rebinding),
    ("manners: pages of other origins", false, origins),
    ("manners: what every answer says", false, headers),
    ("manners: paths and methods", false, methods),
    ("manners: bodies", false, bodies),
    ("manners: who is not paired learns nothing", false, unpaired),
    ("manners: the description is the one that is served", false, description),
];

fn rebinding() {
    let rig = Rig::new();
    let (token, _) = rig.device();
    let port = rig.server.port;
    let bearer = format!("Bearer {token}");
    let ask = |host: &str| {
        let headers = [("Host", host), ("Authorization", bearer.as_str())];
        exchange(http::tcp(port), &text("GET /v1/runs", &headers, None)).status
    };
    assert_eq!(ask(&format!("127.0.0.1:{port}")), 200);
    assert_eq!(ask(&format!("localhost:{port}")), 200);
    assert_eq!(ask(&format!("rebound.example:{port}")), 421);
    assert_eq!(ask("rebound.example"), 421);
    assert_eq!(ask(&format!("127.0.0.1.rebound.example:{port}")), 421);
    assert_eq!(ask(&format!("127.0.0.1:{}", port ^ 1)), 421);
    let none = exchange(http::tcp(port), b"GET /v1/runs HTTP/1.0\r\n\r\n");
    assert_eq!(none.status, 400);
}

fn origins() {
    let rig = Rig::new();
    let (token, _) = rig.device();
    let bearer = format!("Bearer {token}");
    let own = rig.own_origin();
    let ask = |line: &str, name: &str, value: &str| {
        rig.tcp(line, &[("Authorization", &bearer), (name, value)], None)
    };
    assert_eq!(ask("GET /v1/runs", "Origin", &own).status, 200);
    for origin in ["null", "http://evil.example", "http://127.0.0.1:1", &format!("{own}0")] {
        for line in ["GET /v1/runs", "OPTIONS /v1/firewall/rules", "GET /healthz"] {
            let answer = ask(line, "Origin", origin);
            assert_eq!(answer.status, 403, "{origin} {line}");
            assert!(!answer.head().to_ascii_lowercase().contains("access-control"), "{answer:?}");
        }
    }
    assert_eq!(ask("GET /v1/runs", "Sec-Fetch-Site", "cross-site").status, 403);
    assert_eq!(ask("GET /v1/runs", "Sec-Fetch-Site", "same-site").status, 403);
    assert_eq!(ask("GET /v1/runs", "Sec-Fetch-Site", "same-origin").status, 200);
    let mine = ask("GET /v1/runs", "Origin", &own);
    assert!(!mine.head().to_ascii_lowercase().contains("access-control"), "{mine:?}");
}

fn headers() {
    let rig = Rig::new();
    let answers = [
        (200, rig.unix("GET /v1/runs", None)),
        (404, rig.unix("GET /nothing", None)),
        (405, rig.unix("DELETE /v1/runs", None)),
        (422, rig.unix("PUT /v1/firewall/unlisted", Some("{}"))),
        (401, rig.tcp("GET /v1/runs", &[], None)),
        (421, http::exchange(http::tcp(rig.server.port), &text("GET /", &[("Host", "x")], None))),
    ];
    for (status, answer) in answers {
        assert_eq!(answer.status, status, "{answer:?}");
        for (name, value) in [
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Referrer-Policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{answer:?}");
        }
        let policy = answer.header("Content-Security-Policy").unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        if status >= 400 {
            assert_eq!(answer.header("Content-Type"), Some("application/problem+json"));
            let json = answer.json();
            assert_eq!(json["status"], status);
            assert!(json["detail"].is_string() && json["hints"].is_array(), "{json}");
        }
    }
}

fn methods() {
    let rig = Rig::new();
    assert_eq!(rig.unix("GET /v1/nothing", None).status, 404);
    assert_eq!(rig.unix("OPTIONS /v1/nothing", None).status, 404);
    let wrong = rig.unix("DELETE /v1/runs", None);
    assert_eq!((wrong.status, wrong.header("Allow")), (405, Some("GET,HEAD")));
    let asked = rig.unix("OPTIONS /v1/firewall/rules", None);
    assert_eq!(asked.status, 204);
    let allow = asked.header("Allow").unwrap();
    assert!(allow.contains("PUT") && allow.contains("DELETE"), "{allow}");
    let (get, head) = (rig.unix("GET /v1/runs", None), rig.unix("HEAD /v1/runs", None));
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("Content-Length"), get.header("Content-Length"));
    assert_eq!(rig.unix("HEAD /v1/nothing", None).status, 404);
    assert_eq!(rig.unix("GET /v1/approvals/none", None).status, 404);
    assert_eq!(rig.unix("GET /v1/approvals?standing=odd", None).status, 422);
}

fn bodies() {
    let rig = Rig::new();
    let put = |kind: &str, body: &str| {
        let headers = [("Host", "localhost"), ("Content-Type", kind)];
        let text = text("PUT /v1/firewall/unlisted", &headers, Some(body));
        exchange(http::unix(&rig.server.unix), &text).status
    };
    assert_eq!(put("application/json", r#"{"unlisted":"ask"}"#), 200);
    assert_eq!(put("application/json; charset=utf-8", r#"{"unlisted":"deny"}"#), 200);
    assert_eq!(put("text/plain", r#"{"unlisted":"ask"}"#), 415);
    assert_eq!(put("application/x-www-form-urlencoded", "unlisted=ask"), 415);
    assert_eq!(put("application/json", "{"), 400);
    assert_eq!(put("application/json", r#"{"unlisted":"odd"}"#), 422);
    assert_eq!(put("application/json", r#"{"unlisted":"ask","more":1}"#), 422);
    let large = format!("{{\"unlisted\":\"{}\"}}", "x".repeat(70_000));
    assert_eq!(put("application/json", &large), 413);
    let mut chunked = text(
        "PUT /v1/firewall/unlisted",
        &[
            ("Host", "localhost"),
            ("Content-Type", "application/json"),
            ("Transfer-Encoding", "chunked"),
        ],
        None,
    );
    chunked.extend(format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len()).into_bytes());
    assert_eq!(exchange(http::unix(&rig.server.unix), &chunked).status, 413);
    let wide = "x".repeat(40_000);
    let headers = [("Host", "localhost"), ("X-Wide", wide.as_str())];
    let answer = exchange(http::unix(&rig.server.unix), &text("GET /healthz", &headers, None));
    assert_eq!(answer.status, 431, "{answer:?}");
}

fn unpaired() {
    let rig = Rig::new();
    let document: serde_json::Value = rig.tcp("GET /v1/openapi.json", &[], None).json();
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            if path == "/healthz" || path == "/v1/pair" {
                continue;
            }
            let path = path.replace(['{', '}'], "");
            let body = (method != "get").then_some("{}");
            let answer = rig.tcp(&format!("{} {path}", method.to_uppercase()), &[], body);
            assert_eq!(answer.status, 401, "{method} {path}");
            assert_eq!(answer.header("WWW-Authenticate"), Some("Bearer realm=\"jail\""));
            let wrong = rig.with("jail_x", &format!("{} {path}", method.to_uppercase()), body);
            assert_eq!(wrong.status, 401, "{method} {path}");
            tried += 1;
        }
    }
    assert!(tried > 15, "{tried}");
}

fn description() {
    let rig = Rig::new();
    let printed = rig.command(&["api", "--openapi"]).stdout;
    let printed: serde_json::Value = serde_json::from_slice(&printed).unwrap();
    assert_eq!(rig.unix("GET /v1/openapi.json", None).json(), printed);
}
