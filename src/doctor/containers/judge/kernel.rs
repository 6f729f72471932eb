//! What the kernel says of the first process: user, capabilities, filter, mounts.

use super::{Book, Expected};
use crate::doctor::containers::{Container, Live, rules};
use std::net::Ipv4Addr;
use std::path::Path;

pub(super) fn judge(container: &Container, live: &Live, expected: Expected, book: &mut Book) {
    user(inside(live), expected, book);
    let field = |name: &str| {
        let value =
            |line: &str| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned());
        live.status.lines().find_map(value).unwrap_or_default()
    };
    let sets = ["CapEff", "CapPrm", "CapBnd", "CapAmb"];
    let held =
        sets.iter().map(|set| (set, field(set))).find(|(_, bits)| bits.bytes().any(|b| b != b'0'));
    if let Some((set, bits)) = held {
        let fix = "cap_drop: [ALL] (--cap-drop=ALL), and add none";
        book.note(&rules::CAPABILITIES, format!("{set} is {bits}"), fix);
    }
    if field("NoNewPrivs") != "1" {
        let fix = "security_opt: [no-new-privileges:true] (--security-opt=no-new-privileges)";
        book.note(&rules::NEW_PRIVILEGES, format!("NoNewPrivs is {}", field("NoNewPrivs")), fix);
    }
    if field("Seccomp") != "2" {
        let fix = "take out seccomp=unconfined; the engine's own profile is in force then";
        book.note(&rules::SECCOMP_OFF, format!("Seccomp is {}", field("Seccomp")), fix);
    }
    mounts(container, &live.mountinfo, book);
    // The host's own routes are not the container's to answer for.
    let internal = |(_, internal): &(String, Option<bool>)| *internal == Some(true);
    let kept = !container.networks.is_empty() && container.networks.iter().all(internal);
    if container.inspect["HostConfig"]["NetworkMode"] != "host" && !kept {
        routes(&live.routes, &container.dead_ends, book);
    }
}

/// Docker gives internal networks a default route as well, and drops what takes it: those are left out. So is one
/// to an address at which nobody is.
fn routes(text: &str, dead_ends: &[Ipv4Addr], book: &mut Book) {
    let leads_out = |line: &&str| {
        let mut words = line.split_whitespace().skip(1);
        let default = words.next() == Some("00000000");
        // As it lies in memory, read as a number of this machine.
        let gateway = words.next().and_then(|word| u32::from_str_radix(word, 16).ok());
        let gateway = gateway.map(|bits| Ipv4Addr::from(bits.to_ne_bytes()));
        default && gateway.is_none_or(|gateway| !dead_ends.contains(&gateway))
    };
    if let Some(route) = text.lines().skip(1).find(leads_out) {
        let interface = route.split_whitespace().next().unwrap_or_default();
        let fix = "networks: with internal: true, and jail's proxy in it as the way out";
        book.note(&rules::OPEN_EGRESS, format!("its default route is over {interface}"), fix);
    }
}

/// The effective user as the container itself counts.
pub(super) fn inside(live: &Live) -> Option<u32> {
    let line = live.status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    let outside: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    live.uid_map.lines().find_map(|line| {
        let mut numbers = line.split_whitespace().map(|word| word.parse::<u64>().ok());
        let (inner, outer, count) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let offset = outside.checked_sub(outer).filter(|offset| *offset < count)?;
        u32::try_from(inner + offset).ok()
    })
}

pub(super) fn user(uid: Option<u32>, expected: Expected, book: &mut Book) {
    const FIX: &str = "user: \"65532:65532\" (--user), or another one that is not root";
    match (uid, expected.uid) {
        (Some(found), Some(wanted)) if found != wanted => {
            book.note(&rules::USER_DIFFERS, format!("it is {found}, not {wanted}"), FIX);
        }
        (Some(0), None) => book.note(&rules::ROOT_USER, "its user is 0", FIX),
        _ => {}
    }
}

/// One line of mountinfo.
struct Mount<'a> {
    at: String,
    options: Vec<&'a str>,
    kind: &'a str,
    of_super: Vec<&'a str>,
}

impl Mount<'_> {
    fn read_only(&self) -> bool {
        self.options.contains(&"ro") || self.of_super.contains(&"ro")
    }
}

fn mounts(container: &Container, text: &str, book: &mut Book) {
    let all: Vec<Mount<'_>> = text.lines().filter_map(mount).collect();
    let seen = |path: &str| all.iter().rev().find(|mount| mount.at == path);
    let fix = "read_only: true (--read-only), with tmpfs where it must write";
    if seen("/").is_none_or(|root| !root.read_only()) {
        book.note(&rules::WRITABLE_ROOT, "the root is mounted for writing, and /etc with it", fix);
    } else if let Some(etc) = all.iter().find(|mount| is_etc(&mount.at) && !mount.read_only()) {
        book.note(&rules::WRITABLE_ROOT, format!("{} is mounted for writing", etc.at), fix);
    }
    let fix = "tmpfs: [\"/tmp:rw,noexec,nosuid,nodev,size=64m\"] (--tmpfs)";
    match seen("/tmp") {
        Some(tmp) if tmp.read_only() => book.note(&rules::TMP, "/tmp is mounted read-only", fix),
        Some(tmp) if tmp.kind != "tmpfs" => {
            book.note(&rules::TMP, format!("/tmp is {}", tmp.kind), fix);
        }
        None => book.note(&rules::TMP, "there is no mount at /tmp: it is a part of the root", fix),
        Some(_) => {}
    }
    let own = |at: &str| container.inspect["HostConfig"]["Tmpfs"].get(at).is_some() || at == "/tmp";
    for tmpfs in all.iter().filter(|mount| mount.kind == "tmpfs" && own(&mount.at)) {
        tmpfs_options(tmpfs, book);
    }
}

/// What people make for their programs is judged, not what an engine makes for itself.
fn tmpfs_options(mount: &Mount<'_>, book: &mut Book) {
    let missing: Vec<&str> = ["noexec", "nosuid", "nodev"]
        .into_iter()
        .filter(|option| !mount.options.contains(option))
        .collect();
    let fix = "rw,noexec,nosuid,nodev,size=64m";
    if !missing.is_empty() {
        let evidence = format!("{} is without {}", mount.at, missing.join(", "));
        book.note(&rules::TMPFS_OPTIONS, evidence, fix);
    }
    if !mount.of_super.iter().any(|option| option.starts_with("size=")) {
        book.note(&rules::TMPFS_OPTIONS, format!("{} has no size", mount.at), fix);
    }
}

fn is_etc(at: &str) -> bool {
    Path::new(at).starts_with("/etc")
}

fn mount(line: &str) -> Option<Mount<'_>> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(4);
    let (at, options) = (left.next()?, left.next()?);
    let mut right = right.split(' ');
    let (kind, of_super) = (right.next()?, right.nth(1).unwrap_or_default());
    Some(Mount {
        at: at.replace("\\040", " "),
        options: options.split(',').collect(),
        kind,
        of_super: of_super.split(',').collect(),
    })
}
