//! What `jail doctor ports` shows: JSON, a table, the raw listing.

use super::judge::is_server;
use super::look::{JailSeen, Seen};
use super::observed::{Holder, Observed, Open};
use crate::doctor::all::used;
use crate::doctor::finding::{Finding, Rule, Severity};
use crate::ports::{Proto, Registry};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;

/// The name and version of the JSON form. A change that a reader could stumble over gets a new number.
pub const SCHEMA: &str = "jail.doctor.ports/1";

/// The JSON form.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    pub schema: &'static str,
    pub jail: &'static str,
    /// Exit code 1 belongs to `findings`.
    pub verdict: Verdict,
    pub fail_on: Severity,
    /// The file; `null` where there is none.
    pub registry: Option<&'a Path>,
    /// Processes whose sockets could not be seen.
    pub hidden_processes: usize,
    /// What could not be seen, or not understood.
    pub notes: &'a [String],
    pub findings: &'a [Finding],
    /// The rules that findings name, with their why.
    pub rules: Vec<&'static Rule>,
    pub sockets: Vec<Row<'a>>,
    /// The processes that `pids` of sockets mean.
    pub holders: Vec<&'a Holder>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jails: Vec<JailRow<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Clean,
    Findings,
}

/// One socket that waits for somebody.
#[derive(Debug, Serialize)]
pub struct Row<'a> {
    pub proto: &'static str,
    pub address: IpAddr,
    pub port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<&'a str>,
    /// Every address at which it answers, where that is more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers_at: Option<&'a [IpAddr]>,
    pub loopback: bool,
    /// False for what looks like a client's UDP socket, and for raw and ping sockets: not judged.
    pub server: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<&'a str>,
    pub uid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    pub inode: u64,
    pub pids: &'a [u32],
}

/// A running jail's own namespace: what listens there is not of the host.
#[derive(Debug, Serialize)]
pub struct JailRow<'a> {
    pub connector: &'a str,
    pub run: &'a str,
    pub sockets: Vec<Row<'a>>,
    pub holders: Vec<&'a Holder>,
}

impl<'a> Report<'a> {
    pub fn new(
        seen: &'a Seen,
        registry: &'a Registry,
        file: Option<&'a Path>,
        findings: &'a [Finding],
        fail_on: Severity,
    ) -> Self {
        let failed = findings.iter().any(|finding| finding.severity >= fail_on);
        let jail = |jail: &'a JailSeen| JailRow {
            connector: &jail.connector,
            run: &jail.run,
            sockets: rows(&jail.observed, None, seen),
            holders: jail.observed.holders.values().collect(),
        };
        Self {
            schema: SCHEMA,
            jail: env!("CARGO_PKG_VERSION"),
            verdict: if failed { Verdict::Findings } else { Verdict::Clean },
            fail_on,
            registry: file,
            hidden_processes: seen.host.hidden,
            notes: &seen.notes,
            findings,
            rules: used(findings.iter()),
            sockets: rows(&seen.host, Some(registry), seen),
            holders: seen.host.holders.values().collect(),
            jails: seen.jails.iter().map(jail).collect(),
        }
    }

    /// 0 clean, 1 findings at or above `--fail-on`.
    pub fn code(&self) -> u8 {
        match self.verdict {
            Verdict::Clean => crate::exit::OK,
            Verdict::Findings => crate::exit::FINDINGS,
        }
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let holders: BTreeMap<u32, &Holder> = self.holders.iter().map(|it| (it.pid, *it)).collect();
        let servers: Vec<&Row<'_>> = self.sockets.iter().filter(|row| row.server).collect();
        lines(&mut out, &servers, &holders);
        for jail in &self.jails {
            out += &format!("\nin the jail of {} (run {})\n", jail.connector, jail.run);
            let holders = jail.holders.iter().map(|it| (it.pid, *it)).collect();
            lines(&mut out, &jail.sockets.iter().collect::<Vec<_>>(), &holders);
        }
        if !self.findings.is_empty() {
            out.push('\n');
        }
        out += &findings(self.findings);
        let clients = self.sockets.len() - servers.len();
        out += &format!(
            "\n{}, {}",
            count(servers.len(), "server"),
            count(self.findings.len(), "finding")
        );
        if clients > 0 {
            out +=
                &format!("; {} not judged (clients of UDP, raw, ping)", count(clients, "socket"));
        }
        out.push('\n');
        out
    }
}

/// `3 servers`
pub fn count(number: usize, word: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {word}{s}")
}

/// Findings for people; what a rule is there for stands at its first.
pub fn findings(all: &[Finding]) -> String {
    let mut told: BTreeSet<&str> = BTreeSet::new();
    all.iter().map(|finding| text(finding, told.insert(finding.rule.id))).collect()
}

fn text(finding: &Finding, first: bool) -> String {
    let word = match finding.severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "ERROR",
    };
    let Finding { rule, subject, evidence, fix, place, .. } = finding;
    let mut out = format!("{word:<8} {subject}: {} [{}]\n", rule.title, rule.id);
    out += &format!("{:9}seen: {evidence}\n", "");
    if let Some(place) = place {
        out += &format!("{:9}at:   {}:{}:{}\n", "", place.file.display(), place.line, place.column);
    }
    if first {
        out += &format!("{:9}why:  {}\n", "", rule.why);
    }
    out + &format!("{:9}fix:  {fix}\n", "")
}

fn rows<'a>(seen: &'a Observed, registry: Option<&'a Registry>, all: &'a Seen) -> Vec<Row<'a>> {
    let mut sockets: Vec<&Open> = seen.sockets.iter().collect();
    sockets.sort_by_key(|open| {
        (open.transport(), open.port(), open.socket.local.ip(), open.socket.inode)
    });
    let empty = Registry::default();
    let row = |open: &'a Open| {
        let proto = match open.transport() {
            crate::doctor::sockets::Transport::Tcp => Some(Proto::Tcp),
            crate::doctor::sockets::Transport::Udp => Some(Proto::Udp),
            _ => None,
        };
        let service = registry.and_then(|it| it.service(proto?, open.port()).next());
        Row {
            proto: open.transport().name(),
            address: open.socket.local.ip().to_canonical(),
            port: open.port(),
            device: open.device.as_deref(),
            answers_at: (open.addresses.len() > 1).then_some(&open.addresses),
            loopback: open.loopback,
            server: is_server(open, registry.unwrap_or(&empty), &all.facts),
            service: service.map(|service| service.name.as_str()),
            uid: open.socket.uid,
            user: all.facts.users.get(&open.socket.uid).map(String::as_str),
            inode: open.socket.inode,
            pids: &open.pids,
        }
    };
    sockets.into_iter().map(row).collect()
}

fn lines(out: &mut String, rows: &[&Row<'_>], holders: &BTreeMap<u32, &Holder>) {
    let mut table = vec![["PROTO", "ADDRESS", "USER", "SERVICE", "HELD BY"].map(str::to_owned)];
    for row in rows {
        let mut address = match row.address {
            IpAddr::V4(v4) => format!("{v4}:{}", row.port),
            IpAddr::V6(v6) => format!("[{v6}]:{}", row.port),
        };
        if let Some(device) = row.device {
            address = format!("{address}%{device}");
        }
        if row.answers_at.is_some() {
            address += " +v4";
        }
        let user = row.user.map_or_else(|| row.uid.to_string(), str::to_owned);
        let held = row.pids.iter().filter_map(|pid| holders.get(pid));
        let mut held: Vec<String> = held.take(2).map(|it| it.describe()).collect();
        if row.pids.len() > 2 {
            held.push(format!("{} more", row.pids.len() - 2));
        }
        let held = if held.is_empty() { "?".to_owned() } else { held.join(", ") };
        let service = row.service.unwrap_or("-").to_owned();
        table.push([row.proto.to_owned(), address, user, service, held]);
    }
    let width = |column: usize| {
        table.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: [usize; 5] = std::array::from_fn(|column| width(column).unwrap_or(0));
    for [proto, address, user, service, held] in &table {
        let [a, b, c, d, _] = widths;
        // Writing to a string cannot fail.
        writeln!(out, "{proto:<a$}  {address:<b$}  {user:<c$}  {service:<d$}  {held}")
            .unwrap_or_default();
    }
}

/// The raw listing: what was read, not what it means. The first five columns are those of `ss -Hlntup`.
pub fn list(seen: &Observed) -> String {
    let mut out = String::new();
    for open in &seen.sockets {
        let socket = &open.socket;
        let only_v6 = socket.told.and_then(|told| told.only_v6);
        let only_v6 = only_v6.unwrap_or(open.addresses.len() == 1);
        let end = |end: std::net::SocketAddr, device: Option<&str>| {
            let device = device.map(|device| format!("%{device}")).unwrap_or_default();
            let port = match end.port() {
                0 => "*".to_owned(),
                port => port.to_string(),
            };
            match end.ip() {
                IpAddr::V4(v4) => format!("{v4}{device}:{port}"),
                IpAddr::V6(v6) if v6.is_unspecified() && !only_v6 => format!("*{device}:{port}"),
                IpAddr::V6(v6) => format!("[{v6}]{device}:{port}"),
            }
        };
        let name = |pid: &u32| seen.holders.get(pid).map_or("", |holder| &holder.name);
        let users: Vec<String> = open
            .descriptors
            .iter()
            .map(|(pid, fd)| format!("(\"{}\",pid={pid},fd={fd})", name(pid)))
            .collect();
        let users =
            if users.is_empty() { "-".to_owned() } else { format!("users:({})", users.join(",")) };
        writeln!(
            out,
            "{} {} {} {} {users} uid:{} ino:{}",
            socket.transport.name(),
            socket.state.name(),
            end(socket.local, open.device.as_deref()),
            end(socket.remote, None),
            socket.uid,
            socket.inode,
        )
        .unwrap_or_default();
    }
    out
}
