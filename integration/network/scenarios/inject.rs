//! A credential that the proxy adds: it reaches the host of its rule over TLS, and is seen nowhere else.

use super::*;
use crate::world::seen::Seen;
use crate::world::{self, ALLOWED, ALLOWED6, REACHED};
use std::path::Path;
use std::process::Output;

pub fn all() -> Vec<Scenario> {
    let missing =
        || (!Path::new("/usr/bin/curl").exists()).then(|| "curl is not installed".to_owned());
    vec![
        Scenario { name: "injected_for_its_host", missing, check: its_host, ..Scenario::BASE },
        Scenario { name: "injected_for_its_tool", missing, check: its_tool, ..Scenario::BASE },
    ]
}

/// By each door, to its host and to others; then a look at all that there is to see.
const LOOK: &str = "
get() { curl -sS -i --max-time 20 -H 'Authorization: Bearer of-the-connector' \"$@\"; }
get http://allowed.test/asked
get -x socks5h://169.254.77.1:1080 http://allowed.test/asked
get --noproxy '*' http://allowed.test/asked
get http://other.test/asked
get https://allowed.test/asked-by-tls
get http://unlisted.test/
env
cat /proc/*/environ /proc/*/cmdline /proc/*/maps 2>/dev/null | tr '\\0' '\\n'
find /tmp /run /workspace \"$HOME\" -type f -exec cat {} + 2>/dev/null
echo looked";

const RULE: &str = "    - {host: allowed.test, inject: \
                    {header: Authorization, value: {secret: key, format: 'Bearer %s'}}}\n";

/// Runs [`LOOK`] with these rules; `secret` is the value in the environment of `jail`.
fn look(fixture: &Fixture, secret: &str, name: &str, rules: &str) -> Result<Output, String> {
    let script = serde_json::to_string(LOOK).expect("a text");
    let manifest = format!(
        "name: {name}\ncommand: sh\nargs: [-c, {script}]\n\
         secrets:\n  - {{name: key, from: {{env: KEY}}, to: egress}}\nnetwork:\n  allow:\n{rules}"
    );
    fixture.write(&format!("cwd/.cloned/connectors/{name}.yaml"), &manifest);
    let mut command = fixture.jail(&[]);
    command.arg(name).env("KEY", secret);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = clients::finish(command)?;
    let text = clients::text(&output);
    must(text.contains("looked"), || text.clone())?;
    must(!text.contains(secret), || format!("the secret is in the jail: {text}"))?;
    Ok(output)
}

/// Where the secret arrived.
fn told(secret: &str) -> Vec<Seen> {
    let mut all = Vec::new();
    world::get().seen.each(|seen| {
        if crate::kit::contains(format!("{seen:?}").as_bytes(), secret) {
            all.push(seen.clone());
        }
    });
    all
}

/// The files of the run on the host that hold this text.
fn files_with(fixture: &Fixture, text: &str) -> Vec<String> {
    let mut command = Command::new("grep");
    command.args(["-rlF", text]).args([fixture.at("state"), fixture.at("run"), fixture.at("cwd")]);
    let output = command.output().expect("grep");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

fn its_host() -> Check {
    let fixture = fixture();
    let secret = format!("injected-{}", fixture.values["marker"]);
    let rules = format!("{RULE}    - {{host: 'other.test:80'}}\n");
    let output = look(&fixture, &secret, "its-host", &rules)?;
    let text = clients::text(&output);
    must(text.matches(REACHED).count() == 5, || format!("not all were served: {text}"))?;
    let told = told(&secret);
    must(told.len() == 3, || format!("it came {} times, not 3: {told:?}\n{text}", told.len()))?;
    for seen in told {
        let right = matches!(&seen, Seen::Request { to, sni: Some(sni), head, .. }
            if [ALLOWED, ALLOWED6].contains(&to.ip()) && to.port() == 443 && sni == "allowed.test"
                && head.contains(&format!("Bearer {secret}")) && !head.contains("of-the-connector"));
        must(right, || format!("it came elsewhere: {seen:?}"))?;
    }
    must(!files_with(&fixture, "unlisted.test").is_empty(), || "nothing is logged".into())?;
    let leaks = files_with(&fixture, &secret);
    must(leaks.is_empty(), || format!("the secret is in {leaks:?}"))
}

/// Another connector of the same workspace, with the same secret in its own manifest, but for another
/// host: the rule of the first does not count for it.
fn its_tool() -> Check {
    let fixture = fixture();
    let secret = format!("injected-{}", fixture.values["marker"]);
    look(&fixture, &secret, "first", RULE)?;
    must(told(&secret).len() == 3, || "the first one's did not come".into())?;
    world::get().seen.forget();
    let rules = format!("{}    - {{host: 'allowed.test:80'}}\n", RULE.replace("allowed", "other"));
    let output = look(&fixture, &secret, "second", &rules)?;
    let (text, told) = (clients::text(&output), told(&secret));
    must(text.contains(REACHED), || format!("nothing was served: {text}"))?;
    let elsewhere = told
        .iter()
        .find(|seen| !matches!(seen, Seen::Request { sni: Some(sni), .. } if sni == "other.test"));
    must(elsewhere.is_none(), || format!("it came elsewhere: {elsewhere:?}"))?;
    must(told.len() == 1, || format!("its own did not come: {told:?}"))
}
