//! `jail console`: the pages, for a browser of yours.

use super::ui;
use crate::api::listen::{self, Listeners, loopback};
use crate::api::{self, App, pairing};
use crate::console;
use crate::exit;
use crate::failure::{Failure, Kind};
use crate::policy::load::{self, Sources, WorkspaceRoot};
use crate::state::{PATIENCE, State};
use serde::Serialize;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// See what your connectors do, and answer what they ask for, in a browser.
///
/// Serves pages on 127.0.0.1 and prints a link that pairs one browser. The code in it lives two minutes and
/// works once; called again, `jail console` prints a new one for what is served already. A browser calls it
/// jail.localhost, by which name nothing else gets its cookie. It serves until SIGTERM or Ctrl-C.
#[derive(Debug, clap::Args)]
pub struct ConsoleArgs {
    /// Serve here: 127.0.0.1:PORT or [::1]:PORT; without this a free port of 127.0.0.1.
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    listen: Option<SocketAddr>,
    /// Open the page in your browser. The code is for you to type: what a program is started with, others
    /// can see.
    #[arg(long)]
    open: bool,
    /// Print `{"url", "link", "code", "seconds", "pid"}` on one line; `pid` is null where another process
    /// serves.
    #[arg(long)]
    json: bool,
}

/// What is told once it is served.
#[derive(Debug, Serialize)]
struct Told {
    url: String,
    /// With the code behind `#`, which a browser keeps to itself.
    link: String,
    code: String,
    seconds: u64,
    pid: Option<u32>,
}

pub fn run(args: &ConsoleArgs) -> Result<u8, Failure> {
    let sources = Sources::of_process()?;
    let root =
        WorkspaceRoot::find(&sources.cwd)?.ok_or_else(|| load::no_workspace(&sources.cwd))?;
    if let Some(socket) = listen::path(&root) {
        let at = served(&socket)?;
        if let Some(wanted) = args.listen.filter(|wanted| wanted.port() != 0 && *wanted != at) {
            let what = format!("this workspace is served at {at} already, and not at {wanted}");
            return Err(Failure::new(Kind::Usage, what)
                .hint("end that process first, or leave --listen out"));
        }
        tell(args, &root, at, None)?;
        return Ok(exit::OK);
    }
    let wanted = args.listen.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 0).into());
    let listeners = Listeners::bind(&root, Some(wanted))?;
    let at = listeners
        .at()
        .ok_or_else(|| Failure::new(Kind::Io, "cannot tell where the console listens"))?;
    let app = App::new(sources, root)?;
    let router = api::with_pages(app.clone(), console::routes(&app, Some(at))?);
    tell(args, app.root(), at, Some(std::process::id()))?;
    api::serve(&app, router, listeners)?;
    Ok(exit::OK)
}

/// Prints a link with a new code.
fn tell(
    args: &ConsoleArgs,
    root: &WorkspaceRoot,
    at: SocketAddr,
    pid: Option<u32>,
) -> Result<(), Failure> {
    let code = pairing::offer(&mut State::open(root, PATIENCE)?)?.to_string();
    let url = format!("{}/", api::for_browsers(at));
    let (link, seconds) = (format!("{url}pair#{code}"), pairing::LIFE.as_secs());
    if args.open {
        open(&format!("{url}pair"))?;
    }
    let told = Told { url, link, code, seconds, pid };
    if args.json {
        let text = serde_json::to_string(&told)
            .map_err(|error| Failure::new(Kind::Io, "cannot write JSON").because(error))?;
        return print(&format!("{text}\n"));
    }
    print(&format!("{}\n", told.link))?;
    ui::line(&format!("jail: the code is {}; it pairs one browser, for two minutes", told.code));
    if told.pid.is_some() {
        ui::line("jail: `jail console` in another terminal shows a new one; Ctrl-C ends it");
    }
    Ok(())
}

fn print(text: &str) -> Result<(), Failure> {
    ui::data(text).map_err(|error| Failure::new(Kind::Io, "cannot print the result").because(error))
}

/// Where the process that has this socket serves pages.
fn served(socket: &Path) -> Result<SocketAddr, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::new(Kind::Io, "the process that serves this workspace does not answer")
            .because(format!("{}: {why}", socket.display()))
            .hint("end it, and start jail console again")
    };
    let mut stream = UnixStream::connect(socket).map_err(|error| failed(&error))?;
    let patience = Some(Duration::from_secs(10));
    stream.set_read_timeout(patience).map_err(|error| failed(&error))?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        console::ADDRESS
    );
    stream.write_all(request.as_bytes()).map_err(|error| failed(&error))?;
    let mut answer = String::new();
    stream.take(64 << 10).read_to_string(&mut answer).map_err(|error| failed(&error))?;
    if let Some(why) = not_let_in(&answer) {
        let what = "this workspace is served already, and its process does not let this one in";
        return Err(Failure::new(Kind::Refused, what).because(why).hint(
            "call jail console where the other one was started: not from a container or sandbox",
        ));
    }
    address(&answer).ok_or_else(|| {
        Failure::new(Kind::Refused, "this workspace is served already, but without pages")
            .because(format!(
                "the process at {} was not told to listen for browsers",
                socket.display()
            ))
            .hint("end it and start jail console: it serves the API, too")
            .hint("or start that one with --listen 127.0.0.1:0")
    })
}

/// Why the process that serves refuses to answer us.
fn not_let_in(answer: &str) -> Option<String> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let refused = head.lines().next()?.split(' ').nth(1) == Some("403");
    let problem: serde_json::Value = serde_json::from_str(body).ok().filter(|_| refused)?;
    let why = problem["causes"][0].as_str().or_else(|| problem["detail"].as_str());
    why.map(str::to_owned)
}

/// What the answer says, where it is one that says it.
fn address(answer: &str) -> Option<SocketAddr> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let ok = head.lines().next()?.split(' ').nth(1) == Some("200");
    ok.then(|| body.trim().parse().ok())?
}

/// Hands the page to the desktop's own opener.
fn open(url: &str) -> Result<(), Failure> {
    let failed = |why: String| {
        Failure::new(Kind::CannotStart, "cannot open a browser")
            .because(why)
            .hint(format!("open {url} yourself"))
    };
    let mut opener = Command::new("xdg-open");
    opener.arg(url).stdin(Stdio::null()).stdout(Stdio::null());
    let status = opener.status().map_err(|error| failed(format!("xdg-open: {error}")))?;
    if status.success() { Ok(()) } else { Err(failed(format!("xdg-open: {status}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_is_one() {
        let at = address("HTTP/1.1 200 OK\r\nx: y\r\n\r\n127.0.0.1:4711");
        assert_eq!(at, Some("127.0.0.1:4711".parse().unwrap()));
        assert_eq!(address("HTTP/1.1 404 Not Found\r\n\r\n127.0.0.1:4711"), None);
        assert_eq!(address("HTTP/1.1 200 OK\r\n\r\nhello"), None);
        assert_eq!(address(""), None);
    }

    #[test]
    fn why_we_are_not_let_in_is_said() {
        let refused = "HTTP/1.1 403 Forbidden\r\n\r\n{\"detail\":\"no\",\"causes\":[\"seccomp\"]}";
        assert_eq!(not_let_in(refused).as_deref(), Some("seccomp"));
        assert_eq!(not_let_in("HTTP/1.1 200 OK\r\n\r\n127.0.0.1:4711"), None);
        assert_eq!(not_let_in(""), None);
    }
}
