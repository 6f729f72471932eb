//! `jail firewall proxy`.

use super::{place, print, print_json};
use crate::cli::ui;
use crate::egress::config::UpstreamKind;
use crate::exit;
use crate::failure::Failure;
use crate::firewall::store::{self, UpstreamRef, decode};
use crate::policy::{Malformed, SecretSource};
use serde::Serialize;
use std::path::PathBuf;

/// Show, set or unset the proxy that connections to the world go through.
///
/// The rules are decided before; the proxy only carries what they allow. Its credentials are named by
/// where they come from: they are never written down here, and never shown.
#[derive(Debug, clap::Args)]
pub(super) struct ProxyArgs {
    /// The proxy: `http://HOST:PORT` (CONNECT) or `socks5://HOST:PORT`.
    #[arg(long, value_name = "URL", value_parser = url)]
    set: Option<Url>,
    /// Connect directly from now on.
    #[arg(long, conflicts_with = "set")]
    unset: bool,
    /// With `--set`: the variable of jail's environment that holds `user:password`.
    #[arg(long, value_name = "NAME", requires = "set", value_parser = crate::policy::parse::env_name)]
    credentials_env: Option<String>,
    /// With `--set`: the file that holds `user:password`.
    #[arg(long, value_name = "FILE", requires = "set", conflicts_with = "credentials_env")]
    credentials_file: Option<PathBuf>,
    /// With `--set`: the program that prints `user:password`; give each of its words with the option.
    #[arg(long, value_name = "WORD", requires = "set",
          conflicts_with_all = ["credentials_env", "credentials_file"])]
    credentials_command: Vec<String>,
    /// Print `{"url", "credentials"}`, or `null` where there is none.
    #[arg(long, conflicts_with_all = ["set", "unset"])]
    json: bool,
}

#[derive(Debug, Clone)]
struct Url(UpstreamKind, String, u16);

#[derive(Debug, Serialize)]
struct Shown {
    url: String,
    credentials: Option<String>,
}

fn url(text: &str) -> Result<Url, Malformed> {
    decode::proxy(text).map(|(kind, host, port)| Url(kind, host, port))
}

pub(super) fn run(args: &ProxyArgs) -> Result<u8, Failure> {
    let (sources, folder) = place()?;
    let known = store::read(&folder)?.upstream.map(|upstream| upstream.value);
    let Some(Url(kind, host, port)) = &args.set else {
        if args.unset {
            let done = store::set_upstream(&folder, None)?;
            ui::line(if done { "no proxy any more" } else { "there was no proxy" });
            return Ok(exit::OK);
        }
        show(known.as_ref(), args.json)?;
        return Ok(exit::OK);
    };
    let file = args.credentials_file.as_ref().map(|path| {
        SecretSource::File(if path.is_absolute() { path.clone() } else { sources.cwd.join(path) })
    });
    let command = (!args.credentials_command.is_empty())
        .then(|| SecretSource::Command(args.credentials_command.clone()));
    let credentials = args.credentials_env.clone().map(SecretSource::Env).or(file).or(command);
    // Credentials are for one proxy: another does not get them.
    let dropped = credentials.is_none() && known.is_some_and(|known| known.credentials.is_some());
    let upstream = UpstreamRef { kind: kind.clone(), host: host.clone(), port: *port, credentials };
    let done = store::set_upstream(&folder, Some(&upstream))?;
    let state = if done { "" } else { ": was set already" };
    ui::line(&format!("proxy {}{state}", upstream.url()));
    if dropped {
        ui::line("without credentials: those of before were not taken over");
    }
    Ok(exit::OK)
}

fn show(upstream: Option<&UpstreamRef>, json: bool) -> Result<(), Failure> {
    let shown = upstream.map(|it| Shown { url: it.url(), credentials: it.credentials() });
    if json {
        return print_json(&shown);
    }
    match shown {
        Some(Shown { url, credentials: Some(source) }) => {
            print(&format!("{url}, credentials from {source}\n"))
        }
        Some(Shown { url, credentials: None }) => print(&format!("{url}\n")),
        None => {
            ui::line("no proxy: connections go out directly");
            Ok(())
        }
    }
}
