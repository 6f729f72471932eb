//! What must not work from inside. Each attack works in a plain container of the same engine, or shows nothing.

use crate::engines::{IMAGE, World, text};
use crate::{Outcome, Scene};

pub const ALL: &[Scene] = &[("attacks_on_files_and_network", attacks)];

struct Attack {
    name: &'static str,
    /// Prints `GOT IT` where it works.
    line: &'static str,
    /// Options of the plain container in which it does.
    plain: &'static [&'static str],
}

const ATTACKS: &[Attack] = &[
    Attack { name: "write_etc", line: "echo x > /etc/x && echo GOT IT", plain: &[] },
    Attack { name: "write_bin", line: "cp /bin/busybox /bin/mine && echo GOT IT", plain: &[] },
    Attack {
        name: "exec_in_tmp",
        line: "cp /bin/busybox /tmp/busybox && /tmp/busybox echo GOT IT",
        plain: &[],
    },
    Attack {
        name: "be_root",
        line: "id | head -1; [ \"$(id -u)\" = 0 ] && echo GOT IT",
        plain: &[],
    },
    Attack {
        name: "mount",
        line: "mount -t tmpfs none /srv && echo GOT IT",
        plain: &["--cap-add=SYS_ADMIN", "--security-opt=apparmor=unconfined"],
    },
    Attack {
        name: "host_processes",
        line: "ls /proc | { n=0; while read p; do case $p in [0-9]*) n=$((n+1));; esac; done; \
               [ $n -gt 12 ] && echo GOT IT; }",
        plain: &["--pid=host"],
    },
    Attack {
        name: "environment_of_pid_1",
        line: "cat /proc/1/environ > /dev/null && echo GOT IT",
        plain: &[],
    },
    Attack {
        name: "kill_pid_1",
        // A plain container's first process that handles the signal ends; jail's entry does not.
        line: "kill -9 1; sleep 1; cat /proc/1/status | head -1; kill -TERM 1; echo GOT IT > /etc/killed && echo GOT IT",
        plain: &[],
    },
    Attack {
        name: "bind_and_reach_an_interface",
        line: "cat /proc/net/dev | { while read n r; do case $n in lo:*|Inter*|face*) ;; *:*) echo GOT IT;; esac; done; }",
        plain: &["--network=host"],
    },
    Attack {
        name: "device_node",
        line: "busybox mknod /tmp/null c 1 3 && echo GOT IT",
        plain: &[],
    },
    Attack { name: "chroot", line: "busybox chroot / busybox true && echo GOT IT", plain: &[] },
];

fn attacks(world: &World) -> Outcome {
    let mut wrong = Vec::new();
    for attack in ATTACKS {
        if let Err(why) = one(world, attack) {
            wrong.push(format!("{}: {why}", attack.name));
        }
    }
    wrong.extend(host_file(world).err());
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

fn one(world: &World, attack: &Attack) -> Outcome {
    let mut plain = vec!["run", "--rm"];
    if !attack.plain.contains(&"--network=host") {
        plain.push("--network=none");
    }
    plain.extend(attack.plain);
    plain.extend([IMAGE, "sh", "-c", attack.line]);
    let control = world.command(world.engine()).args(&plain).output().unwrap();
    // A rootless engine makes no device nodes, for nobody.
    let excused = !world.docker && attack.name == "device_node";
    if !text(&control.stdout).contains("GOT IT") && !excused {
        let said = text(&control.stderr);
        return Err(format!("the control did not work, and this shows nothing: {said}"));
    }
    let output = world.ran(&[], attack.line);
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    match output.status.code() {
        Some(125) | None => Err(format!("it was not tried: {said}")),
        Some(_) if said.contains("GOT IT") => Err(format!("it worked: {said}")),
        Some(_) => Ok(()),
    }
}

/// A file of the host that everybody may read: granted it is seen, else it is not there.
fn host_file(world: &World) -> Outcome {
    let path = world.path("work/canary");
    std::fs::write(&path, "GOT IT\n").unwrap();
    let line = format!("cat {}", path.display());
    let shown = path.display().to_string();
    let granted = world.ran(&["--read", &shown], &line);
    if !text(&granted.stdout).contains("GOT IT") {
        let said = text(&granted.stderr);
        return Err(format!(
            "host_file: a granted file is not seen, and this shows nothing: {said}"
        ));
    }
    let output = world.ran(&[], &line);
    match text(&output.stdout).contains("GOT IT") {
        true => Err("host_file: it worked".to_owned()),
        false => Ok(()),
    }
}
