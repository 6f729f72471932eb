//! Host names come from the connector: any bytes are a host in one form that every reader takes for
//! the same, or none.
#![no_main]

use jail::firewall::{Endpoint, Host};
use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;

/// What inet_aton(3) and URLs take for an address: a last part that is a number.
fn ends_in_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").map(|hex| hex.chars().all(|c| c.is_ascii_hexdigit()));
    hex.unwrap_or_else(|| last.chars().all(|c| c.is_ascii_digit()))
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(host) = Host::from_bytes(bytes) {
        let shown = host.to_string();
        assert_eq!(Host::parse(&shown), Ok(host.clone()));
        match host {
            Host::Name(_) => {
                let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
                assert!(shown.bytes().all(plain) && (1..=253).contains(&shown.len()), "{shown}");
                assert!(shown.split('.').all(|label| (1..=63).contains(&label.len())), "{shown}");
                assert!(!ends_in_a_number(&shown) && shown.parse::<IpAddr>().is_err(), "{shown}");
            }
            Host::Address(address) => assert_eq!(address, address.to_canonical()),
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(endpoint) = text.parse::<Endpoint>()
    {
        assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
    }
});
