//! `HOST[:PORT]` as the files and the command line have it: its reading, and its writing.

use crate::firewall::pattern::{DEFAULT_PORT, Endpoint};
use crate::firewall::{Effect, HostPattern, Ports};
use crate::policy::Malformed;
use crate::policy::expect::quoted;

/// Reads one; what is wrong with it, and what was probably meant.
pub fn parse(text: &str) -> Result<Endpoint, Malformed> {
    text.parse::<Endpoint>().map_err(|why| {
        let wrong = Malformed::because(format!("{} is not HOST or HOST:PORT: {why}", quoted(text)));
        match Endpoint::meant(text) {
            Some(meant) => wrong.meant(meant),
            None => wrong,
        }
    })
}

/// Which ports it means in a rule of this effect.
pub fn ports(endpoint: &Endpoint, effect: Effect) -> Ports {
    match effect {
        Effect::Allow => endpoint.to_allow().1,
        Effect::Deny => endpoint.to_deny().1,
    }
}

/// As a rule of this effect writes it: without the port where that goes without saying.
pub fn of(host: &HostPattern, ports: Ports, effect: Effect) -> Endpoint {
    let port = match (ports, effect) {
        (Ports::All, _) | (Ports::One(DEFAULT_PORT), Effect::Allow) => None,
        (Ports::One(port), _) => Some(port),
    };
    Endpoint { host: host.clone(), port }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_not_written_depends_on_the_effect() {
        let target = parse("a.example").unwrap();
        assert_eq!(ports(&target, Effect::Allow), Ports::One(443));
        assert_eq!(ports(&target, Effect::Deny), Ports::All);
        for (effect, text) in [(Effect::Allow, "a.example"), (Effect::Deny, "a.example:443")] {
            assert_eq!(of(&target.host, Ports::One(443), effect).to_string(), text);
        }
    }

    #[test]
    fn a_wrong_one_says_what_was_meant() {
        let error = parse("https://a.example/b").unwrap_err();
        assert_eq!(error.meant.as_deref(), Some("a.example"));
    }
}
