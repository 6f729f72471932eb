//! Landlock: the version, and a restriction that is seen to hold.

use super::super::host::{Check, Status};
use super::{Primitive, Probes};
use crate::sys::probe::{Fail, Outcome, calls};
use landlock::{AccessFs, Ruleset, RulesetAttr, RulesetStatus};
use nix::errno::Errno;

const LANDLOCK: Primitive = Primitive {
    id: "landlock.restrict",
    title: "Landlock",
    cost: "the second line of defence behind the mounts is missing: runs are refused unless the \
           manifest or --allow-missing landlock says so",
};

/// From which ABI on something is covered that an older one leaves to the other controls.
const SINCE: [(i64, &str); 4] = [
    (2, "renaming between folders"),
    (3, "truncating files"),
    (5, "ioctl on devices"),
    (6, "signals and abstract sockets"),
];

pub(super) fn checks(probes: &Probes) -> Vec<Check> {
    let abi = match calls::landlock_abi() {
        Ok(abi) => abi,
        Err(errno) => return vec![absent(errno, probes)],
    };
    let check = match probes.prober.child(0, try_restriction) {
        Err(fail) => LANDLOCK.missing(&fail, &probes.facts),
        Ok(seen) => {
            let lacking: Vec<&str> =
                SINCE.iter().filter(|(since, _)| abi < *since).map(|(_, what)| *what).collect();
            let evidence = format!("ABI {abi}; {seen}");
            if lacking.is_empty() {
                Check::ok(LANDLOCK.id, LANDLOCK.title, evidence)
            } else {
                let cost = format!("Landlock does not cover {} here", lacking.join(", "));
                Check::not_ok(LANDLOCK.id, LANDLOCK.title, Status::Degraded, evidence, cost)
                    .fix("any", "a newer kernel (6.12 covers all of it)")
            }
        }
    };
    vec![check.needed()]
}

fn absent(errno: Errno, probes: &Probes) -> Check {
    let fail = Fail::errno("landlock_create_ruleset", errno);
    let check = LANDLOCK.missing(&fail, &probes.facts).needed();
    if errno != Errno::EOPNOTSUPP {
        return check;
    }
    // Built in, switched off at boot: `lsm=` must list it.
    check
        .fix(
            "debian",
            "sudo sed -i 's/^GRUB_CMDLINE_LINUX=\"/&lsm=landlock,lockdown,yama,integrity,apparmor,bpf /' \
             /etc/default/grub && sudo update-grub && sudo reboot",
        )
        .fix("fedora", "sudo grubby --update-kernel=ALL --args=lsm=landlock,lockdown,yama,integrity,selinux,bpf")
        .fix("any", "add landlock to the front of lsm= on the kernel command line")
}

/// Reading the root folder works before and must fail after.
fn try_restriction() -> Outcome {
    let look = || std::fs::read_dir("/").map(drop);
    look().map_err(Fail::io("open(/)"))?;
    let odd = |e: landlock::RulesetError| Fail::note("landlock", e.to_string());
    let status = Ruleset::default()
        .handle_access(AccessFs::ReadDir)
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(odd)?;
    if status.ruleset != RulesetStatus::FullyEnforced {
        return Err(Fail::note("landlock_restrict_self", format!("{:?}", status.ruleset)));
    }
    match look() {
        Err(e) if e.raw_os_error() == Some(Errno::EACCES as i32) => {
            Ok("a restriction holds".into())
        }
        Err(e) => Err(Fail::note("landlock", format!("a forbidden read gave {e}"))),
        Ok(()) => Err(Fail::note("landlock", "a forbidden read went through")),
    }
}
