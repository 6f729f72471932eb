//! The network of a jail with a way out: two namespaces, and a pair of interfaces between them. Tried
//! with the very requests that a run sends.

use super::super::host::{Check, Status};
use super::namespaces::NET;
use super::{Primitive, Probes};
use crate::plan::network::{Batch, Requests};
use crate::sys::netlink::Netlink;
use crate::sys::probe::{Fail, Outcome};
use crate::sys::{SysError, net};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

const SECOND: Primitive = Primitive {
    id: "network.second",
    title: "second network namespace",
    cost: "connectors that reach the network cannot run (those without network can)",
};
const VETH: Primitive = Primitive {
    id: "network.veth",
    title: "veth pair",
    cost: "connectors that reach the network cannot run (those without network can)",
};
const ANY: Primitive = Primitive {
    id: "network.any-address",
    title: "every address local",
    cost: "connectors that reach the network cannot run (those without network can)",
};
const RAW: Primitive = Primitive {
    id: "network.raw",
    title: "raw sockets",
    cost: "what knocks at ports that no rule allows could not be seen, and connectors that reach the \
           network cannot run",
};
const IPV6: Primitive =
    Primitive { id: "network.ipv6", title: "IPv6", cost: "connectors see and reach IPv4 only" };
/// By which a run knows whether there is IPv6.
const IPV6_FILE: &str = "/proc/net/if_inet6";
const SYSCTL: Primitive = Primitive {
    id: "network.sysctl",
    title: "network settings",
    cost: "MPTCP and TCP Fast Open cannot be switched off in the jail's network; its seccomp filter \
           and firewall must hold alone",
};

pub(super) fn checks(probes: &Probes) -> Vec<Check> {
    if probes.user_ns.is_err() {
        let mut all: Vec<Check> =
            [SECOND, VETH, ANY, RAW].iter().map(|what| what.no_user_ns().needed()).collect();
        all.extend([IPV6, SYSCTL].iter().map(Primitive::no_user_ns));
        return all;
    }
    let inside = |what: Primitive, body: fn() -> Outcome| what.judge_inside(probes, NET, body);
    vec![
        inside(SECOND, try_second).needed(),
        with_module(inside(VETH, try_veth)).needed(),
        with_module(inside(ANY, try_any_address)).needed(),
        inside(RAW, try_raw).needed(),
        ipv6(Path::new(IPV6_FILE).exists(), || inside(IPV6, try_ipv6)),
        settings(probes),
    ]
}

/// A kernel without the module says so in this way.
fn with_module(check: Check) -> Check {
    if !check.evidence.contains("EOPNOTSUPP") {
        return check;
    }
    check.fix("any", "sudo modprobe veth && echo veth | sudo tee /etc/modules-load.d/jail.conf")
}

/// A run goes on without it where the machine has none; where it has some, a jail must get it as well.
fn ipv6(there: bool, tried: impl FnOnce() -> Check) -> Check {
    if there {
        return tried().needed();
    }
    let evidence = format!("no {IPV6_FILE}");
    Check::not_ok(IPV6.id, IPV6.title, Status::Degraded, evidence, IPV6.cost)
        .fix("any", "boot without ipv6.disable=1 on the kernel command line")
}

fn settings(probes: &Probes) -> Check {
    let outcome = probes.in_user_ns(NET, try_sysctl);
    let read_only = outcome.as_ref().is_err_and(|fail| fail.errno == Some(Errno::EROFS));
    let mut sysctl = SYSCTL.judge(outcome, &probes.facts);
    if read_only {
        sysctl.status = Status::Degraded;
        sysctl = sysctl
            .fix("docker", "docker run --security-opt systempaths=unconfined …")
            .fix("podman", "podman run --security-opt unmask=/proc/sys …");
    }
    sysctl
}

/// Two namespaces as in a run: this process was born in the one, and is in the other now.
struct Two {
    born: Netlink,
    born_ns: File,
    now: Netlink,
}

impl Two {
    fn make() -> Result<Self, Fail> {
        // Security modules let the namespace be made and refuse the first act in it: this is that act.
        let lo = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
            .map_err(|e| Fail::errno("socket(AF_INET)", e))?;
        net::loopback_up(lo.as_fd()).map_err(failed("SIOCSIFFLAGS(lo up)"))?;
        let born = Netlink::open().map_err(failed("socket(AF_NETLINK)"))?;
        let place = "/proc/self/ns/net";
        let born_ns = File::open(place).map_err(Fail::io(format!("open({place})")))?;
        unshare(CloneFlags::CLONE_NEWNET).map_err(|e| Fail::errno("unshare(CLONE_NEWNET)", e))?;
        let now = Netlink::open().map_err(failed("socket(AF_NETLINK)"))?;
        Ok(Self { born, born_ns, now })
    }

    /// The pair, its other end born in the first namespace.
    fn join(&self, requests: &Requests) -> Result<(), Fail> {
        let mut create = requests.create.clone();
        let place = requests.create_fd_at..requests.create_fd_at + 4;
        match create.bytes.get_mut(place) {
            Some(place) => place.copy_from_slice(&self.born_ns.as_raw_fd().to_ne_bytes()),
            None => return Err(Fail::note("RTM_NEWLINK(veth)", "no place for the namespace")),
        }
        ask(&self.now, &create, "RTM_NEWLINK(veth)")
    }

    /// Addresses, links and routes of both.
    fn set_up(&self, requests: &Requests) -> Result<(), Fail> {
        for (born, now, call) in [
            (&requests.proxy.addresses, &requests.jail.addresses, "RTM_NEWADDR"),
            (&requests.proxy.up, &requests.jail.up, "RTM_SETLINK(up)"),
            (&requests.proxy.settle, &requests.jail.settle, "RTM_GETLINK"),
            (&requests.proxy.routes, &requests.jail.routes, "RTM_NEWROUTE(local default)"),
        ] {
            ask(&self.born, born, call)?;
            ask(&self.now, now, call)?;
        }
        Ok(())
    }
}

fn ask(to: &Netlink, batch: &Batch, call: &str) -> Result<(), Fail> {
    to.ask(&batch.bytes, batch.messages).map_err(failed(call))
}

fn failed(call: &str) -> impl FnOnce(SysError) -> Fail {
    move |error| Fail::errno(call, error.errno())
}

fn try_second() -> Outcome {
    Two::make()?;
    Ok("loopback up in one, the other made beside it".into())
}

fn try_veth() -> Outcome {
    Two::make()?.join(&Requests::new(false))?;
    Ok("made, with its other end in the other namespace".into())
}

fn try_any_address() -> Outcome {
    let (two, requests) = (Two::make()?, Requests::new(false));
    two.join(&requests)?;
    two.set_up(&requests)?;
    Ok("IPv4: addresses, routes and neighbours set at both ends".into())
}

fn try_ipv6() -> Outcome {
    let (two, requests) = (Two::make()?, Requests::new(true));
    two.join(&requests)?;
    two.set_up(&requests)?;
    Ok("the same for IPv6".into())
}

fn try_raw() -> Outcome {
    let flags = SockFlag::SOCK_CLOEXEC;
    for (protocol, name) in [(SockProtocol::Tcp, "TCP"), (SockProtocol::Udp, "UDP")] {
        socket(AddressFamily::Inet, SockType::Raw, flags, protocol)
            .map_err(|e| Fail::errno(format!("socket(SOCK_RAW, {name})"), e))?;
    }
    Ok("opened in a network namespace of its own".into())
}

fn try_sysctl() -> Outcome {
    let file = "/proc/sys/net/ipv4/tcp_fastopen";
    std::fs::write(file, "0").map_err(Fail::io(format!("write({file})")))?;
    let value = std::fs::read_to_string(file).map_err(Fail::io(format!("open({file})")))?;
    match value.trim() {
        "0" => Ok("writable in the jail's network namespace".into()),
        other => Err(Fail::note(format!("write({file})"), format!("still {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(what: &Primitive, errno: Errno) -> Check {
        let evidence = Fail::errno("RTM_NEWLINK(veth)", errno).to_string();
        Check::not_ok(what.id, what.title, Status::Missing, evidence, what.cost)
    }

    #[test]
    fn a_kernel_without_veth_is_told_to_load_it() {
        let told = with_module(check(&VETH, Errno::EOPNOTSUPP));
        assert!(told.fixes.iter().any(|fix| fix.command.starts_with("sudo modprobe veth")));
        assert!(with_module(check(&VETH, Errno::EPERM)).fixes.is_empty());
    }

    #[test]
    fn a_machine_without_ipv6_is_ready_and_one_whose_jails_get_none_is_not() {
        let tried = || check(&IPV6, Errno::EOPNOTSUPP);
        let without = ipv6(false, || unreachable!());
        assert_eq!((without.status, without.needed), (Status::Degraded, false));
        let broken = ipv6(true, tried);
        assert_eq!((broken.status, broken.needed), (Status::Missing, true));
    }
}
