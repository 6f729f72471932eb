//! The egress process reads what a connector sends, so it is confined before the first byte: no
//! capability, no new privileges, no file but the few that it needs, no signal to anybody, no program.

use crate::failure::{Failure, Kind};
use crate::firewall::store::Folder;
use crate::planted::{Control, broken};
use crate::sys::process;
use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use nix::errno::Errno;
use std::path::{Path, PathBuf};

/// What says how names are resolved, and where those files usually lead; and random numbers, which a
/// static program gets by these files where it cannot find getrandom(2)'s wrapper.
const READ: [&str; 8] = [
    "/dev/urandom",
    "/dev/random",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/run/systemd/resolve",
    "/run/NetworkManager",
    "/run/resolvconf",
    "/run/connman",
];

/// Confines this process for good. `landlock`: whether it must be there.
pub(super) fn apply(firewall: Option<&Folder>, landlock: bool) -> Result<(), Failure> {
    if !broken(Control::EgressCapabilities) {
        capabilities()?;
    }
    process::no_new_privs().map_err(failed)?;
    if !broken(Control::EgressLandlock) {
        files(firewall, landlock)?;
    }
    if broken(Control::EgressSeccomp) {
        return Ok(());
    }
    let program = crate::seccomp::built_in("egress")
        .ok_or_else(|| failed("its seccomp profile is not in this binary"))?;
    crate::sys::seccomp::load(program).map_err(|errno| failed(errno.desc()))
}

fn capabilities() -> Result<(), Failure> {
    process::drop_bounding_set()
        .or_else(|error| {
            // Without CAP_SETPCAP, which an ordinary user has not, the bounding set stays as it is;
            // no_new_privs, below, makes it empty in effect.
            let ordinary = !nix::unistd::geteuid().is_root();
            if ordinary && error.errno() == Errno::EPERM { Ok(()) } else { Err(error) }
        })
        .and_then(|()| process::drop_capabilities())
        .map_err(failed)
}

fn files(firewall: Option<&Folder>, required: bool) -> Result<(), Failure> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let mut rules: Vec<PathBuf> = READ.iter().map(PathBuf::from).collect();
    // The folder may come and go: `.cloned` stays, and holds no secret's value.
    rules.extend(firewall.and_then(|folder| folder.path().parent().map(Path::to_owned)));
    // It may be a link to elsewhere.
    rules.extend(firewall.and_then(|folder| folder.path().canonicalize().ok()));
    let status = (|| {
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(ABI::V7))?
            .scope(Scope::from_all(ABI::V7))?
            .create()?;
        for path in rules {
            // One that is not there cannot be read either.
            let Ok(fd) = PathFd::new(&path) else { continue };
            let access = if path.is_dir() { read } else { AccessFs::ReadFile.into() };
            ruleset = ruleset.add_rule(PathBeneath::new(fd, access))?;
        }
        ruleset.restrict_self()
    })()
    .map_err(|error: landlock::RulesetError| failed(error))?;
    if status.ruleset == RulesetStatus::NotEnforced && required {
        return Err(failed("Landlock is not enforced"));
    }
    Ok(())
}

fn failed(why: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Refused, "cannot confine the egress process").because(why)
}
