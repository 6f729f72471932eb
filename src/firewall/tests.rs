//! The decision: cases, and properties against rules read by hand.

use super::{
    Decision, Door, Effect, Endpoint, Host, Inject, Ports, Reason, Rule, Rules, Who, decide,
};
use crate::policy::{Origin, ToolId};
use proptest::prelude::*;
use proptest::sample::select;
use std::time::{Duration, SystemTime};

const DOORS: [Door; 6] =
    [Door::Http, Door::Connect, Door::Socks, Door::Transparent, Door::Dns, Door::Packet];

fn tool(name: &str) -> ToolId {
    name.parse().unwrap()
}

fn who(tool_of_connector: Option<&str>) -> Who {
    Who { connector: "search".parse().unwrap(), tool: tool_of_connector.map(tool), run: None }
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1000)
}

fn later(seconds: u64) -> Option<SystemTime> {
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

fn allow(text: &str) -> Rule {
    let (host, ports) = text.parse::<Endpoint>().unwrap().to_allow();
    Rule::new(Effect::Allow, host, ports, Origin::Flag("--allow"))
}

fn deny(text: &str) -> Rule {
    let (host, ports) = text.parse::<Endpoint>().unwrap().to_deny();
    Rule::new(Effect::Deny, host, ports, Origin::Flag("--deny"))
}

fn injecting(text: &str) -> Rule {
    let inject =
        Inject { header: "Authorization".into(), secret: "key".into(), format: "%s".into() };
    Rule { inject: Some(inject), ..allow(text) }
}

/// The rule that allows, or why not.
fn ask(rules: &[Rule], tool: Option<&str>, host: &str, port: u16) -> Result<Rule, Reason> {
    through(Door::Connect, rules, tool, host, port)
}

fn through(
    door: Door,
    rules: &[Rule],
    tool: Option<&str>,
    host: &str,
    port: u16,
) -> Result<Rule, Reason> {
    let rules = Rules(rules.to_vec());
    match decide(&who(tool), &rules, &Host::parse(host).unwrap(), port, door, now()) {
        Decision::Allow(rule) => Ok(rule.clone()),
        Decision::Ask(denial) | Decision::Deny(denial) => Err(denial.reason),
    }
}

fn by(rule: &str) -> Reason {
    Reason::DeniedByRule { rule: rule.to_owned(), lift: None }
}

#[test]
fn what_no_rule_names_is_denied() {
    assert_eq!(ask(&[], None, "a.example.com", 443), Err(Reason::NotListed));
    assert_eq!(ask(&[], None, "192.0.2.1", 443), Err(Reason::AddressNotListed));
    let rules = [allow("a.example.com"), allow("*.example.org"), allow("192.0.2.1")];
    for host in ["example.com", "b.a.example.com", "xa.example.com", "example.org", "a.example"] {
        assert_eq!(ask(&rules, None, host, 443), Err(Reason::NotListed), "{host}");
    }
    assert_eq!(ask(&rules, None, "192.0.2.2", 443), Err(Reason::AddressNotListed));
    for host in ["a.example.com", "x.y.example.org", "192.0.2.1", "::ffff:192.0.2.1"] {
        assert!(ask(&rules, None, host, 443).is_ok(), "{host}");
    }
}

#[test]
fn deny_beats_allow_in_any_order() {
    let exact = allow("a.example.com");
    for denying in [deny("a.example.com"), deny("*.example.com"), deny("a.example.com:443")] {
        for rules in [[exact.clone(), denying.clone()], [denying.clone(), exact.clone()]] {
            assert_eq!(ask(&rules, None, "a.example.com", 443), Err(by("--deny")));
        }
    }
    // One of another port, tool or time does not.
    let others = [
        deny("a.example.com:80"),
        Rule { tool: Some(tool("b@v1")), ..deny("a.example.com") },
        Rule { expires: later(1000), ..deny("a.example.com") },
        deny("b.example.com"),
    ];
    let rules: Vec<Rule> = others.into_iter().chain([exact]).collect();
    assert!(ask(&rules, Some("a@v1"), "a.example.com", 443).is_ok());
}

#[test]
fn a_tools_rule_is_for_that_tool() {
    let rules = [Rule { tool: Some(tool("a@v1")), ..allow("a.example.com") }];
    assert!(ask(&rules, Some("a@v1"), "a.example.com", 443).is_ok());
    for other in [None, Some("b@v1"), Some("a@v2")] {
        let reason = Reason::OtherTool { tool: "a@v1".into() };
        assert_eq!(ask(&rules, other, "a.example.com", 443), Err(reason));
    }
}

#[test]
fn the_nearest_rule_is_the_one_that_allows() {
    let of_tool = Rule { tool: Some(tool("a@v1")), ..allow("*.example.com") };
    let rules = [allow("*.example.com"), allow("a.example.com"), of_tool.clone()];
    assert_eq!(ask(&rules, Some("a@v1"), "a.example.com", 443), Ok(of_tool));
    assert_eq!(ask(&rules, None, "a.example.com", 443), Ok(allow("a.example.com")));
    assert_eq!(ask(&rules, None, "b.example.com", 443), Ok(allow("*.example.com")));
}

#[test]
fn a_rule_ends_at_the_second_that_it_names() {
    let until = |expires| [Rule { expires, ..allow("a.example.com") }];
    assert!(ask(&until(later(1001)), None, "a.example.com", 443).is_ok());
    for end in [later(1000), later(999)] {
        let reason = Reason::Expired { rule: "--allow".into() };
        assert_eq!(ask(&until(end), None, "a.example.com", 443), Err(reason));
    }
}

#[test]
fn another_port_is_told_apart() {
    let rules = [allow("a.example.com:8443"), allow("*.example.com"), allow("a.example.com:22")];
    let reason = Reason::OtherPort { allowed: vec![22, 443, 8443] };
    assert_eq!(ask(&rules, None, "a.example.com", 80), Err(reason));
    assert!(ask(&rules, None, "a.example.com", 22).is_ok());
}

#[test]
fn a_name_is_looked_up_where_any_port_of_it_is_allowed() {
    let dns = |rules: &[Rule], host| through(Door::Dns, rules, None, host, 0);
    assert!(dns(&[allow("a.example.com:8443")], "a.example.com").is_ok());
    assert_eq!(dns(&[allow("a.example.com")], "b.example.com"), Err(Reason::NotListed));
    let denied_port = [allow("a.example.com"), deny("a.example.com:80")];
    assert!(dns(&denied_port, "a.example.com").is_ok());
    let denied = [allow("a.example.com"), deny("a.example.com")];
    assert_eq!(dns(&denied, "a.example.com"), Err(by("--deny")));
    // Whoever asks about the name alone is taken to mean this port.
    assert_eq!(dns(&[deny("a.example.com:443")], "a.example.com"), Err(by("--deny")));
    assert_eq!(dns(&[deny("a.example.com:80")], "a.example.com"), Err(Reason::NotListed));
}

#[test]
fn an_answer_about_a_private_address_counts_beside_a_narrower_rule() {
    let answered =
        Rule { private: true, request: Some("aaaaaaaaaa".into()), ..allow("a.example.com") };
    let of_tool = "cloned.mcp.web.search@v1";
    let narrow = Rule { tool: Some(tool(of_tool)), ..allow("a.example.com") };
    let who = who(Some(of_tool));
    let host = Host::parse("a.example.com").unwrap();
    let granted =
        |rules: &[Rule], port| Rules(rules.to_vec()).grant_private(&who, &host, port, now());
    assert!(granted(&[narrow.clone(), answered.clone()], 443));
    assert!(!granted(&[narrow.clone(), answered.clone()], 22), "another port");
    assert!(!granted(&[narrow, Rule { request: None, ..answered }], 443), "no answer");
}

#[test]
fn a_rule_that_injects_takes_plain_http_as_well() {
    let rules = [injecting("a.example.com")];
    assert!(ask(&rules, None, "a.example.com", 80).is_ok());
    assert!(ask(&rules, None, "a.example.com", 443).is_ok());
    assert!(ask(&rules, None, "a.example.com", 8080).is_err());
    assert!(ask(&[allow("a.example.com")], None, "a.example.com", 80).is_err());
    let denied = [injecting("a.example.com"), deny("a.example.com:80")];
    assert_eq!(ask(&denied, None, "a.example.com", 80), Err(by("--deny")));
}

#[test]
fn a_refusal_says_what_would_allow_it() {
    let rules = Rules(vec![allow("a.example.com")]);
    let host = Host::parse("a.example.com").unwrap();
    let decision = decide(&who(Some("a@v1")), &rules, &host, 80, Door::Http, now());
    let Decision::Ask(denial) = decision else { panic!("{decision:?}") };
    let fix = "jail firewall allow --tool a@v1 a.example.com:80";
    assert_eq!(denial.fix().as_deref(), Some(fix));
}

// === properties ===

const HOSTS: [&str; 7] = [
    "a.example.com",
    "b.a.example.com",
    "example.com",
    "example.org",
    "192.0.2.1",
    "2001:db8::1",
    "localhost",
];
const PATTERNS: [&str; 7] = [
    "a.example.com",
    "*.example.com",
    "*.a.example.com",
    "example.org",
    "192.0.2.1",
    "[2001:db8::1]",
    "localhost",
];
const TOOLS: [Option<&str>; 3] = [None, Some("a@v1"), Some("b@v1")];

fn a_rule() -> impl Strategy<Value = Rule> {
    let conditions = (select(&TOOLS[..]), select(vec![None, later(999), later(1001)]));
    (
        any::<bool>(),
        any::<bool>(),
        select(&PATTERNS[..]),
        select(&[None, Some(80), Some(443)][..]),
        conditions,
    )
        .prop_map(|(denies, injects, pattern, port, (of_tool, expires))| {
            let text = match port {
                Some(port) => format!("{pattern}:{port}"),
                None => pattern.to_owned(),
            };
            let rule = match (denies, injects) {
                (true, _) => deny(&text),
                (false, true) => injecting(&text),
                (false, false) => allow(&text),
            };
            Rule { tool: of_tool.map(tool), expires, ..rule }
        })
}

/// The rule fits, worked out another way than `decide` does: by its texts.
fn fits(rule: &Rule, of_tool: Option<&str>, host: &str, port: u16, door: Door) -> bool {
    let pattern = rule.host.to_string();
    let host_fits = match pattern.strip_prefix('*') {
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        None => pattern == host,
    };
    let plain = rule.inject.is_some() && rule.effect == Effect::Allow && port == 80;
    let port_fits = match (rule.ports, rule.effect) {
        (Ports::All, _) => true,
        (Ports::One(own), Effect::Allow) => door == Door::Dns || own == port || plain,
        (Ports::One(own), Effect::Deny) => door != Door::Dns && own == port,
    };
    let tool_fits = rule.tool.as_ref().is_none_or(|own| Some(own.as_str()) == of_tool);
    host_fits && port_fits && tool_fits && rule.expires != later(999)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Allowed exactly where some rule that fits allows, and none that fits denies.
    #[test]
    fn the_verdict_is_that_of_the_rules_read_by_hand(
        rules in prop::collection::vec(a_rule(), 0..6),
        of_tool in select(&TOOLS[..]),
        host in select(&HOSTS[..]),
        port in select(&[80u16, 443, 22][..]),
        door in select(&DOORS[..]),
    ) {
        let fitting = |effect| {
            rules.iter().filter(move |rule| rule.effect == effect && fits(rule, of_tool, host, port, door))
        };
        let expected = fitting(Effect::Allow).next().is_some() && fitting(Effect::Deny).next().is_none();
        let verdict = through(door, &rules, of_tool, host, port);
        prop_assert_eq!(verdict.is_ok(), expected);
        if let Ok(rule) = verdict {
            prop_assert!(fitting(Effect::Allow).any(|other| *other == rule));
        }
    }

    /// Neither the order of rules nor the spelling of the host changes the verdict, and a rule that
    /// denies never allows more.
    #[test]
    fn order_case_and_final_dot_do_not_count(
        rules in prop::collection::vec(a_rule(), 0..6),
        of_tool in select(&TOOLS[..]),
        host in select(&HOSTS[..]),
        port in select(&[80u16, 443, 22][..]),
        door in select(&DOORS[..]),
        more in a_rule(),
    ) {
        let allowed = |rules: &[Rule], host: &str| through(door, rules, of_tool, host, port).is_ok();
        let verdict = allowed(&rules, host);
        let reversed: Vec<Rule> = rules.iter().rev().cloned().collect();
        prop_assert_eq!(allowed(&reversed, host), verdict);
        prop_assert_eq!(allowed(&rules, &host.to_uppercase()), verdict);
        if matches!(Host::parse(host), Ok(Host::Name(_))) {
            prop_assert_eq!(allowed(&rules, &format!("{host}.")), verdict);
        }
        let denies = more.effect == Effect::Deny;
        let with: Vec<Rule> = rules.iter().cloned().chain([more]).collect();
        let more_is_allowed = allowed(&with, host) && !verdict;
        prop_assert!(!(denies && more_is_allowed));
    }
}

#[test]
fn what_lifts_a_denial_is_the_command_about_the_rule_itself() {
    let at = |path: &str| Origin::File { path: path.into(), line: 7, column: 1 };
    let ours = at("/w/.cloned/policy/firewall.yaml");
    let fix = |rule: Rule, host: &str, port| {
        let host = Host::parse(host).unwrap();
        let rules = Rules(vec![rule]);
        match decide(&who(Some("a@v1")), &rules, &host, port, Door::Connect, now()) {
            Decision::Deny(denial) | Decision::Ask(denial) => denial.fix(),
            other => panic!("{other:?}"),
        }
    };
    let ruled = |text: &str, origin: &Origin| Rule { origin: origin.clone(), ..deny(text) };
    let cases = [
        (ruled("*.example.com", &ours), "jail firewall remove '*.example.com'"),
        (ruled("a.example.com:443", &ours), "jail firewall remove a.example.com:443"),
        (
            Rule { tool: Some(tool("a@v1")), ..ruled("a.example.com", &ours) },
            "jail firewall remove --tool a@v1 a.example.com",
        ),
    ];
    for (rule, command) in cases {
        assert_eq!(fix(rule, "a.example.com", 443).as_deref(), Some(command));
    }
    // Not the firewall's to write.
    for place in [at("/w/.cloned/connectors/a.yaml"), at("/w/policy/a.yaml")] {
        assert_eq!(fix(ruled("a.example.com", &place), "a.example.com", 443), None);
    }
    let v6 = fix(ruled("b.example.com", &ours), "2001:db8::1", 80);
    assert_eq!(v6.as_deref(), Some("jail firewall allow --tool a@v1 '[2001:db8::1]:80'"));
}
