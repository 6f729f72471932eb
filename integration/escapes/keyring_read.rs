//! Reads a key of the person's kernel keyring, which no namespace separates.
//!
//! Stopped by: seccomp (keyctl, request_key, add_key), a fresh session keyring.

use super::prelude::*;

struct Planted(String);

impl Drop for Planted {
    fn drop(&mut self) {
        kit::unplant_key(&self.0);
    }
}

pub const ATTACK: Attack = Attack {
    name: "keyring_read",
    about: "search and read the user keyring",
    requires: requires![keyring],
    setup: |fixture| {
        let name = format!("key-{}", fixture.secret);
        kit::plant_key(&name, "value").expect("a key");
        fixture.set("key", &name.replace("SECRET-", "@"));
        fixture.keep.push(Box::new(Planted(name)));
    },
    attack: |env| {
        let name = env.get("key").replace('@', "SECRET-");
        let mut value = [0u8; 16];
        let read = kit::find_key(&name).and_then(|key| {
            syscall!(libc::SYS_keyctl, 11, key, value.as_mut_ptr(), value.len())
        });
        let asked = || syscall!(libc::SYS_request_key, c"user".as_ptr(), c"x".as_ptr(), 0, -4i32);
        judge(read.or_else(|error| asked().map_err(|_| error)))
    },
    ..Attack::BASE
};
