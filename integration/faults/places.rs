//! What a run needs is full, missing, read-only or used up: it is refused with a word about it, or works
//! without, and nothing is left.

use super::world::{Kind, World, jail_bin};
use libtest_mimic::{Completion, Failed, Trial};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

type Test = fn() -> Result<(), String>;

const TESTS: &[(&str, Test)] = &[
    ("disk_of_the_log_is_full", log_disk),
    ("disk_of_the_log_fills_up", log_disk_fills),
    ("disk_of_tmpdir_is_full", tmpdir),
    ("dev_null_is_missing", dev_null),
    ("dev_net_is_missing", dev_net),
    ("proc_is_missing", no_proc),
    ("proc_sys_is_read_only", proc_sys),
    ("cgroupfs_is_read_only", cgroupfs),
    ("namespaces_are_used_up", namespaces),
    ("second_network_namespace_is_one_too_many", second_network),
    ("few_open_files", open_files),
    ("little_memory", memory),
    ("few_processes", processes),
    ("closed_streams", closed_streams),
];

/// A reason to skip begins with this.
const SKIP: &str = "skip: ";

pub fn trials() -> Vec<Trial> {
    let trial = |(name, test): &(&'static str, Test)| {
        let test = *test;
        let name = *name;
        Trial::ignorable_test(format!("place::{name}"), move || match test() {
            Ok(()) => Ok(Completion::Completed),
            Err(why) => match why.strip_prefix(SKIP) {
                Some(why) if std::env::var("JAIL_TEST_MUST_RUN").is_ok_and(|v| v == "all") => {
                    Err(Failed::from(format!("must run, but {why}")))
                }
                Some(why) => {
                    println!("skipped {name}: {why}");
                    Ok(Completion::ignored_with(why.to_owned()))
                }
                None => Err(Failed::from(why)),
            },
        })
    };
    TESTS.iter().map(trial).collect()
}

/// The connector's own exit code.
const RAN: i32 = 42;

/// What is expected of a run.
enum Expect<'a> {
    Works,
    /// 125, with all of these words.
    Refused(&'a [&'a str]),
    /// One or the other, but never a connector that started and a refusal that says so.
    Either,
}

/// A script with a jail in it, in mount and user namespaces of its own where it asks for them.
struct Place {
    world: World,
    /// For `unshare(1)`; empty: none.
    apart: &'static [&'static str],
}

impl Place {
    fn here() -> Self {
        Self { world: World::new(Kind::Plain), apart: &[] }
    }

    /// In a mount namespace; where that needs it, as root of a user namespace.
    fn mounts() -> Result<Self, String> {
        let root = nix::unistd::geteuid().is_root();
        let apart: &[_] = if root { &["--mount"] } else { &["--map-root-user", "--mount"] };
        Self::apart(apart)
    }

    fn apart(apart: &'static [&'static str]) -> Result<Self, String> {
        let tried = Command::new("unshare").args(apart).arg("true").output();
        match tried {
            Ok(output) if output.status.success() => Ok(Self { apart, ..Self::here() }),
            Ok(output) => Err(format!("{SKIP}{}", String::from_utf8_lossy(&output.stderr).trim())),
            Err(error) => Err(format!("{SKIP}unshare(1): {error}")),
        }
    }

    /// `$JAIL run -q OPTIONS` is `"$@"` in the script; the connector ends with [`RAN`].
    fn run(&self, options: &[&str], script: &str) -> Output {
        let mut command = match self.apart {
            [] => Command::new("sh"),
            apart => {
                let mut command = Command::new("unshare");
                command.args(apart).arg("sh");
                command
            }
        };
        let at = |name: &str| self.world.path(name);
        command
            .args(["-c", script, "sh"])
            .arg(jail_bin())
            .args(["run", "-q"])
            .args(options)
            .args(["--", "sh", "-c", "exit 42"])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", at("home"))
            .env("XDG_STATE_HOME", at("home/state"))
            .env("TMPDIR", at("tmp"))
            .env("PLACE", at(""))
            .current_dir(at("work"))
            .stdin(Stdio::null());
        command.output().expect("sh(1)")
    }

    fn expect(&self, options: &[&str], script: &str, expect: &Expect<'_>) -> Result<(), String> {
        let output = self.run(options, script);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let code = output.status.code();
        let right = match (expect, code) {
            (Expect::Works | Expect::Either, Some(RAN)) => true,
            (Expect::Refused(words), Some(125)) => {
                said.contains("error: ") && words.iter().all(|word| said.contains(word))
            }
            (Expect::Either, Some(125)) => said.contains("error: "),
            // The loader, or a runtime that has no memory to begin with.
            (Expect::Either, Some(126 | 127 | 134) | None) => !output.status.success(),
            _ => false,
        };
        if !right {
            return Err(format!("{script}: {:?}\n{said}", output.status));
        }
        self.nothing_left()
    }

    fn nothing_left(&self) -> Result<(), String> {
        let until = Instant::now() + Duration::from_secs(60);
        while let Some(left) = self.process() {
            if Instant::now() > until {
                return Err(format!("{left} is left"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.world.left().map_or(Ok(()), Err)
    }

    /// A process with this place in its environment.
    fn process(&self) -> Option<String> {
        let place = self.world.path("").into_os_string().into_encoded_bytes();
        std::fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
            let environment = std::fs::read(entry.path().join("environ")).ok()?;
            let ours = environment.windows(place.len()).any(|part| part == place);
            ours.then(|| entry.path().display().to_string())
        })
    }
}

const JAIL: &str = r#"exec "$@""#;

fn log_disk() -> Result<(), String> {
    let script = r#"mkdir -p "$HOME/state" && mount -t tmpfs -o size=4096,nr_inodes=8 none "$HOME/state" &&
        mkdir "$HOME/state/jail" && { head -c 9999 /dev/zero >"$HOME/state/fill" 2>/dev/null; exec "$@"; }"#;
    Place::mounts()?.expect(&[], script, &Expect::Refused(&["no space is left", "audit."]))
}

/// Room for some records: the run that does not fit is refused or ended, and what is there stays whole.
fn log_disk_fills() -> Result<(), String> {
    let script = r#"mkdir -p "$HOME/state" && mount -t tmpfs -o size=12288,nr_inodes=8 none "$HOME/state" || exit 1
        for i in 1 2 3 4 5 6 7 8 9; do
            "$@"; code=$?
            [ $code -eq 42 ] || break
        done
        "$1" audit verify "$HOME/state/jail/audit.log" >&2 || exit 3
        exit $code"#;
    Place::mounts()?.expect(&[], script, &Expect::Refused(&["no space is left"]))
}

fn tmpdir() -> Result<(), String> {
    let script = r#"mount -t tmpfs -o size=4096,nr_inodes=2 none "$TMPDIR" &&
        { head -c 9999 /dev/zero >"$TMPDIR/fill" 2>/dev/null; exec "$@"; }"#;
    Place::mounts()?.expect(&[], script, &Expect::Works)
}

fn dev_null() -> Result<(), String> {
    // The script's own streams are open already.
    let script = r#"mkdir "$PLACE/dev" && mount -t tmpfs none "$PLACE/dev" || exit 1
        for name in zero full random urandom tty; do
            : >"$PLACE/dev/$name"; mount --bind "/dev/$name" "$PLACE/dev/$name" || exit 1
        done
        mount --rbind "$PLACE/dev" /dev && exec "$@""#;
    Place::mounts()?.expect(&[], script, &Expect::Refused(&["/dev/null", "(stage mounts)"]))
}

/// No tun device is needed.
fn dev_net() -> Result<(), String> {
    let script = r#"[ ! -d /dev/net ] || mount -t tmpfs none /dev/net || exit 1; exec "$@""#;
    Place::mounts()?.expect(&["--allow", "nowhere.invalid"], script, &Expect::Works)
}

fn no_proc() -> Result<(), String> {
    let script = r#"mount -t tmpfs none /proc && exec "$@""#;
    Place::mounts()?.expect(&[], script, &Expect::Refused(&["/proc is not there", "mount -t proc"]))
}

/// The kernel lets nobody mount a /proc that shows more than the one that is there.
fn proc_sys() -> Result<(), String> {
    let script =
        r#"mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$@""#;
    Place::mounts()?.expect(&[], script, &Expect::Refused(&["(stage mounts)", "/proc"]))
}

fn cgroupfs() -> Result<(), String> {
    let place = Place::mounts()?;
    let script = r#"for at in $(awk '$3 ~ /^cgroup/ { print $2 }' /proc/self/mounts); do
            mount --bind "$at" "$at" && mount -o remount,bind,ro "$at" || exit 1
        done; exec "$@""#;
    place.expect(&[], script, &Expect::Works)?;
    place.expect(&["--memory", "64M"], script, &Expect::Refused(&["memory", "cgroup"]))
}

/// Of each kind that a jail makes there may be none: told by the stage that makes them.
fn namespaces() -> Result<(), String> {
    let place = Place::apart(&["--map-root-user", "--mount"])?;
    for kind in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"] {
        let script = format!(r#"echo 0 >/proc/sys/user/max_{kind}_namespaces && exec "$@""#);
        let words = ["(stage namespaces)", "(ENOSPC)", "limit of namespaces"];
        place.expect(&[], &script, &Expect::Refused(&words))?;
    }
    Ok(())
}

fn second_network() -> Result<(), String> {
    let place = Place::apart(&["--map-root-user", "--mount"])?;
    let script = r#"echo 1 >/proc/sys/user/max_net_namespaces && exec "$@""#;
    place.expect(&[], script, &Expect::Works)?;
    let words = ["(stage network)", "(ENOSPC)", "two network namespaces"];
    place.expect(&["--allow", "nowhere.invalid"], script, &Expect::Refused(&words))
}

fn open_files() -> Result<(), String> {
    let place = Place::here();
    for number in (3..40).chain([64]) {
        let script = format!(r#"ulimit -n {number} && exec "$@""#);
        let expect = if number < 64 { Expect::Either } else { Expect::Works };
        place.expect(&["--allow", "nowhere.invalid"], &script, &expect)?;
    }
    Ok(())
}

fn memory() -> Result<(), String> {
    let place = Place::here();
    for megabytes in (1..12).chain((12..120).step_by(9)) {
        let script = format!(r#"ulimit -v {} && exec "$@""#, megabytes << 10);
        place.expect(&["--allow", "nowhere.invalid"], &script, &Expect::Either)?;
    }
    Ok(())
}

/// By a pids cgroup where this process may make one; root is above RLIMIT_NPROC.
fn processes() -> Result<(), String> {
    let place = Place::here();
    if !nix::unistd::geteuid().is_root() {
        let script = r#"exec prlimit --nproc=1 "$@""#;
        let words = ["(stage namespaces)", "(EAGAIN)", "too many processes"];
        return place.expect(&[], script, &Expect::Refused(&words));
    }
    let Some(group) = pids_group() else {
        return Err(format!("{SKIP}no pids cgroup can be made here"));
    };
    // The shell, which becomes the supervisor, then init and the connector; the egress process.
    let result = (1..6).try_for_each(|number| {
        let group = group.display();
        let script = format!(
            r#"echo {number} >{group}/pids.max && echo $$ >{group}/cgroup.procs && exec "$@""#
        );
        let expect = match number {
            1 => Expect::Refused(&["(stage namespaces)", "(EAGAIN)", "too many processes"]),
            5 => Expect::Works,
            _ => Expect::Either,
        };
        place.expect(&["--allow", "nowhere.invalid"], &script, &expect)
    });
    let removed = std::fs::remove_dir(&group);
    result.and(removed.map_err(|error| format!("the cgroup is not empty: {error}")))
}

fn pids_group() -> Option<std::path::PathBuf> {
    let name = format!("jail-faults-{}", std::process::id());
    ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"].iter().find_map(|top| {
        let group = std::path::Path::new(top).join(&name);
        std::fs::create_dir(&group).ok()?;
        if group.join("pids.max").exists() {
            return Some(group);
        }
        std::fs::remove_dir(&group).expect("an empty cgroup");
        None
    })
}

fn closed_streams() -> Result<(), String> {
    let place = Place::here();
    for closed in ["0<&-", "1>&-", "2>&-", "0<&- 1>&-", "0<&- 2>&-", "1>&- 2>&-", "0<&- 1>&- 2>&-"]
    {
        place.expect(&[], &format!("{JAIL} {closed}"), &Expect::Works)?;
    }
    Ok(())
}
