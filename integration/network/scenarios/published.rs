//! A published port: on the host's loopback, and nowhere else.

use super::*;
use crate::world::{ALLOWED, NAMESERVER, REACHED};
use std::net::{IpAddr, Ipv4Addr, TcpListener};

pub fn all() -> Vec<Scenario> {
    vec![Scenario { name: "published_port_on_loopback_only", check: published, ..Scenario::BASE }]
}

fn published() -> Check {
    let fixture = fixture();
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it").port();
    let me = std::env::current_exe().expect("my path").display().to_string();
    fixture.write(
        "cwd/.cloned/connectors/server.yaml",
        &format!(
            "name: server\ncommand: {me}\nargs: [--client, serve, \"3000\"]\nnetwork:\n  mode: proxy\n\
             ports:\n  - listen: 3000\n    publish: 127.0.0.1:{port}\nfilesystem:\n  read: [{me}]\n"
        ),
    );
    let service =
        format!("version: 1\nservices: {{server: {{port: {port}, connector: server}}}}\n");
    fixture.write("cwd/.cloned/ports.yaml", &service);
    let mut server = Session::of(fixture.jail(&[]).arg("server"))?;
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    let ask = |to| {
        let reply = crate::client::dial(to, port);
        reply.and_then(|stream| crate::client::exchange(stream, &crate::client::get("x")))
    };
    let reply = published_reply(port)?;
    must(crate::kit::contains(&reply, REACHED), || String::from_utf8_lossy(&reply).into_owned())?;
    for elsewhere in [NAMESERVER, ALLOWED] {
        must(ask(elsewhere).is_err(), || format!("{elsewhere}:{port} answers as well"))?;
    }
    // The port inside is not one of the host's.
    must(crate::client::dial(loopback, 3000).is_err(), || "port 3000 of the host answers".into())?;
    server.child.kill().expect("it lives");
    server.child.wait().map(drop).map_err(|error| error.to_string())
}

/// What the connector answers at this port of the host. The egress process opens it while the connector
/// starts: a client that is as quick as this one comes again.
pub fn published_reply(port: u16) -> Result<Vec<u8>, String> {
    let give_up = Instant::now() + patience();
    loop {
        let reply = crate::client::dial(IpAddr::from(Ipv4Addr::LOCALHOST), port)
            .and_then(|stream| crate::client::exchange(stream, &crate::client::get("x")));
        match reply {
            Err(error)
                if error.kind() == std::io::ErrorKind::ConnectionRefused
                    && Instant::now() < give_up =>
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            reply => return reply.map_err(|error| format!("not published: {error}")),
        }
    }
}
