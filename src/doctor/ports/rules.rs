//! What can be wrong with ports: entries of the catalogue.

use crate::doctor::finding::{Rule, Severity};

macro_rules! rules {
    ($($(#[doc = $doc:literal])* $name:ident = $id:literal, $severity:ident, $title:literal, $why:literal;)*) => {
        $(pub static $name: Rule = Rule {
            id: $id, title: $title, why: $why, severity: Severity::$severity,
        };)*
        /// Every rule, in the order of the catalogue.
        pub static ALL: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    NOT_LOOPBACK = "ports.not-loopback", Error,
        "a socket that other machines can reach",
        "Whoever is in the same network, or gets a browser here to ask for them, can talk to it. \
         `policy.non_loopback` of the registry says how bad that is; an entry whose `bind` is that \
         address allows it for one port.";
    UNREGISTERED = "ports.unregistered", Warning,
        "a listening port that no service has",
        "Nobody decided that it should be there; a service that is registered later finds its port \
         taken. `policy.unregistered` of the registry says how bad that is.";
    WRONG_HOLDER = "ports.wrong-holder", Error,
        "a registered port held by somebody else",
        "Clients of the service talk to another program, user, container or connector, and give it what \
         was meant for the service.";
    UNVERIFIED = "ports.unverified", Info,
        "a holder that could not be compared with the registry",
        "What the entry says of the holder is not for this user to see, so that it may be another one.";
    TWO_HOLDERS = "ports.two-holders", Error,
        "two owners listen on one port",
        "With SO_REUSEPORT, SO_REUSEADDR of UDP, or an address beside the wildcard, a second program takes \
         a part of the connections of the first, unseen by both.";
    REGISTRY = "ports.registry", Error,
        "the registry is wrong",
        "A file that contradicts itself (two services with one port), or that cannot be understood, says \
         nothing; no port is judged by it.";
    RESERVED = "ports.reserved", Error,
        "a port of a connector's range held by somebody else",
        "The connector that the range is kept for cannot publish there, and its clients reach another \
         program.";
    BIND_DIFFERS = "ports.bind-differs", Warning,
        "a service listens on another address than registered",
        "Clients that use the registered address reach nobody, or somebody else.";
    NOT_LISTENING = "ports.not-listening", Info,
        "a registered port on which nobody listens",
        "Any program of this machine can take the port and be taken for the service.";
    PRIVILEGED = "ports.privileged", Warning,
        "a registered port that needs a privilege",
        "Below `net.ipv4.ip_unprivileged_port_start` only root and CAP_NET_BIND_SERVICE can listen: the \
         service runs with more rights than it needs, or not at all.";
    EPHEMERAL = "ports.ephemeral", Warning,
        "a registered port among those of outgoing connections",
        "The kernel gives ports of `net.ipv4.ip_local_port_range` to clients: now and then the port is taken \
         when the service starts.";
    DELETED = "ports.deleted-program", Info,
        "a registered port held by a program whose file is gone",
        "An old version runs on after an update, or a program hides where it came from.";
    UNIX_ABSTRACT = "ports.unix-abstract", Warning,
        "a registered service has an abstract unix socket",
        "It has no file and so no owner and no mode: every process of the network namespace may connect, \
         also those of other users and of containers that share the network.";
    UNIX_OPEN = "ports.unix-open", Warning,
        "a registered service has a unix socket that everybody may write to",
        "Every user of this machine can talk to the service, whatever address its port is bound to.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_of_this_doctor() {
        let ids: std::collections::BTreeSet<_> = ALL.iter().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), ALL.len());
        assert!(ids.iter().all(|id| id.starts_with("ports.")));
    }
}
