use super::*;
use crate::firewall::Endpoint;
use crate::policy::Origin;
use std::time::Duration;

fn rules(texts: &[&str]) -> Rules {
    let rule = |text: &&str| {
        let (effect, target) = text.split_once(' ').unwrap();
        let endpoint: Endpoint = target.parse().unwrap();
        let (effect, (host, ports)) = match effect {
            "allow" => (Effect::Allow, endpoint.to_allow()),
            _ => (Effect::Deny, endpoint.to_deny()),
        };
        Rule::new(effect, host, ports, Origin::BuiltIn("test"))
    };
    Rules(texts.iter().map(rule).collect())
}

fn all(rules: &Rules) -> [String; 4] {
    [Format::Squid, Format::Envoy, Format::Traefik, Format::Nftables]
        .map(|format| export(format, rules, SystemTime::now()))
}

#[test]
fn what_is_denied_or_expired_is_nowhere_allowed() {
    let mut rules =
        rules(&["allow gone.example.com", "allow a.b.example.com", "deny *.b.example.com"]);
    rules.0[0].expires = Some(SystemTime::now() - Duration::from_secs(1));
    for text in all(&rules) {
        assert!(!text.contains("gone.example.com") && !text.contains("b.example.com"), "{text}");
    }
}

#[test]
fn a_denied_part_of_what_is_allowed_comes_first() {
    let rules = rules(&["allow *.example.com", "deny evil.example.com"]);
    let [squid, envoy, ..] = all(&rules);
    let at = |text: &str, what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    assert!(
        at(&squid, "http_access deny jail_deny_1") < at(&squid, "http_access allow jail_allow_1")
    );
    at(&envoy, "domains: [\"evil.example.com:443\"]");
    at(&envoy, "domains: [\"*.example.com:443\"]");
    // Traefik cannot say it, and so allows nothing.
    assert!(all(&rules)[2].contains("left out: *.example.com:443"));
}

#[test]
fn nothing_allowed_is_a_configuration_that_allows_nothing() {
    let [squid, envoy, traefik, nftables] = all(&Rules::default());
    assert!(squid.ends_with("http_access deny all\n") && !squid.contains("http_access allow"));
    assert!(envoy.contains("virtual_hosts: []\n"));
    assert!(!traefik.contains("tcp:"));
    assert!(!nftables.contains("daddr") && nftables.contains("reject with icmpx"));
}

#[test]
fn envoy_and_traefik_are_yaml() {
    let rules = rules(&[
        "allow a.example",
        "allow b.example:80",
        "allow [2001:db8::1]:5432",
        "allow *.example.com",
        "deny x.example.com",
        "allow a.example",
    ]);
    let [_, envoy, traefik, _] = all(&rules);
    let envoy: serde_json::Value = serde_saphyr::from_str(&envoy).unwrap();
    let manager = &envoy["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let hosts = manager["route_config"]["virtual_hosts"].as_array().unwrap();
    let domains: Vec<&str> = hosts
        .iter()
        .flat_map(|host| host["domains"].as_array().unwrap())
        .map(|domain| domain.as_str().unwrap())
        .collect();
    // Ports 80, 443 and 5432 are allowed for somebody, so that the denied host is refused at each.
    let denied = ["x.example.com:80", "x.example.com", "x.example.com:443", "x.example.com:5432"];
    let allowed = ["a.example:443", "b.example:80", "b.example", "[2001:db8::1]:5432"];
    let expected: Vec<&str> =
        denied.into_iter().chain(allowed).chain(["*.example.com:443"]).collect();
    assert_eq!(domains, expected);
    let traefik: serde_json::Value = serde_saphyr::from_str(&traefik).unwrap();
    let router = &traefik["tcp"]["routers"]["jail-allow-1"];
    assert_eq!(router["rule"], "HostSNI(`a.example`)");
    assert_eq!(router["tls"]["passthrough"], true);
    assert_eq!(
        traefik["tcp"]["services"]["jail-allow-1"]["loadBalancer"]["servers"][0]["address"],
        "a.example:443"
    );
}
