//! What a traced run was refused: files, modes, limits of a process. Can a policy grant it, and should it?

use super::{Allow, Finding, Remedy, Weight};
use crate::audit::Grant;
use std::path::Path;

const SECRETS: &str = "keys, passwords or tokens are kept there";
const SERVICE: &str = "a service of the host listens there, with your rights or more";
const DEVICE: &str = "it is a device of the machine";
const ACTS: &str = "what is written there acts later, outside the jail";
const WIDE: &str =
    "programs and people of all sorts keep things there; grant what is needed below it";

/// A path of the manifest's `filesystem`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    path: String,
    write: bool,
    think_twice: Option<&'static str>,
}

pub(super) fn judge(finding: &mut Finding) {
    let code = finding.code.as_ref().map_or("", |code| code.as_str()).to_owned();
    (finding.weight, finding.remedy) = match (&finding.grant, code.as_str()) {
        (Some(grant), _) => match think_twice(grant) {
            None => (Weight::Rule, Remedy::Change { think_twice: None }),
            doubt => (Weight::Doubtful, Remedy::Change { think_twice: doubt }),
        },
        (None, "open-files" | "processes" | "file-size" | "full") if finding.limit.is_some() => {
            (Weight::Limit, Remedy::Change { think_twice: None })
        }
        (None, "port") if finding.limit.is_some() => {
            (Weight::Rule, Remedy::Change { think_twice: None })
        }
        (None, code) => other(code, finding),
    };
}

fn other(code: &str, finding: &Finding) -> (Weight, Remedy) {
    let weight = match code {
        "other-home" | "other-workspace" | "not-owner" | "unsaid" => Weight::Trouble,
        _ => Weight::Doubtful,
    };
    if let Some(fix) = &finding.fix {
        return (weight, Remedy::Advice { text: fix.to_string() });
    }
    let because = match code {
        "system" => "the program must write elsewhere",
        "kernel" | "device" => "what a jail has of the kernel is the same for all",
        "own-mode" => "the connector made it, and can change its mode",
        "denied" | "not-owner" => "no policy of jail's goes beyond what the kernel allows the user",
        "low-port" => "use a port from 1024 on",
        "scope" => "only sockets with a file can be granted, by the folder that they are in",
        "inotify" | "locked-memory" => "the bound is fixed",
        "no-memory" | "processes" | "disk-full" => "the machine itself refuses it",
        "name" => "its name has bytes that no policy can say; rename it, or grant the folder",
        "unsaid" => "allow what is above, and run it again",
        _ => "nothing is known that would",
    };
    let weight = if weight == Weight::Trouble { weight } else { Weight::Never };
    (weight, Remedy::None { because })
}

fn think_twice(grant: &Grant) -> Option<&'static str> {
    Some(match grant.doubt.as_ref()?.as_str() {
        "secrets" => SECRETS,
        "service" => SERVICE,
        "device" => DEVICE,
        "acts-later" => ACTS,
        _ => WIDE,
    })
}

/// No more than is needed: what lies below another grant goes without saying, and a folder about which
/// one should think twice is left out where something below it is named.
fn wanted(findings: &[Finding]) -> Vec<Wanted> {
    let mut all: Vec<Wanted> = Vec::new();
    for finding in findings {
        let (Some(grant), Remedy::Change { think_twice }) = (&finding.grant, &finding.remedy)
        else {
            continue;
        };
        let path = grant.path.to_string();
        match all.iter_mut().find(|one| one.path == path) {
            Some(one) => {
                one.write |= grant.write;
                one.think_twice = one.think_twice.or(*think_twice);
            }
            None => all.push(Wanted { path, write: grant.write, think_twice: *think_twice }),
        }
    }
    let below = |one: &Wanted, other: &Wanted| {
        one.path != other.path && Path::new(&one.path).starts_with(&other.path)
    };
    let every = all.clone();
    all.retain(|one| {
        let wide = one.think_twice == Some(WIDE);
        let deeper = every.iter().any(|other| below(other, one));
        let covered = every.iter().any(|other| {
            other.think_twice.is_none() && below(one, other) && (other.write || !one.write)
        });
        !(wide && deeper || covered && one.think_twice.is_none())
    });
    all.sort_by(|a, b| (a.write, &a.path).cmp(&(b.write, &b.path)));
    all
}

/// Lines of the manifest; what needs a second thought is a comment.
pub(super) fn manifest(findings: &[Finding]) -> String {
    let wanted = wanted(findings);
    let mut text = String::new();
    for (name, write) in [("read", false), ("write", true)] {
        let of = |one: &&Wanted| one.write == write;
        if wanted.iter().filter(of).any(|one| one.think_twice.is_none()) {
            text += &format!("  {name}:\n");
        }
        for one in wanted.iter().filter(of) {
            let path = quoted(&one.path);
            text += &match one.think_twice {
                None => format!("    - {path}\n"),
                Some(why) => format!("    # {name}: {path}  (think twice: {why})\n"),
            };
        }
    }
    for finding in findings {
        text += &room(finding).map(|(line, _)| format!("  {line}\n")).unwrap_or_default();
    }
    let mut text = match text.lines().any(|line| !line.trim_start().starts_with('#')) {
        true => format!("filesystem:\n{text}"),
        // A mapping of nothing but comments is none.
        false => text.lines().map(|line| format!("{}\n", line.trim_start())).collect(),
    };
    let ports: Vec<u64> = findings.iter().filter_map(port).collect();
    if !ports.is_empty() {
        text += "ports:\n";
        ports.iter().for_each(|port| text += &format!("  - listen: {port}\n"));
    }
    text
}

/// The same for `jail run`, in one command where nothing is to be thought twice about.
pub(super) fn options(findings: &[Finding], limits: Vec<String>) -> Vec<Allow> {
    let of = |one: &Wanted| {
        format!("{} {}", if one.write { "--write" } else { "--read" }, shell(&one.path))
    };
    let (plain, doubtful): (Vec<Wanted>, Vec<Wanted>) =
        wanted(findings).into_iter().partition(|one| one.think_twice.is_none());
    let mut words: Vec<String> = plain.iter().map(of).collect();
    words.extend(limits);
    words.extend(findings.iter().filter_map(|finding| room(finding).map(|(_, option)| option)));
    words.dedup();
    let all = (!words.is_empty()).then(|| Allow {
        command: words.join(" "),
        think_twice: None,
        assumed: None,
    });
    let doubtful = doubtful.iter().map(|one| Allow {
        command: of(one),
        think_twice: one.think_twice,
        assumed: None,
    });
    all.into_iter().chain(doubtful).collect()
}

/// Twice the memory of what was full, as a line and as an option.
fn room(finding: &Finding) -> Option<(String, String)> {
    if finding.code.as_ref().is_none_or(|code| code.as_str() != "full") {
        return None;
    }
    let size = super::patch::size(finding.limit?.checked_mul(2)?);
    Some(if finding.object.as_str() == crate::plan::INSIDE_WORKSPACE {
        (format!("workspace: {{tmpfs: {size}}}"), format!("--workspace tmpfs:{size}"))
    } else {
        (format!("scratch: {size}"), format!("--scratch {size}"))
    })
}

fn port(finding: &Finding) -> Option<u64> {
    let is = finding.code.as_ref().is_some_and(|code| code.as_str() == "port");
    finding.limit.filter(|_| is)
}

fn is_plain(path: &str) -> bool {
    path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+@,".contains(&byte))
}

/// A double-quoted scalar of YAML takes JSON's escapes.
fn quoted(path: &str) -> String {
    if is_plain(path) {
        return path.to_owned();
    }
    serde_json::Value::from(path).to_string()
}

fn shell(path: &str) -> String {
    if is_plain(path) { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}
