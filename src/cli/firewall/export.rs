//! `jail firewall export`.

use super::{host, place, print};
use crate::exit;
use crate::failure::{Failure, Kind};
use crate::firewall::check::manifest;
use crate::firewall::export::{Format as OfRules, export};
use crate::firewall::{Effect, Rule, Rules, store};
use crate::policy::ConnectorName;
use crate::policy::load;
use crate::ports::export::Format as OfHost;

/// Print the allowlist as configuration of another program; with `--host`, the registry of ports as
/// rules of this host's own firewall.
///
/// Of the allowlist, what that program cannot express is left out, and a comment says so; what nothing
/// allows is refused there, too.
///
/// With `--host`, the ports of `.cloned/ports.yaml` are closed to everything that does not come from
/// loopback, published ports of containers as well, but for services whose `bind` is not loopback. Other
/// ports and the rules of others are left alone. `docs/host-firewall.md` has more.
#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    /// For which program.
    #[arg(long, value_name = "FORMAT")]
    format: Format,
    /// What this connector may reach; without this, what any connector of the workspace may.
    #[arg(long, value_name = "NAME", conflicts_with = "host")]
    connector: Option<ConnectorName>,
    #[command(flatten)]
    host: host::HostArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Access rules for squid's `conf.d`.
    Squid,
    /// A bootstrap of Envoy as forward proxy.
    Envoy,
    /// Traefik's dynamic configuration: TLS passed through by its server name.
    Traefik,
    /// A table for `nft -f`: addresses; names are sets that you fill. With `--host`: ports.
    Nftables,
    /// With `--host`: a script that runs iptables and ip6tables.
    Iptables,
    /// With `--host`: an anchor for pf.
    Pf,
}

impl Format {
    fn of_rules(self) -> Option<OfRules> {
        match self {
            Self::Squid => Some(OfRules::Squid),
            Self::Envoy => Some(OfRules::Envoy),
            Self::Traefik => Some(OfRules::Traefik),
            Self::Nftables => Some(OfRules::Nftables),
            Self::Iptables | Self::Pf => None,
        }
    }

    fn of_host(self) -> Option<OfHost> {
        match self {
            Self::Nftables => Some(OfHost::Nftables),
            Self::Iptables => Some(OfHost::Iptables),
            Self::Pf => Some(OfHost::Pf),
            Self::Squid | Self::Envoy | Self::Traefik => None,
        }
    }
}

pub(super) fn run(args: &ExportArgs) -> Result<u8, Failure> {
    if args.host.host {
        let Some(format) = args.format.of_host() else {
            return Err(Failure::new(Kind::Usage, "this is no firewall of a host")
                .hint("with --host: --format nftables, iptables or pf"));
        };
        return host::run(format, &args.host);
    }
    let Some(format) = args.format.of_rules() else {
        return Err(Failure::new(Kind::Usage, "the allowlist cannot be written for this program")
            .hint("--format squid, envoy, traefik or nftables")
            .hint("the registry of ports can: --host"));
    };
    let rules = Rules(rules(args.connector.as_ref())?);
    print(&export(format, &rules, std::time::SystemTime::now()))?;
    Ok(exit::OK)
}

/// What this connector may reach; without one, what any may.
pub(super) fn rules(connector: Option<&ConnectorName>) -> Result<Vec<Rule>, Failure> {
    let (sources, folder) = place()?;
    let names = match connector {
        Some(name) => vec![name.clone()],
        None => load::connectors(&sources)?.unwrap_or_default().names,
    };
    let mut rules = Vec::new();
    let mut own = None;
    for name in &names {
        let (of_manifest, tool) = manifest(name, &sources)?;
        rules.extend(of_manifest);
        own = tool;
    }
    let mut overlay = store::read(&folder)?.rules().0;
    match connector {
        Some(_) => overlay.retain(|rule| rule.tool.is_none() || rule.tool == own),
        // What one tool may not, another may.
        None => overlay.retain(|rule| rule.tool.is_none() || rule.effect == Effect::Allow),
    }
    rules.extend(overlay);
    Ok(rules)
}
