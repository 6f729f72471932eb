//! The registry as rules of the host's own firewall. Pure.
//!
//! What is registered is closed to every interface but loopback, unless its `bind` says otherwise; what
//! is not registered is left alone. All rules are in tables, chains or an anchor of our own, so that
//! loading them again changes nothing, and removing them leaves the rest as it was.

mod closed;
mod egress;
mod iptables;
mod nftables;
mod pf;

pub use egress::Egress;
pub use iptables::{JUMPS, Jump};

use super::Registry;
use closed::Closed;

/// The table of nftables; the chains of iptables and the anchor of pf are named likewise.
pub const TABLE: &str = "jail_host";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A table for `nft -f`.
    Nftables,
    /// A script for sh that runs iptables and ip6tables.
    Iptables,
    /// An anchor for `pfctl -a jail_host -f`.
    Pf,
}

/// The rules, as a person saves and loads them.
pub fn export(format: Format, registry: &Registry, egress: Option<&Egress>) -> String {
    let closed = Closed::of(registry);
    match format {
        Format::Nftables => nftables::text(&closed, egress),
        Format::Iptables => iptables::script(&closed, egress),
        Format::Pf => pf::text(&closed),
    }
}

/// The same rules for `iptables-restore --noflush` and `ip6tables-restore --noflush`; [`JUMPS`] must be
/// made besides.
pub fn iptables_chains(registry: &Registry, egress: Option<&Egress>) -> String {
    iptables::document(&Closed::of(registry), egress)
}

/// Removes the chains; the [`JUMPS`] must be gone.
pub fn iptables_no_chains() -> String {
    iptables::removal()
}

/// What is closed, a line each: `tcp 8080 (localai)`.
pub fn in_words(registry: &Registry) -> Vec<String> {
    Closed::of(registry).iter().map(ToString::to_string).collect()
}

/// What takes all of it away again, and does nothing where there is none of it.
pub fn removal(format: Format) -> String {
    match format {
        Format::Nftables => nftables::removal(),
        Format::Iptables => iptables::removal_script(),
        Format::Pf => pf::removal(),
    }
}

/// A text for a comment: whatever it is, it ends neither the comment nor its quotes nor its line.
fn plain(text: &str) -> String {
    // nftables takes 127 bytes, iptables 255.
    const MOST: usize = 100;
    let fits = |c: char| c.is_ascii_alphanumeric() || " ._-,:/+".contains(c);
    text.chars().take(MOST).map(|c| if fits(c) { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests;
