//! Two network namespaces joined by a veth pair: the one in which this process goes on, where `jail` and
//! the proxies run, and the internet, in which only sockets are. Nothing leads out of the two.

use super::server::{self, ADDRESS, Sockets};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rtnetlink::packet_route::link::{InfoData, InfoVeth};
use rtnetlink::{Handle, LinkUnspec, LinkVeth, RouteMessageBuilder};
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;
use std::path::Path;

/// Outside of every network that is private or reserved, as the address of a real machine would be.
const OURS: Ipv4Addr = Ipv4Addr::new(203, 0, 114, 2);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(203, 0, 114, 1);
const LOOPBACK: u32 = 1;
const OUR_END: u32 = 20;
const THEIR_END: u32 = 21;

/// Moves this process, which has one thread, into a world of its own, and starts the server there.
pub(crate) fn enter(folder: &Path) {
    // While it is still mapped, the owner of /proc/self is known.
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    if !uid.is_root() {
        unshare(CloneFlags::CLONE_NEWUSER).expect("no user namespaces here");
        fs::write("/proc/self/setgroups", "deny").unwrap();
        fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")).unwrap();
        fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")).unwrap();
    }
    let spaces = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET;
    unshare(spaces).expect("no namespaces here");
    names(folder);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(networks()).expect("cannot join the namespaces").serve();
    // A port that was just used may be used again: there are more connections than ports. Best effort.
    drop(fs::write("/proc/sys/net/ipv4/tcp_tw_reuse", "1"));
    drop(fs::write("/proc/sys/net/ipv4/ip_local_port_range", "2048 64999"));
}

/// One name, for this process and its children only.
fn names(folder: &Path) {
    let none = None::<&str>;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(none, "/", none, private, none).expect("cannot make the mounts private");
    // Squid keeps files there, and does not start beside those of another one.
    let tmpfs = mount(Some("tmpfs"), "/dev/shm", Some("tmpfs"), MsFlags::empty(), none);
    tmpfs.expect("cannot mount a tmpfs");
    let files = [
        ("hosts", format!("{ADDRESS} {}\n", server::NAME)),
        ("resolv.conf", format!("nameserver {ADDRESS}\n")),
    ];
    for (name, text) in files {
        let (file, over) = (folder.join(name), Path::new("/etc").join(name));
        fs::write(&file, text).unwrap();
        let over = fs::canonicalize(&over).unwrap_or(over);
        mount(Some(&file), &over, none, MsFlags::MS_BIND, none).expect("cannot give names");
    }
}

async fn networks() -> Result<Sockets, rtnetlink::Error> {
    let sockets = Sockets::open();
    let (connection, theirs, _) = rtnetlink::new_connection().expect("no netlink here");
    tokio::spawn(connection);
    let internet = File::open("/proc/thread-self/ns/net").unwrap();
    unshare(CloneFlags::CLONE_NEWNET).expect("no second network namespace");
    let (connection, ours, _) = rtnetlink::new_connection().expect("no netlink here");
    tokio::spawn(connection);

    let peer =
        LinkUnspec::new_with_name("world").index(THEIR_END).setns_by_fd(internet.as_raw_fd());
    let pair = LinkVeth::new("way", "world")
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build())))
        .index(OUR_END);
    ours.link().add(pair.build()).execute().await?;
    up(&theirs, THEIR_END, &[(THEIR_END, GATEWAY, 24), (LOOPBACK, ADDRESS, 32)]).await?;
    up(&ours, OUR_END, &[(OUR_END, OURS, 24)]).await?;
    let route = RouteMessageBuilder::<Ipv4Addr>::new().gateway(GATEWAY).output_interface(OUR_END);
    ours.route().add(route.build()).execute().await?;
    Ok(sockets)
}

async fn up(
    handle: &Handle,
    end: u32,
    addresses: &[(u32, Ipv4Addr, u8)],
) -> Result<(), rtnetlink::Error> {
    for (link, address, prefix) in addresses {
        handle.address().add(*link, IpAddr::V4(*address), *prefix).execute().await?;
    }
    for link in [LOOPBACK, end] {
        handle.link().set(LinkUnspec::new_with_index(link).up().build()).execute().await?;
    }
    Ok(())
}
