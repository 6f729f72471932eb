//! A container as it was asked for passes, and each control that is not in force is named.

use super::*;
use crate::plan::{CgroupPlan, Facts as HostFacts, SeccompPlan, build};
use crate::policy::load::{Sources, ad_hoc};
use crate::policy::{Bytes, Cpus, Overrides};
use crate::resolve::Resolved;

fn plan() -> Plan {
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
    Plan { cgroup, ..plan }
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
    117 96 254:0 /j /.jail/jail ro - ext4 /dev/vda rw\n";

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
        ("rw,size=262144k", "rw", "mounts"),
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

#[test]
fn what_was_exchanged_is_found() {
    let mut plan = plan();
    let identity = crate::sys::fd::Identity { device: 5, inode: 7, kind: libc::S_IFDIR };
    plan.mounts.push(MountStep::Bind(crate::plan::Bind {
        host: "/w/data".into(),
        target: "w/data".into(),
        identity,
        kind: crate::plan::Kind::Dir,
        write: false,
        exec: false,
        why: String::new(),
    }));
    let ours: Vec<(String, String)> =
        NAMESPACES.iter().map(|name| ((*name).to_owned(), format!("{name}:[1]"))).collect();
    let user = User { uid: 1000, gid: 1000, own: true };
    let facts = Facts { plan: &plan, user, ours: &ours, volumes: &[] };
    let mut seen = sight();
    seen.mountinfo += "118 96 254:0 /w/data /w/data ro - ext4 /dev/vda rw\n";
    let mut mounts = |found: Vec<(PathBuf, crate::container::wire::Found)>| {
        seen.binds = found;
        let all = check(&facts, &seen, &limits());
        let one = all.into_iter().find(|it| it.control == "mounts").unwrap();
        one.unmet.unwrap_or_default()
    };
    assert_eq!(mounts(vec![("/w/data".into(), Ok((5, 7)))]), "");
    assert!(mounts(vec![("/w/data".into(), Ok((5, 8)))]).contains("exchanged"));
    assert!(mounts(vec![("/w/data".into(), Ok((6, 7)))]).contains("exchanged"));
    assert!(mounts(vec![("/w/data".into(), Err(libc::EACCES))]).contains("looked at"));
    assert!(mounts(Vec::new()).contains("not looked at"));
}
