//! Who holds a socket: several, nobody, somebody who is not what they seem, or only for a moment.

use super::{case, must};
use crate::make::{Shape, TCP, UDP, socket};
use crate::world::World;
use crate::{Case, Not, Outcome};
use std::fs;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

pub fn all() -> Vec<Case> {
    vec![
        case("held_twice_by_one_process", twice),
        case("held_by_a_child_too", child_too),
        case("held_by_a_child_alone", child_alone),
        case("held_by_a_thread", thread),
        case("held_by_nobody_but_in_flight", in_flight),
        case("held_by_a_process_that_ended", ended),
        case("held_by_a_program_with_a_strange_name", strange_name),
        case("held_from_another_namespace", elsewhere),
        case("held_here_but_of_another_namespace", of_another),
        case("held_by_a_deleted_program", deleted),
        case("held_by_a_replaced_program", replaced),
        case("held_by_a_program_called_deleted", called_deleted),
        case("held_by_another_file_at_the_same_path", same_path),
        case("held_for_moments_only", churn),
        case("twins_of_one_program", twins),
        case("twins_of_udp", twins_udp),
        case("a_hundred_workers", workers),
    ]
}

fn pids(world: &World, port: u16) -> Result<Vec<u64>, Not> {
    let row = world.row("tcp", port)?;
    Ok(row["pids"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_u64).collect())
}

fn twice(world: &mut World) -> Outcome {
    let one = socket(TCP, "127.0.0.1", 8080);
    let copy = one.try_clone().unwrap();
    world.like_ss()?;
    let pids = pids(world, 8080)?;
    drop(copy);
    must(pids == [u64::from(std::process::id())], format!("{pids:?}"))
}

fn child_too(world: &mut World) -> Outcome {
    let one = socket(TCP, "127.0.0.1", 8080);
    let sleeper = world.sleeper("child");
    let child = world.inherit(&sleeper, &one);
    world.like_ss()?;
    let mut wanted = vec![u64::from(std::process::id()), u64::from(child)];
    wanted.sort_unstable();
    let pids = pids(world, 8080)?;
    must(pids == wanted, format!("{pids:?}, not {wanted:?}"))
}

fn child_alone(world: &mut World) -> Outcome {
    let one = socket(TCP, "127.0.0.1", 8080);
    let sleeper = world.sleeper("child");
    let child = world.inherit(&sleeper, &one);
    drop(one);
    world.like_ss()?;
    let pids = pids(world, 8080)?;
    must(pids == [u64::from(child)], format!("{pids:?}, not {child}"))
}

fn thread(world: &mut World) -> Outcome {
    let (ready, made) = std::sync::mpsc::channel();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let one = socket(TCP, "127.0.0.1", 8080);
        ready.send(()).unwrap();
        // Its other end is dropped when the thread may end.
        assert!(stopped.recv().is_err());
        drop(one);
    });
    made.recv().unwrap();
    let listed = world.like_ss();
    drop(stop);
    thread.join().unwrap();
    listed
}

/// Only a message that nobody has read yet holds it.
fn in_flight(world: &mut World) -> Outcome {
    let (to, from) = std::os::unix::net::UnixStream::pair().unwrap();
    let one = socket(TCP, "127.0.0.1", 8080);
    jail::sys::socket::send_descriptor(
        std::os::fd::AsFd::as_fd(&to),
        1,
        Some(std::os::fd::AsFd::as_fd(&one)),
    )
    .unwrap();
    drop(one);
    world.like_ss()?;
    let pids = pids(world, 8080)?;
    must(pids.is_empty(), format!("{pids:?}"))?;
    let rules = world.expect_rules(&["unregistered"], 0);
    drop(from);
    rules
}

fn ended(world: &mut World) -> Outcome {
    world.holder(&["tcp", "127.0.0.1", "8080"]);
    drop(world.row("tcp", 8080)?);
    world.leave();
    world.like_ss()?;
    must(world.row("tcp", 8080).is_err(), "it is still listed")
}

fn strange_name(world: &mut World) -> Outcome {
    let one = socket(TCP, "127.0.0.1", 8080);
    let sleeper = world.sleeper(") R 1 (x");
    let child = world.inherit(&sleeper, &one);
    drop(one);
    // The name is set by exec a moment after the child is there.
    let (report, _) = world.json(&[])?;
    let holder = &report["holders"][0];
    must(holder["pid"] == child && holder["name"] == ") R 1 (x", format!("{holder:#}"))
}

/// It made the socket here and left; what it listens to is still ours.
fn elsewhere(world: &mut World) -> Outcome {
    let pid = world.holder(&["elsewhere", "8080"]);
    world.like_ss()?;
    let held = pids(world, 8080)?;
    must(held == [u64::from(pid)], format!("{held:?}, not {pid}"))?;
    must(world.row("udp", 8080).is_err(), "the other namespace's socket is listed")
}

/// This process holds a socket that was made before it came here.
fn of_another(world: &mut World) -> Outcome {
    let own = fs::File::open("/proc/thread-self/ns/net").unwrap();
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
    let other = socket(UDP, "0.0.0.0", 8080);
    nix::sched::setns(&own, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
    let here = socket(TCP, "127.0.0.1", 8080);
    world.like_ss()?;
    let rules = world.expect_rules(&["unregistered"], 0);
    drop((other, here));
    rules
}

const REGISTERED: &str = "services: {web: {port: 8080, program: web}}";

fn deleted(world: &mut World) -> Outcome {
    let one = socket(TCP, "127.0.0.1", 8080);
    let sleeper = world.sleeper("web");
    world.inherit(&sleeper, &one);
    drop(one);
    world.registry(REGISTERED);
    world.expect_rules(&[], 0)?;
    fs::remove_file(&sleeper).unwrap();
    world.like_ss()?;
    world.expect_rules(&["deleted-program"], 0)
}

fn replaced(world: &mut World) -> Outcome {
    let one = socket(TCP, "127.0.0.1", 8080);
    let sleeper = world.sleeper("web");
    world.inherit(&sleeper, &one);
    drop(one);
    world.registry(REGISTERED);
    fs::copy(&sleeper, world.folder.path().join("new")).unwrap();
    fs::rename(world.folder.path().join("new"), &sleeper).unwrap();
    world.expect_rules(&["deleted-program"], 0)
}

/// A file may be called so; another program than the registered one must not pass for it.
fn called_deleted(world: &mut World) -> Outcome {
    let one = socket(TCP, "127.0.0.1", 8080);
    let sleeper = world.sleeper("web (deleted)");
    world.inherit(&sleeper, &one);
    drop(one);
    world.registry(REGISTERED);
    world.expect_rules(&["wrong-holder"], 1)
}

/// In a mount namespace of its own a program can have any path.
fn same_path(world: &mut World) -> Outcome {
    let one = socket(TCP, "127.0.0.1", 8080);
    let (web, other) = (world.sleeper("web"), world.sleeper("other"));
    // Another one than its file: what is put over it is a copy.
    world.registry(&format!("services: {{web: {{port: 8080, program: {}}}}}", web.display()));
    let script = world.folder.path().join("script");
    let (web, other) = (web.display(), other.display());
    let text = format!("#!/bin/sh\nmount --bind {other} {web} && exec {web} 60\n");
    fs::write(&script, text).unwrap();
    let flags = if crate::world::is_root() { "-m" } else { "-Urm" };
    let from = one.as_raw_fd();
    let mut command = crate::world::tool("unshare");
    command.args([flags, "sh"]).arg(&script);
    // SAFETY: dup2 alone, which is fit for the time between fork and exec.
    unsafe {
        std::os::unix::process::CommandExt::pre_exec(&mut command, move || {
            match libc::dup2(from, 9) {
                -1 => Err(std::io::Error::last_os_error()),
                _ => Ok(()),
            }
        });
    }
    let child = command.spawn().unwrap();
    let pid = world.keep(child);
    drop(one);
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name != "web\n") {
        must(std::time::Instant::now() < until, "it does not start")?;
        std::thread::sleep(Duration::from_millis(10));
    }
    world.expect_rules(&["wrong-holder"], 1)
}

/// Others come and go while we look: what stays is listed with its holder every time, nobody is taken for
/// a holder who is none, and it never fails.
fn churn(world: &mut World) -> Outcome {
    let stays = world.holder(&["tcp", "127.0.0.1", "7000"]);
    let churns = world.holder(&["churn", "9000"]);
    let me = std::env::current_exe().unwrap();
    for _ in 0..20 {
        let (report, code) = world.json(&[])?;
        must(code == 0, format!("exit code {code}"))?;
        let rows = report["sockets"].as_array().cloned().unwrap_or_default();
        let stable: Vec<_> = rows.iter().filter(|row| row["port"] == 7000).collect();
        must(
            stable.len() == 1 && stable[0]["pids"] == serde_json::json!([stays]),
            format!("{stable:?}"),
        )?;
        for holder in report["holders"].as_array().into_iter().flatten() {
            must(holder["program"] == me.to_str().unwrap(), format!("{holder:#}"))?;
        }
        for row in rows.iter().filter(|row| row["port"].as_u64() >= Some(9000)) {
            let ours = row["pids"].as_array().is_some_and(|pids| !pids.contains(&stays.into()));
            must(ours, format!("{row:#}: {churns} makes these"))?;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    Ok(())
}

fn twins(world: &mut World) -> Outcome {
    let shared = Shape { reuse_port: true, ..TCP };
    let (one, two) = (socket(shared, "127.0.0.1", 8080), socket(shared, "127.0.0.1", 8080));
    world.like_ss()?;
    let rules = world.expect_rules(&["unregistered"], 0);
    assert_ne!(one.as_raw_fd(), two.as_raw_fd());
    rules
}

fn twins_udp(world: &mut World) -> Outcome {
    let shared = Shape { reuse_port: true, ..UDP };
    let (one, two) = (socket(shared, "127.0.0.1", 5353), socket(shared, "127.0.0.1", 5353));
    world.like_ss()?;
    let rules = world.expect_rules(&["unregistered"], 0);
    drop((one, two));
    rules
}

fn workers(world: &mut World) -> Outcome {
    let shared = Shape { reuse_port: true, ..TCP };
    let all: Vec<_> = (0..100).map(|_| socket(shared, "127.0.0.1", 8080)).collect();
    world.like_ss()?;
    let rules = world.expect_rules(&["unregistered"], 0);
    drop(all);
    rules
}
