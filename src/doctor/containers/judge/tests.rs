//! A hardened container is clean, and each loosened knob is one finding: no more, no less.

use super::*;
use crate::doctor::containers::{Live, look};
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
            "MaskedPaths": ["/proc/kcore"], "Tmpfs": {"/tmp": "rw"},
            "PortBindings": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]},
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m"}},
        },
        "NetworkSettings": {
            "Ports": {"8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]},
            "Networks": {"internal": {"Gateway": ""}},
        },
        "Mounts": [{"Type": "bind", "Source": "/srv/models", "Destination": "/models", "RW": false}],
    });
    let live = Live {
        status: STATUS.to_owned(),
        mountinfo: MOUNTS.to_owned(),
        uid_map: "0 0 4294967295\n".to_owned(),
        routes: "Iface Destination Gateway\neth0 000012AC 00000000\n".to_owned(),
    };
    let networks = vec![("internal".to_owned(), Some(true))];
    let (engine, rootless, dead_ends, live) = ("docker", false, Vec::new(), Some(live));
    Container { engine, rootless, inspect, networks, dead_ends, live }
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
    let cases: [(&str, Value, &str); 19] = [
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
        ("/HostConfig/Memory", json!(0), "containers.memory-limit"),
        ("/HostConfig/NanoCpus", json!(0), "containers.cpu-limit"),
        ("/HostConfig/PidsLimit", json!(null), "containers.pids-limit"),
        ("/HostConfig/LogConfig/Config", json!({}), "containers.log-rotation"),
        ("/Config/Healthcheck", json!(null), "containers.healthcheck"),
        ("/State/Health/Status", json!("unhealthy"), "containers.unhealthy"),
        ("/RestartCount", json!(9), "containers.restart-loop"),
        ("/Config/Env", json!(["API_TOKEN=abc"]), "containers.secret-in-environment"),
        ("/Mounts", bind("/var/run/docker.sock", false), "containers.engine-socket"),
        ("/Mounts", bind("/etc", false), "containers.sensitive-bind"),
        ("/Mounts", bind("/home/me/.ssh", false), "containers.sensitive-bind"),
        ("/Mounts", bind("/srv/models", true), "containers.writable-bind"),
    ];
    for (path, value, id) in cases {
        let mut container = hardened();
        *container.inspect.pointer_mut(path).unwrap() = value.clone();
        assert_eq!(ids(&container), [id], "{path} = {value}");
    }
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
