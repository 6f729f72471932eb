//! Real clients, unmodified: each reaches the allowed host and is refused the other.
//!
//! Without a jail each must reach both, or its refusal proves nothing. A program that is not installed
//! is a counted skip.

use super::*;
use crate::world::{self, REACHED};
use std::path::{Path, PathBuf};

/// `{host}` in a word is the host that it should reach.
struct Client {
    name: &'static str,
    program: &'static str,
    args: &'static [&'static str],
    /// What its output holds when it got there.
    says: &'static str,
    /// Without the variables of the proxy: it must come through by itself.
    bare: bool,
}

const FETCH: &str = "fetch('https://{host}/').then(r => r.text()).then(t => console.log(t)).catch(e => { console.error(e); process.exit(1) })";
const URLLIB: &str = "import urllib.request as u; print(u.urlopen('https://{host}/').read())";
const URLLIB_PLAIN: &str = "import urllib.request as u; print(u.urlopen('http://{host}/').read())";
const REQUESTS: &str = "import requests; print(requests.get('https://{host}/').text)";
const HTTPX: &str = "import httpx; print(httpx.get('https://{host}/').text)";
const AIOHTTP: &str = "
import aiohttp, asyncio
async def main():
    async with aiohttp.ClientSession(trust_env={env}) as session:
        async with session.get('https://{host}/') as reply:
            print(await reply.text())
asyncio.run(main())";

const CLIENTS: &[Client] = &[
    Client {
        name: "curl_https",
        program: "curl",
        args: &["-fsS", "https://{host}/"],
        says: REACHED,
        bare: false,
    },
    Client {
        name: "curl_http",
        program: "curl",
        args: &["-fsS", "http://{host}/"],
        says: REACHED,
        bare: false,
    },
    Client {
        name: "curl_https_bare",
        program: "curl",
        args: &["-fsS", "https://{host}/"],
        says: REACHED,
        bare: true,
    },
    Client {
        name: "curl_http_bare",
        program: "curl",
        args: &["-fsS", "http://{host}/"],
        says: REACHED,
        bare: true,
    },
    Client {
        name: "curl_socks",
        program: "curl",
        args: &["-sS", "--socks5-hostname", "{socks}", "https://{host}/"],
        says: REACHED,
        bare: true,
    },
    Client {
        name: "git_clone",
        program: "git",
        args: &[
            "clone",
            "-q",
            "https://{host}/files/repository.git",
            "/tmp/cloned-{host}-{unique}",
        ],
        says: "",
        bare: false,
    },
    Client {
        name: "git_ls_remote_bare",
        program: "git",
        args: &["ls-remote", "https://{host}/files/repository.git"],
        says: "refs/heads/main",
        bare: true,
    },
    Client {
        name: "node_fetch",
        program: "node",
        args: &["-e", FETCH],
        says: REACHED,
        bare: false,
    },
    Client {
        name: "node_fetch_bare",
        program: "node",
        args: &["-e", FETCH],
        says: REACHED,
        bare: true,
    },
    Client {
        name: "npm_view",
        program: "npm",
        args: &[
            "view",
            "thing",
            "version",
            "--registry",
            "https://{host}/files/npm/",
            "--fetch-retries=0",
        ],
        says: "7.8.9",
        bare: false,
    },
    Client {
        name: "npm_view_bare",
        program: "npm",
        args: &[
            "view",
            "thing",
            "version",
            "--registry",
            "https://{host}/files/npm/",
            "--fetch-retries=0",
        ],
        says: "7.8.9",
        bare: true,
    },
    Client {
        name: "python_urllib",
        program: "python",
        args: &["-c", URLLIB],
        says: REACHED,
        bare: false,
    },
    Client {
        name: "python_urllib_plain",
        program: "python",
        args: &["-c", URLLIB_PLAIN],
        says: REACHED,
        bare: false,
    },
    Client {
        name: "python_urllib_bare",
        program: "python",
        args: &["-c", URLLIB],
        says: REACHED,
        bare: true,
    },
    Client {
        name: "python_requests",
        program: "python",
        args: &["-c", REQUESTS],
        says: REACHED,
        bare: false,
    },
    Client {
        name: "python_requests_bare",
        program: "python",
        args: &["-c", REQUESTS],
        says: REACHED,
        bare: true,
    },
    Client {
        name: "python_httpx",
        program: "python",
        args: &["-c", HTTPX],
        says: REACHED,
        bare: false,
    },
    Client {
        name: "python_httpx_bare",
        program: "python",
        args: &["-c", HTTPX],
        says: REACHED,
        bare: true,
    },
    Client {
        name: "python_aiohttp",
        program: "python",
        args: &["-c", AIOHTTP],
        says: REACHED,
        bare: false,
    },
    Client {
        name: "python_aiohttp_bare",
        program: "python",
        args: &["-c", AIOHTTP],
        says: REACHED,
        bare: true,
    },
];

macro_rules! scenarios {
    ($($index:literal),*) => {
        vec![$(Scenario {
            name: CLIENTS[$index].name,
            missing: || missing(&CLIENTS[$index]),
            check: || check(&CLIENTS[$index]),
            ..Scenario::BASE
        }),*, Scenario {
            name: "mcp_server_fetch",
            missing: || missing_module("mcp_server_fetch"),
            check: fetch_server,
            ..Scenario::BASE
        }]
    };
}

pub fn all() -> Vec<Scenario> {
    let all = scenarios!(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19);
    assert_eq!(all.len(), CLIENTS.len() + 1, "a client is forgotten");
    all
}

/// Where tests/clients/install.sh put the Python packages: `CLIENTS`, or below the sources.
fn venv() -> PathBuf {
    let folder = std::env::var_os("CLIENTS").map(PathBuf::from);
    folder
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("build/clients"))
        .join("venv")
}

/// Absolute, as it is called in the jail as well.
fn program(name: &str) -> Option<PathBuf> {
    if name == "python" {
        return Some(venv().join("bin/python")).filter(|path| path.exists());
    }
    // The distribution's: one in somebody's home folder is not in a jail.
    ["/usr/bin", "/usr/local/bin"].iter().map(|dir| Path::new(dir).join(name)).find(|p| p.exists())
}

fn missing(client: &Client) -> Option<String> {
    program(client.program).is_none().then(|| match client.program {
        "python" => "no Python packages: run tests/clients/install.sh".to_owned(),
        name => format!("{name} is not installed"),
    })
}

fn missing_module(module: &str) -> Option<String> {
    let found = venv().join("lib").is_dir()
        && std::fs::read_dir(venv().join("lib"))
            .ok()?
            .flatten()
            .any(|python| python.path().join("site-packages").join(module).is_dir());
    (!found).then(|| format!("no {module}: run tests/clients/install.sh"))
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

fn check(client: &Client) -> Check {
    stock();
    let mut output = run(client, "other.test", false)?;
    must(succeeded(client, &output), || format!("without a jail: {}", text(&output)))?;
    must(crate::client::reached_other().is_some(), || "the world saw nothing of it".into())?;
    let before = world::get().seen.count(other_request);
    output = run(client, "allowed.test", true)?;
    must(succeeded(client, &output), || format!("the allowed host: {}", text(&output)))?;
    output = run(client, "other.test", true)?;
    must(!succeeded(client, &output), || format!("NOT refused: {}", text(&output)))?;
    must(!output.status.success(), || format!("it does not notice: {}", text(&output)))?;
    let after = world::get().seen.count(other_request);
    must(after == before, || "the other host saw a request".into())
}

fn other_request(seen: &world::seen::Seen) -> bool {
    use world::seen::Seen::{Bytes, Request};
    matches!(seen, Bytes { to, .. } | Request { to, .. } if [world::OTHER, world::OTHER6].contains(&to.ip()))
}

fn succeeded(client: &Client, output: &std::process::Output) -> bool {
    output.status.success() && String::from_utf8_lossy(&output.stdout).contains(client.says)
}

fn text(output: &std::process::Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}: {}{}", output.status, String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

fn run(client: &Client, host: &str, jailed: bool) -> Result<std::process::Output, String> {
    let fixture = fixture();
    let program = program(client.program).expect("it is not missing");
    let direct =
        format!("{}:{}", if jailed { world::DOOR } else { world::NAMESERVER }, world::SOCKS_DOOR);
    let unique = &fixture.values["marker"];
    let args = client.args.iter().map(|word| {
        let word =
            word.replace("{host}", host).replace("{unique}", unique).replace("{socks}", &direct);
        word.replace("{env}", if client.bare { "False" } else { "True" })
    });
    let mut command = fixture.jail(&["--allow", "allowed.test:443", "--allow", "allowed.test:80"]);
    let trust = TRUSTING.iter().map(|name| format!("{name}={TRUST}"));
    if jailed {
        let venv = venv().display().to_string();
        if client.program == "python" {
            command.args(["--read", &venv]);
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
fn finish(mut command: Command) -> Result<std::process::Output, String> {
    let child = command.spawn().map_err(|error| error.to_string())?;
    let pid = i32::try_from(child.id()).expect("a pid");
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || drop(send.send(child.wait_with_output())));
    match receive.recv_timeout(Duration::from_secs(60)) {
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

/// A repository, a registry and a page for the web servers to hand out.
pub fn stock() {
    let files = world::get().files();
    std::fs::create_dir_all(files.join("npm")).expect("folders");
    let thing = r#"{"name":"thing","dist-tags":{"latest":"7.8.9"},"versions":{"7.8.9":{"name":"thing","version":"7.8.9","dist":{"tarball":"https://allowed.test/files/thing.tgz","shasum":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}}}}"#;
    std::fs::write(files.join("npm/thing"), thing).expect("a file");
    let page =
        format!("<html><body><article><h1>Page</h1><p>{REACHED}</p></article></body></html>");
    std::fs::write(files.join("page.html"), page).expect("a file");
    let git = |args: &[&str], folder: &Path| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]);
        git.args(args).current_dir(folder).env("HOME", &files).env("GIT_CONFIG_NOSYSTEM", "1");
        git.output().is_ok_and(|output| output.status.success())
    };
    if program("git").is_some() {
        let work = files.join("work");
        std::fs::create_dir_all(&work).expect("a folder");
        std::fs::write(work.join("file"), REACHED).expect("a file");
        assert!(git(&["init", "-q"], &work) && git(&["add", "file"], &work));
        assert!(git(&["commit", "-q", "-m", "one"], &work));
        assert!(git(&["clone", "-q", "--bare", "work", "repository.git"], &files));
        // What a server without git's own protocol hands out.
        assert!(git(&["update-server-info"], &files.join("repository.git")));
    }
}

/// The published MCP server, driven by the official client: `tests/clients/fetch.py`.
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
