//! iptables and ip6tables: chains of our own in `mangle` and `filter`.
//!
//! `mangle` and not `raw`: there answers cannot be told from requests. And not `filter` for what
//! arrives: ports that containers publish never get there, and an ACCEPT above would come first.
//!
//! iptables-restore cannot say "if it is not there yet", so the chains are a document for it, and the
//! jumps to them are commands.

use super::closed::{Closed, Open};
use super::egress::{DNS, Egress, NOT_PUBLIC_4, NOT_PUBLIC_6};
use super::plain;
use std::fmt::Display;

/// From a chain of the kernel to one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    pub table: &'static str,
    pub from: &'static str,
    pub to: &'static str,
}

pub const JUMPS: &[Jump] = &[
    Jump { table: "mangle", from: "PREROUTING", to: "JAIL_HOST_ARRIVE" },
    Jump { table: "mangle", from: "INPUT", to: "JAIL_HOST_DELIVER" },
    Jump { table: "filter", from: "OUTPUT", to: "JAIL_HOST_LEAVE" },
];

/// Every chain, those that jump to another before it.
const CHAINS: &[(&str, &[&str])] = &[
    ("mangle", &["JAIL_HOST_ARRIVE", "JAIL_HOST_DELIVER", "JAIL_HOST"]),
    ("filter", &["JAIL_HOST_LEAVE", "JAIL_HOST_USERS", "JAIL_HOST_REFUSE"]),
];

impl Jump {
    /// The words after the command: `-C` asks for it, `-I` makes it, `-D` removes it.
    pub fn words(self, act: &'static str) -> [&'static str; 7] {
        ["-w", "-t", self.table, act, self.from, "-j", self.to]
    }
}

/// For `iptables-restore --noflush` and `ip6tables-restore --noflush`: each takes its own part (`-4`,
/// `-6`). A chain that is named is emptied first.
pub(super) fn document(closed: &[Closed], egress: Option<&Egress>) -> String {
    let mut out = String::new();
    for (table, chains) in CHAINS {
        out += &format!("*{table}\n");
        for chain in *chains {
            out += &format!(":{chain} - [0:0]\n");
        }
        if *table == "mangle" {
            arrive(&mut out);
            closed.iter().for_each(|ports| rules(&mut out, ports));
        } else if let Some(egress) = egress {
            users(&mut out, egress);
        }
        out += "COMMIT\n";
    }
    out
}

/// Makes each chain, so that there is one to delete, and deletes it. The jumps must be gone.
pub(super) fn removal() -> String {
    let mut out = String::new();
    for (table, chains) in CHAINS {
        out += &format!("*{table}\n");
        out.extend(chains.iter().map(|chain| format!(":{chain} - [0:0]\n")));
        out.extend(chains.iter().map(|chain| format!("-X {chain}\n")));
        out += "COMMIT\n";
    }
    out
}

pub(super) fn script(closed: &[Closed], egress: Option<&Egress>) -> String {
    let mut out = head("");
    out += "# Loaded again, the chains are filled anew; there is one jump to each.\n";
    out += &each_family(&restore(&document(closed, egress)), |jump| {
        let command = |act| format!("\"$iptables\" {}", jump.words(act).join(" "));
        format!("    {} 2>/dev/null ||\n        {}\n", command("-C"), command("-I"))
    });
    out
}

pub(super) fn removal_script() -> String {
    let mut out = head(" --remove");
    out += "set -eu\nfor iptables in iptables ip6tables; do\n";
    for jump in JUMPS {
        let command = |act| format!("\"$iptables\" {}", jump.words(act).join(" "));
        out += &format!("    while {} 2>/dev/null; do\n", command("-C"));
        out += &format!("        {}\n    done\n", command("-D"));
    }
    out + &restore(&removal()) + "done\n"
}

fn head(more: &str) -> String {
    format!(
        "#!/bin/sh\n# Made by `jail firewall export --host --format iptables{more}`. Run it with sh, as root.\n"
    )
}

fn each_family(restore: &str, jump: impl Fn(&Jump) -> String) -> String {
    let jumps: String = JUMPS.iter().map(jump).collect();
    format!("set -eu\nfor iptables in iptables ip6tables; do\n{restore}{jumps}done\n")
}

/// The quotes around the word keep the shell from reading what is between.
fn restore(document: &str) -> String {
    format!("    \"$iptables-restore\" -w --noflush <<'END_OF_RULES'\n{document}END_OF_RULES\n")
}

fn arrive(out: &mut String) {
    for chain in ["JAIL_HOST_ARRIVE", "JAIL_HOST_DELIVER"] {
        *out += &format!("-A {chain} -i lo -j RETURN\n");
        // By direction, not by state: a connection that was open before these rules ends with them.
        *out += &format!("-A {chain} -m conntrack --ctdir REPLY -j RETURN\n");
    }
    for (family, block) in [("-4", "127.0.0.0/8"), ("-6", "::1/128")] {
        for field in ["-d", "-s"] {
            *out += &format!("-A JAIL_HOST_ARRIVE {family} {field} {block} -j DROP\n");
        }
    }
    // What is only passed on is not for a port of this host.
    *out += "-A JAIL_HOST_ARRIVE -m addrtype --dst-type LOCAL -j JAIL_HOST\n";
    *out += "-A JAIL_HOST_DELIVER -j JAIL_HOST\n";
}

fn rules(out: &mut String, ports: &Closed) {
    let (proto, whose) = (ports.proto, plain(&ports.whose));
    let number = if ports.first == ports.last {
        ports.first.to_string()
    } else {
        format!("{}:{}", ports.first, ports.last)
    };
    let rest = |verdict| {
        format!("-p {proto} --dport {number} -m comment --comment \"{whose}\" -j {verdict}\n")
    };
    if (&ports.open4, &ports.open6) == (&Open::ToNobody, &Open::ToNobody) {
        *out += &format!("-A JAIL_HOST {}", rest("DROP"));
        return;
    }
    family(out, "-4", &ports.open4, &rest);
    family(out, "-6", &ports.open6, &rest);
}

fn family<A: Display>(
    out: &mut String,
    flag: &str,
    open: &Open<A>,
    rest: &impl Fn(&'static str) -> String,
) {
    let addresses = match open {
        Open::ToNobody => &[],
        Open::At(addresses) => addresses.as_slice(),
        Open::ToAll => return,
    };
    for address in addresses {
        *out += &format!("-A JAIL_HOST {flag} -d {address} {}", rest("RETURN"));
    }
    *out += &format!("-A JAIL_HOST {flag} {}", rest("DROP"));
}

fn users(out: &mut String, egress: &Egress) {
    *out += "-A JAIL_HOST_LEAVE -o lo -j RETURN\n";
    *out += "-A JAIL_HOST_LEAVE -m conntrack --ctdir REPLY -j RETURN\n";
    for user in egress.all_users() {
        *out += &format!("-A JAIL_HOST_LEAVE -m owner --uid-owner {user} -j JAIL_HOST_USERS\n");
    }
    for proto in ["udp", "tcp"] {
        *out += &format!("-A JAIL_HOST_USERS -p {proto} --dport {DNS} -j RETURN\n");
    }
    if !egress.private {
        for (family, blocks) in [("-4", NOT_PUBLIC_4), ("-6", NOT_PUBLIC_6)] {
            for block in blocks {
                *out += &format!("-A JAIL_HOST_USERS {family} -d {block} -g JAIL_HOST_REFUSE\n");
            }
        }
    }
    for port in egress.all_ports() {
        *out += &format!("-A JAIL_HOST_USERS -p tcp --dport {port} -j RETURN\n");
    }
    *out += "-A JAIL_HOST_USERS -g JAIL_HOST_REFUSE\n";
    *out += "-A JAIL_HOST_REFUSE -p tcp -j REJECT --reject-with tcp-reset\n";
    *out += "-A JAIL_HOST_REFUSE -j REJECT\n";
}
