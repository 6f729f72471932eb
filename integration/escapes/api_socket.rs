//! Asks the API of its workspace for the approvals, as its owner's programs may: whoever is let in there can
//! answer them, too.
//!
//! Stopped by: the mount namespace (the socket is not there), seccomp; behind them the API's own look at who
//! is connected.

use super::prelude::*;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub const ATTACK: Attack = Attack {
    name: "api_socket",
    about: "ask `jail api` through its socket in XDG_RUNTIME_DIR",
    setup: |fixture| {
        fs::create_dir_all(fixture.workspace().join(".cloned")).expect("a workspace");
        let mut api = fixture.verb("api");
        fixture.neighbour(api.current_dir(fixture.at("ws")));
        let folder = fixture.at("run/cloned/jail");
        // Long enough for a busy machine; without it the control fails.
        let socket = (0..1000).find_map(|_| {
            std::thread::sleep(Duration::from_millis(10));
            socket_in(&folder)
        });
        fixture.set("socket", &socket.expect("the API's socket").display().to_string());
    },
    attack: |env| judge(ask(&env.path("socket"))),
    ..Attack::BASE
};

fn socket_in(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    entries.flatten().map(|entry| entry.path()).find(|path| path.extension() == Some("sock".as_ref()))
}

/// Its answer, where that is one.
fn ask(socket: &Path) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET /v1/approvals HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n") {
        Some((line, _)) if line.contains(" 200") => Ok(line.to_owned()),
        line => Err(io::Error::other(format!("{line:?}"))),
    }
}
