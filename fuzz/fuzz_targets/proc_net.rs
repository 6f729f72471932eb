//! Files of /proc/net: whoever may bind a socket writes into one of them. Any bytes are rows and lines
//! that are counted.
#![no_main]

use jail::doctor::sockets::cgroup::belongs;
use jail::doctor::sockets::unix::Name;
use jail::doctor::sockets::{Transport, inet, sctp, unix};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let lines = bytes.split(|b| *b == b'\n').count();
    for v6 in [false, true] {
        let table = inet::parse(Transport::Tcp, v6, bytes);
        assert!(table.rows.len() + table.bad.count <= lines);
        for row in &table.rows {
            assert_eq!((row.local.is_ipv6(), row.remote.is_ipv6()), (v6, v6));
        }
    }
    let table = unix::parse(bytes);
    assert!(table.rows.len() + table.bad.count <= lines);
    for row in &table.rows {
        // No name has more than there was, and none the end of a line.
        if let Name::Abstract(name) = &row.name {
            assert!(name.len() < bytes.len() && !name.contains(&b'\n'));
        }
    }
    for table in [sctp::endpoints(bytes), sctp::associations(bytes)] {
        assert!(table.rows.len() + table.bad.count <= lines);
        for row in &table.rows {
            assert_eq!(row.rows().count(), row.local.len());
        }
    }
    if let Some(container) = belongs(&String::from_utf8_lossy(bytes)).container {
        assert!(!container.id.is_empty());
    }
});
