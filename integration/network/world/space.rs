//! The namespaces of a world: alone, with a loopback that owns the internet.

use super::*;
use crate::kit;
use nix::mount::{MsFlags, mount};
use rtnetlink::LinkUnspec;
use std::fs;

/// New network and mount namespaces; for an ordinary user in a user namespace of theirs, with their
/// own number, so that a program started here is as unprivileged as before.
pub fn leave_the_host() {
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

pub fn addresses(naive: bool) {
    let mut all = vec![
        ALLOWED,
        ALLOWED6,
        OTHER,
        OTHER6,
        SHARED,
        REBIND,
        MIXED,
        RESOLVER,
        NAMESERVER,
        PRIVATE,
        SHARED_SPACE,
        METADATA,
        METADATA6,
        SIX_TO_FOUR,
        NAT64,
        v4(1, 1, 1, 1),
    ];
    all.extend((0..zone::MANY).map(zone::many));
    if naive {
        all.extend([DOOR, DOOR6]);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async move {
        let (connection, handle, _) = rtnetlink::new_connection().expect("netlink");
        let connection = tokio::spawn(connection);
        let up = LinkUnspec::new_with_index(1).up().build();
        handle.link().change(up).execute().await.expect("lo up");
        for address in all {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            handle.address().add(1, address, bits).execute().await.expect("an address");
        }
        connection.abort();
    });
    // Whoever may make such a socket may ping; IPv6 needs no more.
    let gid = unsafe { libc::getegid() };
    fs::write("/proc/sys/net/ipv4/ping_group_range", format!("{gid} {gid}")).expect("a setting");
}
