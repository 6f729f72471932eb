//! Rules that go away, and a way out that dies.

use super::*;
use crate::world::{self, ALLOWED, OTHER};
use std::path::Path;

pub fn all() -> Vec<Scenario> {
    vec![
        Scenario { name: "killed_way_out_fails_closed", check: killed, ..Scenario::BASE },
        Scenario { name: "removed_rule_cuts_tunnel", check: removed, ..Scenario::BASE },
        Scenario { name: "nothing_is_left", check: nothing_left, ..Scenario::BASE },
    ]
}

/// The way out is the child of the supervisor that is in no pid namespace of its own.
fn egress_of(supervisor: u32) -> Option<i32> {
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
        match client.lines.recv_timeout(PATIENCE) {
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
fn firewall(fixture: &Fixture, args: &[&str]) -> Check {
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
        let until = Instant::now() + PATIENCE;
        while client.ask("doors allowed.test 80")? != ALL_DOORS {
            must(Instant::now() < until, || format!("{door}: it is not allowed again"))?;
        }
        client.end()?;
    }
    must(world::get().seen.packet(ALLOWED, 6, 80).is_some(), || "nothing came".into())
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
        let until = Instant::now() + PATIENCE;
        while Path::new(&format!("/proc/{egress}/exe")).exists() {
            must(Instant::now() < until, || format!("{how}: the way out lives on"))?;
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}
