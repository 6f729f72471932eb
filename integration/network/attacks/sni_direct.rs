//! Domain fronting: the tunnel is for an allowed name, TLS for another, by the transparent door.
//!
//! Stopped by: the server name must be the name of the tunnel.

use super::prelude::*;

/// As a client does that knows of no proxy: looks the name up, and dials.
pub(super) fn dial() -> io::Result<TcpStream> {
    let addresses = client::resolve("allowed.test");
    client::dial(*addresses.first().ok_or(io::ErrorKind::NotFound)?, 443)
}
pub const ATTACK: Attack = Attack {
    name: "sni_direct",
    about: "TLS for another name, by the transparent door",
    attack: |_| judge_reply(dial().and_then(|s| tls::get(s, Some("other.test"), "other.test"))),
    effect: Some(|_, _| client::hello_for("other.test")),
    ..BASE
};
