//! `jail doctor containers` sees through a volume that is a folder of the host, counts what is allowed, and says
//! where it could not ask.

use crate::engines::{IMAGE, World};
use crate::settled::said;
use crate::{Outcome, Scene};
use serde_json::Value;

pub const ALL: &[Scene] = &[("doctor_sees_the_host_inside", inside), ("doctor_is_blind", blind)];

fn inside(world: &World) -> Outcome {
    const NAME: &str = "jail-test-judged";
    let mut args = vec!["run", "--detach", "--network=none", "--volume=/var/log:/logs:ro"];
    args.extend(["--env=API_TOKEN=x", "--label"]);
    args.push("jail.allow.containers.secret-in-environment=the test says so");
    let mut wanted = vec!["/var/log"];
    if world.docker {
        let options = ["--opt=type=none", "--opt=o=bind", "--opt=device=/etc"];
        world.ask(&[&["volume", "create"], &options[..], &["jail-test-disguised"]].concat())?;
        args.push("--volume=jail-test-disguised:/disguised:ro");
        wanted.push("/etc at /disguised");
    }
    args.extend(["--name", NAME, IMAGE, "sleep", "300"]);
    world.ask(&args)?;
    let output = world.jail(&["doctor", "containers", NAME, "--engine", world.engine(), "--json"]);
    world.ask(&["rm", "--force", NAME])?;
    let found: Value = serde_json::from_slice(&output.stdout).map_err(|_| said(&output))?;
    let all = found["findings"].as_array().cloned().unwrap_or_default();
    let of = |rule: &str| all.iter().filter(|it| it["rule"] == rule).collect::<Vec<_>>();
    for path in wanted {
        let here = |it: &&&Value| it["evidence"].as_str().is_some_and(|text| text.contains(path));
        if !of("containers.sensitive-bind").iter().any(|it| here(&it)) {
            return Err(format!("{path} is not found: {found:#}"));
        }
    }
    // Its process is told from strangers, and limits are its cgroup's.
    let evidence = of("containers.pids-limit");
    let kernel = |it: &&Value| it["evidence"].as_str().is_some_and(|it| it.contains("cgroup"));
    if !of("containers.unverified").is_empty() || (world.docker && !evidence.iter().any(kernel)) {
        return Err(format!("the kernel was not asked: {found:#}"));
    }
    let allowed = &found["allowed"][0];
    match of("containers.secret-in-environment").is_empty()
        && allowed["reason"] == "the test says so"
    {
        true => Ok(()),
        false => Err(format!("what is allowed is not taken out: {found:#}")),
    }
}

/// An engine that is there and does not answer is not one without containers.
fn blind(world: &World) -> Outcome {
    if !world.docker {
        return Err("skip: what podman is asked through cannot be taken away from it".to_owned());
    }
    for (host, why) in
        [("unix:///nobody/is/here.sock", "docker"), ("tcp://127.0.0.1:9", "another machine")]
    {
        let mut command = world.command(&world.jail);
        command.args(["doctor", "containers", "--json"]).env("DOCKER_HOST", host);
        let output = command.output().unwrap();
        let found: Value = serde_json::from_slice(&output.stdout).map_err(|_| said(&output))?;
        let notes = found["notes"].to_string();
        if found["verdict"] == "clean" || !notes.contains("cannot be asked") || !notes.contains(why)
        {
            return Err(format!("{host}: {found:#}"));
        }
    }
    Ok(())
}
