//! The other lives of this binary: payload, sleeping neighbour, host of a metadata service.

use crate::escapes;
use crate::harness::{Env, Verdict};
use crate::kit;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Does what the arguments say; `None` where they are the test runner's.
pub fn act(args: &[String]) -> Option<ExitCode> {
    match args.get(1).map(String::as_str) {
        Some("--attack") => Some(attack(&args[2], &args[3..])),
        Some("--sleep") => {
            // The fixture ends it before, on every machine.
            std::thread::sleep(std::time::Duration::from_secs(600));
            Some(ExitCode::SUCCESS)
        }
        Some("--listen-abstract") => {
            let listener = escapes::other_jail::listen(&args[2]);
            std::thread::sleep(std::time::Duration::from_secs(600));
            drop(listener);
            Some(ExitCode::SUCCESS)
        }
        Some("--metadata-host") => Some(metadata_host(&args[2..])),
        _ => None,
    }
}

/// The payload: one attack, one line of JSON.
fn attack(name: &str, values: &[String]) -> ExitCode {
    let Some(attack) = escapes::ALL.iter().find(|attack| attack.name == name) else {
        return ExitCode::from(3);
    };
    let pair = |text: &String| text.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
    let values: std::collections::BTreeMap<_, _> = values.iter().filter_map(pair).collect();
    let jailed = values.get("jailed").is_some_and(|text| text == "1");
    let (kind, evidence) = match (attack.attack)(&Env { values, jailed }) {
        Verdict::Escaped(evidence) => ("escaped", evidence),
        Verdict::Refused(evidence) => ("refused", evidence),
        Verdict::Tried(evidence) => ("tried", evidence),
    };
    println!("{}", serde_json::json!({ "verdict": kind, "evidence": evidence }));
    ExitCode::SUCCESS
}

/// A network namespace whose loopback owns 169.254.169.254, a listener there, and a command in it.
/// Says on stderr how many connections came.
fn metadata_host(command: &[String]) -> ExitCode {
    let root = unsafe { libc::geteuid() } == 0;
    if root {
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0);
    } else {
        kit::new_userns_same_ids(libc::CLONE_NEWNET).expect("a network namespace");
    }
    for args in [
        ["link", "set", "lo", "up"].as_slice(),
        &["addr", "add", "169.254.169.254/32", "dev", "lo"],
    ] {
        // Ambient capabilities would do as well; ip(8) is run by us, who have them.
        let mut ip = Command::new("ip");
        ip.args(args);
        if !root {
            unsafe { ip.pre_exec(keep_capabilities) };
        }
        assert!(ip.status().expect("ip(8)").success());
    }
    let listener = std::net::TcpListener::bind("169.254.169.254:80")
        .or_else(|_| std::net::TcpListener::bind("169.254.169.254:8080"))
        .expect("a listener");
    listener.set_nonblocking(true).expect("nonblocking");
    let port = listener.local_addr().expect("an address").port().to_string();
    let status = Command::new(&command[0])
        .args(command[1..].iter().map(|arg| arg.replace("@PORT@", &port)))
        .status()
        .expect("the command");
    let mut seen = 0;
    while listener.accept().is_ok() {
        seen += 1;
    }
    eprintln!("metadata service: {seen} connections");
    ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1))
}

/// Passes the namespace's capabilities on over exec, for a uid that is not 0.
fn keep_capabilities() -> std::io::Result<()> {
    const NET_ADMIN: u32 = 12;
    caps::raise(None, caps::CapSet::Inheritable, caps::Capability::CAP_NET_ADMIN)
        .map_err(std::io::Error::other)?;
    let zero = 0;
    let raised = unsafe {
        libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, NET_ADMIN, zero, zero)
    };
    if raised == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
