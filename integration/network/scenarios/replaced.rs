//! The files of the resolver are replaced while a jail runs, by rename, as programs do that care for them.

use super::*;
use crate::world::seen::Seen;
use crate::world::{self, NAMESERVER, RESOLVER};
use nix::mount::{MsFlags, mount};
use std::net::IpAddr;
use std::path::Path;

pub fn all() -> Vec<Scenario> {
    vec![Scenario { name: "replaced_resolver_files", check: replaced, ..Scenario::BASE }]
}

/// Another /etc with the same files, in which names can be given to other files: in a world, those of
/// the resolver are mounts, which nothing can take the place of.
fn own_etc(fixture: &Fixture) -> Check {
    let own = fixture.at("outside/etc");
    let mut command = Command::new("cp");
    // What this user cannot read is not copied, and nobody asks for it.
    command.args(["-a", "/etc"]).arg(&own).stdin(Stdio::null()).stderr(Stdio::null());
    command.status().map_err(|error| error.to_string())?;
    let none = None::<&str>;
    mount(Some(&own), "/etc", none, MsFlags::MS_BIND, none).map_err(|error| error.to_string())?;
    // A link leads to where another file cannot take its place.
    replace("/etc/resolv.conf", &format!("nameserver {NAMESERVER}\n"))
}

fn replace(path: &str, text: &str) -> Check {
    let new = format!("{path}.new");
    let done = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, path));
    done.map_err(|error| format!("{path}: {error}"))
}

fn asked(server: IpAddr, name: &str) -> usize {
    world::get().seen.count(
        |seen| matches!(seen, Seen::Question { name: asked, to, .. } if asked == name && *to == server),
    )
}

/// The new files are out of the process's reach: the old ones go on to count, names are still resolved,
/// and the person is told. A new run has the new files.
fn replaced() -> Check {
    let fixture = fixture();
    own_etc(&fixture)?;
    let options = ["--allow", "allowed.test:80", "--allow", "www.allowed.test:80"];
    let mut client = Session::jailed(&fixture, &options)?;
    let said = client.ask("doors allowed.test 80")?;
    must(said == ALL_DOORS, || format!("before: {said}"))?;
    must(asked(NAMESERVER, "allowed.test") > 0, || "the resolver was not asked".into())?;

    replace("/etc/resolv.conf", &format!("nameserver {RESOLVER}\n"))?;
    replace("/etc/hosts", "127.0.0.1 localhost\n")?;
    let said = client.ask("doors www.allowed.test 80")?;
    must(said == ALL_DOORS, || format!("after: {said}"))?;
    let (old, new) = (asked(NAMESERVER, "www.allowed.test"), asked(RESOLVER, "www.allowed.test"));
    must(old > 0 && new == 0, || format!("asked: the old one {old} times, the new one {new}"))?;
    let told = client.end_told()?;
    must(told.matches("/etc/hosts was replaced").count() == 1, || format!("told: {told}"))?;

    let mut client = Session::jailed(&fixture, &options)?;
    let said = client.ask("doors www.allowed.test 80")?;
    must(said == ALL_DOORS, || format!("a new run: {said}"))?;
    must(asked(RESOLVER, "www.allowed.test") > 0, || "a new run asked the old one".into())?;
    must(Path::new("/etc/resolv.conf").is_file(), || "it is gone".into())?;
    client.end()
}
