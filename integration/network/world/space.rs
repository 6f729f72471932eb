//! The namespaces of a world, and the cable between them.

use super::*;
use crate::kit;
use futures_util::TryStreamExt;
use nix::mount::{MsFlags, mount};
use rtnetlink::packet_route::link::{InfoData, InfoVeth};
use rtnetlink::packet_route::route::RouteScope;
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};
use std::fs;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

/// New network and mount namespaces: the first network is the internet; for an ordinary user in a user namespace of theirs, with their
/// own number, so that a program started here is as unprivileged as before.
pub fn leave_the_machine() {
    let more = libc::CLONE_NEWNET | libc::CLONE_NEWNS;
    if unsafe { libc::geteuid() } == 0 {
        assert_eq!(unsafe { libc::unshare(more) }, 0, "{}", std::io::Error::last_os_error());
    } else {
        kit::new_userns_same_ids(more).expect("namespaces");
    }
    // If the test that wanted this world dies, so does the world.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Name resolution and trust of the world, over those of the machine.
pub fn mounts(folder: &std::path::Path) {
    let none = None::<&str>;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(none, "/", none, private, none).expect("private mounts");
    let files = [
        ("/etc/resolv.conf", format!("nameserver {NAMESERVER}\n")),
        ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n".to_owned()),
        ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n".to_owned()),
        (
            "/etc/ssl/certs/ca-certificates.crt",
            fs::read_to_string(folder.join("ca.pem")).expect(""),
        ),
    ];
    for (path, text) in files {
        // A link leads to where the file is; where there is none, nobody reads it.
        let Ok(real) = fs::canonicalize(path) else { continue };
        let mine = folder.join(real.file_name().expect("a name"));
        fs::write(&mine, text).expect("a file");
        mount(Some(&mine), &real, none, MsFlags::MS_BIND, none).expect("a bind");
    }
    // Daemons that would resolve names in the machine's own network.
    for path in ["/run/systemd/resolve", "/run/nscd", "/run/dbus"] {
        if std::path::Path::new(path).is_dir() {
            mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::empty(), none).expect("a tmpfs");
        }
    }
}

/// The internet with its servers is built where this thread is; then this thread, and what it starts
/// from now on, moves to the host.
pub fn build(naive: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async move {
        no_waiting();
        let internet = netlink();
        own(&internet, 1, &on_the_internet()).await;
        packets::watch(packets::Side::Internet);
        servers::start(servers::Role::Internet);
        let there = fs::File::open("/proc/thread-self/ns/net").expect("my namespace");
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0, "the host's namespace");
        no_waiting();
        let host = netlink();
        own(&host, 1, if naive { &[DOOR, DOOR6] } else { &[] }).await;
        cable(&host, there.as_raw_fd()).await;
        own(&internet, ETH, &[NAMESERVER, GATEWAY6]).await;
        own(&host, ETH, &[HOST, HOST6]).await;
        own(&host, 1, &[HOST_PUBLIC]).await;
        for (to, side) in [(HOST, &internet), (HOST6, &internet)] {
            route(side, Some(to), None).await;
        }
        for (gateway, side) in [(NAMESERVER, &host), (GATEWAY6, &host)] {
            route(side, Some(gateway), None).await;
            route(side, None, Some(gateway)).await;
        }
        for side in [&internet, &host] {
            // Who asks after a link wakes the worker that makes it usable, which else takes a second.
            let mut links = side.link().get().match_index(ETH).execute();
            links.try_next().await.expect("a link");
        }
    });
    // Whoever may make such a socket may ping; IPv6 needs no more.
    let gid = unsafe { libc::getegid() };
    fs::write("/proc/sys/net/ipv4/ping_group_range", format!("{gid} {gid}")).expect("a setting");
    packets::watch(packets::Side::Host);
    servers::start(servers::Role::Host { naive });
    until_it_works();
    packets::settle();
    get().seen.forget();
}

/// Both ends of the cable. The low numbers may be taken: some kernels give each namespace tunnels.
const ETH: u32 = 77;

/// Addresses are usable as soon as they are there.
fn no_waiting() {
    for (path, value) in [("ipv6/conf/default/accept_dad", "0"), ("ipv6/conf/all/accept_dad", "0")]
    {
        // A kernel without IPv6 has none to wait for.
        drop(fs::write(Path::new("/proc/sys/net").join(path), value));
    }
}

fn netlink() -> Handle {
    let (connection, handle, _) = rtnetlink::new_connection().expect("netlink");
    tokio::spawn(connection);
    handle
}

/// Sets the link up, and gives it these addresses.
async fn own(handle: &Handle, link: u32, addresses: &[IpAddr]) {
    let up = LinkUnspec::new_with_index(link).up().build();
    handle.link().change(up).execute().await.expect("a link up");
    for address in addresses {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        handle.address().add(link, *address, bits).execute().await.expect("an address");
    }
}

async fn cable(host: &Handle, internet: RawFd) {
    let peer = LinkMessageBuilder::<LinkUnspec>::new()
        .name("net0".to_owned())
        .index(ETH)
        .setns_by_fd(internet)
        .build();
    let link = LinkVeth::new("eth0", "net0")
        .index(ETH)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
        .build();
    host.link().add(link).execute().await.expect("a veth pair");
}

/// `None`: everywhere.
async fn route(handle: &Handle, to: Option<IpAddr>, by: Option<IpAddr>) {
    let six = to.or(by).is_some_and(|address| address.is_ipv6());
    let any = if six { Ipv6Addr::UNSPECIFIED.into() } else { IpAddr::from(Ipv4Addr::UNSPECIFIED) };
    let bits = match to {
        None => 0,
        Some(_) if six => 128,
        Some(_) => 32,
    };
    let mut route = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(to.unwrap_or(any), bits)
        .expect("a prefix")
        .output_interface(ETH);
    if let Some(gateway) = by {
        route = route.gateway(gateway).expect("a gateway");
    } else {
        route = route.scope(RouteScope::Link);
    }
    handle.route().add(route.build()).execute().await.expect("a route");
}

fn on_the_internet() -> Vec<IpAddr> {
    let mut all = vec![
        ALLOWED,
        ALLOWED6,
        OTHER,
        OTHER6,
        SHARED,
        REBIND,
        MIXED,
        RESOLVER,
        PRIVATE,
        SHARED_SPACE,
        METADATA,
        METADATA6,
        SIX_TO_FOUR,
        NAT64,
        v4(1, 1, 1, 1),
    ];
    all.extend((0..zone::MANY).map(zone::many));
    all
}

/// Neighbours find each other in their own time; only then is this a world.
fn until_it_works() {
    let until = Instant::now() + crate::run::patience(20_000);
    for address in [ALLOWED, ALLOWED6] {
        let to = SocketAddr::new(address, 7);
        while std::net::TcpStream::connect_timeout(&to, Duration::from_millis(100)).is_err() {
            assert!(Instant::now() < until, "the world does not work: no way to {address}");
        }
    }
}
