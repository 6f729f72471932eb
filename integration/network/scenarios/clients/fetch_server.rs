//! The published MCP server, driven by the official client: `tests/clients/fetch.py`.

use super::*;

pub fn scenario() -> Scenario {
    Scenario {
        name: "mcp_server_fetch",
        missing: || missing_module("mcp_server_fetch"),
        check: fetch_server,
        ..Scenario::BASE
    }
}

pub(super) fn missing_module(module: &str) -> Option<String> {
    let found = venv().join("lib").is_dir()
        && std::fs::read_dir(venv().join("lib"))
            .ok()?
            .flatten()
            .any(|python| python.path().join("site-packages").join(module).is_dir());
    (!found).then(|| format!("no {module}: run tests/clients/install.sh"))
}

fn fetch_server() -> Check {
    stock();
    let fixture = fixture();
    let python = venv().join("bin/python");
    let script = venv().parent().expect("a folder").join("fetch.py");
    let jail = crate::run::jail_binary().display().to_string();
    let venv = venv().display().to_string();
    let mut server = Vec::new();
    server.extend([jail.as_str(), "run", "-q", "--allow", "allowed.test:443", "--read", &venv]);
    let trust = format!("SSL_CERT_FILE={TRUST}");
    // Where it finds a node, it asks npm for a package before it answers.
    let path = format!("PATH={venv}/bin");
    server.extend(["--env", &trust, "--env", &path, "--"]);
    let itself = [python.to_str().expect("a path"), "-m", "mcp_server_fetch"];
    for (jailed, url, may) in [
        (false, "https://allowed.test/files/page.html", true),
        (false, "https://other.test/files/page.html", true),
        (true, "https://allowed.test/files/page.html", true),
        (true, "https://other.test/files/page.html", false),
    ] {
        let before = world::get().seen.count(other_request);
        let mut command = Command::new(&python);
        command.arg(&script).arg(url);
        if jailed {
            command.args(&server);
        }
        command
            .args(itself)
            .env_clear()
            .env("SSL_CERT_FILE", TRUST)
            .env("HOME", fixture.at("home"));
        command.env("PATH", format!("{venv}/bin")).env("XDG_STATE_HOME", fixture.at("state"));
        command.env("XDG_RUNTIME_DIR", fixture.at("run")).current_dir(fixture.at("cwd"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = finish(command).map_err(|why| format!("jailed {jailed}, {url}: {why}"))?;
        let out = String::from_utf8_lossy(&output.stdout);
        must(out.contains(REACHED) == may, || {
            format!("jailed {jailed}, {url}: {}", text(&output))
        })?;
        if !may {
            must(out.starts_with("error:"), || {
                format!("no answer of the server: {}", text(&output))
            })?;
            let after = world::get().seen.count(other_request);
            must(before == after, || "the other host saw a request".into())?;
        }
    }
    Ok(())
}
