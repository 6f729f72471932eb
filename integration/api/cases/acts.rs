//! What is done, and what is on record of it.

use super::Case;
use crate::rig::Rig;
use serde_json::{Value, json};

pub const ALL: &[Case] = &[
    ("acts: a request is answered, and the answer taken back", false, approvals),
    ("acts: rules of the firewall", false, firewall),
    ("acts: ports", false, ports),
    ("acts: the audit log", false, audit),
    ("acts: files that are wrong are said to be", false, wrong_files),
];

/// The records of this kind, newest last.
fn records(rig: &Rig, kind: &str) -> Vec<Value> {
    let answer = rig.unix(&format!("GET /v1/audit?kind={kind}"), None);
    let records = answer.json()["records"].as_array().unwrap().clone();
    records.into_iter().map(|mut it| it["event"].take()).collect()
}

fn approvals() {
    let rig = Rig::new();
    let (token, device) = rig.device();
    let id = rig.asked("a.example");
    let list = rig.with(&token, "GET /v1/approvals?standing=pending", None).json();
    assert_eq!(list["requests"][0]["id"], id.as_str());
    assert_eq!(list["requests"][0]["host"], "a.example");
    let path = format!("/v1/approvals/{id}");
    assert_eq!(rig.with(&token, &format!("GET {path}"), None).json()["request"]["times"], 1);
    let answer = |lifetime: Value| {
        let body = json!({ "verdict": "approve", "lifetime": lifetime, "scope": "connector", "why": "ok" });
        rig.with(&token, &format!("POST {path}/answer"), Some(&body.to_string()))
    };
    assert_eq!(answer(json!({ "for": "once" })).status, 422, "no run asked");
    assert_eq!(answer(json!({ "for": "until", "end": 1 })).status, 422);
    let done = answer(json!({ "for": "always" }));
    assert_eq!((done.status, done.json()["applied"].as_bool()), (200, Some(true)), "{done:?}");
    let by = done.json()["by"].as_str().unwrap().to_owned();
    assert!(by.contains(&device), "{by}");
    let file = rig.text("policy/firewall.yaml");
    assert!(file.contains("allow: a.example") && file.contains(&device), "{file}");
    assert_eq!(answer(json!({ "for": "always" })).status, 409);
    let revoke = format!("POST {path}/revoke");
    assert_eq!(rig.with(&token, &revoke, Some("{}")).status, 200);
    assert!(!rig.text("policy/firewall.yaml").contains("a.example"));
    assert_eq!(rig.with(&token, &revoke, Some("{}")).status, 409);
    let other = rig.asked("b.example");
    let dismiss = format!("POST /v1/approvals/{other}/dismiss");
    assert_eq!(rig.with(&token, &dismiss, None).json()["standing"], "dismissed");
    assert_eq!(rig.with(&token, &dismiss, None).status, 409);
    assert_eq!(rig.with(&token, "POST /v1/approvals/aaaaaaaaaa/dismiss", None).status, 404);
}

fn firewall() {
    let rig = Rig::new();
    let (token, device) = rig.device();
    let put = |body: Value| rig.with(&token, "PUT /v1/firewall/rules", Some(&body.to_string()));
    let rule = json!({ "effect": "allow", "host": "a.example", "reason": "search" });
    let done = put(rule.clone());
    assert_eq!((done.status, &done.json()["done"]), (201, &json!("added")), "{done:?}");
    assert_eq!(put(rule).status, 200);
    assert_eq!(put(json!({ "effect": "allow", "host": "a b" })).status, 422);
    assert_eq!(put(json!({ "effect": "allow", "host": "a.example:1" })).status, 422);
    let acts = records(&rig, "act");
    // Before it, the device was paired.
    let first = &acts[1];
    assert_eq!((&first["act"], &first["object"]), (&json!("firewall allow"), &json!("a.example")));
    assert_eq!(first["via"], "api");
    assert!(first["by"].as_str().unwrap().contains(&device), "{first}");
    let list = rig.unix("GET /v1/firewall", None).json();
    assert_eq!(
        (&list["rules"][0]["host"], &list["unlisted"]),
        (&json!("a.example"), &json!("deny"))
    );
    let check = |host: &str| {
        rig.unix(&format!("GET /v1/firewall/check?host={host}&tool=a.b@v1"), None).json()
    };
    assert_eq!(check("a.example")["allowed"], true);
    let refused = check("b.example");
    assert_eq!((&refused["allowed"], &refused["code"]), (&json!(false), &json!("not-listed")));
    assert_eq!(refused["change"], "jail firewall allow --tool a.b@v1 b.example");
    let mode = rig.unix("PUT /v1/firewall/unlisted", Some(r#"{"unlisted":"ask"}"#));
    assert_eq!(mode.status, 200);
    assert!(rig.text("policy/firewall.yaml").contains("unlisted: ask"));
    let gone = rig.unix("DELETE /v1/firewall/rules?host=a.example", None);
    assert_eq!((gone.status, gone.json()["removed"].as_array().unwrap().len()), (200, 1));
    assert_eq!(rig.unix("DELETE /v1/firewall/rules?host=a.example", None).status, 404);
    let by = records(&rig, "act").last().unwrap()["by"].as_str().unwrap().to_owned();
    assert!(!by.contains("device"), "{by}");
    answered_rule(&rig);
}

/// To take out the rule that answers a request is to take the answer back.
fn answered_rule(rig: &Rig) {
    let id = rig.asked("asked.example");
    let answer =
        json!({ "verdict": "approve", "lifetime": { "for": "always" }, "scope": "connector" });
    let line = format!("POST /v1/approvals/{id}/answer");
    let given = rig.unix(&line, Some(&answer.to_string()));
    assert_eq!(given.status, 200, "{given:?}");
    let line = "DELETE /v1/firewall/rules?host=asked.example&connector=search";
    let gone = rig.unix(line, None);
    assert_eq!(
        (gone.status, gone.json()["removed"].as_array().unwrap().len()),
        (200, 1),
        "{gone:?}"
    );
    let request = rig.unix(&format!("GET /v1/approvals/{id}"), None).json();
    assert_eq!(request["request"]["standing"], "revoked", "{request}");
    assert_eq!(rig.unix(line, None).status, 404);
}

fn ports() {
    let rig = Rig::new();
    let put = |name: &str, body: Value| {
        rig.unix(&format!("PUT /v1/ports/{name}"), Some(&body.to_string()))
    };
    let done = put("web", json!({ "port": 3000, "connector": "web" }));
    assert_eq!((done.status, &done.json()["service"]["port"]), (201, &json!(3000)), "{done:?}");
    assert_eq!(put("web", json!({ "port": 3000, "connector": "web" })).status, 200);
    assert_eq!(put("web", json!({ "port": 3001 })).status, 409);
    assert_eq!(put("other", json!({ "port": 3000 })).status, 409);
    assert_eq!(put("wide", json!({ "port": 3002, "bind": "0.0.0.0" })).status, 409);
    assert_eq!(put("two", json!({ "port": 3003, "connector": "a", "program": "b" })).status, 422);
    assert_eq!(put("none", json!({ "port": 0 })).status, 422);
    let asked = rig.command(&["ports", "request", "dns", "--port", "5353"]);
    assert!(asked.status.success(), "{asked:?}");
    let pending = rig.unix("GET /v1/ports/requests", None).json();
    assert_eq!(pending["pending"].as_array().unwrap().len(), 1, "{pending}");
    let list = rig.unix("GET /v1/ports", None).json();
    assert_eq!((&list["services"][0]["name"], &list["pending"]), (&json!("web"), &json!(1)));
    let granted = put("dns", json!({ "port": 5353 }));
    assert_eq!((granted.status, granted.json()["granted"].as_array().unwrap().len()), (201, 1));
    let decisions = records(&rig, "decision");
    assert_eq!(decisions.last().unwrap()["via"], "api", "nobody gave it at a terminal");
    assert_eq!(rig.unix("GET /v1/ports/requests", None).json()["pending"], json!([]));
    assert_eq!(rig.unix("DELETE /v1/ports/web", None).status, 200);
    assert_eq!(rig.unix("DELETE /v1/ports/web", None).status, 404);
    let failed = records(&rig, "act").iter().filter(|it| it["failed"].is_string()).count();
    assert_eq!(failed, 3);
}

fn audit() {
    let rig = Rig::new();
    assert_eq!(rig.unix("GET /v1/audit/verify", None).status, 404);
    assert_eq!(rig.unix("GET /v1/audit", None).json()["records"], json!([]));
    for n in 0..5 {
        let body = json!({ "effect": "deny", "host": format!("{n}.example") }).to_string();
        assert_eq!(rig.unix("PUT /v1/firewall/rules", Some(&body)).status, 201);
    }
    let page = rig.unix("GET /v1/audit?limit=2", None).json();
    assert_eq!((&page["records"][1]["seq"], &page["more"]), (&json!(5), &json!(true)));
    let page = rig.unix("GET /v1/audit?limit=2&before=2", None).json();
    assert_eq!((page["records"].as_array().unwrap().len(), &page["more"]), (1, &json!(false)));
    assert_eq!(rig.unix("GET /v1/audit?limit=0", None).status, 422);
    assert_eq!(rig.unix("GET /v1/audit?limit=x", None).status, 422);
    let sound = rig.unix("GET /v1/audit/verify", None).json();
    assert_eq!((&sound["sound"], &sound["records"]), (&json!(true), &json!(5)));
    let log = rig.text("audit.log").replace("3.example", "4.example");
    std::fs::write(rig.cloned("audit.log"), log).unwrap();
    let changed = rig.unix("GET /v1/audit/verify", None).json();
    assert_eq!(
        (&changed["sound"], &changed["findings"][0]["what"]),
        (&json!(false), &json!("edited"))
    );
    assert_eq!(rig.unix("GET /v1/runs/0123456789ab", None).status, 404);
}

fn wrong_files() {
    let rig = Rig::new();
    std::fs::create_dir(rig.cloned("policy")).unwrap();
    std::fs::write(rig.cloned("policy/firewall.yaml"), "version: 1\nodd: 1\n").unwrap();
    let answer = rig.unix("GET /v1/firewall", None);
    assert_eq!(answer.status, 409, "{answer:?}");
    let text = answer.body.clone();
    assert!(text.contains("firewall.yaml"), "{text}");
}
