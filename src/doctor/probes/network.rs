//! The network of a jail: a pair of interfaces between two namespaces that nobody else sees.

use super::super::host::{Check, Status};
use super::namespaces::NET;
use super::netlink::Route;
use super::{Primitive, Probes};
use crate::sys::probe::{Fail, Outcome};
use nix::errno::Errno;

const VETH: Primitive = Primitive {
    id: "network.veth",
    title: "veth pair",
    cost: "connectors that reach the network cannot run (those without network can)",
};
const SYSCTL: Primitive = Primitive {
    id: "network.sysctl",
    title: "network settings",
    cost: "MPTCP and TCP Fast Open cannot be switched off in the jail's network; its seccomp filter \
           and firewall must hold alone",
};

pub(super) fn checks(probes: &Probes) -> Vec<Check> {
    if probes.user_ns.is_err() {
        return vec![VETH.no_user_ns().needed(), SYSCTL.no_user_ns()];
    }
    let mut veth = VETH.judge_inside(probes, NET, try_veth).needed();
    if veth.evidence.contains("EOPNOTSUPP") {
        veth = veth
            .fix("any", "sudo modprobe veth && echo veth | sudo tee /etc/modules-load.d/jail.conf");
    }
    let outcome = probes.in_user_ns(NET, try_sysctl);
    let read_only = outcome.as_ref().is_err_and(|fail| fail.errno == Some(Errno::EROFS));
    let mut sysctl = SYSCTL.judge(outcome, &probes.facts);
    if read_only {
        sysctl.status = Status::Degraded;
        sysctl = sysctl
            .fix("docker", "docker run --security-opt systempaths=unconfined …")
            .fix("podman", "podman run --security-opt unmask=/proc/sys …");
    }
    vec![veth, sysctl]
}

fn try_veth() -> Outcome {
    let route = Route::open()?;
    // Security modules let the namespace be made and refuse the first act in it: this is that act.
    route.loopback_up()?;
    route.add_veth("probe0", "probe1")?;
    Ok("loopback up, pair made".into())
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
