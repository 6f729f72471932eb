//! `docs/doctor.md`: what `jail doctor` can find.

use super::markdown::{head, row};
use crate::doctor::all::catalogue;
use crate::doctor::finding::{Rule, Severity};

/// What stands before the tables.
const ABOUT: &str = "# What `jail doctor` finds

`jail doctor` looks at this machine, at what listens on it, at the policy of the workspace, at the record of runs and
at the compose files of the workspace. `jail doctor host` and `jail doctor ports` look at one of these. Each finding has an id of the tables below, a severity,
what was seen, and what to do.

- Exit code 0: nothing at or above `--fail-on`; 1: something; 2: it could not look. `--fail-on` is `error` where you say
  nothing: what the registry's policy says `deny` to. For `warn`, say `--fail-on warning`.
- `--json` prints `jail.doctor/1`, `jail.doctor.host/1` or `jail.doctor.ports/1`; `jail doctor ports --sarif` prints SARIF 2.1.0.
- `jail doctor --fix` does what is safe: it takes the right to write to files of `.cloned` from other users, and removes
  the cgroups of runs that were killed. It ends no process and changes no policy.

## Which compose files are judged

Those that docker compose would take in the top folder of the workspace, merged; and each file `*compose*.y*ml` of its
folder `docker/`, alone, with `docker/.env`, else `docker/.env.example`, for the variables. [containers.md](containers.md#compose-files)
says how a finding is allowed with a reason; `jail compose check` looks at any file, and has `--fix` and `--sarif`.

## How ports are judged

Sockets are read from `/proc/net` of the network namespace that it runs in; with `--jails` also from those of running
jails, which are listed and not judged: nobody but the jail reaches them. The registry is `.cloned/ports.yaml`.

- **Loopback** is 127.0.0.0/8, ::1, the IPv4 forms of these in IPv6, and whatever is bound to the loopback interface.
- **`::`** takes IPv4 too, unless the socket says otherwise, which the kernel tells over netlink (sock_diag). Where that is
  refused, it is taken for both unless an IPv4 socket has the same port. The interface of a socket and the scope of a
  link-local address are not in `/proc/net` either: they come from netlink, else from the list of interfaces.
- **UDP** has no listening state. A socket with a peer is a client. One without a peer is a server, unless its port is in
  `ip_local_port_range`, not in `ip_local_reserved_ports`, and nobody registered it: so looks a client that the kernel gave
  a port. A server that chose such a port by itself is listed, but judged only when it is registered.
- **Raw and ping sockets** are listed (`--list`, `--json`) and not judged: they have no port. Ports of UDP-Lite and SCTP
  cannot be registered; they are judged by their address.
- **Holders** come from one pass over `/proc/*/fd`. Root sees all; an ordinary user sees their own processes, and the user
  of every socket. What cannot be seen is said, and compared with nothing (`ports.unverified`). One holder that is as
  registered is enough: systemd keeps the sockets that it hands to a service.
- **Programs** are compared by path, or by the last part of it, and must be the file that is at this path here: in a mount
  namespace of its own a process can have any path.
- **Containers** are known by their cgroup, or by docker-proxy, rootlessport, pasta and slirp4netns, which listen for them.
  Their names are in the engine's files, mostly for root alone. A port that docker publishes without docker-proxy is a
  rule of the packet filter: there is no socket, and this doctor does not see it.
- **Connectors** are jails of this workspace that run now. The process that serves their published ports keeps secrets, and
  only root may look into it: for others such a port is `ports.unverified`.
- **Short-lived sockets**: what is gone before its holder is found is left out. The kernel writes its tables a page at a
  time; where sockets come and go meanwhile it can leave one out. Those that are not on loopback are asked for over
  netlink as well.
- **Unix sockets** are looked at for processes that hold a registered port. Their names are chosen by whoever binds them,
  and may look like lines of the table: lines that are none are counted and said.
";

pub(super) fn page() -> String {
    let mut out = ABOUT.to_owned();
    for (doctor, rules) in catalogue() {
        out += &format!("\n## {doctor}\n\n{}", table(rules));
    }
    out
}

fn table(rules: &[&Rule]) -> String {
    let mut out = head(&["id", "severity", "what", "why"]);
    for rule in rules {
        let severity = match rule.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        out += &row(&[&format!("`{}`", rule.id), severity, rule.title, rule.why]);
    }
    out
}
