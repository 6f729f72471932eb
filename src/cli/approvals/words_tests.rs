use super::*;
use crate::approvals::{Answer, Asker, Doubt, Lifetime, Occurrence, RequestId, Scope, Via};
use crate::audit::Text;
use crate::firewall::Door;

/// 2026-11-22T12:00:00Z.
const NOON: u64 = 1_795_348_800;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOON)
}

fn egress(standing: Standing) -> Case {
    let asker = Asker::connector(
        "search".parse().unwrap(),
        Some("cloned.mcp.web.search@v1".parse().unwrap()),
    );
    let host = "api.githib.com".parse().unwrap();
    let subject = Subject::Egress { host, port: 443, private: false };
    let latest = Occurrence {
        at: NOON - 5,
        run: Some("0123456789ab".into()),
        door: Some(Door::Connect),
        reason: "not-listed".into(),
        class: None,
        // What a connector calls itself.
        process: Some(Text::new("node\n\u{1b}[2Jrequest")),
        by: None,
    };
    let request = Request {
        id: RequestId::of(&asker, &subject),
        asker,
        subject,
        standing,
        first_at: NOON - 3600,
        last_at: NOON - 5,
        times: 7,
        latest,
    };
    let text = "it differs little from the allowed api.github.com: githib.com is not github.com";
    let doubts = vec![Doubt { code: "look-alike", text: text.into() }];
    Case { request, running: true, doubts, answers: Vec::new() }
}

fn port() -> Case {
    let asker = Asker::connector("web".parse().unwrap(), None);
    let subject = Subject::Port {
        service: "web".parse().unwrap(),
        proto: crate::ports::Proto::Tcp,
        at: "127.0.0.1:3000".parse().unwrap(),
        open: false,
    };
    let latest = Occurrence {
        at: NOON - 90_000,
        by: Some("ann".into()),
        ..Occurrence::now("jail run web".into())
    };
    let request = Request {
        id: RequestId::of(&asker, &subject),
        asker,
        subject,
        standing: Standing::Pending,
        first_at: NOON - 90_000,
        last_at: NOON - 90_000,
        times: 1,
        latest,
    };
    Case { request, running: false, doubts: Vec::new(), answers: Vec::new() }
}

fn answered() -> Case {
    let mut case = egress(Standing::Approved);
    let answer = |verdict, lifetime| Answer {
        verdict,
        lifetime,
        scope: Scope::Tool,
        by: "ann".into(),
        via: Via::Cli,
        why: None,
        run: Some("0123456789ab".into()),
    };
    let decision = |number, answer| Decision {
        number,
        request: case.request.id.clone(),
        at: NOON - 60 + number,
        answer,
        applied: true,
        failed: None,
    };
    case.answers = vec![
        decision(
            1,
            Answer { why: Some("not ours".into()), ..answer(Verdict::Deny, Lifetime::Session) },
        ),
        decision(2, answer(Verdict::Revoke, Lifetime::Always)),
        Decision {
            applied: false,
            failed: Some("the disk is full".into()),
            ..decision(
                3,
                Answer {
                    scope: Scope::Global,
                    via: Via::Api,
                    ..answer(Verdict::Approve, Lifetime::Until { end: NOON + 7200 })
                },
            )
        },
    ];
    case
}

#[test]
fn the_list_says_who_wants_what_and_why_to_look_twice() {
    let cases = [egress(Standing::Pending), port()];
    let [one, two] = [0, 1].map(|n: usize| cases[n].request.id.to_string());
    let expected = format!(
        "ID          WHO                                WHAT                             TIMES  LAST
{one}  search (cloned.mcp.web.search@v1)  api.githib.com                   7      5s
            ! it differs little from the allowed api.github.com: githib.com is not github.com
{two}  web                                port 127.0.0.1:3000/tcp for web  1      1d
"
    );
    assert_eq!(table(&cases, false, now()), expected);
    let all = table(&[answered()], true, now());
    assert!(all.lines().next().unwrap().ends_with("LAST  STANDING"), "{all}");
    assert!(all.lines().nth(1).unwrap().ends_with("5s    approved"), "{all}");
    assert_eq!(all.lines().count(), 2, "what is answered raises no doubt: {all}");
    assert_eq!(table(&[], true, now()), "");
}

#[test]
fn a_change_is_a_line() {
    let case = egress(Standing::Pending);
    let id = &case.request.id;
    let expected = format!(
        "2026-11-22T12:00:00Z {id} pending: search (cloned.mcp.web.search@v1): api.githib.com (7 times)
  ! it differs little from the allowed api.github.com: githib.com is not github.com
"
    );
    assert_eq!(line(&case, now()), expected);
}

#[test]
fn one_request_is_shown_with_all_that_is_known() {
    let case = answered();
    let id = &case.request.id;
    let expected = format!(
        r"request    {id}, approved
what       api.githib.com
connector  search
tool       cloned.mcp.web.search@v1
run        0123456789ab
process    node\u{{a}}\u{{1b}}[2Jrequest
door       connect
why        not-listed
asked      7 times, since 2026-11-22T11:00:00Z, last 5s ago
doubt      it differs little from the allowed api.github.com: githib.com is not github.com
answer     2026-11-22T11:59:01Z deny, session, for this tool, by ann (cli): not ours
answer     2026-11-22T11:59:02Z taken back, by ann (cli)
answer     2026-11-22T11:59:03Z approve, until 2026-11-22T14:00:00Z, for every connector, by ann (api); NOT IN EFFECT: the disk is full
next       jail approvals revoke {id}
"
    );
    assert_eq!(page(&case, now()), expected);
    let mut ended = egress(Standing::Pending);
    ended.running = false;
    let text = page(&ended, now());
    assert!(text.contains("run        0123456789ab (ended)\n"), "{text}");
    assert!(text.contains(&format!("approve {id} --until 2h, ")), "{text}");
    assert!(page(&port(), now()).contains("asked      once, 2026-11-21T11:00:00Z (1d ago)\n"));
}

#[test]
fn a_request_in_json_has_the_fields_that_are_promised() {
    let value = serde_json::to_value(egress(Standing::Pending)).unwrap();
    let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "answers",
        "connector",
        "doubts",
        "first_at",
        "host",
        "id",
        "last_at",
        "latest",
        "port",
        "running",
        "standing",
        "times",
        "tool",
        "what",
    ];
    let mut keys = keys;
    keys.sort_unstable();
    assert_eq!(keys, expected);
    assert_eq!((&value["what"], &value["standing"]), (&"egress".into(), &"pending".into()));
    let value = serde_json::to_value(port()).unwrap();
    assert_eq!((&value["what"], &value["at"]), (&"port".into(), &"127.0.0.1:3000".into()));
    assert_eq!((&value["service"], &value["proto"]), (&"web".into(), &"tcp".into()));
}
