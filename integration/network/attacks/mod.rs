//! Every attack on the network, one file each.

#[allow(unused_imports)]
mod prelude {
    pub(super) use super::{BASE, Test, with_capabilities};
    pub(super) use crate::client::{self, judge_reply};
    pub(super) use crate::fixture::Fixture;
    pub(super) use crate::harness::{Attack, Control, Env, Outcome, Verdict};
    pub(super) use crate::kit::{self, judge};
    pub(super) use crate::world::seen::Seen;
    pub(super) use crate::world::{self, ALLOWED, ALLOWED6, OTHER, OTHER6, REACHED};
    pub(super) use crate::{allow, requires, syscall, tls};
    pub(super) use std::io::{self, Read, Write};
    pub(super) use std::net::{IpAddr, SocketAddr, TcpStream};
}

use crate::fixture::Fixture;
use crate::harness::Attack;

/// The options of a jail that may reach `allowed.test`, and these besides.
#[macro_export]
macro_rules! allow {
    ($($more:literal),* $(,)?) => {
        &["--allow", "allowed.test:80", "--allow", "allowed.test:443", $("--allow", $more),*]
    };
}

pub const BASE: Attack = Attack { jail_args: allow![], ..Attack::BASE };

pub type Test = Result<(), libtest_mimic::Failed>;

/// The control may do with the world's network what root may.
pub fn with_capabilities(fixture: &mut Fixture) {
    use caps::{CapSet, Capability};
    use std::os::unix::process::CommandExt;
    if fixture.jailed || unsafe { libc::geteuid() } == 0 {
        return;
    }
    let raise = || {
        for capability in [Capability::CAP_NET_RAW, Capability::CAP_NET_ADMIN] {
            for set in [CapSet::Inheritable, CapSet::Ambient] {
                caps::raise(None, set, capability).map_err(std::io::Error::other)?;
            }
        }
        Ok(())
    };
    fixture.hook(move |command| {
        unsafe { command.pre_exec(raise) };
    });
}

macro_rules! attacks {
    ($($name:ident),* $(,)?) => {
        $(mod $name;)*
        pub const ALL: &[&Attack] = &[$(&$name::ATTACK),*];
        const FILES: &[&str] = &[$(stringify!($name)),*];
    };
}

attacks! {
    abstract_socket,
    address_of_allowed,
    alias_name,
    bare_line_feed,
    bind_to_device,
    carriage_return_in_target,
    cname_to_loopback,
    cname_to_private,
    connect_pipelined,
    direct_lying_host,
    direct_tcp4,
    direct_tcp6,
    direct_unlisted_port,
    dns_below_allowed,
    dns_case_channel,
    dns_foreign,
    dns_over_https,
    dns_over_tls,
    dns_tunnel,
    dns_types,
    dotted_name,
    ech_connect,
    ech_direct,
    ech_socks,
    flood,
    header_bomb,
    host_by_address,
    host_by_name,
    host_header,
    host_in_connect,
    host_in_direct,
    host_in_socks,
    host_with_space,
    hosts_file,
    http2_prior_knowledge,
    http_nul,
    icmp_ping,
    icmp_raw,
    keepalive_other_host,
    kill_egress,
    listen_everywhere,
    loopback4,
    loopback6,
    loopback_absolute,
    loopback_mapped,
    loopback_socks,
    loopback_socks_address,
    loopback_spellings,
    metadata6_by_address,
    metadata6_by_name,
    metadata_by_address,
    metadata_by_name,
    mptcp,
    multicast,
    name_cgnat,
    name_loopback,
    name_loopback6,
    name_mapped,
    name_mixed,
    name_nat64,
    name_private,
    name_six_to_four,
    name_zero,
    obs_fold,
    other_jail,
    packet_socket,
    passed_socket,
    percent_encoding,
    pipelined_other_host,
    plain_on_443_connect,
    plain_on_443_direct,
    plain_on_443_socks,
    port_overflow,
    prefix_name,
    proxy_through_proxy,
    quic,
    raw_tcp,
    rebinding,
    redirect,
    route_change,
    sctp,
    second_host_in_connect,
    second_host_in_direct,
    second_host_in_socks,
    setns_of_socket,
    shared_address,
    slow_loris,
    smuggle_cl_te,
    smuggle_te_cl,
    smuggle_te_in_disguise,
    smuggle_two_lengths,
    sni_connect,
    sni_direct,
    sni_none_connect,
    sni_none_direct,
    sni_none_socks,
    sni_records,
    sni_socks,
    sni_split,
    sni_wrong_address,
    so_mark,
    socks_bind,
    socks_nul,
    socks_udp,
    ssh_on_80,
    steal_from_egress,
    suffix_name,
    tcp_fast_open,
    two_hosts,
    udp_53_payload,
    udp_lite,
    udp_sink,
    unlisted_name,
    unlisted_port,
    user_info,
    vsock,
}

/// A file that is forgotten in the list above, or named otherwise than its attack, is a failure.
pub fn every_file_is_an_attack() -> Test {
    for (file, attack) in FILES.iter().zip(ALL) {
        if *file != attack.name {
            return Err(format!("{file}.rs calls itself {}", attack.name).into());
        }
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/integration/network/attacks");
    // The suite also runs where its sources are not.
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().replace(".rs", "");
        if name != "mod" && !FILES.contains(&name.as_str()) {
            return Err(format!("{name}.rs is not in the list of attacks").into());
        }
    }
    Ok(())
}
