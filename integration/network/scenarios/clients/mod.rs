//! Real clients, unmodified: each reaches the allowed host and is refused the other.
//!
//! Without a jail each must reach both, or its refusal proves nothing. A program that is not installed
//! is a counted skip.

mod fetch_approved;
mod fetch_server;
mod list;
mod stock;

use super::*;
use crate::world::{self, REACHED};
use std::path::{Path, PathBuf};
pub use stock::stock;

/// `{host}` in a word is the host that it should reach, `{unique}` differs from run to run, `{clients}`
/// is the folder of the clients.
pub struct Client {
    name: &'static str,
    program: &'static str,
    args: &'static [&'static str],
    /// What its output holds when it got there.
    says: &'static str,
    /// Without the variables of the proxy: it must come through by itself.
    bare: bool,
    /// What must be in a request that the world saw.
    sends: Option<&'static str>,
}

impl Client {
    const BASE: Self =
        Self { name: "", program: "", args: &[], says: REACHED, bare: false, sends: None };
}

pub fn all() -> Vec<Scenario> {
    let scenario = |client: &'static Client| Scenario {
        name: client.name,
        client: Some(client),
        ..Scenario::BASE
    };
    list::CLIENTS
        .iter()
        .map(scenario)
        .chain([fetch_server::scenario()])
        .chain(fetch_approved::scenarios())
        .collect()
}

/// Where tests/clients/install.sh put them: `CLIENTS`, or below the sources.
fn folder() -> PathBuf {
    let folder = std::env::var_os("CLIENTS").map(PathBuf::from);
    folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("build/clients"))
}

fn venv() -> PathBuf {
    folder().join("venv")
}

/// Absolute, as it is called in the jail as well.
fn program(name: &str) -> Option<PathBuf> {
    let own = if name == "python" {
        venv().join("bin/python")
    } else if let Some(major) = name.strip_prefix("node-") {
        let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
        folder().join(format!("node_modules/node{major}-{machine}/bin/node"))
    } else if ["go-cgo0", "go-cgo1", "rust-static"].contains(&name) {
        folder().join(name)
    } else {
        // The distribution's: one in somebody's home folder is not in a jail.
        let places = ["/usr/bin", "/usr/local/bin"];
        return places.iter().map(|dir| Path::new(dir).join(name)).find(|path| path.exists());
    };
    own.exists().then_some(own)
}

pub fn missing(client: &Client) -> Option<String> {
    program(client.program).is_none().then(|| match client.program {
        "go-cgo0" | "go-cgo1" if program("go").is_none() => "go is not installed".to_owned(),
        name if name.contains('-') || name == "python" => {
            format!("no {name}: run tests/clients/install.sh")
        }
        name => format!("{name} is not installed"),
    })
}

const TRUST: &str = "/etc/ssl/certs/ca-certificates.crt";
const TRUSTING: &[&str] = &[
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
];
const PROXIES: &[&str] = &[
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NODE_USE_ENV_PROXY",
];

pub fn check(client: &Client) -> Check {
    stock();
    let mut output = run(client, "other.test", false)?;
    must(succeeded(client, &output), || format!("without a jail: {}", text(&output)))?;
    must(crate::client::reached_other().is_some(), || "the world saw nothing of it".into())?;
    let before = world::get().seen.count(other_request);
    output = run(client, "allowed.test", true)?;
    must(succeeded(client, &output), || format!("the allowed host: {}", text(&output)))?;
    if let Some(sent) = client.sends {
        must(world::get().seen.request_with(sent).is_some(), || format!("no request: {sent}"))?;
    }
    output = run(client, "other.test", true)?;
    // Not in one of its ways, where it has several.
    must(!says(REACHED, &output), || format!("NOT refused: {}", text(&output)))?;
    must(!output.status.success(), || format!("it does not notice: {}", text(&output)))?;
    let after = world::get().seen.count(other_request);
    must(after == before, || "the other host saw a request".into())
}

fn other_request(seen: &world::seen::Seen) -> bool {
    use world::seen::Seen::{Bytes, Request};
    matches!(seen, Bytes { to, .. } | Request { to, .. } if [world::OTHER, world::OTHER6].contains(&to.ip()))
}

fn succeeded(client: &Client, output: &std::process::Output) -> bool {
    output.status.success() && says(client.says, output)
}

fn says(what: &str, output: &std::process::Output) -> bool {
    String::from_utf8_lossy(&output.stdout).contains(what)
}

pub fn text(output: &std::process::Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}: {}{}", output.status, String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// In a jail that has no rule, and asks.
pub fn held(fixture: &Fixture, client: &Client) -> Check {
    stock();
    let output = run_in(fixture, client, "allowed.test", Some(&["--unlisted", "ask"]))?;
    must(succeeded(client, &output), || text(&output))
}

pub fn named(name: &str) -> &'static Client {
    list::CLIENTS.iter().find(|client| client.name == name).expect("a client")
}

fn run(client: &Client, host: &str, jailed: bool) -> Result<std::process::Output, String> {
    let allowed: &[&str] = &["--allow", "allowed.test:443", "--allow", "allowed.test:80"];
    run_in(&fixture(), client, host, jailed.then_some(allowed))
}

/// `options` of the jail; without one where there are none.
fn run_in(
    fixture: &Fixture,
    client: &Client,
    host: &str,
    options: Option<&[&str]>,
) -> Result<std::process::Output, String> {
    let jailed = options.is_some();
    let program = program(client.program).expect("it is not missing");
    let direct =
        format!("{}:{}", if jailed { world::DOOR } else { world::NAMESERVER }, world::SOCKS_DOOR);
    let unique = &fixture.values["marker"];
    let clients = folder().display().to_string();
    let args = client.args.iter().map(|word| {
        let word =
            word.replace("{host}", host).replace("{unique}", unique).replace("{socks}", &direct);
        let word = word.replace("{clients}", &clients);
        word.replace("{env}", if client.bare { "False" } else { "True" })
    });
    let mut command = fixture.jail(options.unwrap_or_default());
    let trust = TRUSTING.iter().map(|name| format!("{name}={TRUST}"));
    if jailed {
        if program.starts_with(folder()) {
            command.args(["--read", &clients]);
        }
        command.args(trust.flat_map(|pair| ["--env".to_owned(), pair])).arg("--");
        if client.bare {
            command.arg("/usr/bin/env").args(PROXIES.iter().flat_map(|name| ["-u", name]));
        }
        command.arg(program);
    } else {
        let mut free = Command::new(program);
        free.env_clear()
            .env("HOME", fixture.at("home"))
            .env("PATH", "/usr/local/bin:/usr/bin:/bin");
        free.envs(TRUSTING.iter().map(|name| (name, TRUST)));
        command = free;
    }
    let args: Vec<String> = args
        .scan(false, |skip, word| {
            // There is no SOCKS5 server without a jail: it goes directly.
            if !jailed && (word == "--socks5-hostname" || std::mem::take(skip)) {
                *skip = word == "--socks5-hostname";
                return Some(None);
            }
            Some(Some(word))
        })
        .flatten()
        .collect();
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command)
}

/// Its output, in bounded time.
pub fn finish(mut command: Command) -> Result<std::process::Output, String> {
    let child = command.spawn().map_err(|error| error.to_string())?;
    let pid = i32::try_from(child.id()).expect("a pid");
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || drop(send.send(child.wait_with_output())));
    match receive.recv_timeout(crate::run::patience(60_000)) {
        Ok(output) => output.map_err(|error| error.to_string()),
        Err(_) => {
            unsafe { libc::kill(pid, libc::SIGTERM) };
            let rest = receive.recv_timeout(Duration::from_secs(5));
            Err(format!(
                "it hangs: {}",
                rest.map(|output| text(&output.unwrap())).unwrap_or_default()
            ))
        }
    }
}
