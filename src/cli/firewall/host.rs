//! `jail firewall export --host`: the registry of ports as rules of this host's firewall.

use super::{export, place, print};
use crate::audit::{self, Change, Digest, Event, Firewall, Log, RunId, Text};
use crate::cli::ui;
use crate::exit;
use crate::failure::{Failure, Kind};
use crate::firewall::address::not_public;
use crate::firewall::{Effect, Host, HostPattern, store};
use crate::policy::load::{self, Sources, WorkspaceRoot};
use crate::ports::apply::{Programs, Tool, Wanted};
use crate::ports::export::{Egress, Format, export as text_of, in_words, removal};
use crate::ports::{self, Registry};
use nix::unistd::{Uid, User, geteuid};
use std::io::{IsTerminal as _, stderr, stdin};
use std::path::PathBuf;
use std::time::SystemTime;

#[derive(Debug, clap::Args)]
pub(super) struct HostArgs {
    /// The registry of ports as rules of this host's own firewall.
    #[arg(long)]
    pub(super) host: bool,
    /// With `--host`: what removes those rules again.
    #[arg(long, requires = "host")]
    remove: bool,
    /// With `--host`: a user, by name or number, who only runs jails: may reach name resolution and
    /// the ports that rules of this workspace allow, at public addresses unless a rule says `private`.
    /// May be given more than once.
    #[arg(long, value_name = "USER", requires = "host", conflicts_with = "remove", value_parser = user)]
    egress_user: Vec<u32>,
    /// With `--host`: load the rules (with `--remove`, remove them) here and now, look whether they are
    /// there, and record it. Needs root.
    #[arg(long, requires = "host")]
    apply: bool,
    /// With `--apply`: do not ask.
    #[arg(long, requires = "apply")]
    yes: bool,
}

/// A name or a number. Not root's: that is the machine's own traffic.
fn user(text: &str) -> Result<u32, String> {
    let uid = match text.parse::<u32>() {
        Ok(number) => number,
        Err(_) => {
            let found = User::from_name(text).map_err(|errno| errno.to_string())?;
            found.ok_or_else(|| format!("there is no user `{text}`"))?.uid.as_raw()
        }
    };
    match uid {
        0 => {
            Err("root's traffic is that of the whole machine: name a user who only runs jails"
                .into())
        }
        // -1 is nobody's: chown(2) and iptables read it as `none`.
        u32::MAX => Err("there is no such user number".into()),
        uid => Ok(uid),
    }
}

pub(super) fn run(format: Format, args: &HostArgs) -> Result<u8, Failure> {
    if format == Format::Pf && !args.egress_user.is_empty() {
        return Err(Failure::new(Kind::Usage, "--egress-user is for nftables and iptables")
            .because("jails run on Linux, and pf does not"));
    }
    let tool = args.apply.then(|| may_apply(format)).transpose()?;
    let sources = Sources::of_process()?;
    let root = WorkspaceRoot::find(&sources.cwd)?;
    let registry = match &root {
        // What removes the rules must work where the registry does not.
        _ if args.remove => Registry::default(),
        Some(root) => ports::store::read(root).map_err(|failure| match tool {
            // Root takes no file of another user's; what that user prints can be looked at first.
            Some(tool) => failure.hint(by_hand(tool)),
            None => failure,
        })?,
        None => return Err(load::no_workspace(&sources.cwd)),
    };
    let egress = if args.egress_user.is_empty() { None } else { Some(egress(&args.egress_user)?) };
    let text = match args.remove {
        true => removal(format),
        false => text_of(format, &registry, egress.as_ref()),
    };
    let Some(tool) = tool else {
        print(&text)?;
        return Ok(exit::OK);
    };
    let path = std::env::var_os("PATH");
    let programs = Programs::find(tool, path.as_deref())?;
    let log = log(root.as_ref())?;
    let name = if tool == Tool::Nftables { "nftables" } else { "iptables" };
    if !confirmed(args, name, &registry, egress.as_ref())? {
        ui::line("nothing was changed");
        return Ok(exit::FINDINGS);
    }
    let wanted = match args.remove {
        true => Wanted::Nothing,
        false => Wanted::Rules { registry: &registry, egress: egress.as_ref() },
    };
    let done = programs.apply(&wanted);
    let closed = in_words(&registry);
    let event = Firewall {
        run: RunId::fresh(),
        change: if args.remove { Change::Removed } else { Change::Applied },
        by: name.into(),
        registry: root.map(|root| Text::new(&ports::store::path(&root).to_string_lossy())),
        rules_sha256: Digest::of(text.as_bytes()),
        closed: closed.iter().map(|it| Text::new(it)).collect(),
        users: egress.map(|it| it.users).unwrap_or_default(),
        jail_version: env!("CARGO_PKG_VERSION").into(),
        failed: done.as_ref().err().map(|failure| Text::new(&failure.what)),
    };
    let recorded = log.append(&Event::Firewall(event));
    done?;
    let act = if args.remove { "removed" } else { "loaded and read back" };
    let receipt = recorded.map_err(|error| {
        let reason = Failure::from(error);
        let what = format!("the rules were {act}, but that could not be recorded");
        Failure { kind: Kind::Io, what, ..reason }
    })?;
    ui::line(&format!("{act}: {name}; record {} of {}", receipt.seq, log.path().display()));
    if !args.remove {
        ui::line(
            "they last until this machine starts again; `jail firewall export` without --apply prints them for a file",
        );
    }
    Ok(exit::OK)
}

fn may_apply(format: Format) -> Result<Tool, Failure> {
    let tool = match format {
        Format::Nftables => Tool::Nftables,
        Format::Iptables => Tool::Iptables,
        Format::Pf => {
            return Err(Failure::new(Kind::Usage, "--apply loads nftables or iptables")
                .because("pf is not on this machine")
                .hint("without --apply the anchor is printed"));
        }
    };
    if geteuid().is_root() {
        return Ok(tool);
    }
    Err(Failure::new(Kind::Refused, "only root may change this host's firewall")
        .because(format!("this is user {}", geteuid()))
        .hint("the same command with sudo, where `.cloned/ports.yaml` is root's")
        .hint(by_hand(tool)))
}

fn by_hand(tool: Tool) -> &'static str {
    match tool {
        Tool::Nftables => {
            "or as its owner: jail firewall export --host --format nftables | sudo nft -f -"
        }
        Tool::Iptables => {
            "or as its owner: jail firewall export --host --format iptables | sudo sh"
        }
    }
}

/// Where a change of the host is recorded: the workspace's log, if it is root's own; else root's.
fn log(root: Option<&WorkspaceRoot>) -> Result<Log, Failure> {
    use std::os::unix::fs::MetadataExt as _;
    let own = |root: &&WorkspaceRoot| {
        let folder = std::fs::metadata(root.path.join(load::FOLDER));
        folder.is_ok_and(|it| it.uid() == geteuid().as_raw())
    };
    let root = root.filter(own).map(|root| &*root.path);
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    // Not HOME, which sudo may have left as it was.
    let home = User::from_uid(Uid::from_raw(0)).ok().flatten().map(|user| user.dir);
    let path = audit::path_for(root, state.as_deref(), home.as_deref());
    let what = "the audit log cannot be written, and the firewall is not changed unrecorded";
    let Some(path) = path else {
        return Err(Failure::new(Kind::Refused, what)
            .because("root has no home folder, and XDG_STATE_HOME is not set")
            .hint("set XDG_STATE_HOME"));
    };
    Log::open(&path).map_err(|error| {
        let reason = Failure::from(error);
        Failure { kind: Kind::Refused, what: what.to_owned(), ..reason }
    })
}

/// Ports that the workspace's rules allow: what the egress process may dial.
fn egress(users: &[u32]) -> Result<Egress, Failure> {
    let now = SystemTime::now();
    let mut egress = Egress { users: users.to_vec(), ports: Vec::new(), private: false };
    let current = |end: Option<SystemTime>| end.is_none_or(|end| now < end);
    for rule in export::rules(None)? {
        if rule.effect == Effect::Allow && current(rule.expires) {
            egress.ports.extend(rule.ports.one());
            // An address that is named is meant.
            let named = matches!(&rule.host, HostPattern::Exact(Host::Address(address))
                if not_public(*address).is_some());
            egress.private |= rule.private || named;
        }
    }
    let (_, folder) = place()?;
    if let Some(upstream) = store::read(&folder)?.upstream {
        egress.ports.push(upstream.value.port);
        // It is mostly a machine of the same network.
        egress.private = true;
    }
    Ok(egress)
}

/// Says what is to be done, and asks.
fn confirmed(
    args: &HostArgs,
    name: &str,
    registry: &Registry,
    egress: Option<&Egress>,
) -> Result<bool, Failure> {
    if args.remove {
        ui::line(&format!("removes all rules of jail from this host's {name}"));
    } else {
        let closed = in_words(registry);
        ui::line(&format!("closes to everything but loopback, by {name}:"));
        closed.iter().for_each(|port| ui::line(&format!("  {port}")));
        if closed.is_empty() {
            ui::line("  no port: nothing is registered, or all of it is open by its `bind`");
        }
        if let Some(egress) = egress {
            ui::line(&format!(
                "narrows the way out of user {:?} to DNS and TCP {:?}",
                egress.users, egress.ports
            ));
        }
    }
    if args.yes {
        return Ok(true);
    }
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return Err(Failure::new(Kind::Usage, "there is nobody to ask: this is no terminal")
            .hint("--yes loads the rules without asking"));
    }
    ui::line("do it? [y/N]");
    let mut answer = String::new();
    stdin()
        .read_line(&mut answer)
        .map_err(|error| Failure::new(Kind::Io, "cannot read the answer").because(error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
