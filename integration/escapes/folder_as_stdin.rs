//! The client hands over a host folder as stdin: from there every path walks out of the jail's root.
//!
//! Landlock refuses to open files there, but neither stat nor chdir nor connecting to a unix socket.
//! Stopped by: jail refuses to start with a folder for a standard stream.

use super::prelude::*;
use std::os::unix::net::{UnixListener, UnixStream};

pub const ATTACK: Attack = Attack {
    name: "folder_as_stdin",
    about: "reach host files and sockets from a folder inherited as stdin",
    setup: |fixture| {
        let listener = UnixListener::bind(fixture.at("home/sock")).expect("a socket");
        fixture.keep.push(Box::new(listener));
        let folder = fixture.at("home/.ssh");
        fixture.hook(move |command| _ = command.stdin(fs::File::open(&folder).expect("a folder")));
    },
    attack: |env| {
        if UnixStream::connect("/proc/self/fd/0/../sock").is_ok() {
            return Verdict::Escaped("connected to a socket of the host".into());
        }
        let seen = fs::metadata("/proc/self/fd/0/../.ssh/id_rsa").map(|meta| meta.len());
        match seen {
            Ok(length) => Verdict::Escaped(format!("stat: id_rsa has {length} bytes")),
            Err(_) => judge_secret(fs::read("/proc/self/fd/0/id_rsa"), env.get("marker")),
        }
    },
    run_refused: Some("folder"),
    ..Attack::BASE
};
