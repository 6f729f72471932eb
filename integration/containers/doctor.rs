//! `jail doctor containers`: a hardened server is clean, and each of ten loosened ones is found.
//!
//! The server is busybox's httpd in the place of a model server: what is judged is its container.

use crate::engines::{IMAGE, World, text, until};
use crate::{Outcome, Scene};
use serde_json::Value;

pub const ALL: &[Scene] = &[("doctor_containers", doctor)];

const HARDENED: &[&str] = &[
    "--network=jail-test-internal",
    "--publish=127.0.0.1:18080:8080",
    "--user=65532:65532",
    "--read-only",
    "--tmpfs=/tmp:rw,noexec,nosuid,nodev,size=16m",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--memory=64m",
    "--cpus=1",
    "--pids-limit=32",
    "--log-opt=max-size=1m",
    "--health-cmd=cat /srv/health",
];

/// The option that is replaced, by what, and the rule that finds it.
const LOOSENED: &[(&str, &str, &str)] = &[
    ("--publish=127.0.0.1:18080:8080", "--publish=18080:8080", "containers.published-everywhere"),
    ("--user=65532:65532", "--user=0:0", "containers.user-differs"),
    ("--read-only", "", "containers.writable-root"),
    ("--tmpfs=/tmp:rw,noexec,nosuid,nodev,size=16m", "", "containers.tmp-not-writable"),
    (
        "--tmpfs=/tmp:rw,noexec,nosuid,nodev,size=16m",
        "--tmpfs=/tmp:rw,exec,nosuid,nodev,size=16m",
        "containers.tmpfs-options",
    ),
    ("--cap-drop=ALL", "--cap-drop=NET_RAW", "containers.capabilities"),
    ("--security-opt=no-new-privileges", "", "containers.new-privileges"),
    ("--cpus=1", "--security-opt=seccomp=unconfined", "containers.seccomp-off"),
    ("--memory=64m", "", "containers.memory-limit"),
    ("--pids-limit=32", "", "containers.pids-limit"),
    ("--network=jail-test-internal", "--network=bridge", "containers.open-egress"),
    ("--cpus=1", "--pid=host", "containers.host-namespace"),
];

fn doctor(world: &World) -> Outcome {
    if !world.docker {
        return rootless(world);
    }
    world.ask(&["network", "create", "--internal", "jail-test-internal"])?;
    let findings = judged(world, HARDENED)?;
    if !findings.is_empty() {
        return Err(format!("the hardened one is not clean: {findings:?}"));
    }
    let mut wrong = Vec::new();
    for (option, instead, rule) in LOOSENED {
        let words: Vec<&str> = HARDENED
            .iter()
            .map(|word| if word == option { instead } else { word })
            .copied()
            .filter(|word| !word.is_empty())
            .collect();
        let findings = judged(world, &words)?;
        if !findings.iter().any(|found| found == rule) {
            wrong.push(format!("{option} -> `{instead}`: wanted {rule}, found {findings:?}"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// What it finds, in all three forms: they must agree.
fn judged(world: &World, options: &[&str]) -> Result<Vec<String>, String> {
    const NAME: &str = "jail-test-server";
    let mut args = vec!["run", "--detach", "--name", NAME];
    args.extend(options);
    args.extend([IMAGE, "httpd", "-f", "-p", "8080", "-h", "/srv"]);
    world.ask(&args)?;
    let found = (|| {
        until("the server", || world.ask(&["exec", NAME, "cat", "/srv/health"]).is_ok())?;
        let judge = |form: &[&str]| {
            let args =
                ["doctor", "containers", NAME, "--engine", world.engine(), "--user", "65532"];
            world.jail(&[&args[..], form].concat())
        };
        let json: Value = serde_json::from_slice(&judge(&["--json"]).stdout)
            .map_err(|error| error.to_string())?;
        let findings = json["findings"].as_array().cloned().unwrap_or_default();
        let ids: Vec<String> =
            findings.iter().filter_map(|it| Some(it["rule"].as_str()?.to_owned())).collect();
        let sarif: Value = serde_json::from_slice(&judge(&["--sarif"]).stdout)
            .map_err(|error| error.to_string())?;
        let results = sarif["runs"][0]["results"].as_array().map_or(0, Vec::len);
        let plain = judge(&[]);
        let worse = findings.iter().any(|it| it["severity"] != "info");
        if results != ids.len() || plain.status.code() != Some(i32::from(worse)) {
            return Err(format!(
                "{results} in SARIF, {ids:?} in JSON, {} with {}",
                plain.status,
                text(&plain.stdout)
            ));
        }
        Ok(ids)
    })();
    world.ask(&["rm", "--force", NAME])?;
    found
}

/// What rootless podman can show: the user is counted as inside, and a plain container is found out.
fn rootless(world: &World) -> Outcome {
    let plain = judged(world, &["--network=none"])?;
    for rule in ["containers.user-differs", "containers.writable-root", "containers.new-privileges"]
    {
        if !plain.iter().any(|found| found == rule) {
            return Err(format!("wanted {rule} of a plain container, found {plain:?}"));
        }
    }
    let hard = [
        "--network=none",
        "--user=65532:65532",
        "--read-only",
        "--read-only-tmpfs=false",
        "--tmpfs=/tmp:rw,noexec,nosuid,nodev,size=16m",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
    ];
    let found = judged(world, &hard)?;
    // cgroup version 1 has no limits for it, and no health check was asked for.
    let left: Vec<&String> =
        found.iter().filter(|id| !id.ends_with("-limit") && !id.ends_with("healthcheck")).collect();
    if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
}
