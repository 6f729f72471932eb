//! Envoy: a forward proxy with one virtual host for each rule. What matches none gets 404.

use super::{HostPattern, List, Ports, authority};
use std::collections::BTreeSet;

const TYPES: &str = "type.googleapis.com/envoy.extensions";

pub(super) fn text(list: &List) -> String {
    let mut out = list.head("envoy");
    out += "# A bootstrap: `envoy -c FILE.yaml` (by that ending it knows what it is). Clients use it as HTTP\n";
    out += "# proxy. It does not look into TLS, and connects to whatever addresses a name has: also to those\n";
    out += "# that are not public.\n";
    out += &format!(
        "static_resources:
  listeners:
    - name: jail
      address: {{socket_address: {{address: 127.0.0.1, port_value: 3128}}}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                \"@type\": {TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: jail
                upgrade_configs: [{{upgrade_type: CONNECT}}]
                http_filters:
                  - name: envoy.filters.http.dynamic_forward_proxy
                    typed_config:
                      \"@type\": {TYPES}.filters.http.dynamic_forward_proxy.v3.FilterConfig
                      dns_cache_config: {{name: jail, dns_lookup_family: V4_PREFERRED}}
                  - name: envoy.filters.http.router
                    typed_config:
                      \"@type\": {TYPES}.filters.http.router.v3.Router
                route_config:
                  name: jail
                  virtual_hosts:{}
  clusters:
    - name: jail
      lb_policy: CLUSTER_PROVIDED
      cluster_type:
        name: envoy.clusters.dynamic_forward_proxy
        typed_config:
          \"@type\": {TYPES}.clusters.dynamic_forward_proxy.v3.ClusterConfig
          dns_cache_config: {{name: jail, dns_lookup_family: V4_PREFERRED}}
",
        hosts(list)
    );
    out
}

fn hosts(list: &List) -> String {
    let mut out = String::new();
    // A domain may stand in one virtual host only.
    let mut taken = BTreeSet::new();
    for (number, (host, ports)) in list.denied.iter().enumerate() {
        // What no port is allowed at needs no refusal.
        let ports = match ports {
            Ports::One(port) => vec![*port],
            Ports::All => list.ports(),
        };
        let domains = ports.into_iter().flat_map(|port| domains(host, port));
        let new: Vec<String> = domains.filter(|domain| taken.insert(domain.clone())).collect();
        if new.is_empty() {
            continue;
        }
        out += &head(&format!("deny-{}", number + 1), &new);
        out += "                        - match: {prefix: /}\n";
        out += "                          direct_response: {status: 403}\n";
        out += "                        - match: {connect_matcher: {}}\n";
        out += "                          direct_response: {status: 403}\n";
    }
    for (number, allowed) in list.allowed.iter().enumerate() {
        let domains = domains(&allowed.host, allowed.port);
        let new: Vec<String> =
            domains.into_iter().filter(|domain| taken.insert(domain.clone())).collect();
        if new.is_empty() {
            continue;
        }
        out += &head(&format!("allow-{}", number + 1), &new);
        out += "                        - match: {connect_matcher: {}}\n";
        out += "                          route:\n";
        out += "                            cluster: jail\n";
        out += "                            upgrade_configs:\n";
        out += "                              - {upgrade_type: CONNECT, connect_config: {}}\n";
        out += "                        - match: {prefix: /}\n";
        out += "                          route: {cluster: jail}\n";
    }
    if out.is_empty() { " []".to_owned() } else { format!("\n{}", out.trim_end_matches('\n')) }
}

fn head(name: &str, domains: &[String]) -> String {
    let domains: Vec<String> = domains.iter().map(|domain| format!("\"{domain}\"")).collect();
    let domains = domains.join(", ");
    format!(
        "                    - name: {name}
                      domains: [{domains}]
                      routes:\n"
    )
}

/// As authorities name it; a client leaves port 80 out.
fn domains(host: &HostPattern, port: u16) -> Vec<String> {
    let name = match host {
        HostPattern::Exact(host) => authority(host),
        below @ HostPattern::Below(_) => below.to_string(),
    };
    let bare = (port == 80).then(|| name.clone());
    std::iter::once(format!("{name}:{port}")).chain(bare).collect()
}
