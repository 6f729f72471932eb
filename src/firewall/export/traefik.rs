//! Traefik: TCP routers that pass TLS through by its server name. What matches none is closed.
//!
//! Traefik is no forward proxy: names have to lead to it (by the resolver), and it needs an entry point
//! for each port. A router has a fixed server behind it, so that a pattern cannot be expressed.

use super::{HostPattern, List, authority};
use crate::firewall::Host;

pub(super) fn text(list: &List) -> String {
    let mut out = list.head("traefik");
    out += "# Dynamic configuration, for the file provider. The static one needs these entry points:\n";
    for port in list.ports() {
        out += &format!("#   jail-{port}: {{address: \":{port}\"}}\n");
    }
    out += "# Names have to lead to Traefik. Only TLS with a server name gets through.\n";
    let (mut routers, mut services) = (String::new(), String::new());
    for (number, allowed) in list.allowed.iter().enumerate() {
        let HostPattern::Exact(host @ Host::Name(_)) = &allowed.host else {
            let what = match &allowed.host {
                HostPattern::Exact(host) => authority(host),
                below @ HostPattern::Below(_) => below.to_string(),
            };
            out += &format!("# left out: {what}:{}; only names can be expressed\n", allowed.port);
            continue;
        };
        let (name, port) = (format!("jail-allow-{}", number + 1), allowed.port);
        routers += &format!(
            "    {name}:
      entryPoints: [jail-{port}]
      rule: \"HostSNI(`{host}`)\"
      service: {name}
      tls: {{passthrough: true}}\n"
        );
        services += &format!(
            "    {name}:
      loadBalancer:
        servers:
          - address: \"{host}:{port}\"\n"
        );
    }
    if routers.is_empty() {
        return out + "# Nothing is allowed.\n";
    }
    out + &format!("tcp:\n  routers:\n{routers}  services:\n{services}")
}
