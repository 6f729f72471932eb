//! The decision, shown machines that are folders.

use super::*;
use std::fs;
use std::path::PathBuf;

/// A machine: a `/proc` and a hierarchy in a temporary folder.
struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    fn new(own: &str, v1: &str) -> Self {
        let machine = Self { dir: tempfile::tempdir().expect("tempdir") };
        let mount = machine.mount();
        machine.put("proc/self/cgroup", &format!("{v1}0::{own}\n"));
        machine.put(
            "proc/self/mountinfo",
            &format!("41 31 0:38 / {} rw - cgroup2 cgroup2 rw\n", mount.display()),
        );
        machine
    }

    fn mount(&self) -> PathBuf {
        self.dir.path().join("sys")
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
        fs::write(path, text).expect("write");
    }

    /// A cgroup below the root.
    fn group(&self, path: &str, controllers: &str, procs: &str) -> &Self {
        for (file, text) in [
            ("controllers", controllers),
            ("procs", procs),
            ("subtree_control", ""),
            ("type", "domain\n"),
        ] {
            self.put(&format!("sys/{path}/cgroup.{file}"), text);
        }
        self
    }

    /// The root of the hierarchy, which has no type.
    fn root(self, controllers: &str) -> Self {
        for (file, text) in
            [("controllers", controllers), ("procs", "1\n"), ("subtree_control", "")]
        {
            self.put(&format!("sys/cgroup.{file}"), text);
        }
        self
    }

    fn view(&self, uid: u32, bus: bool) -> View {
        View {
            proc: self.dir.path().join("proc"),
            pid: 42,
            uid,
            bus: bus.then(|| BusAddress::Path("/nowhere/bus".into())),
            trusted_scope: None,
        }
    }
}

const ALL: &str = "cpuset cpu io memory pids\n";

fn needs() -> Controllers {
    Controllers::from([Controller::Memory, Controller::Pids])
}

fn refused(support: &Support) -> (&str, &str) {
    match &support.how {
        How::NoneBecause { reason, fix } => (reason, fix),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn a_hybrid_host_says_what_to_boot_with() {
    let host = Machine::new("/", "8:pids:/\n4:memory:/\n1:cpu:/\n").root("hugetlb\n");
    let support = Support::probe_in(&host.view(0, false), &needs());
    let (reason, fix) = refused(&support);
    assert_eq!(reason, "controllers bound to cgroup v1: memory pids");
    assert!(fix.contains("systemd.unified_cgroup_hierarchy=1"));
    assert!(!support.offers(&needs()));
}

#[test]
fn version_1_only_and_nothing_at_all() {
    let host = Machine::new("/", "8:pids:/\n");
    host.put("proc/self/mountinfo", "");
    assert_eq!(
        refused(&Support::probe_in(&host.view(0, false), &needs())).0,
        "controllers bound to cgroup v1: pids"
    );
    host.put("proc/self/cgroup", "0::/\n");
    let support = Support::probe_in(&host.view(0, false), &needs());
    assert_eq!(refused(&support).0, "no cgroup v2 file system is mounted");
}

#[test]
fn root_gets_a_group_of_its_own_at_the_top() {
    let host = Machine::new("/user.slice/s.scope", "").root(ALL);
    host.group("user.slice/s.scope", ALL, "42\n").group("user.slice", ALL, "");
    let support = Support::probe_in(&host.view(0, false), &needs());
    assert_eq!(support.how, How::Root);
    assert_eq!(support.parent, Some(host.mount().join("jail")));
    assert!(support.offers(&needs()));
}

#[test]
fn a_delegated_group_that_holds_only_us_is_used() {
    let host = Machine::new("/u", "").root(ALL);
    host.group("u", ALL, "42\n");
    let support = Support::probe_in(&host.view(1000, false), &needs());
    assert_eq!((support.how, support.parent), (How::OwnDelegated, Some(host.mount().join("u"))));
}

#[test]
fn an_empty_parent_is_used_when_our_own_group_is_shared() {
    let host = Machine::new("/u/main", "").root(ALL);
    host.group("u", ALL, "").group("u/main", ALL, "41\n42\n");
    let support = Support::probe_in(&host.view(1000, false), &needs());
    assert_eq!((support.how, support.parent), (How::OwnDelegated, Some(host.mount().join("u"))));
}

#[test]
fn an_empty_parent_is_better_than_stepping_aside() {
    let host = Machine::new("/u/main", "").root(ALL);
    host.group("u", ALL, "").group("u/main", ALL, "42\n");
    let support = Support::probe_in(&host.view(1000, false), &needs());
    assert_eq!(support.parent, Some(host.mount().join("u")));
}

#[test]
fn a_namespace_root_is_not_the_host_root() {
    let host = Machine::new("/", "").root(ALL);
    host.group("", ALL, "1\n42\n");
    let support = Support::probe_in(&host.view(0, false), &needs());
    assert!(refused(&support).0.starts_with("other processes sit in"));
}

#[test]
fn the_tree_of_systemd_is_left_to_systemd() {
    let unit = "user.slice/user-1000.slice/user@1000.service/app.slice/term.scope";
    let host = Machine::new(&format!("/{unit}"), "").root(ALL);
    host.group(unit, "memory pids\n", "42\n");
    host.group("user.slice/user-1000.slice/user@1000.service", "memory pids\n", "");
    // Writable, but not marked as delegated: the manager is asked.
    let support = Support::probe_in(&host.view(1000, true), &needs());
    assert_eq!((&support.how, &support.parent), (&How::UserManagerScope, &None));
    assert_eq!(support.controllers, needs());
    // Without it, no advice to write into its tree.
    let support = Support::probe_in(&host.view(1000, false), &needs());
    assert!(refused(&support).0.contains("is not delegated to this user"));
    // What the manager was not given cannot be had from it.
    let cpu = Controllers::from([Controller::Cpu]);
    let support = Support::probe_in(&host.view(1000, true), &cpu);
    assert!(refused(&support).1.contains("Delegate=cpu"));
    // The scope that we asked for is ours.
    let view = View { trusted_scope: Some("term.scope".into()), ..host.view(1000, true) };
    assert_eq!(Support::probe_in(&view, &needs()).parent, Some(host.mount().join(unit)));
}

#[test]
fn outside_of_the_mounted_part_there_is_nothing() {
    let host = Machine::new("/../elsewhere", "");
    host.group("", ALL, "");
    let support = Support::probe_in(&host.view(1000, false), &needs());
    assert!(refused(&support).0.contains("not visible"));
    assert_eq!(support.own_cgroup, None);
}

#[test]
fn a_refusal_reaches_the_run_with_reason_and_fix() {
    let host = Machine::new("/", "4:memory:/\n").root("");
    let limits = Limits { memory: Some(crate::policy::Bytes(1 << 20)), ..Limits::default() };
    let support = Support::probe_in(&host.view(0, false), &limits.controllers());
    let error = Leaf::create(&support, "r1", &limits).expect_err("refused");
    assert!(error.to_string().contains("bound to cgroup v1"), "{error}");
    let failure = crate::failure::Failure::from(error);
    assert_eq!(failure.stage, Some(crate::plan::Stage::Cgroup));
    assert!(failure.hints[0].contains("unified_cgroup_hierarchy"));
}
