//! A port is looked for among sockets that really are there, and published where the registry grants it.

use super::*;
use crate::world::REACHED;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::process::Output;

pub fn all() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "a_port_that_is_bound_is_not_allocated",
            requires: &[Need::Ipv6],
            check: bound,
            ..Scenario::BASE
        },
        Scenario {
            name: "a_port_is_published_when_it_is_registered",
            check: granted,
            ..Scenario::BASE
        },
    ]
}

fn ports(fixture: &Fixture, args: &[&str]) -> Output {
    fixture.verb("ports").args(args).output().expect("jail ports")
}

fn allocated(fixture: &Fixture, name: &str, options: &[&str]) -> Result<u16, String> {
    let output = ports(fixture, &[&["allocate", name], options].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed = || format!("{name}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text.strip_suffix('\n').and_then(|port| port.parse().ok()).ok_or_else(failed)
}

/// What holds a port: bound is enough, nobody need listen.
fn hold(kind: usize, port: u16) -> Box<dyn AsFd> {
    let said = "a port of this namespace";
    match kind {
        0 => Box::new(TcpListener::bind(("127.0.0.1", port)).expect(said)),
        1 => Box::new(TcpListener::bind(("::1", port)).expect(said)),
        2 => Box::new(TcpListener::bind(("0.0.0.0", port)).expect(said)),
        3 => Box::new(TcpListener::bind(("::", port)).expect(said)),
        _ => {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
            let socket = socket.expect("a socket");
            let at = std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            socket.bind(&at.into()).expect(said);
            Box::new(socket)
        }
    }
}

fn bound() -> Check {
    let fixture = fixture();
    fs_create(&fixture);
    let range = ["--range", "21000-21009"];
    let first = allocated(&fixture, "web", &range)?;
    must(allocated(&fixture, "web", &range)? == first, || "the second time another".into())?;
    ports(&fixture, &["remove", "web"]);
    must(allocated(&fixture, "web", &range)? == first, || "taken out, and another".into())?;
    for kind in 0..5 {
        ports(&fixture, &["remove", "web"]);
        let held = hold(kind, first);
        let next = allocated(&fixture, "web", &range)?;
        must(next != first, || format!("{first} is held ({kind}) and was given away"))?;
        must(allocated(&fixture, "web", &range)? == next, || "it does not keep it".into())?;
        drop(held);
        ports(&fixture, &["remove", "web"]);
        must(allocated(&fixture, "web", &range)? == first, || "free again, and another".into())?;
    }
    // UDP and TCP do not meet.
    ports(&fixture, &["remove", "web"]);
    let held = UdpSocket::bind(("127.0.0.1", first)).expect("a port");
    must(allocated(&fixture, "web", &range)? == first, || "UDP was in the way of TCP".into())?;
    ports(&fixture, &["remove", "web"]);
    let udp = [&range[..], &["--proto", "udp"]].concat();
    must(allocated(&fixture, "web", &udp)? != first, || "a held UDP port was given away".into())?;
    drop(held);
    // All of them held: it says so.
    let held: Vec<TcpListener> =
        (21000..=21009).map(|port| TcpListener::bind(("127.0.0.1", port)).expect("it")).collect();
    let failed = allocated(&fixture, "full", &range).expect_err("nothing is free");
    drop(held);
    must(failed.contains("no port of 21000-21009 is free"), || failed)
}

fn fs_create(fixture: &Fixture) {
    fixture.write("cwd/.cloned/ports.yaml", "# Ours.\n");
}

fn granted() -> Check {
    let fixture = fixture();
    fs_create(&fixture);
    let me = std::env::current_exe().expect("my path").display().to_string();
    fixture.write(
        "cwd/.cloned/connectors/server.yaml",
        &format!(
            "name: server\ncommand: {me}\nargs: [--client, serve, \"3000\"]\nports:\n  \
             - listen: 3000\n    publish: 127.0.0.1:4000\nfilesystem:\n  read: [{me}]\n"
        ),
    );
    for _ in 0..2 {
        let refused = fixture.jail(&[]).arg("server").output().expect("jail");
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        let told = text.contains("jail ports add server --port 4000 --connector server")
            && text.contains("jail approvals approve ");
        must(refused.status.code() == Some(125) && told, || text)?;
    }
    let pending = ports(&fixture, &["list", "--pending", "--json"]);
    let pending = String::from_utf8_lossy(&pending.stdout).into_owned();
    must(pending.matches("\"change\"").count() == 1, || pending)?;
    let grant = ["add", "server", "--port", "4000", "--connector", "server"];
    let output = ports(&fixture, &grant);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    must(text.contains("this grants the request"), || text)?;
    let plan = fixture.verb("explain").arg("server").output().expect("jail explain");
    let plan = String::from_utf8_lossy(&plan.stdout).into_owned();
    let row = plan.lines().find(|line| line.trim_start().starts_with("publish"));
    must(
        row.is_some_and(|row| row.contains("service server") && row.contains("ports.yaml:")),
        || plan.clone(),
    )?;
    let mut server = Session::of(fixture.jail(&[]).arg("server"))?;
    let reply = super::published::published_reply(4000)?;
    must(crate::kit::contains(&reply, REACHED), || String::from_utf8_lossy(&reply).into_owned())?;
    server.child.kill().expect("it lives");
    server.child.wait().map(drop).map_err(|error| error.to_string())
}
