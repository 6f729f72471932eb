//! The command that grants a port. What waits for an answer is in `approvals`.

use super::{Proto, Service};
use std::net::SocketAddr;

/// The command that registers this port.
pub fn command(service: &str, proto: Proto, at: SocketAddr, connector: Option<&str>) -> String {
    let mut words = format!("jail ports add {service} --port {}", at.port());
    if proto != Proto::default() {
        words += &format!(" --proto {proto}");
    }
    if at.ip() != Service::DEFAULT_BIND {
        words += &format!(" --bind {}", at.ip());
    }
    if let Some(connector) = connector {
        words += &format!(" --connector {connector}");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_says_what_is_not_the_default() {
        let at = "127.0.0.1:3000".parse().unwrap();
        assert_eq!(
            command("a", Proto::Tcp, at, Some("a")),
            "jail ports add a --port 3000 --connector a"
        );
        let at = "[::1]:53".parse().unwrap();
        assert_eq!(
            command("dns", Proto::Udp, at, None),
            "jail ports add dns --port 53 --proto udp --bind ::1"
        );
    }
}
