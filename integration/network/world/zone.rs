//! What the world's DNS server knows.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Addresses that `many.test` has, and hosts that `host-N.many.test` are.
pub const MANY: u8 = 200;

pub fn many(n: u8) -> IpAddr {
    v4(23, 45, 67, n + 1)
}

/// Where a name leads, or `None`: no such name.
pub enum Entry {
    Addresses(Vec<IpAddr>),
    Alias(&'static str),
}

static REBINDS: AtomicUsize = AtomicUsize::new(0);

pub fn look_up(name: &str) -> Option<Entry> {
    let loopback = v4(127, 0, 0, 1);
    let addresses = match name {
        "allowed.test" | "www.allowed.test" => vec![ALLOWED, ALLOWED6],
        "other.test" | "evilallowed.test" | "allowed.test.evil.test" => vec![OTHER, OTHER6],
        "shared-a.test" | "shared-b.test" => vec![SHARED],
        "cname-to-private.test" => return Some(Entry::Alias("private.test")),
        "cname-to-loop.test" => return Some(Entry::Alias("loop.test")),
        "cname-to-other.test" => return Some(Entry::Alias("other.test")),
        "private.test" => vec![PRIVATE],
        // What other resolvers say as well; a final dot keeps it from /etc/hosts.
        "loop.test" | "localhost" => vec![loopback],
        "loop6.test" => vec![v6([0, 0, 0, 0, 0, 0, 0, 1])],
        "host.test" => vec![HOST_PUBLIC],
        "zero.test" => vec![v4(0, 0, 0, 0)],
        "metadata.test" => vec![METADATA],
        "metadata6.test" => vec![METADATA6],
        "cgnat.test" => vec![SHARED_SPACE],
        "mapped.test" => vec![v6([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1])],
        "six-to-four.test" => vec![SIX_TO_FOUR],
        "nat64.test" => vec![NAT64],
        "mixed.test" => vec![loopback, MIXED],
        "many.test" => (0..16).map(many).collect(),
        "rebind.test" => match REBINDS.fetch_add(1, Ordering::SeqCst) {
            // A and AAAA of the first look-up.
            0 | 1 => vec![REBIND],
            _ => vec![loopback],
        },
        _ => {
            let n: u8 = name.strip_prefix("host-")?.strip_suffix(".many.test")?.parse().ok()?;
            (n < MANY).then(|| vec![many(n)])?
        }
    };
    Some(Entry::Addresses(addresses))
}
