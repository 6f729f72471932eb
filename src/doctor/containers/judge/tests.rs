//! A hardened container is clean, and each loosened knob is one finding: no more, no less.

use super::*;
use crate::container::cgroup::InForce;
use crate::doctor::containers::{Live, allow, look};
use serde_json::{Value, json};

const STATUS: &str = "Uid:\t65532\t65532\t65532\t65532\nCapPrm:\t0000000000000000\n\
    CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\n\
    NoNewPrivs:\t1\nSeccomp:\t2\n";
const MOUNTS: &str = "\
    96 71 0:39 / / ro,relatime - overlay overlay rw,lowerdir=x\n\
    97 96 0:42 / /proc rw,nosuid,nodev,noexec - proc proc rw\n\
    98 96 0:43 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755\n\
    113 96 0:48 / /tmp rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,size=16384k\n\
    114 96 254:0 /x /etc/hosts ro,relatime - ext4 /dev/vda rw\n";

fn limits() -> InForce {
    let memory = Some(8 << 30);
    InForce { memory, memory_and_swap: memory, cpus: Some(4000), pids: Some(256) }
}

fn hardened() -> Container {
    let inspect = json!({
        "Name": "/cloned-localai", "Id": "0123456789abcdef",
        "State": {"Running": true, "Pid": 7, "Health": {"Status": "healthy"}},
        "RestartCount": 0,
        "Config": {
            "User": "65532:65532", "Env": ["PATH=/bin", "KEY_FILE=/run/secrets/key"],
            "Healthcheck": {"Test": ["CMD", "/probe"]},
        },
        "HostConfig": {
            "NetworkMode": "internal", "Privileged": false, "ReadonlyRootfs": true,
            "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges:true"],
            "Memory": 8u64 << 30, "NanoCpus": 4_000_000_000u64, "PidsLimit": 256,
            "PidMode": "", "IpcMode": "private", "UTSMode": "", "CgroupnsMode": "host",
            "DeviceCgroupRules": null, "DeviceRequests": null, "CgroupParent": "",
            "OomKillDisable": false, "MaskedPaths": ["/proc/kcore"], "Tmpfs": {"/tmp": "rw"},
            "PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]},
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m"}},
        },
        "NetworkSettings": {
            "Ports": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]},
            "Networks": {"internal": {"Gateway": ""}},
        },
        "Mounts": [{"Type": "bind", "Source": "/srv/models", "Destination": "/models", "RW": false, "Propagation": "rprivate"}],
    });
    let live = Live {
        status: STATUS.to_owned(),
        mountinfo: MOUNTS.to_owned(),
        uid_map: "0 0 4294967295\n".to_owned(),
        routes: "Iface Destination Gateway\neth0 000012AC 00000000\n".to_owned(),
        limits: Some(limits()),
    };
    let networks = vec![("internal".to_owned(), Some(true))];
    let (engine, rootless, dead_ends) = ("docker", false, Vec::new());
    let volumes = vec![("disguised".to_owned(), Some(json!({"o": "bind", "device": "/etc"})))];
    let (home, live) = (Some("/users/me".into()), Some(live));
    Container { engine, rootless, inspect, networks, dead_ends, volumes, home, live }
}

fn ids(container: &Container) -> Vec<&'static str> {
    let expected = Expected { uid: Some(65532) };
    judge(container, expected).iter().map(|finding| finding.rule.id).collect()
}

#[test]
fn a_hardened_container_is_clean() {
    assert_eq!(ids(&hardened()), [""; 0]);
}

#[test]
fn each_loosened_option_is_one_finding() {
    let bind = |source: &str, write: bool| json!([{"Type": "bind", "Source": source, "Destination": "/x", "RW": write}]);
    let volume = |name: &str| json!([{"Type": "volume", "Name": name, "Source": "/v", "Destination": "/x", "RW": false}]);
    let cases = [
        ("/HostConfig/NetworkMode", json!("host"), "containers.host-network"),
        ("/HostConfig/Privileged", json!(true), "containers.privileged"),
        ("/HostConfig/PidMode", json!("host"), "containers.host-namespace"),
        ("/HostConfig/IpcMode", json!("host"), "containers.host-namespace"),
        (
            "/HostConfig/SecurityOpt",
            json!(["apparmor=unconfined"]),
            "containers.security-module-off",
        ),
        ("/HostConfig/SecurityOpt", json!(["label:disable"]), "containers.security-module-off"),
        ("/HostConfig/MaskedPaths", json!([]), "containers.unmasked-paths"),
        ("/HostConfig/PidMode", json!("container:0123"), "containers.shared-namespace"),
        ("/HostConfig/DeviceCgroupRules", json!(["c 1:* rwm"]), "containers.device-rule"),
        ("/HostConfig/DeviceRequests", json!([{"Driver": "nvidia"}]), "containers.gpu"),
        ("/HostConfig/CgroupParent", json!("/elsewhere"), "containers.cgroup-parent"),
        ("/HostConfig/OomKillDisable", json!(true), "containers.oom-kill-off"),
        ("/HostConfig/LogConfig/Config", json!({}), "containers.log-rotation"),
        ("/HostConfig/LogConfig", podman_log("0B"), "containers.log-rotation"),
        ("/HostConfig/LogConfig", podman_log(""), "containers.log-rotation"),
        ("/Config/Healthcheck", json!(null), "containers.healthcheck"),
        ("/State/Health/Status", json!("unhealthy"), "containers.unhealthy"),
        ("/RestartCount", json!(9), "containers.restart-loop"),
        ("/Config/Env", json!(["API_TOKEN=abc"]), "containers.secret-in-environment"),
        ("/Mounts", bind("/var/run/docker.sock", false), "containers.engine-socket"),
        ("/Mounts", bind("/etc", false), "containers.sensitive-bind"),
        ("/Mounts", bind("/home/me/.ssh", false), "containers.sensitive-bind"),
        ("/Mounts", bind("/srv/models", true), "containers.writable-bind"),
        // What `jail compose check` calls an error is one here.
        ("/Mounts", bind("/home/me", true), "containers.sensitive-bind"),
        ("/Mounts", bind("/users/me", false), "containers.sensitive-bind"),
        ("/Mounts", bind("/usr/share", false), "containers.sensitive-bind"),
        ("/Mounts", bind("/var/log", false), "containers.sensitive-bind"),
        ("/Mounts", bind("/p/.cloned", false), "containers.sensitive-bind"),
        ("/Mounts", bind("/p/.git/hooks", false), "containers.sensitive-bind"),
        ("/Mounts", volume("disguised"), "containers.sensitive-bind"),
        ("/Mounts", volume("unheard-of"), "containers.unverified"),
        ("/Mounts/0/Propagation", json!("rshared"), "containers.mount-propagation"),
    ];
    for (path, value, id) in cases {
        let mut container = hardened();
        *container.inspect.pointer_mut(path).unwrap() = value.clone();
        assert_eq!(ids(&container), [id], "{path} = {value}");
    }
}

/// podman keeps the size of the log elsewhere.
fn podman_log(size: &str) -> Value {
    json!({"Type": "json-file", "Config": null, "Path": "/home/me/ctr.log", "Tag": "", "Size": size})
}

#[test]
fn the_size_of_podmans_log_counts() {
    let mut container = hardened();
    *container.inspect.pointer_mut("/HostConfig/LogConfig").unwrap() = podman_log("10MB");
    assert_eq!(ids(&container), [""; 0]);
}

#[test]
fn every_address_but_loopback_is_told() {
    let cases = [
        ("127.0.0.1", 0),
        ("127.9.9.9", 0),
        ("::1", 0),
        ("::ffff:127.0.0.1", 0),
        ("", 1),
        ("0.0.0.0", 1),
        ("::", 1),
        ("192.168.1.2", 1),
        ("localhost", 1),
    ];
    for (ip, findings) in cases {
        for path in ["/HostConfig/PortBindings", "/NetworkSettings/Ports"] {
            let mut container = hardened();
            let binding = json!({"8080/tcp": [{"HostIp": ip, "HostPort": "8080"}]});
            *container.inspect.pointer_mut(path).unwrap() = binding;
            assert_eq!(ids(&container), vec!["containers.published-everywhere"; findings], "{ip}");
        }
    }
}

#[test]
fn the_kernel_has_the_last_word() {
    let cases = [
        ("Uid:\t65532\t65532", "Uid:\t0\t0", "containers.user-differs"),
        ("CapBnd:\t0000000000000000", "CapBnd:\t00000000a80425fb", "containers.capabilities"),
        ("NoNewPrivs:\t1", "NoNewPrivs:\t0", "containers.new-privileges"),
        ("Seccomp:\t2", "Seccomp:\t0", "containers.seccomp-off"),
        (" / / ro,relatime", " / / rw,relatime", "containers.writable-root"),
        (" /etc/hosts ro", " /etc/hosts rw", "containers.writable-root"),
        (" /tmp rw,nosuid,nodev,noexec", " /tmp rw,nosuid,nodev", "containers.tmpfs-options"),
        (" /tmp rw,", " /tmp ro,", "containers.tmp-not-writable"),
        ("rw,size=16384k", "rw", "containers.tmpfs-options"),
        (" /tmp rw", " /elsewhere rw", "containers.tmp-not-writable"),
    ];
    for (from, to, id) in cases {
        let mut container = hardened();
        let live = container.live.as_mut().unwrap();
        let all = format!("{}{}{}", live.status, live.mountinfo, live.routes);
        assert!(all.contains(from), "{from}");
        live.routes = live.routes.replace(from, to);
        live.status = live.status.replace(from, to);
        live.mountinfo = live.mountinfo.replace(from, to);
        assert_eq!(ids(&container), [id], "{to}");
    }
}

#[test]
fn a_default_route_leads_out_unless_all_networks_are_internal() {
    let mut container = hardened();
    let live = container.live.as_mut().unwrap();
    live.routes = live.routes.replace("000012AC", "00000000");
    assert_eq!(ids(&container), [""; 0]);
    for networks in [vec![], vec![("a".to_owned(), None)], vec![("a".to_owned(), Some(false))]] {
        container.networks = networks;
        assert_eq!(ids(&container), ["containers.open-egress"]);
    }
}

#[test]
fn a_default_route_to_nobody_leads_nowhere() {
    let network = |bridge: &str, held: &str, driver: &str| {
        json!({
            "Driver": driver, "Containers": {"0123": {"IPv4Address": format!("{held}/29")}},
            "IPAM": {"Config": [{
                "Gateway": bridge, "AuxiliaryAddresses": {"DefaultGatewayIPv4": "10.213.77.6"},
            }]},
        })
    };
    let dead = look::dead(&network("10.213.77.1", "10.213.77.2", "bridge"));
    assert_eq!(dead, [std::net::Ipv4Addr::new(10, 213, 77, 6)]);
    for somebody in [
        network("10.213.77.6", "10.213.77.2", "bridge"),
        network("10.213.77.1", "10.213.77.6", "bridge"),
        // Others have routers of their own.
        network("10.213.77.1", "10.213.77.2", "macvlan"),
        json!({"Driver": "bridge", "EnableIPv6": true, "IPAM": {"Config": [{
            "Gateway": "10.213.77.1", "AuxiliaryAddresses": {"DefaultGatewayIPv4": "10.213.77.6"},
        }]}}),
        json!({"Driver": "bridge", "IPAM": {"Config": [{"Gateway": "10.213.77.1"}]}}),
        Value::Null,
    ] {
        assert!(look::dead(&somebody).is_empty(), "{somebody}");
    }
    let mut container = hardened();
    container.networks.push(("front".to_owned(), Some(false)));
    container.dead_ends = dead;
    let mut with = |gateway: u32| {
        let routes = format!("Iface Destination Gateway\neth0 00000000 {gateway:08X}\n");
        container.live.as_mut().unwrap().routes = routes;
        ids(&container)
    };
    assert_eq!(with(u32::from_ne_bytes([10, 213, 77, 6])), [""; 0]);
    // What the engine was told is not what it did.
    assert_eq!(with(u32::from_ne_bytes([10, 213, 77, 1])), ["containers.open-egress"]);
    assert_eq!(with(0), ["containers.open-egress"]);
}

/// What an engine was told and did not do is not there.
#[test]
fn limits_are_those_of_the_cgroup() {
    let with = |limits: Option<InForce>| {
        let mut container = hardened();
        container.live.as_mut().unwrap().limits = limits;
        container
    };
    let all = ["containers.memory-limit", "containers.cpu-limit", "containers.pids-limit"];
    assert_eq!(ids(&with(Some(InForce::default()))), all);
    // Where it cannot be read, what was told stands.
    let mut told = with(None);
    assert_eq!(ids(&told), [""; 0]);
    for (name, none) in [("Memory", json!(0)), ("NanoCpus", json!(0)), ("PidsLimit", json!(null))] {
        told.inspect["HostConfig"][name] = none;
    }
    assert_eq!(ids(&told), all);
}

#[test]
fn what_is_allowed_with_a_reason_is_no_finding() {
    let mut container = hardened();
    container.inspect["Config"]["Env"] = json!(["API_TOKEN=abc"]);
    let left = |labels: Value| {
        let mut container = container.clone();
        container.inspect["Config"]["Labels"] = labels;
        let found = judge(&container, Expected { uid: Some(65532) });
        let (left, allowed) = allow(&container, found);
        (left.len(), allowed.into_iter().map(|it| it.reason).collect::<Vec<_>>())
    };
    for family in ["containers", "compose"] {
        let label = format!("jail.allow.{family}.secret-in-environment");
        assert_eq!(
            left(json!({label.clone(): "it can do no other"})),
            (0, vec!["it can do no other".to_owned()])
        );
        assert_eq!(left(json!({label: "  "})), (1, vec![]));
    }
    assert_eq!(left(json!({"jail.allow.containers.gpu": "x"})), (1, vec![]));
    assert_eq!(left(json!(null)), (1, vec![]));
}

#[test]
fn a_user_is_counted_as_inside() {
    let mut container = hardened();
    let live = container.live.as_mut().unwrap();
    live.status = live.status.replace("65532", "165531");
    live.uid_map = "0 1001 1\n1 100000 65536\n".to_owned();
    let root = Live { status: live.status.replace("165531", "1001"), ..live.clone() };
    assert_eq!(ids(&container), [""; 0]);
    container.live = Some(root);
    let any = judge(&container, Expected::default());
    assert_eq!(any[0].rule.id, "containers.root-user");
}

#[test]
fn what_does_not_run_is_judged_by_its_options() {
    let mut container = hardened();
    container.live = None;
    assert_eq!(ids(&container), ["containers.unverified"]);
    container.inspect["State"]["Running"] = json!(false);
    assert_eq!(ids(&container), [""; 0]);
    for (path, value, id) in [
        ("/Config/User", json!(""), "containers.user-differs"),
        ("/HostConfig/ReadonlyRootfs", json!(false), "containers.writable-root"),
        ("/HostConfig/CapDrop", json!(["NET_RAW"]), "containers.capabilities"),
        (
            "/HostConfig/SecurityOpt",
            json!(["no-new-privileges:false"]),
            "containers.new-privileges",
        ),
        (
            "/HostConfig/SecurityOpt",
            json!(["no-new-privileges", "seccomp=unconfined"]),
            "containers.seccomp-off",
        ),
    ] {
        let mut container = container.clone();
        *container.inspect.pointer_mut(path).unwrap() = value;
        assert_eq!(ids(&container), [id], "{path}");
    }
}
