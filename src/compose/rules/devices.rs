//! Devices of the host.

use super::{Bench, rules};
use crate::compose::node::Node;
use crate::compose::paths::clean;
use crate::policy::expect::shown;
use std::path::Path;

rules! {
    DEVICE = "compose.device", Warning,
        "a device of the host",
        "Its driver runs in the kernel, and takes what the container sends.";
    RAW_DEVICE = "compose.raw-device", Error,
        "a device that is the host's memory, disk or log",
        "Who can open it reads and changes the host, past every permission of files.";
    DEVICE_RULE = "compose.device-rule", Error,
        "a rule that opens devices",
        "With MKNOD, which is in the engine's default, a process makes a node for any of them.";
    GPU = "compose.gpu", Info,
        "a GPU",
        "Its driver is large, runs in the kernel, and sees the memory of the programs that share the card.";
}

/// Starts of the names of devices that are the machine.
const RAW: &[&str] = &[
    "/dev/mem",
    "/dev/kmem",
    "/dev/port",
    "/dev/kmsg",
    "/dev/sd",
    "/dev/vd",
    "/dev/xvd",
    "/dev/hd",
    "/dev/nvme",
    "/dev/dm-",
    "/dev/mapper",
    "/dev/md",
    "/dev/loop",
    "/dev/disk",
    "/dev/mmcblk",
    "/dev/fuse",
    "/dev/uinput",
    "/dev/input",
    "/dev/tty",
    "/dev/console",
    "/dev/vfio",
    "/dev/bpf",
    "/dev/uhid",
    "/dev/userfaultfd",
    "/dev/cuse",
    "/dev/snapshot",
    "/dev/btrfs-control",
    "/dev/sg",
    "/dev/bsg",
    "/dev/block",
    "/dev/char",
    "/dev/nbd",
    "/dev/rbd",
    "/dev/drbd",
    "/dev/bcache",
    "/dev/zd",
    "/dev/zvol",
    "/dev/zram",
    "/dev/ram",
    "/dev/pmem",
    "/dev/dax",
    "/dev/mtd",
    "/dev/nvram",
    "/dev/cpu",
    "/dev/vcs",
    "/dev/oldmem",
];

/// What starts so and is none: serial lines, and the memory of enclaves.
const NOT_RAW: &[&str] = &["/dev/ttyUSB", "/dev/ttyACM", "/dev/ttyS", "/dev/ttyAMA", "/dev/sgx"];

const GPUS: &[&str] = &["/dev/dri", "/dev/nvidia", "/dev/kfd", "nvidia.com/gpu", "amd.com/gpu"];

pub(super) fn judge(bench: &mut Bench<'_>) {
    let service = bench.service;
    for item in service.find(&["devices"]).map(Node::items).unwrap_or_default() {
        let source = item.get("source").and_then(Node::text).unwrap_or_default();
        let evidence = format!("devices: {}", shown(source, 60));
        // `/dev//sda` and `/dev/./sda` are `/dev/sda`.
        let path = clean(Path::new(source)).display().to_string();
        let starts = |names: &[&str]| names.iter().any(|name| path.starts_with(name));
        let fix = "take it out of `devices`";
        if path == "/dev" || path == "/" || starts(RAW) && !starts(NOT_RAW) {
            bench.find(&RAW_DEVICE, &item.spot, evidence, fix);
        } else if starts(GPUS) {
            bench.find(&GPU, &item.spot, evidence, "allow it with the reason");
        } else {
            bench.find(&DEVICE, &item.spot, evidence, "take it out, or allow it with the reason");
        }
    }
    for (rule, spot) in service.texts("device_cgroup_rules") {
        let evidence = format!("device_cgroup_rules: {}", shown(rule, 60));
        bench.find(&DEVICE_RULE, spot, evidence, "take it out; `devices` names single ones");
    }
    let reserved = service.find(&["deploy", "resources", "reservations", "devices"]);
    let reserved = reserved.filter(|node| !node.items().is_empty());
    for node in [service.find(&["gpus"]), reserved].into_iter().flatten() {
        bench.find(&GPU, &node.spot, "a GPU is reserved", "allow it with the reason");
    }
}
