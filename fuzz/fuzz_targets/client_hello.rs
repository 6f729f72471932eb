//! The first bytes of a tunnel: more of them never change a verdict, and a server sees the name that we
//! saw. rustls stands for the server.
#![no_main]

use jail::egress::tls::client_hello::{Hello, read};
use libfuzzer_sys::fuzz_target;
use rustls::server::Acceptor;

fuzz_target!(|bytes: &[u8]| {
    let verdict = read(bytes);
    // A cut that depends on the input: every one would be too slow.
    let cut = bytes.len().checked_sub(1).map_or(0, |last| usize::from(bytes[last]) % bytes.len());
    let earlier = read(&bytes[..cut]);
    assert!(earlier == Hello::Incomplete || earlier == verdict);
    if let Hello::Complete(ours) = verdict
        && let Some(theirs) = rustls(bytes)
    {
        let ours = match ours.sni {
            // No rule can name it, so that the tunnel is refused.
            Some(Err(_)) => return,
            Some(Ok(name)) => Some(name.to_string()),
            None => None,
        };
        let theirs = theirs.map(|name| name.strip_suffix('.').unwrap_or(&name).to_owned());
        assert_eq!(ours, theirs);
    }
});

/// The name that rustls takes from a hello that it accepts.
fn rustls(mut bytes: &[u8]) -> Option<Option<String>> {
    let mut acceptor = Acceptor::default();
    while !bytes.is_empty() {
        acceptor.read_tls(&mut bytes).ok()?;
    }
    let accepted = acceptor.accept().ok()??;
    Some(accepted.client_hello().server_name().map(str::to_ascii_lowercase))
}
