//! The registry of ports may come with a repository of a stranger's: any bytes make a registry or problems,
//! and no two entries of a registry contradict each other.
#![no_main]

use jail::policy::Origin;
use jail::ports::{overlap, store::decode};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    match decode::registry(Path::new("ports.yaml"), bytes) {
        Ok(registry) => {
            for (number, service) in registry.services.iter().enumerate() {
                for other in &registry.services[..number] {
                    assert_ne!(service.name, other.name);
                    let same = (service.proto, service.port) == (other.proto, other.port);
                    assert!(!same || !overlap(service.bind, other.bind));
                }
                let holders = [&service.connector, &service.container, &service.program];
                assert!(holders.iter().filter(|holder| holder.is_some()).count() <= 1);
                let reserved = registry.reserved_for(service.port.get());
                assert!(reserved.is_none_or(|it| service.connector.as_ref() == Some(&it.connector)));
                for text in holders.into_iter().chain([&service.owner, &service.note]).flatten() {
                    assert!(!text.is_empty() && !text.contains(char::is_control));
                }
            }
            for (number, reserved) in registry.reserved.iter().enumerate() {
                let others = &registry.reserved[..number];
                assert!(others.iter().all(|other| !other.range.overlaps(reserved.range)));
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(!problem.to_string().contains(char::is_control));
                assert!(matches!(problem.origin, Origin::File { line: 1.., column: 1.., .. }));
            }
        }
    }
});
