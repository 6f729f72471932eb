//! Rules that go away, and a way out that dies.

use super::*;
use crate::world::{self, ALLOWED, OTHER};
use std::path::Path;

pub fn all() -> Vec<Scenario> {
    vec![
        Scenario { name: "killed_way_out_fails_closed", check: killed, ..Scenario::BASE },
        Scenario { name: "removed_rule_cuts_tunnel", check: removed, ..Scenario::BASE },
        Scenario { name: "expired_rule_cuts_tunnel", check: expired, ..Scenario::BASE },
        Scenario { name: "nothing_is_left", check: nothing_left, ..Scenario::BASE },
        Scenario { name: "unread_stderr_keeps_the_limit", check: unread, ..Scenario::BASE },
        Scenario { name: "linked_policy_counts", check: linked, ..Scenario::BASE },
        Scenario { name: "long_nonsense_is_no_end", check: nonsense, ..Scenario::BASE },
    ]
}

/// The way out is the child of the supervisor that is in no pid namespace of its own.
pub(super) fn egress_of(supervisor: u32) -> Option<i32> {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.find(|pid| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().split_whitespace().collect::<Vec<_>>()
        };
        field("PPid:") == [supervisor.to_string().as_str()] && field("NSpid:").len() == 1
    })
}

fn killed() -> Check {
    let fixture = fixture();
    let mut client = Session::jailed(&fixture, &["--allow", "allowed.test:80"])?;
    let said = client.ask("doors allowed.test 80")?;
    must(said == ALL_DOORS, || format!("before: {said}"))?;
    let egress = egress_of(client.child.id()).ok_or("the way out was not found")?;
    let before = world::get().seen.count(|_| true);
    assert_eq!(unsafe { libc::kill(egress, libc::SIGKILL) }, 0);
    // The run may end with it, or go on without a network. Nothing may come out in either case.
    for name in ["allowed.test", "other.test"] {
        if writeln!(client.stdin, "doors {name} 80").is_err() {
            break;
        }
        match client.lines.recv_timeout(patience()) {
            Ok(said) => must(said.starts_with("open []"), || format!("after: {said}"))?,
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => return Err("it hangs".into()),
        }
    }
    let after = world::get().seen.count(
        |seen| !matches!(seen, world::seen::Seen::Packet { to, .. } if *to == world::NAMESERVER),
    );
    must(after <= before, || format!("{} things came after its death", after - before))?;
    must(world::get().seen.packet_to(OTHER).is_none(), || "a packet came out".into())?;
    drop(client.stdin);
    wait(&mut client.child).map(drop)
}

/// `jail firewall VERB HOST`, in the fixture's workspace and environment.
pub(super) fn firewall(fixture: &Fixture, args: &[&str]) -> Check {
    let run = fixture.jail(&[]);
    let mut command = Command::new(run.get_program());
    command.arg("firewall").args(args).current_dir(fixture.at("cwd")).env_clear();
    command.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.output().expect("jail");
    must(output.status.success(), || {
        format!("jail firewall {args:?}: {}", String::from_utf8_lossy(&output.stderr))
    })
}

fn removed() -> Check {
    let fixture = fixture();
    std::fs::create_dir(fixture.at("cwd/.cloned")).expect("a folder");
    firewall(&fixture, &["allow", "allowed.test:80"])?;
    for door in ["connect", "socks", "direct"] {
        let mut client = Session::jailed(&fixture, &[])?;
        let said = client.ask(&format!("hold {door}"))?;
        must(said == "open", || format!("{door}: {said}"))?;
        firewall(&fixture, &["remove", "allowed.test:80"])?;
        let said = client.line()?;
        must(said == "cut", || format!("{door}: {said}"))?;
        let said = client.ask("doors allowed.test 80")?;
        must(said.starts_with("open []"), || format!("{door}, after: {said}"))?;
        // And back again, in the same run.
        firewall(&fixture, &["allow", "allowed.test:80"])?;
        let until = Instant::now() + patience();
        while client.ask("doors allowed.test 80")? != ALL_DOORS {
            must(Instant::now() < until, || format!("{door}: it is not allowed again"))?;
        }
        client.end()?;
    }
    must(world::get().seen.packet(ALLOWED, 6, 80).is_some(), || "nothing came".into())
}

/// Nobody removes the rule: its time comes while connections live.
fn expired() -> Check {
    let fixture = fixture();
    std::fs::create_dir(fixture.at("cwd/.cloned")).expect("a folder");
    firewall(&fixture, &["allow", "allowed.test:80", "--expires", "10s"])?;
    let mut clients = Vec::new();
    for door in ["connect", "socks", "direct"] {
        let mut client = Session::jailed(&fixture, &[])?;
        let said = client.ask(&format!("hold {door}"))?;
        must(said == "open", || format!("{door}: {said}"))?;
        clients.push((door, client));
    }
    for (door, mut client) in clients {
        let said = client.line()?;
        must(said == "cut", || format!("{door}: {said}"))?;
        let said = client.ask("doors allowed.test 80")?;
        must(said.starts_with("open []"), || format!("{door}, after: {said}"))?;
        client.end()?;
    }
    Ok(())
}

/// Processes, folders and listening sockets of a run that had a network and was killed.
fn nothing_left() -> Check {
    let fixture = fixture();
    for how in ["ended", "killed"] {
        let mut client = Session::jailed(&fixture, &["--allow", "allowed.test:80"])?;
        let egress = egress_of(client.child.id()).ok_or("the way out was not found")?;
        let said = client.ask("doors allowed.test 80")?;
        must(said == ALL_DOORS, || said.clone())?;
        if how == "ended" {
            client.end()?;
        } else {
            client.child.kill().expect("it lives");
            client.child.wait().expect("a child");
        }
        let until = Instant::now() + patience();
        while Path::new(&format!("/proc/{egress}/exe")).exists() {
            must(Instant::now() < until, || format!("{how}: the way out lives on"))?;
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}

/// A pipe that takes no byte more.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    use std::os::fd::AsRawFd;
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let set = |flags: i32| unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, flags) };
    assert_eq!(set(libc::O_NONBLOCK), 0);
    let mut filled = 0;
    while let Ok(length) = (&writer).write(&[b'x'; 4096]) {
        filled += length;
    }
    assert!(filled > 0);
    assert_eq!(set(0), 0);
    writer.flush().expect("nothing to flush");
    (reader, writer)
}

/// The client does not read stderr, and the connector makes the supervisor say something: its time
/// limit is kept all the same.
fn unread() -> Check {
    let fixture = fixture();
    let me = std::env::current_exe().expect("my path").display().to_string();
    let mut command = fixture.jail(&["--allow", "allowed.test:80", "--timeout", "2s"]);
    command.args(["--read", &me, "--", &me, "--client", "talk"]);
    let (mut told, full) = full_pipe();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(full);
    let mut child = command.spawn().expect("a jail");
    drop(command);
    let mut stdin = child.stdin.take().expect("stdin");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    writeln!(stdin, "doors other.test 80").expect("it listens");
    for expected in ["ready", "open []"] {
        let said = lines.next().and_then(Result::ok).unwrap_or_default();
        if !said.starts_with(expected) {
            drop(child.kill());
            drop(child.wait());
            return Err(format!("{expected}: it said {said}"));
        }
    }
    let until = Instant::now() + patience();
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    // One that has ended may still wait to be reaped.
    let lives = |pid: &str| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        !status.is_empty() && !status.contains("State:\tZ")
    };
    let alive = || {
        let pids = std::fs::read_to_string(&children).unwrap_or_default();
        pids.split_whitespace().any(lives)
    };
    while alive() {
        if Instant::now() > until {
            drop(child.kill());
            drop(child.wait());
            return Err("the connector lives on after its time limit".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let reader = std::thread::spawn(move || std::io::copy(&mut told, &mut std::io::sink()));
    let status = wait(&mut child)?;
    reader.join().expect("a thread").expect("stderr");
    must(status.code() == Some(124), || format!("it ended with {status}"))
}

/// Names that are none, each as long as SOCKS has room for: what is counted and told about them stays
/// short enough for the supervisor.
fn nonsense() -> Check {
    let fixture = fixture();
    let mut client = Session::jailed(&fixture, &["--allow", "allowed.test:80"])?;
    let said = client.ask("nonsense 300")?;
    must(said == "300 refused", || said.clone())?;
    // The counters are told once a second.
    std::thread::sleep(Duration::from_millis(1500));
    let said = client.ask("doors allowed.test 80")?;
    must(said == ALL_DOORS, || said.clone())?;
    client.end()
}

/// `.cloned/policy` is a link: its rules count while the connector runs, and a change of them, too.
fn linked() -> Check {
    let fixture = fixture();
    let real = fixture.at("home/policy");
    std::fs::create_dir_all(&real).expect("a folder");
    std::fs::create_dir(fixture.at("cwd/.cloned")).expect("a folder");
    std::os::unix::fs::symlink(&real, fixture.at("cwd/.cloned/policy")).expect("a link");
    firewall(&fixture, &["allow", "allowed.test:80"])?;
    let mut client = Session::jailed(&fixture, &[])?;
    let said = client.ask("doors allowed.test 80")?;
    must(said == ALL_DOORS, || said.clone())?;
    firewall(&fixture, &["remove", "allowed.test:80"])?;
    let until = Instant::now() + patience();
    while !client.ask("doors allowed.test 80")?.starts_with("open []") {
        must(Instant::now() < until, || "the removal does not count".into())?;
    }
    client.end()
}
