//! A container as it was asked for passes, and each control that is not in force is named.

use super::super::wire::Shown;
use super::*;
use crate::plan::{CgroupPlan, Facts as HostFacts, SeccompPlan, build};
use crate::policy::load::{Sources, ad_hoc};
use crate::policy::{Bytes, Cpus, Overrides};
use crate::resolve::Resolved;
use crate::sys::fd::Identity;

pub(in crate::container) fn plan() -> Plan {
    let overrides =
        Overrides { sandbox: Some(crate::policy::Backend::Container), ..Overrides::default() };
    let sources = Sources { cwd: "/w".into(), home: Some("/home/u".into()), config_home: None };
    let policy = ad_hoc(&["sh".into()], &sources, &overrides).unwrap();
    let facts = HostFacts {
        uid: 1000,
        gid: 1000,
        user_home: Some("/home/u".into()),
        landlock_abi: 7,
        landlock_errno: 0,
        runs: Some("/home/u/.cache/jail/runs".into()),
        entries: Vec::new(),
        time_namespace: true,
        overlay: false,
        ipv6: false,
        cgroup: Default::default(),
        firewall: Default::default(),
        ports: Default::default(),
        now: std::time::SystemTime::UNIX_EPOCH,
        root_links: Vec::new(),
        paths: Default::default(),
        proc_masks: Vec::new(),
        environment: Default::default(),
        search_path: "/bin".into(),
    };
    let resolved = Resolved { program: "sh".into(), needs: Vec::new(), path_dirs: Vec::new() };
    let seccomp = SeccompPlan { name: "default".into(), program: vec![0; 8].into(), telling: None };
    let plan = build(policy, &facts, &resolved, seccomp, "RUN".into()).unwrap();
    let cgroup = CgroupPlan {
        memory: Some(Bytes(64 << 20)),
        cpus: Some(Cpus(500)),
        pids: Some(32),
        io: None,
    };
    let data = MountStep::Bind(Bind {
        host: "/srv/data".into(),
        target: "data".into(),
        identity: Identity { device: 254, inode: 7, kind: libc::S_IFDIR },
        kind: crate::plan::Kind::Dir,
        write: false,
        exec: false,
        why: "granted".to_owned(),
    });
    let mut plan = Plan { cgroup, ..plan };
    plan.mounts.push(data);
    plan
}

const STATUS: &str = "Uid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nGroups:\t1000 \n\
    CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n\
    CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n";
const MOUNTS: &str = "\
    96 71 0:39 / / ro,relatime - overlay overlay rw,lowerdir=x\n\
    97 96 0:42 / /proc rw,nosuid,nodev,noexec - proc proc rw\n\
    98 96 0:43 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755\n\
    112 98 0:47 / /dev/shm rw,nosuid,nodev,noexec - tmpfs shm rw,size=65536k\n\
    113 96 0:48 / /tmp rw,nosuid,nodev,noexec - tmpfs tmpfs rw,size=65536k\n\
    114 96 0:49 / /home/jail rw,nosuid,nodev - tmpfs tmpfs rw,size=65536k\n\
    115 96 0:50 / /workspace rw,nosuid,nodev - tmpfs tmpfs rw,size=262144k\n\
    116 96 254:0 /x /etc/hosts ro - ext4 /dev/vda rw\n\
    118 96 0:51 / /.jail ro,nosuid,nodev,noexec - tmpfs tmpfs rw,size=64k\n\
    117 118 254:0 /j /.jail/jail ro - ext4 /dev/vda rw\n\
    119 97 0:42 /sys /proc/sys ro,nosuid,nodev,noexec - proc proc rw\n\
    120 97 0:43 /null /proc/kcore rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755\n\
    121 96 0:52 / /sys ro,nosuid,nodev,noexec - sysfs sysfs ro\n\
    122 121 0:53 / /sys/firmware ro - tmpfs tmpfs ro\n\
    123 96 254:0 /srv/data /data ro - ext4 /dev/vda rw\n";

fn sight() -> Sight {
    let namespaces = NAMESPACES.iter().map(|name| ((*name).to_owned(), format!("{name}:[2]")));
    Sight {
        status: STATUS.to_owned(),
        mountinfo: MOUNTS.to_owned(),
        routes: "Iface Destination\n".to_owned(),
        routes6: "00 80 00 lo\n".to_owned(),
        namespaces: namespaces.collect(),
        tried: vec![("make /etc/x".to_owned(), libc::EROFS)],
        writable: vec![("/tmp".into(), 0)],
        shown: vec![Shown { path: "/data".into(), device: 254, inode: 7, errno: 0 }],
        system: ["/proc/sys", "/proc/kcore", "/sys/firmware"].map(Into::into).to_vec(),
        ..Sight::default()
    }
}

fn limits() -> InForce {
    let memory = Some(64 << 20);
    InForce { memory, memory_and_swap: memory, cpus: Some(500), pids: Some(33) }
}

/// What is not in force.
fn unmet(sight: &Sight, limits: &InForce) -> Vec<&'static str> {
    let plan = plan();
    let ours: Vec<(String, String)> =
        NAMESPACES.iter().map(|name| ((*name).to_owned(), format!("{name}:[1]"))).collect();
    let user = User { uid: 1000, gid: 1000, own: true };
    let facts = Facts { plan: &plan, user, ours: &ours, volumes: &[] };
    let all = check(&facts, sight, limits);
    assert_eq!(refusal(&all, "docker").is_some(), all.iter().any(|it| it.unmet.is_some()));
    all.iter().filter(|it| it.unmet.is_some()).map(|it| it.control).collect()
}

#[test]
fn what_was_asked_for_passes() {
    assert_eq!(unmet(&sight(), &limits()), [""; 0]);
}

#[test]
fn each_control_is_missed_by_name() {
    let cases = [
        ("Uid:\t1000\t1000", "Uid:\t1000\t0", "user"),
        ("Groups:\t1000 ", "Groups:\t0 1000 ", "user"),
        ("CapBnd:\t0000000000000000", "CapBnd:\t0000000000002000", "capabilities"),
        ("NoNewPrivs:\t1", "NoNewPrivs:\t0", "no-new-privileges"),
        ("Seccomp:\t2", "Seccomp:\t0", "seccomp"),
        (" / / ro", " / / rw", "read-only-root"),
        (" /tmp rw,nosuid,nodev,noexec", " /tmp rw,nosuid,nodev", "mounts"),
        ("CapEff:\t0000000000000000\n", "", "capabilities"),
        ("CapAmb:\t0000000000000000", "CapAmb:\t", "capabilities"),
        ("rw,size=262144k", "rw", "mounts"),
        (" /dev/shm rw,nosuid,nodev,noexec", " /dev/shm rw,nosuid,nodev", "mounts"),
        ("tmpfs shm rw,size=65536k", "tmpfs shm rw,size=65540k", "mounts"),
        (" /dev/shm ", " /dev/elsewhere ", "mounts"),
        (" /.jail ro", " /.jail rw", "mounts"),
        ("118 96 0:51 / /.jail ro", "118 96 0:51 / /elsewhere ro", "mounts"),
        // Over a bind that was mounted before it.
        ("123 96", "124 96 0:9 / /data rw - tmpfs x rw\n123 124", "nothing-else-writable"),
        (
            " /sys ro,nosuid,nodev,noexec - sysfs sysfs ro",
            " /sys rw - sysfs sysfs rw",
            "nothing-else-writable",
        ),
        (
            " /sys/firmware ro - tmpfs tmpfs ro",
            " /sys/fs/cgroup rw - cgroup2 x rw",
            "nothing-else-writable",
        ),
        (" /sys/firmware ro", " /sys/elsewhere ro", "masked-paths"),
        (" /null /proc/kcore", " /kcore /proc/kcore", "masked-paths"),
        (" /proc/sys ro", " /proc/sys rw", "nothing-else-writable"),
        (" /proc/sys ro", " /proc/elsewhere ro", "masked-paths"),
        (" /home/jail rw", " /home/elsewhere rw", "mounts"),
        (" /etc/hosts ro", " /etc/hosts rw", "nothing-else-writable"),
    ];
    for (from, to, control) in cases {
        let mut seen = sight();
        assert!(seen.status.contains(from) || seen.mountinfo.contains(from), "{from}");
        seen.status = seen.status.replace(from, to);
        seen.mountinfo = seen.mountinfo.replace(from, to);
        // What moved is missed where it was and found where it is, and a writable root is both.
        assert_eq!(unmet(&seen, &limits()).first(), Some(&control), "{to}");
    }
}

#[test]
fn the_network_and_the_proof_count() {
    let mut seen = sight();
    seen.routes += "eth0 00000000\n";
    assert_eq!(unmet(&seen, &limits()), ["no-route"]);
    let mut seen = sight();
    seen.namespaces[1].1 = "net:[1]".to_owned();
    assert_eq!(unmet(&seen, &limits()), ["namespaces"]);
    let mut seen = sight();
    seen.tried[0].1 = 0;
    assert_eq!(unmet(&seen, &limits()), ["proof"]);
    assert_eq!(unmet(&Sight { tried: Vec::new(), ..sight() }, &limits()), ["proof"]);
    let mut seen = sight();
    seen.writable[0].1 = libc::EACCES;
    assert_eq!(unmet(&seen, &limits()), ["writable-places"]);
}

#[test]
fn a_limit_that_is_not_there_is_none() {
    assert_eq!(unmet(&sight(), &InForce::default()), ["memory", "swap", "cpus", "pids"]);
    assert_eq!(unmet(&sight(), &InForce { pids: Some(2048), ..limits() }), ["pids"]);
    assert_eq!(
        unmet(&sight(), &InForce { memory_and_swap: Some(128 << 20), ..limits() }),
        ["swap"]
    );
}

/// By its name another file may be opened than the one that was planned.
#[test]
fn the_file_that_was_planned_is_the_one_inside() {
    for seen in [
        Shown { inode: 8, ..sight().shown[0].clone() },
        Shown { device: 253, ..sight().shown[0].clone() },
        Shown { errno: libc::EACCES, ..sight().shown[0].clone() },
        Shown { path: "/elsewhere".into(), ..sight().shown[0].clone() },
    ] {
        assert_eq!(unmet(&Sight { shown: vec![seen], ..sight() }, &limits()), ["mounts"]);
    }
    assert_eq!(unmet(&Sight { system: Vec::new(), ..sight() }, &limits()), ["masked-paths"]);
}

/// The order of mountinfo is that of mounting: what lies below is listed, and not seen.
#[test]
fn what_hides_is_not_itself_covered() {
    let mut plan = plan();
    plan.mounts.push(MountStep::Mask { target: "data/own".into(), kind: crate::plan::Kind::Dir });
    let hidden = |lines: &str| {
        let all = MOUNTS.replace("123 96", &format!("{lines}123 96"));
        let mounts = Mounts::of(&all);
        planned(&plan, &mounts, &sight())
    };
    assert_eq!(hidden("125 123 0:60 / /data/own ro - tmpfs x ro\n"), None);
    let covered = hidden("125 96 0:60 / /data/own ro - tmpfs x ro\n");
    assert_eq!(covered.as_deref(), Some("/data/own is not hidden"));
}
