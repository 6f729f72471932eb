//! The fields of a compose file, and what each takes. A field that nobody knows is an error: a misspelt
//! `cap_drop` drops nothing.

use super::merge::field as shown_path;
use super::node::{Entry, Node, Value};
use crate::policy::Problem;
use crate::policy::expect::{nearest, quoted};
use crate::policy::problem::did_you_mean;

/// What a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Anything,
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Whole,
    /// A number.
    Number,
    /// A number of bytes, as `64m`.
    Bytes,
    /// A list of plain values.
    Texts,
    /// A list.
    List,
    Mapping,
}

use Takes::{Anything, Bytes, Flag, List, Mapping, Number, Text, Texts, Whole};

pub(super) const TOP: &[(&str, Takes)] = &[
    ("configs", Mapping),
    ("include", List),
    ("models", Mapping),
    ("name", Text),
    ("networks", Mapping),
    ("secrets", Mapping),
    ("services", Mapping),
    ("version", Text),
    ("volumes", Mapping),
];

pub(super) const SERVICE: &[(&str, Takes)] = &[
    ("annotations", Mapping),
    ("attach", Flag),
    ("blkio_config", Mapping),
    ("build", Mapping),
    ("cap_add", Texts),
    ("cap_drop", Texts),
    ("cgroup", Text),
    ("cgroup_parent", Text),
    ("command", Anything),
    ("configs", List),
    ("container_name", Text),
    ("cpu_count", Whole),
    ("cpu_percent", Number),
    ("cpu_period", Anything),
    ("cpu_quota", Whole),
    ("cpu_rt_period", Anything),
    ("cpu_rt_runtime", Anything),
    ("cpu_shares", Whole),
    ("cpus", Number),
    ("cpuset", Text),
    ("credential_spec", Mapping),
    ("depends_on", Mapping),
    ("deploy", Mapping),
    ("develop", Mapping),
    ("device_cgroup_rules", Texts),
    ("devices", List),
    ("dns", Texts),
    ("dns_opt", Texts),
    ("dns_search", Texts),
    ("domainname", Text),
    ("entrypoint", Anything),
    ("env_file", List),
    ("environment", Mapping),
    ("expose", Texts),
    ("extends", Anything),
    ("external_links", Texts),
    ("extra_hosts", Anything),
    ("gpus", Anything),
    ("group_add", Texts),
    ("healthcheck", Mapping),
    ("hostname", Text),
    ("image", Text),
    ("init", Flag),
    ("ipc", Text),
    ("isolation", Text),
    ("label_file", Anything),
    ("labels", Mapping),
    ("links", Texts),
    ("logging", Mapping),
    ("mac_address", Text),
    ("mem_limit", Bytes),
    ("mem_reservation", Bytes),
    ("mem_swappiness", Whole),
    ("memswap_limit", Bytes),
    ("models", Anything),
    ("network_mode", Text),
    ("networks", Mapping),
    ("oom_kill_disable", Flag),
    ("oom_score_adj", Whole),
    ("pid", Text),
    ("pids_limit", Whole),
    ("platform", Text),
    ("ports", List),
    ("post_start", List),
    ("pre_stop", List),
    ("privileged", Flag),
    ("profiles", Texts),
    ("provider", Mapping),
    ("pull_policy", Text),
    ("read_only", Flag),
    ("restart", Text),
    ("runtime", Text),
    ("scale", Whole),
    ("secrets", List),
    ("security_opt", Texts),
    ("shm_size", Bytes),
    ("stdin_open", Flag),
    ("stop_grace_period", Text),
    ("stop_signal", Text),
    ("storage_opt", Mapping),
    ("sysctls", Mapping),
    ("tmpfs", Texts),
    ("tty", Flag),
    ("ulimits", Mapping),
    ("use_api_socket", Flag),
    ("user", Text),
    ("userns_mode", Text),
    ("uts", Text),
    ("volumes", List),
    ("volumes_from", Texts),
    ("working_dir", Text),
];

pub(super) const HEALTHCHECK: &[(&str, Takes)] = &[
    ("disable", Flag),
    ("interval", Text),
    ("retries", Whole),
    ("start_interval", Text),
    ("start_period", Text),
    ("test", Texts),
    ("timeout", Text),
];

pub(super) const NETWORK: &[(&str, Takes)] = &[
    ("attachable", Flag),
    ("driver", Text),
    ("driver_opts", Mapping),
    ("enable_ipv4", Flag),
    ("enable_ipv6", Flag),
    ("external", Anything),
    ("internal", Flag),
    ("ipam", Mapping),
    ("labels", Mapping),
    ("name", Text),
];

pub(super) const VOLUME: &[(&str, Takes)] = &[
    ("driver", Text),
    ("driver_opts", Mapping),
    ("external", Anything),
    ("labels", Mapping),
    ("name", Text),
];

pub(super) const MOUNT: &[(&str, Takes)] = &[
    ("bind", Mapping),
    ("consistency", Text),
    ("image", Mapping),
    ("read_only", Flag),
    ("source", Text),
    ("target", Text),
    ("tmpfs", Mapping),
    ("type", Text),
    ("volume", Mapping),
];

pub(super) const PORT: &[(&str, Takes)] = &[
    ("app_protocol", Text),
    ("host_ip", Text),
    ("mode", Text),
    ("name", Text),
    ("protocol", Text),
    ("published", Text),
    ("target", Text),
];

pub(super) const RESOURCES: &[(&str, Takes)] = &[("limits", Mapping), ("reservations", Mapping)];

pub(super) const LIMITS: &[(&str, Takes)] =
    &[("cpus", Number), ("devices", List), ("memory", Bytes), ("pids", Whole)];

pub(super) const RESTART_POLICY: &[(&str, Takes)] =
    &[("condition", Text), ("delay", Text), ("max_attempts", Whole), ("window", Text)];

pub(super) const LOGGING: &[(&str, Takes)] = &[("driver", Text), ("options", Mapping)];

/// Compares a mapping with the fields that it may have. Names that start with `x-` are for others.
pub(super) fn check(
    node: &Node,
    known: &[(&str, Takes)],
    path: &[String],
    problems: &mut Vec<Problem>,
) {
    if !matches!(node.value, Value::Map(_) | Value::Null) {
        let what = format!("expected a mapping, found {}", found(node));
        problems.push(node.spot.problem(&shown_path(path), what));
    }
    for entry in node.entries().iter().filter(|entry| !entry.key.starts_with("x-")) {
        let mut path = path.to_vec();
        path.push(entry.key.clone());
        let Some((_, takes)) = known.iter().find(|(name, _)| *name == entry.key) else {
            problems.push(unknown(entry, known, &path));
            continue;
        };
        if !entry.value.is_null()
            && let Err(expected) = fits(&entry.value, *takes)
        {
            let what = format!("expected {expected}, found {}", found(&entry.value));
            problems.push(entry.value.spot.problem(&shown_path(&path), what));
        }
    }
}

fn unknown(entry: &Entry, known: &[(&str, Takes)], path: &[String]) -> Problem {
    let problem = entry.at.problem(&shown_path(path), "unknown field");
    match nearest(&entry.key, known.iter().map(|(name, _)| *name)) {
        Some(word) => problem.hint(did_you_mean(word)),
        None => problem.hint("a name that starts with `x-` is for others to read"),
    }
}

fn found(node: &Node) -> String {
    node.text().map_or_else(|| node.kind().to_owned(), quoted)
}

fn fits(node: &Node, takes: Takes) -> Result<(), &'static str> {
    let plain = |item: &Node| matches!(item.value, Value::Scalar(_) | Value::Null);
    let text = node.text();
    let (fits, expected) = match takes {
        Anything => (true, ""),
        Text => (text.is_some(), "a text"),
        Flag => (text.and_then(flag).is_some(), "`true` or `false`"),
        Whole => (text.and_then(whole).is_some(), "a whole number"),
        Number => (text.and_then(number).is_some(), "a number"),
        Bytes => (text.and_then(bytes).is_some(), "a number of bytes such as `64m`"),
        Texts => (
            matches!(node.value, Value::List(_)) && node.items().iter().all(plain),
            "a list of texts",
        ),
        List => (matches!(node.value, Value::List(_)), "a list"),
        Mapping => (matches!(node.value, Value::Map(_)), "a mapping"),
    };
    if fits { Ok(()) } else { Err(expected) }
}

/// As docker compose takes them.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "y" | "yes" | "on" => Some(true),
        "false" | "n" | "no" | "off" => Some(false),
        _ => None,
    }
}

pub(super) fn whole(text: &str) -> Option<i64> {
    text.parse().ok()
}

pub(super) fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// `8g`, `512 MB`, `1.5GiB`: units of 1024. `-1` means no limit.
pub(super) fn bytes(text: &str) -> Option<i64> {
    if text == "-1" {
        return Some(-1);
    }
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (count, unit) = lower.split_at(digits);
    let count: f64 = count.parse().ok()?;
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let power = match unit {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => return None,
    };
    let bytes = count * 1024f64.powi(power);
    // Whole numbers of this size are exact.
    (bytes < 9e15).then_some(bytes as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("8g", Some(8 << 30)),
            ("512 MB", Some(512 << 20)),
            ("1.5GiB", Some(3 << 29)),
            ("1024", Some(1024)),
            ("64b", Some(64)),
            ("-1", Some(-1)),
            ("-2", None),
            ("1x", None),
            ("", None),
            ("g", None),
            ("9999999p", None),
        ] {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }

    #[test]
    fn tables_are_sorted_and_without_doubles() {
        for table in [TOP, SERVICE, HEALTHCHECK, NETWORK, VOLUME, MOUNT, PORT] {
            assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0), "{table:?}");
        }
    }
}
